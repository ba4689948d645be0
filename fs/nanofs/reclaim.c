/*
 * What nanofs gives back when memory runs low: pages of files that are on the disk as they are, and
 * metadata blocks that nobody uses.
 *
 * instances_lock guards the list of mounted file systems, and keeps each there while it is asked.
 */
#include "mm/reclaim.h"
#include "fs/nanofs/nanofs.h"

static DEFINE_MUTEX(instances_lock, "nanofs_instances", LOCK_RANK_FS_INSTANCES);
static struct list instances __guarded_global(instances_lock) = LIST_INIT(instances);

void nanofs_reclaim_start(struct nanofs *fs)
{
    mutex_lock(&instances_lock);
    list_push_back(&instances, &fs->instance_node);
    mutex_unlock(&instances_lock);
}

void nanofs_reclaim_stop(struct nanofs *fs)
{
    mutex_lock(&instances_lock);
    list_remove(&fs->instance_node);
    mutex_unlock(&instances_lock);
}

static size_t nanofs_shrink(size_t pages)
{
    unsigned int left = (unsigned int)pages;
    struct nanofs *fs;

    mutex_lock(&instances_lock);
    list_for_each_entry(fs, &instances, instance_node) {
        left -= nanofs_pages_shrink(fs, left);
        left -= nanofs_buffers_shrink(fs, left);
    }
    mutex_unlock(&instances_lock);
    return pages - left;
}
MEMORY_SHRINKER_SLEEPING(nanofs, "nanofs", nanofs_shrink);
