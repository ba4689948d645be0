/*
 * Synchronous I/O over the asynchronous: block_transfer() and block_flush() for callers that may
 * sleep.
 *
 * The buffer becomes a scatter list of its pages, in chunks of as many segments as there is room
 * for. The wait goes by wait group; before tasks can sleep, or with interrupts off, and once in a
 * while in case an interrupt was lost, the driver is polled.
 */
#include "arch/irq.h"
#include "arch/mmu.h"
#include "block/block_device.h"
#include "kernel/log.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "mm/kmalloc.h"

#define STACK_SEGMENTS 16
#define CHUNK_SEGMENTS 512 /* 2 MiB of scattered pages in one request */
#define POLL_PERIOD_NS (1 * NS_PER_S)

static void wake_waiter(struct block_request *request)
{
    wait_group_done(request->context, 0);
}

static bool can_sleep(void)
{
    return task_current() && irq_is_enabled();
}

/* With the lock, so that the one who ended it has let go of the group. */
static bool is_done(struct wait_group *group)
{
    irqflags_t flags = spin_lock_irqsave(&group->waiters.lock);
    bool is_zero = __atomic_load_n(&group->count, __ATOMIC_ACQUIRE) == 0;

    spin_unlock_irqrestore(&group->waiters.lock, flags);
    return is_zero;
}

static int wait_for(struct block_request *request, struct wait_group *group)
{
    struct block_device *disk = request->device->whole;

    while (!can_sleep()) {
        disk->ops->poll(disk);
        if (is_done(group))
            return request->error;
        cpu_relax();
    }
    while (wait_group_wait(group, deadline_after_ns(POLL_PERIOD_NS), WAIT_UNCANCELLABLE) != 0)
        disk->ops->poll(disk);
    return request->error;
}

static int submit_and_wait(struct block_request *request)
{
    struct wait_group group;

    wait_group_init(&group, "block I/O");
    wait_group_add(&group, 1);
    request->complete = wake_waiter;
    request->context = &group;
    block_submit(request);
    return wait_for(request, &group);
}

static int transfer_chunk(struct block_device *device, enum block_operation operation, lba_t lba,
                          uint64_t sectors, void *buffer, unsigned int flags,
                          struct scatter_segment *segments, size_t capacity)
{
    int count = scatter_from_buffer(buffer, sectors * SECTOR_SIZE, segments, capacity);
    struct block_request request = {
        .device = device,
        .operation = operation,
        .flags = flags,
        .lba = lba,
        .sectors = sectors,
        .segments = segments,
        .segment_count = (size_t)MAX(count, 0),
    };

    return count < 0 ? count : submit_and_wait(&request);
}

int block_transfer(struct block_device *device, enum block_operation operation, lba_t lba,
                   uint64_t sectors, void *buffer, unsigned int flags)
{
    struct scatter_segment on_stack[STACK_SEGMENTS];
    struct scatter_segment *segments = on_stack;
    size_t capacity = STACK_SEGMENTS;
    size_t pages = sectors * SECTOR_SIZE / PAGE_SIZE + 2; /* unaligned at both ends */
    uint8_t *bytes = buffer;
    int error = 0;

    if (pages > STACK_SEGMENTS) {
        size_t wanted = MIN_T(size_t, pages, CHUNK_SEGMENTS);
        struct scatter_segment *more = kmalloc(wanted * sizeof(*more));
        if (more) {
            segments = more;
            capacity = wanted;
        }
    }
    while (!error && sectors > 0) {
        uint64_t chunk = MIN(sectors, (uint64_t)(capacity - 1) * (PAGE_SIZE / SECTOR_SIZE));
        error = transfer_chunk(device, operation, lba, chunk, bytes, flags, segments, capacity);
        lba += chunk;
        sectors -= chunk;
        bytes += chunk * SECTOR_SIZE;
    }
    if (segments != on_stack)
        kfree(segments);
    return error;
}

int block_flush(struct block_device *device)
{
    struct block_request request = { .device = device, .operation = BLOCK_FLUSH };

    return submit_and_wait(&request);
}

int block_discard(struct block_device *device, lba_t lba, uint64_t sectors)
{
    struct block_request request = {
        .device = device, .operation = BLOCK_DISCARD, .lba = lba, .sectors = sectors
    };

    return submit_and_wait(&request);
}
