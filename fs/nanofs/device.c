/*
 * Waiting for a disk: synchronous transfers over the asynchronous interface, in requests of up to
 * NANOFS_IO_MAX_BLOCKS, several in flight.
 */
#include "fs/nanofs/device.h"

#include "kernel/sync/wait_group.h"
#include "lib/errno.h"

#define IN_FLIGHT 8u

struct transfer_io {
    struct nanofs_io io;
    struct wait_group *group;
};

static void transfer_done(struct nanofs_io *io, int error)
{
    wait_group_done(container_of(io, struct transfer_io, io)->group, error);
}

/* At most IN_FLIGHT requests. */
static int transfer_some(struct nanofs_device *device, bool is_write, uint64_t block,
                         uint32_t count, void **pages)
{
    struct transfer_io ios[IN_FLIGHT];
    struct wait_group group;

    wait_group_init(&group, "nanofs_transfer");
    for (unsigned int i = 0; count; i++) {
        uint32_t length = MIN(count, NANOFS_IO_MAX_BLOCKS);

        ios[i] = (struct transfer_io){
            .io = { .block = block,
                    .count = length,
                    .is_write = is_write,
                    .pages = pages,
                    .complete = transfer_done },
            .group = &group,
        };
        wait_group_add(&group, 1);
        device->ops->submit(device, &ios[i].io);
        block += length;
        pages += length;
        count -= length;
    }
    return wait_group_wait(&group, DEADLINE_NEVER, WAIT_UNCANCELLABLE);
}

static int transfer(struct nanofs_device *device, bool is_write, uint64_t block, uint32_t count,
                    void **pages)
{
    while (count) {
        uint32_t length = MIN(count, IN_FLIGHT * NANOFS_IO_MAX_BLOCKS);
        int error = transfer_some(device, is_write, block, length, pages);

        if (error)
            return error;
        block += length;
        pages += length;
        count -= length;
    }
    return 0;
}

int nanofs_device_read(struct nanofs_device *device, uint64_t block, uint32_t count, void **pages)
{
    if (block >= device->block_count || count > device->block_count - block)
        return -EIO;
    return transfer(device, false, block, count, pages);
}

int nanofs_device_write(struct nanofs_device *device, uint64_t block, uint32_t count, void **pages)
{
    if (device->is_read_only)
        return -EROFS;
    if (block >= device->block_count || count > device->block_count - block)
        return -EIO;
    return transfer(device, true, block, count, pages);
}
