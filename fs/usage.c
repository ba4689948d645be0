/*
 * How full the mounted file systems are, as a copy that needs no lock, and as metrics.
 */
#include "fs/vfs.h"
#include "kernel/metrics.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define METRIC_MOUNTS 32 /* more are not told of */

struct collection {
    struct vfs_usage *usages;
    size_t count, max;
};

/* The mount table is locked: nothing may be waited for here but the file system. */
static void collect_mount(const struct mount *mount, const char *path, void *context)
{
    struct collection *collection = context;
    struct vfs_statfs space;

    if (collection->count == collection->max ||
        mount->filesystem->ops->statfs((struct mount *)mount, &space))
        return;
    struct vfs_usage *usage = &collection->usages[collection->count++];
    strlcpy(usage->path, path, sizeof(usage->path));
    strlcpy(usage->source, mount->source, sizeof(usage->source));
    usage->filesystem = mount->filesystem->name;
    usage->size = space.total_blocks * space.block_size;
    usage->free = MIN(space.free_blocks, space.total_blocks) * space.block_size;
}

size_t vfs_usage(struct vfs_usage *usages, size_t max)
{
    struct collection collection = { .usages = usages, .max = max };

    vfs_mounts(collect_mount, &collection);
    return collection.count;
}

/* ---- metrics ---- */

static void write_samples(struct metric_writer *writer, size_t offset)
{
    struct vfs_usage *usages = kcalloc(METRIC_MOUNTS, sizeof(*usages));
    size_t count = usages ? vfs_usage(usages, METRIC_MOUNTS) : 0;

    for (size_t i = 0; i < count; i++) {
        metric_label(writer, "path", usages[i].path);
        metric_label(writer, "type", usages[i].filesystem);
        metric_label(writer, "device", usages[i].source);
        metric_value(writer, *(const uint64_t *)((const char *)&usages[i] + offset));
    }
    kfree(usages);
}

static void collect_size(struct metric_writer *writer)
{
    write_samples(writer, offsetof(struct vfs_usage, size));
}
METRIC(filesystem_size, METRIC_GAUGE, "nos_filesystem_size_bytes", "Room for files, used or not.",
       collect_size);

static void collect_free(struct metric_writer *writer)
{
    write_samples(writer, offsetof(struct vfs_usage, free));
}
METRIC(filesystem_free, METRIC_GAUGE, "nos_filesystem_free_bytes", "Room for more files.",
       collect_free);
