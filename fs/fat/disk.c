/*
 * The block layer under FAT: see disk.h.
 */
#include "fs/fat/disk.h"

#include "block/block_device.h"
#include "kernel/log.h"
#include "lib/errno.h"

static int read_sectors(void *context, uint64_t sector, uint32_t count, void *buffer)
{
    return block_read(context, sector, count, buffer);
}

struct fat_source fat_disk_source(struct block_device *device)
{
    return (struct fat_source){
        .read = read_sectors, .context = device, .sectors = device->sectors, .name = device->name
    };
}

int fat_disk_open(const char *name, const char *user, struct fat_volume **result)
{
    struct block_device *device = block_device_find(name);
    const char *holder = "?";
    int error;

    if (!device)
        return -ENODEV;
    error = block_claim(device, user, &holder);
    if (error) {
        log_warning("fat", "%s is in use by %s", name, holder);
        goto put;
    }
    struct fat_source source = fat_disk_source(device);
    error = fat_open(&source, result);
    if (error)
        goto release;
    return 0;
release:
    block_release(device);
put:
    block_device_put(device);
    return error;
}

void fat_disk_close(struct fat_volume *volume)
{
    struct block_device *device = volume->source.context;

    fat_close(volume);
    block_release(device);
    block_device_put(device);
}
