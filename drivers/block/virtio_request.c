/*
 * Request queues of virtio storage devices: see virtio_request.h.
 */
#include "drivers/block/virtio_request.h"

#include "arch/cpu.h"
#include "arch/mmu.h"
#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"

#define REAPER_WAIT_NS (10 * NS_PER_US)

/* ---- submission ---------------------------------------------------------------------------- */

struct scatter_segment request_segment(const void *field, uint32_t length)
{
    return (struct scatter_segment){ direct_map_to_phys(field), length };
}

void request_chain_add(struct request_chain *chain, struct scatter_segment segment)
{
    chain->segments[chain->count++] = segment;
}

void request_chain_add_data(struct request_chain *chain, const struct block_request *request)
{
    memcpy(&chain->segments[chain->count], request->segments,
           request->segment_count * sizeof(chain->segments[0]));
    chain->count += request->segment_count;
}

static int submit_locked(struct request_queue *queue, struct request_slot *slot)
    __must_hold(queue->lock)
{
    struct request_chain *chain = &queue->chain;

    chain->count = chain->readable = 0;
    int error = queue->device->ops->build(queue->device, slot, chain);
    if (error)
        return error;
    return virtq_add(queue->vq, chain->segments, chain->readable, chain->segments + chain->readable,
                     chain->count - chain->readable, slot);
}

static bool is_closed(const struct request_queue *queue)
{
    return queue->vq->is_broken || __atomic_load_n(&queue->device->is_stopped, __ATOMIC_ACQUIRE);
}

int request_submit(struct request_device *device, struct block_request *request,
                   void (*done)(void *context, struct block_request *request, int error),
                   void *context)
{
    struct request_queue *queue = device->queues[cpu_current() % device->queue_count];
    int error = -EBUSY;
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    struct request_slot *slot = queue->free_slots;

    if (slot && !is_closed(queue)) {
        struct request_slot *next = slot->next_free;
        slot->request = request;
        slot->done = done;
        slot->context = context;
        error = submit_locked(queue, slot);
        if (!error) {
            queue->free_slots = next;
            queue->needs_kick = true;
        }
    }
    spin_unlock_irqrestore(&queue->lock, flags);
    return error;
}

static void kick_locked(struct request_queue *queue) __must_hold(queue->lock)
{
    if (!queue->needs_kick || queue->is_reaping)
        return;
    queue->needs_kick = false;
    virtq_kick(queue->vq);
}

void request_kick(struct request_device *device)
{
    for (unsigned int i = 0; i < device->queue_count; i++) {
        struct request_queue *queue = device->queues[i];
        if (!READ_ONCE(queue->needs_kick))
            continue;
        irqflags_t flags = spin_lock_irqsave(&queue->lock);
        kick_locked(queue);
        spin_unlock_irqrestore(&queue->lock, flags);
    }
}

/* ---- completion ---------------------------------------------------------------------------- */

static void free_slot_locked(struct request_queue *queue, struct request_slot *slot)
{
    slot->next_free = queue->free_slots;
    queue->free_slots = slot;
}

/* One request that has ended, copied out of its slot. */
struct ended_request {
    struct block_request *request;
    void (*done)(void *context, struct block_request *request, int error);
    void *context;
    int error;
};

static bool pop(struct request_queue *queue, struct ended_request *ended)
{
    uint32_t written;
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    struct request_slot *slot = is_closed(queue) ? NULL : virtq_pop(queue->vq, &written);

    if (slot) {
        *ended = (struct ended_request){ slot->request, slot->done, slot->context,
                                         queue->device->ops->result(slot, written) };
        free_slot_locked(queue, slot);
    }
    spin_unlock_irqrestore(&queue->lock, flags);
    return slot != NULL;
}

/* Interrupts on again. Return: false when something came meanwhile. */
static bool rearm(struct request_queue *queue)
{
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    bool is_armed = is_closed(queue) || virtq_enable_interrupts(queue->vq);

    spin_unlock_irqrestore(&queue->lock, flags);
    return is_armed;
}

/* Requests that take the place of those that ended are announced together, at the end. */
static void set_reaping(struct request_queue *queue, bool is_reaping)
{
    irqflags_t flags = spin_lock_irqsave(&queue->lock);

    queue->is_reaping = is_reaping;
    kick_locked(queue);
    spin_unlock_irqrestore(&queue->lock, flags);
}

static void reap(struct request_queue *queue)
{
    struct request_device *device = queue->device;
    struct ended_request ended;
    bool has_reaped = false;

    set_reaping(queue, true);
    __atomic_add_fetch(&queue->reapers, 1, __ATOMIC_SEQ_CST);
    do {
        while (pop(queue, &ended)) {
            has_reaped = true;
            ended.done(ended.context, ended.request, ended.error);
        }
    } while (!rearm(queue));
    __atomic_sub_fetch(&queue->reapers, 1, __ATOMIC_RELEASE);
    if (has_reaped && device->ops->has_room)
        device->ops->has_room(device);
    set_reaping(queue, false);
    if (READ_ONCE(queue->vq->is_broken))
        device->ops->broken(device);
}

static void reap_softirq(struct block_poll *poll)
{
    reap(container_of(poll, struct request_queue, poll));
}

static void queue_isr(struct virtq *vq)
{
    struct request_queue *queue = vq->context;

    virtq_disable_interrupts(vq);
    block_poll_schedule(&queue->poll);
}

void request_poll(struct request_device *device)
{
    for (unsigned int i = 0; i < device->queue_count; i++)
        reap(device->queues[i]);
}

/* ---- recovery ------------------------------------------------------------------------------ */

static void drop(struct virtq *vq, void *token)
{
    struct request_queue *queue = vq->context;
    struct request_slot *slot = token;
    struct block_request *request = slot->request;

    slot->done(slot->context, request, -EAGAIN);
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    free_slot_locked(queue, slot);
    spin_unlock_irqrestore(&queue->lock, flags);
}

/*
 * Submitters and reapers that saw the device open are through once their lock was taken and given
 * back; and reapers have handed back what they took once they are counted out.
 */
static void stop_queues(struct request_device *device)
{
    __atomic_store_n(&device->is_stopped, true, __ATOMIC_RELEASE);
    for (unsigned int i = 0; i < device->queue_count; i++) {
        struct request_queue *queue = device->queues[i];
        irqflags_t flags = spin_lock_irqsave(&queue->lock);
        spin_unlock_irqrestore(&queue->lock, flags);
        while (__atomic_load_n(&queue->reapers, __ATOMIC_ACQUIRE) > 0)
            clock_busy_wait_ns(REAPER_WAIT_NS); /* softirqs on other CPUs, which do not sleep */
    }
}

int request_recover(struct request_device *device)
{
    stop_queues(device);
    int error = virtio_restart(device->virtio, drop);
    if (error)
        return error;
    __atomic_store_n(&device->is_stopped, false, __ATOMIC_RELEASE);
    if (device->ops->has_room)
        device->ops->has_room(device);
    return 0;
}

/* ---- setup --------------------------------------------------------------------------------- */

static struct request_queue *new_queue(struct request_device *device, unsigned int index)
{
    struct request_queue *queue = kzalloc(sizeof(*queue));

    if (!queue)
        return NULL;
    queue->device = device;
    spin_lock_init(&queue->lock, device->ops->name, LOCK_RANK_DEVICE);
    block_poll_init(&queue->poll, reap_softirq);
    snprintf(queue->name, sizeof(queue->name), "%s %s.%u", device->ops->name, device->virtio->name,
             index);
    return queue;
}

static int allocate_slots(struct request_queue *queue)
{
    size_t size = queue->device->ops->slot_size;
    uint16_t count = queue->vq->size;

    queue->slots =
        page_alloc(DIV_ROUND_UP(count * size, PAGE_SIZE), PAGE_ZERO, queue->device->ops->name);
    if (!queue->slots)
        return -ENOMEM;
    for (uint16_t i = 0; i < count; i++)
        free_slot_locked(queue, (void *)((uint8_t *)queue->slots + i * size));
    return 0;
}

static int create_virtqs(struct request_device *device, const struct virtq_spec *others)
{
    unsigned int first = device->first_virtq, count = first + device->queue_count;
    struct virtq_spec *specs = kcalloc(count, sizeof(*specs));

    if (!specs)
        return -ENOMEM;
    for (unsigned int i = 0; i < first; i++)
        specs[i] = others[i];
    for (unsigned int i = first; i < count; i++)
        specs[i] = (struct virtq_spec){ .name = device->queues[i - first]->name,
                                        .callback = queue_isr,
                                        .ignores_length = true,
                                        .has_cpu = device->queue_count > 1,
                                        .cpu = i - first,
                                        .context = device->queues[i - first] };
    int error = virtio_queues_create(device->virtio, specs, count);
    kfree(specs);
    return error;
}

int request_queues_create(struct request_device *device, unsigned int offered,
                          const struct virtq_spec *others)
{
    unsigned int most = MIN(cpu_possible_count(), (unsigned int)REQUEST_QUEUES_MAX);

    device->queue_count = CLAMP(offered, 1u, most);
    for (unsigned int i = 0; i < device->queue_count; i++) {
        device->queues[i] = new_queue(device, i);
        if (!device->queues[i])
            return -ENOMEM;
    }
    int error = create_virtqs(device, others);
    for (unsigned int i = 0; !error && i < device->queue_count; i++) {
        device->queues[i]->vq = device->virtio->queues[device->first_virtq + i];
        error = allocate_slots(device->queues[i]);
    }
    return error;
}

void request_queues_destroy(struct request_device *device)
{
    for (unsigned int i = 0; i < device->queue_count; i++) {
        if (!device->queues[i])
            continue;
        block_poll_cancel(&device->queues[i]->poll);
        page_free(device->queues[i]->slots);
        kfree(device->queues[i]);
    }
}
