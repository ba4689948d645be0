/*
 * The requests wait in a queue until a timer fires; all are answered then, in softirq context.
 */
#include "tests/boot/memory_disk.h"

#include "arch/mmu.h"
#include "kernel/time/timer.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"

#define LATENCY_NS (20 * NS_PER_US)

struct memory_disk {
    struct block_device device;
    struct timer timer;
    struct spinlock lock;                                  /* rank: LOCK_RANK_DEVICE */
    struct block_request *first, *last __guarded_by(lock); /* chained by driver_data */
    size_t page_count;
    void *pages[]; /* NULL: zeros; filled under lock */
};

static struct memory_disk *of(struct block_device *device)
{
    return container_of(device, struct memory_disk, device);
}

static int copy_piece(struct memory_disk *disk, bool is_write, uint64_t offset, char *data,
                      size_t length)
{
    size_t start = offset % PAGE_SIZE;
    char *page = disk->pages[offset / PAGE_SIZE];

    if (is_write && !page) {
        page = disk->pages[offset / PAGE_SIZE] = page_alloc(1, PAGE_ZERO, "memory_disk");
        if (!page)
            return -EIO;
    }
    if (is_write)
        memcpy(page + start, data, length);
    else if (page)
        memcpy(data, page + start, length);
    else
        memset(data, 0, length);
    return 0;
}

static int transfer(struct memory_disk *disk, struct block_request *request)
{
    uint64_t offset = request->device_lba * SECTOR_SIZE;
    int error = 0;

    for (size_t i = 0; i < request->segment_count; i++) {
        char *data = phys_to_virt(request->segments[i].paddr);
        size_t left = request->segments[i].length;

        while (left && !error) {
            size_t length = MIN(left, PAGE_SIZE - (size_t)(offset % PAGE_SIZE));

            error = copy_piece(disk, request->operation == BLOCK_WRITE, offset, data, length);
            offset += length;
            data += length;
            left -= length;
        }
    }
    return error;
}

static struct block_request *take_locked(struct memory_disk *disk)
{
    struct block_request *request = disk->first;

    if (request)
        disk->first = request->driver_data;
    return request;
}

static void complete_queued(struct memory_disk *disk)
{
    for (;;) {
        irqflags_t flags = spin_lock_irqsave(&disk->lock);
        struct block_request *request = take_locked(disk);
        int error = 0;

        if (request && (request->operation == BLOCK_READ || request->operation == BLOCK_WRITE))
            error = transfer(disk, request);
        spin_unlock_irqrestore(&disk->lock, flags);
        if (!request)
            return;
        block_complete(request, error);
    }
}

static void timer_fired(struct timer *timer)
{
    complete_queued(container_of(timer, struct memory_disk, timer));
}

static int memory_disk_submit(struct block_device *device, struct block_request *request)
{
    struct memory_disk *disk = of(device);
    irqflags_t flags = spin_lock_irqsave(&disk->lock);
    bool was_empty = !disk->first;

    request->driver_data = NULL;
    if (was_empty)
        disk->first = request;
    else
        disk->last->driver_data = request;
    disk->last = request;
    spin_unlock_irqrestore(&disk->lock, flags);
    if (was_empty)
        timer_start(&disk->timer, deadline_after_ns(LATENCY_NS), 0);
    return 0;
}

static void memory_disk_poll(struct block_device *device)
{
    complete_queued(of(device));
}

static int memory_disk_recover(struct block_device *device)
{
    (void)device;
    return -ENODEV;
}

static void memory_disk_release(struct block_device *device)
{
    struct memory_disk *disk = of(device);

    timer_stop_sync(&disk->timer);
    for (size_t i = 0; i < disk->page_count; i++)
        page_free(disk->pages[i]);
    kfree(disk);
}

static const struct block_device_ops memory_disk_ops = {
    .submit = memory_disk_submit,
    .poll = memory_disk_poll,
    .recover = memory_disk_recover,
    .release = memory_disk_release,
};

struct block_device *memory_disk_create(unsigned int mib)
{
    size_t pages = (size_t)mib << (20 - PAGE_SHIFT);
    struct memory_disk *disk = kzalloc(sizeof(*disk) + pages * sizeof(disk->pages[0]));

    if (!disk)
        return NULL;
    disk->page_count = pages;
    spin_lock_init(&disk->lock, "memory_disk", LOCK_RANK_DEVICE);
    timer_init(&disk->timer, "memory_disk", timer_fired);
    disk->device.ops = &memory_disk_ops;
    disk->device.sectors = (uint64_t)mib << (20 - SECTOR_SHIFT);
    disk->device.flags = BLOCK_DEVICE_WRITE_CACHE;
    disk->device.limits = (struct block_limits){ .logical_block_size = SECTOR_SIZE,
                                                 .max_sectors = 1024,
                                                 .max_segments = 128,
                                                 .max_segment_bytes = 1u << 20,
                                                 .queue_depth = 128 };
    strlcpy(disk->device.model, "memory", sizeof(disk->device.model));
    if (!block_device_register(&disk->device, "md"))
        return &disk->device;
    kfree(disk);
    return NULL;
}

void memory_disk_destroy(struct block_device *device)
{
    block_device_remove(device);
}
