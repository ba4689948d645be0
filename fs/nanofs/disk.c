/*
 * The block layer as the device of nanofs: a run of pages becomes one request with a scatter list.
 */
#include "arch/mmu.h"
#include "block/block_device.h"
#include "fs/nanofs/device.h"
#include "fs/nanofs/layout.h"
#include "kernel/log.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"

#define BLOCK_SECTORS (NANOFS_BLOCK_SIZE / SECTOR_SIZE)

struct disk_request {
    struct block_request block;
    struct nanofs_io *io;
    struct disk *disk;
    struct scatter_segment segments[NANOFS_IO_MAX_BLOCKS];
};

struct disk {
    struct nanofs_device device;
    struct block_device *block_device; /* const; counted and claimed */
    /* For when there is no memory for a request: writing out may be what frees some. */
    struct disk_request reserve;
    atomic_bool is_reserve_busy;
    struct wait_queue reserve_wait;
};

static void request_free(struct disk_request *request)
{
    struct disk *disk = request->disk;

    if (request != &disk->reserve) {
        kfree(request);
        return;
    }
    atomic_store_release(&disk->is_reserve_busy, false); /* pairs with take_reserve() */
    wake_one(&disk->reserve_wait);
}

static void request_done(struct block_request *block)
{
    struct disk_request *request = container_of(block, struct disk_request, block);
    struct nanofs_io *io = request->io;
    int error = block->error;

    request_free(request);
    io->complete(io, error);
}

static bool take_reserve(struct disk *disk)
{
    return !atomic_exchange_acquire(&disk->is_reserve_busy, true);
}

static struct disk_request *request_alloc(struct disk *disk)
{
    struct disk_request *request = kmalloc(sizeof(*request));

    if (request)
        return request;
    (void)wait_event_uncancellable(&disk->reserve_wait, take_reserve(disk), DEADLINE_NEVER);
    return &disk->reserve;
}

/* Pages that lie one after the other make one segment. */
static size_t fill_segments(const struct nanofs_io *io, struct scatter_segment *segments)
{
    size_t count = 0;

    for (uint32_t i = 0; i < io->count; i++) {
        paddr_t paddr = page_to_phys(io->pages[i]);

        if (count && segments[count - 1].paddr + segments[count - 1].length == paddr)
            segments[count - 1].length += PAGE_SIZE;
        else
            segments[count++] = (struct scatter_segment){ paddr, PAGE_SIZE };
    }
    return count;
}

static void disk_submit(struct nanofs_device *device, struct nanofs_io *io)
{
    struct disk *disk = container_of(device, struct disk, device);
    struct disk_request *request = request_alloc(disk);

    request->io = io;
    request->disk = disk;
    request->block = (struct block_request){
        .device = disk->block_device,
        .operation = io->is_write ? BLOCK_WRITE : BLOCK_READ,
        .lba = io->block * BLOCK_SECTORS,
        .sectors = (uint64_t)io->count * BLOCK_SECTORS,
        .segments = request->segments,
        .segment_count = fill_segments(io, request->segments),
        .complete = request_done,
    };
    block_submit(&request->block);
}

static int disk_flush(struct nanofs_device *device)
{
    return block_flush(container_of(device, struct disk, device)->block_device);
}

static void disk_close(struct nanofs_device *device)
{
    struct disk *disk = container_of(device, struct disk, device);

    block_release(disk->block_device);
    block_device_put(disk->block_device);
    kfree(disk);
}

static const struct nanofs_device_ops disk_ops = { .submit = disk_submit,
                                                   .flush = disk_flush,
                                                   .close = disk_close };

int nanofs_device_open(const char *name, const char *user, struct nanofs_device **result)
{
    struct block_device *block_device = block_device_find(name);
    const char *holder = "?";
    struct disk *disk;
    int error;

    if (!block_device)
        return -ENODEV;
    error = block_claim(block_device, user, &holder);
    if (error) {
        log_warning("nanofs", "%s is in use by %s", name, holder);
        goto put;
    }
    disk = kzalloc(sizeof(*disk));
    if (!disk) {
        error = -ENOMEM;
        goto release;
    }
    disk->block_device = block_device;
    wait_queue_init(&disk->reserve_wait, "nanofs_disk");
    disk->device.ops = &disk_ops;
    disk->device.block_count = block_device->sectors / BLOCK_SECTORS;
    disk->device.is_read_only = block_device->flags & BLOCK_DEVICE_READ_ONLY;
    strlcpy(disk->device.name, block_device->name, sizeof(disk->device.name));
    *result = &disk->device;
    return 0;
release:
    block_release(block_device);
put:
    block_device_put(block_device);
    return error;
}
