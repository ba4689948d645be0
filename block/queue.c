/*
 * The life of a block request: checked and mapped to the whole disk, queued, put in the driver's
 * ring, completed - or overdue, and then recovered or failed.
 *
 *     block_submit -> block_queue_add -> dispatch -> ops->submit ... ops->poll -> block_complete
 *
 * A request is on one of two lists of its whole disk: waiting (not in the ring) or in_flight (the
 * driver has it). Ring full: it goes back to the head of waiting, and the next completion
 * dispatches again. There is no order between requests in flight; who needs one waits for the
 * first, or flushes. Lock: the whole disk's, never held over a call of the driver.
 *
 * Deadlines: one timer per disk, set to the earliest; when a request in flight is overdue, the
 * recovery task lets the driver reset the device. Those that were only waiting end at once.
 */
#include "block/queue.h"

#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/parameter.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/parse.h"

#define TRIES_MAX           4 /* times a request is sent, over recoveries */
#define TIMEOUT_SECONDS_MAX 3600

static uint64_t timeout_ns = BLOCK_TIMEOUT_NS; /* const after the parameters are read */

static int timeout_parameter(const char *value)
{
    uint64_t seconds;

    if (parse_u64(value, &seconds) || seconds == 0 || seconds > TIMEOUT_SECONDS_MAX)
        return -EINVAL;
    timeout_ns = seconds * NS_PER_S;
    return 0;
}
PARAMETER(block_timeout, "block.timeout", "SECONDS (1 to 3600)",
          "when a request of a disk is overdue, and the disk is reset", timeout_parameter);

static void deadline_passed(struct timer *timer);

void block_queue_init(struct block_device *device)
{
    spin_lock_init(&device->lock, device->whole == device ? "block_queue" : "partition",
                   LOCK_RANK_BLOCK_QUEUE);
    list_init(&device->waiting);
    list_init(&device->in_flight);
    list_node_init(&device->table_node);
    list_node_init(&device->recovery_node);
    timer_init(&device->deadline_timer, "block deadline", deadline_passed);
}

static void count_submitted(struct block_request *request)
{
    struct block_statistics *s = &request->device->statistics;
    uint64_t *operations[] = { &s->reads, &s->writes, &s->flushes, &s->discards };

    __atomic_fetch_add(operations[request->operation], 1, __ATOMIC_RELAXED);
    if (request->operation == BLOCK_READ)
        __atomic_fetch_add(&s->read_sectors, request->sectors, __ATOMIC_RELAXED);
    else if (request->operation == BLOCK_WRITE)
        __atomic_fetch_add(&s->write_sectors, request->sectors, __ATOMIC_RELAXED);
}

static bool has_native_fua(const struct block_device *device)
{
    return !(device->flags & BLOCK_DEVICE_WRITE_CACHE) || device->flags & BLOCK_DEVICE_FUA;
}

unsigned int block_piece_flags(const struct block_request *request)
{
    return has_native_fua(request->device) ? request->flags : request->flags & ~BLOCK_FUA;
}

static bool needs_flush(const struct block_request *request)
{
    return request->operation == BLOCK_WRITE && request->flags & BLOCK_FUA &&
           !has_native_fua(request->device);
}

/* The written data of @request to stable storage, by the same request. */
static void flush_after_write(struct block_request *request)
{
    request->operation = BLOCK_FLUSH;
    request->is_flushing = true;
    request->tries = 0;
    __atomic_fetch_add(&request->device->statistics.flushes, 1, __ATOMIC_RELAXED);
    block_queue_add(request);
}

void block_end_request(struct block_request *request, int error)
{
    if (!error && needs_flush(request)) {
        flush_after_write(request);
        return;
    }
    if (request->is_flushing)
        request->operation = BLOCK_WRITE; /* as the caller left it */
    if (error)
        __atomic_fetch_add(&request->device->statistics.errors, 1, __ATOMIC_RELAXED);
    request->error = error;
    request->complete(request);
}

/* Return: 0 with @request->device_lba set; what is wrong with the request otherwise. */
static int check_request(struct block_request *request)
{
    struct block_device *device = request->device;
    bool changes = request->operation == BLOCK_WRITE || request->operation == BLOCK_DISCARD;

    if (__atomic_load_n(&device->is_gone, __ATOMIC_ACQUIRE))
        return -ENODEV;
    if (changes && (device->flags & BLOCK_DEVICE_READ_ONLY))
        return -EROFS;
    if (request->operation == BLOCK_FLUSH)
        return request->sectors == 0 ? 0 : -EINVAL;
    if (request->lba > device->sectors || request->sectors > device->sectors - request->lba)
        return -EINVAL;
    if (request->operation == BLOCK_DISCARD && device->limits.max_discard_sectors == 0)
        return -ENOTSUP;
    request->device_lba = device->start + request->lba;
    return 0;
}

void block_submit(struct block_request *request)
{
    struct block_device *device = request->device;
    int error = check_request(request);

    request->submitted_ns = clock_now_ns();
    request->tries = 0;
    request->is_flushing = false;
    if (!request->deadline_ns)
        request->deadline_ns = request->submitted_ns + timeout_ns;
    count_submitted(request);
    bool is_nothing = request->operation == BLOCK_FLUSH
                          ? !(device->flags & BLOCK_DEVICE_WRITE_CACHE)
                          : request->sectors == 0;
    if (error || is_nothing)
        block_end_request(request, error);
    else if (block_fits(request))
        block_queue_add(request);
    else
        block_split(request);
}

/* The timer is never later than the earliest deadline. */
static void arm_timer_locked(struct block_device *disk, uint64_t deadline_ns)
    __must_hold(disk->lock)
{
    if (disk->timer_ns && disk->timer_ns <= deadline_ns)
        return;
    disk->timer_ns = deadline_ns;
    timer_start(&disk->deadline_timer, deadline_ns, 0);
}

static void count_in_flight(struct block_device *disk, int change)
{
    __atomic_add_fetch(&disk->statistics.in_flight, (uint32_t)change, __ATOMIC_RELAXED);
}

/* A request was taken by the driver: was the ring ever as full? */
static void note_depth(struct block_device *disk)
{
    struct block_statistics *s = &disk->statistics;
    uint32_t now = __atomic_load_n(&s->in_flight, __ATOMIC_RELAXED);

    if (now > __atomic_load_n(&s->in_flight_max, __ATOMIC_RELAXED))
        __atomic_store_n(&s->in_flight_max, now, __ATOMIC_RELAXED);
}

/* The next request for the ring, moved to in_flight; NULL when none may go. */
static struct block_request *next_request(struct block_device *disk, uint32_t *sequence)
{
    struct block_request *request = NULL;
    irqflags_t flags = spin_lock_irqsave(&disk->lock);

    if (!list_is_empty(&disk->waiting) && !disk->is_recovering && !disk->is_ring_full) {
        request = container_of(list_pop_front(&disk->waiting), struct block_request, node);
        list_push_back(&disk->in_flight, &request->node);
        request->tries++;
        *sequence = disk->ring_sequence;
        count_in_flight(disk, 1);
    }
    spin_unlock_irqrestore(&disk->lock, flags);
    return request;
}

/*
 * The ring was full. If room was made since the driver was asked (@sequence), no completion need
 * come any more: then it is worth asking again at once.
 */
static bool put_back(struct block_device *disk, struct block_request *request, uint32_t sequence)
{
    irqflags_t flags = spin_lock_irqsave(&disk->lock);

    list_remove(&request->node);
    list_push_front(&disk->waiting, &request->node);
    request->tries--;
    count_in_flight(disk, -1);
    bool is_full = disk->ring_sequence == sequence;
    disk->is_ring_full = is_full;
    disk->statistics.retries++;
    spin_unlock_irqrestore(&disk->lock, flags);
    return is_full;
}

static void kick(struct block_device *disk)
{
    if (disk->ops->kick)
        disk->ops->kick(disk);
}

/* Fill the ring from the waiting list. Context: any. */
static void dispatch(struct block_device *disk)
{
    struct block_request *request;
    bool has_sent = false;
    uint32_t sequence;

    while ((request = next_request(disk, &sequence)) != NULL) {
        int error = disk->ops->submit(disk, request);
        if (error == -EBUSY) {
            if (put_back(disk, request, sequence))
                break;
        } else if (error) {
            block_complete(request, error);
        } else {
            has_sent = true;
            note_depth(disk);
        }
    }
    if (has_sent && READ_ONCE(disk->plug_count) == 0)
        kick(disk);
}

void block_queue_add(struct block_request *request)
{
    struct block_device *disk = request->device->whole;
    irqflags_t flags = spin_lock_irqsave(&disk->lock);
    bool is_gone = disk->is_gone;

    if (!is_gone) {
        list_push_back(&disk->waiting, &request->node);
        arm_timer_locked(disk, request->deadline_ns);
    }
    spin_unlock_irqrestore(&disk->lock, flags);
    if (is_gone)
        block_end_request(request, -ENODEV);
    else
        dispatch(disk);
}

void block_plug(struct block_device *device)
{
    struct block_device *disk = device->whole;
    irqflags_t flags = spin_lock_irqsave(&disk->lock);

    disk->plug_count++;
    spin_unlock_irqrestore(&disk->lock, flags);
}

void block_unplug(struct block_device *device)
{
    struct block_device *disk = device->whole;
    irqflags_t flags = spin_lock_irqsave(&disk->lock);
    bool is_last = --disk->plug_count == 0;

    spin_unlock_irqrestore(&disk->lock, flags);
    if (is_last)
        kick(disk);
}

/* What a driver's -EAGAIN means for a request that a reset took back: again, or the end. */
static int verdict_after_reset(const struct block_request *request)
{
    if (request->deadline_ns <= clock_now_ns())
        return -ETIMEDOUT;
    return request->tries >= TRIES_MAX ? -EIO : -EAGAIN;
}

void block_complete(struct block_request *request, int error)
{
    struct block_device *disk = request->device->whole;

    if (error == -EAGAIN)
        error = verdict_after_reset(request);
    irqflags_t flags = spin_lock_irqsave(&disk->lock);
    list_remove(&request->node);
    count_in_flight(disk, -1);
    disk->is_ring_full = false;
    disk->ring_sequence++;
    if (error == -EAGAIN)
        list_push_front(&disk->waiting, &request->node);
    bool has_waiting = !list_is_empty(&disk->waiting) && !disk->is_recovering;
    spin_unlock_irqrestore(&disk->lock, flags);
    if (error == -ETIMEDOUT)
        __atomic_fetch_add(&disk->statistics.timeouts, 1, __ATOMIC_RELAXED);
    if (error != -EAGAIN)
        block_end_request(request, error);
    if (has_waiting)
        dispatch(disk);
}

void block_device_retry(struct block_device *device)
{
    irqflags_t flags = spin_lock_irqsave(&device->lock);
    bool was_full = device->is_ring_full;

    device->is_ring_full = false;
    device->ring_sequence++;
    spin_unlock_irqrestore(&device->lock, flags);
    if (was_full)
        dispatch(device);
}

/* ---- deadlines and recovery ---------------------------------------------------------------- */

static DEFINE_WAIT_QUEUE(recovery_wait, "block recovery");
static DEFINE_SPINLOCK(recovery_lock, "block_recovery", LOCK_RANK_IRQ);
static struct list recovery_list __guarded_global(recovery_lock) = LIST_INIT(recovery_list);

void block_device_recover(struct block_device *device)
{
    struct block_device *disk = device->whole;
    irqflags_t flags = spin_lock_irqsave(&disk->lock);
    bool is_new = !disk->is_recovering && !disk->is_gone;

    disk->is_recovering = true;
    spin_unlock_irqrestore(&disk->lock, flags);
    if (!is_new)
        return;
    flags = spin_lock_irqsave(&recovery_lock);
    list_push_back(&recovery_list, &disk->recovery_node);
    spin_unlock_irqrestore(&recovery_lock, flags);
    wake_one(&recovery_wait);
}

/* Move the waiting requests that are overdue to @overdue. Return: the earliest deadline left. */
static uint64_t collect_overdue_locked(struct block_device *disk, uint64_t now,
                                       struct list *overdue, bool *has_stuck)
    __must_hold(disk->lock)
{
    struct block_request *request;
    uint64_t earliest = DEADLINE_NEVER;

    list_for_each_entry_safe(request, &disk->waiting, node) {
        if (request->deadline_ns <= now) {
            list_remove(&request->node);
            list_push_back(overdue, &request->node);
        } else {
            earliest = MIN(earliest, request->deadline_ns);
        }
    }
    list_for_each_entry(request, &disk->in_flight, node) {
        if (request->deadline_ns <= now)
            *has_stuck = true;
        else
            earliest = MIN(earliest, request->deadline_ns);
    }
    return earliest;
}

static void end_all(struct list *requests, int error)
{
    while (!list_is_empty(requests))
        block_end_request(container_of(list_pop_front(requests), struct block_request, node),
                          error);
}

static void deadline_passed(struct timer *timer)
{
    struct block_device *disk = container_of(timer, struct block_device, deadline_timer);
    struct list overdue = LIST_INIT(overdue);
    bool has_stuck = false;
    irqflags_t flags = spin_lock_irqsave(&disk->lock);

    disk->timer_ns = 0;
    uint64_t earliest = collect_overdue_locked(disk, clock_now_ns(), &overdue, &has_stuck);
    if (earliest != DEADLINE_NEVER)
        arm_timer_locked(disk, earliest);
    spin_unlock_irqrestore(&disk->lock, flags);
    __atomic_fetch_add(&disk->statistics.timeouts, list_length(&overdue), __ATOMIC_RELAXED);
    end_all(&overdue, -ETIMEDOUT);
    if (has_stuck)
        block_device_recover(disk);
}

void block_queue_fail(struct block_device *device)
{
    struct list waiting = LIST_INIT(waiting);
    irqflags_t flags = spin_lock_irqsave(&device->lock);

    device->is_gone = true;
    list_splice(&waiting, &device->waiting);
    spin_unlock_irqrestore(&device->lock, flags);
    end_all(&waiting, -ENODEV);
}

/*
 * The driver could not get its device back, which may still write into the buffers of what is in
 * flight: the callers are told, the memory they hand back is theirs to keep away from use.
 */
static void give_up(struct block_device *disk)
{
    struct list lost = LIST_INIT(lost);

    log_error("block", "%s: does not come back from reset: given up", disk->name);
    irqflags_t flags = spin_lock_irqsave(&disk->lock);
    list_splice(&lost, &disk->in_flight);
    disk->statistics.in_flight = 0;
    spin_unlock_irqrestore(&disk->lock, flags);
    block_device_remove(disk);
    end_all(&lost, -EIO);
}

static void recover(struct block_device *disk)
{
    log_warning("block", "%s: a request is overdue or the device is broken: resetting it",
                disk->name);
    int error = disk->ops->recover ? disk->ops->recover(disk) : -ENOTSUP;
    if (error) {
        give_up(disk);
        return;
    }
    irqflags_t flags = spin_lock_irqsave(&disk->lock);
    disk->is_recovering = false;
    disk->is_ring_full = false;
    spin_unlock_irqrestore(&disk->lock, flags);
    dispatch(disk);
}

static struct block_device *next_to_recover(void)
{
    irqflags_t flags = spin_lock_irqsave(&recovery_lock);
    struct list_node *node = list_pop_front(&recovery_list);

    spin_unlock_irqrestore(&recovery_lock, flags);
    return node ? container_of(node, struct block_device, recovery_node) : NULL;
}

static int recovery_task(void *arg __maybe_unused)
{
    struct block_device *disk = NULL;

    while (wait_event_uncancellable(&recovery_wait, (disk = next_to_recover()) != NULL,
                                    DEADLINE_NEVER) == 0)
        recover(disk);
    return 0;
}

static int __init block_recovery_init(void)
{
    return task_create("block-recovery", recovery_task, NULL, NULL);
}
INIT_HOOK(block_recovery_init, INIT_BUS);
