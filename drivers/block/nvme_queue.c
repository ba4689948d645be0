/*
 * NVMe queue pairs (NVMe 1.4, 4.1): commands go into one ring, completions come out of another, in
 * any order. Doorbell registers tell the device how far each has come; a phase bit that changes
 * with every turn of the ring tells us.
 *
 * Neither ring can overflow: both have one entry more than there are slots, and a command has its
 * slot until its completion was taken.
 */
#include "arch/io.h"
#include "arch/mmu.h"
#include "drivers/block/nvme.h"
#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"

#define STATUS_PHASE   0x0001
#define REAPER_WAIT_NS (10 * NS_PER_US)

/* ---- commands in --------------------------------------------------------------------------- */

static uint16_t slot_index(const struct nvme_queue *queue, const struct nvme_slot *slot)
{
    return (uint16_t)(slot - queue->slots);
}

static uint64_t *slot_list(const struct nvme_queue *queue, const struct nvme_slot *slot)
{
    return queue->lists + (size_t)slot_index(queue, slot) * NVME_LIST_ENTRIES;
}

/*
 * The data's pages (4.3): the first wherever it starts, the others whole. One more goes into PRP2
 * itself; several into a list that PRP2 points to.
 */
static void fill_prps(struct nvme_command *command, const struct nvme_request *request,
                      uint64_t *list)
{
    size_t count = 0;

    for (size_t i = 0; i < request->segment_count; i++) {
        paddr_t at = request->segments[i].paddr, end = at + request->segments[i].length;
        while (at < end) {
            if (count == 0)
                command->prp1 = at;
            else if (count == 1)
                command->prp2 = at;
            if (count > 0 && list)
                list[count - 1] = at;
            count++;
            at = ALIGN_DOWN(at, NVME_PAGE_SIZE) + NVME_PAGE_SIZE;
        }
    }
    if (count > 2)
        command->prp2 = direct_map_to_phys(list);
}

static void fill_command(struct nvme_queue *queue, struct nvme_slot *slot,
                         const struct nvme_request *request)
{
    struct nvme_command *command = &queue->submissions[queue->submitted & (queue->size - 1u)];
    uint64_t *list = queue->lists ? slot_list(queue, slot) : NULL;

    *command = request->command;
    command->cid = slot_index(queue, slot);
    if (request->range && list) {
        memcpy(list, request->range, sizeof(*request->range));
        command->prp1 = direct_map_to_phys(list);
    } else if (request->segments) {
        fill_prps(command, request, list);
    }
}

int nvme_queue_submit(struct nvme_queue *queue, const struct nvme_request *request)
{
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    struct nvme_slot *slot = queue->is_open ? queue->free_slots : NULL;

    if (slot) {
        queue->free_slots = slot->next_free;
        slot->done = request->done;
        slot->owner = request->owner;
        fill_command(queue, slot, request);
        WRITE_ONCE(queue->submitted, queue->submitted + 1);
    }
    spin_unlock_irqrestore(&queue->lock, flags);
    return slot ? 0 : -EBUSY;
}

void nvme_queue_kick(struct nvme_queue *queue)
{
    if (READ_ONCE(queue->submitted) == READ_ONCE(queue->announced))
        return;
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    if (queue->is_open && queue->submitted != queue->announced) {
        WRITE_ONCE(queue->announced, queue->submitted);
        memory_write_barrier(); /* commands before the doorbell */
        mmio_write32(queue->tail_doorbell, queue->submitted & (queue->size - 1u));
    }
    spin_unlock_irqrestore(&queue->lock, flags);
}

/* ---- completions out ----------------------------------------------------------------------- */

bool nvme_queue_has_completions(const struct nvme_queue *queue)
{
    uint32_t completed = READ_ONCE(queue->completed);
    uint16_t status = queue->completions[completed & (queue->size - 1u)].status;
    bool is_odd_turn = completed / queue->size % 2;

    return (status & STATUS_PHASE) == (is_odd_turn ? 0 : STATUS_PHASE);
}

static void free_slot_locked(struct nvme_queue *queue, struct nvme_slot *slot)
    __must_hold(queue->lock)
{
    slot->done = NULL;
    slot->next_free = queue->free_slots;
    queue->free_slots = slot;
}

/* A command that has ended, copied out of the queue. */
struct ended_command {
    nvme_done_t done;
    void *owner;
    int error;
    uint32_t result;
};

static bool pop_locked(struct nvme_queue *queue, struct ended_command *ended)
    __must_hold(queue->lock)
{
    if (!queue->is_open || queue->is_broken || !nvme_queue_has_completions(queue))
        return false;
    memory_read_barrier(); /* the rest of the entry was written before its phase */
    volatile struct nvme_completion *entry =
        &queue->completions[queue->completed & (queue->size - 1u)];
    uint16_t cid = entry->cid;
    struct nvme_slot *slot = cid < queue->size - 1u ? &queue->slots[cid] : NULL;
    if (!slot || !slot->done) {
        queue->is_broken = true;
        log_error("nvme", "%s: completed a command that it was not given, %u", queue->name, cid);
        return false;
    }
    *ended = (struct ended_command){ slot->done, slot->owner, nvme_status_error(entry->status),
                                     entry->result };
    free_slot_locked(queue, slot);
    WRITE_ONCE(queue->completed, queue->completed + 1);
    return true;
}

static bool pop(struct nvme_queue *queue, struct ended_command *ended)
{
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    bool found = pop_locked(queue, ended);

    spin_unlock_irqrestore(&queue->lock, flags);
    return found;
}

/* Give the entries back. Return: is the queue broken? */
static bool acknowledge(struct nvme_queue *queue)
{
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    bool is_broken = queue->is_broken;

    if (queue->is_open && queue->acknowledged != queue->completed) {
        queue->acknowledged = queue->completed;
        mmio_write32(queue->head_doorbell, queue->completed & (queue->size - 1u));
    }
    spin_unlock_irqrestore(&queue->lock, flags);
    return is_broken;
}

void nvme_queue_reap(struct nvme_queue *queue)
{
    struct ended_command ended;
    bool has_reaped = false;

    __atomic_add_fetch(&queue->reapers, 1, __ATOMIC_SEQ_CST);
    while (pop(queue, &ended)) {
        has_reaped = true;
        ended.done(ended.owner, ended.error, ended.result);
    }
    bool is_broken = acknowledge(queue);
    __atomic_sub_fetch(&queue->reapers, 1, __ATOMIC_RELEASE);
    nvme_unmask(queue->controller);
    if (is_broken)
        nvme_broken(queue->controller);
    if (has_reaped)
        nvme_disks_retry(queue->controller);
}

static void reap_softirq(struct block_poll *poll)
{
    nvme_queue_reap(container_of(poll, struct nvme_queue, poll));
}

/* ---- life ---------------------------------------------------------------------------------- */

void nvme_queue_open(struct nvme_queue *queue)
{
    irqflags_t flags = spin_lock_irqsave(&queue->lock);

    queue->is_open = true;
    spin_unlock_irqrestore(&queue->lock, flags);
}

void nvme_queue_close(struct nvme_queue *queue)
{
    irqflags_t flags = spin_lock_irqsave(&queue->lock);

    queue->is_open = false;
    spin_unlock_irqrestore(&queue->lock, flags);
    while (__atomic_load_n(&queue->reapers, __ATOMIC_ACQUIRE) > 0)
        clock_busy_wait_ns(REAPER_WAIT_NS); /* softirqs on other CPUs, which do not sleep */
}

/* Take the command out of slot @index, if there is one. */
static bool take_command(struct nvme_queue *queue, unsigned int index, struct ended_command *ended)
{
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    struct nvme_slot *slot = &queue->slots[index];
    bool found = slot->done != NULL;

    if (found) {
        *ended = (struct ended_command){ .done = slot->done, .owner = slot->owner };
        free_slot_locked(queue, slot);
    }
    spin_unlock_irqrestore(&queue->lock, flags);
    return found;
}

void nvme_queue_reset(struct nvme_queue *queue, int error)
{
    struct ended_command ended;
    irqflags_t flags = spin_lock_irqsave(&queue->lock);

    memset(queue->submissions, 0, queue->size * sizeof(struct nvme_command));
    memset((void *)queue->completions, 0, queue->size * sizeof(struct nvme_completion));
    queue->submitted = queue->announced = queue->completed = queue->acknowledged = 0;
    queue->is_broken = false;
    spin_unlock_irqrestore(&queue->lock, flags);
    for (unsigned int i = 0; i < queue->size - 1u; i++)
        if (take_command(queue, i, &ended))
            ended.done(ended.owner, error, 0);
}

static size_t pages_for(size_t bytes)
{
    return DIV_ROUND_UP(bytes, PAGE_SIZE);
}

static bool allocate_rings(struct nvme_queue *queue)
{
    unsigned int slots = queue->size - 1u;

    queue->submissions =
        page_alloc(pages_for(queue->size * sizeof(struct nvme_command)), PAGE_ZERO, "nvme");
    queue->completions =
        page_alloc(pages_for(queue->size * sizeof(struct nvme_completion)), PAGE_ZERO, "nvme");
    queue->slots = kcalloc(slots, sizeof(queue->slots[0]));
    if (queue->id > 0)
        queue->lists = page_alloc(pages_for(slots * NVME_LIST_BYTES), 0, "nvme");
    return queue->submissions && queue->completions && queue->slots &&
           (queue->id == 0 || queue->lists);
}

struct nvme_queue *nvme_queue_create(struct nvme_controller *controller, uint16_t id, uint16_t size)
{
    struct nvme_queue *queue = kzalloc(sizeof(*queue));
    size_t doorbells = 0x1000 + 2 * (size_t)id * controller->doorbell_stride; /* 3.1.25 */

    if (!queue)
        return NULL;
    queue->controller = controller;
    queue->id = id;
    queue->size = size;
    queue->tail_doorbell = controller->registers + doorbells;
    queue->head_doorbell = controller->registers + doorbells + controller->doorbell_stride;
    snprintf(queue->name, sizeof(queue->name), id ? "%s queue %u" : "%s admin", controller->name,
             id);
    spin_lock_init(&queue->lock, "nvme", LOCK_RANK_DEVICE);
    block_poll_init(&queue->poll, reap_softirq);
    if (!allocate_rings(queue)) {
        nvme_queue_destroy(queue);
        return NULL;
    }
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    for (unsigned int i = size - 1u; i-- > 0;)
        free_slot_locked(queue, &queue->slots[i]);
    spin_unlock_irqrestore(&queue->lock, flags);
    return queue;
}

void nvme_queue_destroy(struct nvme_queue *queue)
{
    if (!queue)
        return;
    block_poll_cancel(&queue->poll);
    page_free(queue->submissions);
    page_free((void *)queue->completions);
    page_free(queue->lists);
    kfree(queue->slots);
    kfree(queue);
}
