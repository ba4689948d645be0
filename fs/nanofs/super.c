/*
 * Mounting and unmounting: superblock and anchor found and checked, the journal replayed, the
 * committer started; and all that in reverse.
 */
#include "fs/nanofs/batch.h"
#include "kernel/log.h"
#include "kernel/random.h"
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "lib/bitmap.h"
#include "lib/crc32.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "lib/uuid.h"
#include "mm/kmalloc.h"
#include "mm/page.h"

#define COMMIT_INTERVAL_NS (5 * NS_PER_S)
#define SLOT_MIN           160u  /* two handles' worth and a little */
#define SLOT_MAX           2048u /* 8 MiB */

/* ---- geometry ------------------------------------------------------------------------------- */

bool nanofs_geometry(uint64_t total_blocks, struct nanofs_superblock *super)
{
    uint64_t groups;

    if (total_blocks < NANOFS_MIN_BLOCKS || total_blocks > NANOFS_MAX_BLOCKS)
        return false;
    super->total_blocks = total_blocks;
    super->journal_block = 2;
    super->slot_blocks = CLAMP(total_blocks / 32, (uint64_t)SLOT_MIN, (uint64_t)SLOT_MAX);
    super->group_table_block = super->journal_block + 2 * super->slot_blocks;
    groups = DIV_ROUND_UP(total_blocks, NANOFS_GROUP_BLOCKS); /* at most one too many */
    super->data_block = super->group_table_block + DIV_ROUND_UP(groups, NANOFS_GROUPS_PER_BLOCK);
    if (super->data_block + 2 >= total_blocks)
        return false;
    groups = DIV_ROUND_UP(total_blocks - 2 - super->data_block, NANOFS_GROUP_BLOCKS);
    /* A last group that would hold nothing but its own management is left out. */
    if ((total_blocks - 2 - super->data_block) % NANOFS_GROUP_BLOCKS &&
        (total_blocks - 2 - super->data_block) % NANOFS_GROUP_BLOCKS <= NANOFS_GROUP_OVERHEAD)
        groups--;
    super->group_count = groups;
    return groups > 0;
}

uint32_t nanofs_crc_seed(const struct nanofs_superblock *super)
{
    return crc32(super->uuid, sizeof(super->uuid));
}

/* What can be wrong with a superblock: the error tells `mount` what to advise. */
struct super_problem {
    int error; /* 0: none */
    const char *text;
};

static bool is_geometry_expected(const struct nanofs_superblock *super)
{
    struct nanofs_superblock expected;

    return super->block_size == NANOFS_BLOCK_SIZE &&
           nanofs_geometry(super->total_blocks, &expected) &&
           super->journal_block == expected.journal_block &&
           super->slot_blocks == expected.slot_blocks &&
           super->group_table_block == expected.group_table_block &&
           super->group_count == expected.group_count && super->data_block == expected.data_block;
}

static struct super_problem super_check(const struct nanofs_superblock *super, const void *page,
                                        uint64_t device_blocks)
{
    uint32_t crc;

    memcpy(&crc, (const char *)page + NANOFS_PAYLOAD, sizeof(crc));
    if (super->magic != NANOFS_MAGIC)
        return (struct super_problem){ -EMEDIUMTYPE, "there is no nanofs" };
    if (crc != crc32(page, NANOFS_PAYLOAD))
        return (struct super_problem){ -EUCLEAN, "the superblock is damaged" };
    if (super->version != NANOFS_VERSION)
        return (struct super_problem){ -EPROTONOSUPPORT, "a version of nanofs not known here" };
    if (!is_geometry_expected(super))
        return (struct super_problem){ -EUCLEAN, "the superblock has an impossible geometry" };
    if (super->total_blocks > device_blocks)
        return (struct super_problem){ -ERANGE, "the disk is smaller than the file system on it" };
    return (struct super_problem){ 0, NULL };
}

static struct super_problem super_try(struct nanofs *fs, uint64_t block, void *page)
{
    int error = nanofs_device_read(fs->device, block, 1, &page);

    if (error)
        return (struct super_problem){ error, "the superblock cannot be read" };
    memcpy(&fs->super, page, sizeof(fs->super));
    return super_check(&fs->super, page, fs->device->block_count);
}

/* The first block, or else its twin in the last. */
static int super_read(struct nanofs *fs)
{
    void *page = nanofs_page_alloc(NULL);
    struct super_problem first, second;

    if (!page)
        return -ENOMEM;
    first = second = super_try(fs, 0, page);
    if (first.error && fs->device->block_count) {
        second = super_try(fs, fs->device->block_count - 1, page);
        if (!second.error && fs->super.total_blocks != fs->device->block_count)
            second = first;
    }
    nanofs_page_free(page);
    if (second.error)
        log_error("nanofs", "%s: %s", fs->device->name, first.text);
    else if (first.error)
        log_warning("nanofs", "%s: block 0: %s; the copy at the end is used", fs->device->name,
                    first.text);
    return second.error ? first.error : 0;
}

/* ---- anchor --------------------------------------------------------------------------------- */

static bool anchor_is_sound(const struct nanofs *fs, const struct nanofs_anchor *anchor)
{
    return anchor->free_blocks <= fs->super.total_blocks &&
           !nanofs_disk_inode_check(fs, &anchor->inode_file) &&
           anchor->inode_file.type == VNODE_FILE && anchor->inode_file.number == NANOFS_INODE_FILE;
}

static void anchor_use(struct nanofs *fs, const struct nanofs_anchor *anchor)
{
    fs->free_blocks = anchor->free_blocks;
    fs->inode_count = anchor->inode_count;
    nanofs_map_load(&fs->table, fs, NANOFS_KIND_EXTENTS, &anchor->inode_file);
}

static int anchor_read(struct nanofs *fs)
{
    const uint64_t blocks[2] = { 1, fs->super.total_blocks - 2 };
    bool is_found = false;
    uint64_t newest = 0;

    for (int i = 0; i < 2; i++) {
        const struct nanofs_anchor *anchor;
        struct nanofs_buffer *buffer;

        if (nanofs_buffer_get(fs, blocks[i], NANOFS_KIND_ANCHOR, 0, &buffer))
            continue;
        anchor = buffer->data;
        if (anchor_is_sound(fs, anchor) && (!is_found || anchor->sequence > newest)) {
            is_found = true;
            newest = anchor->sequence;
            anchor_use(fs, anchor);
        }
        nanofs_buffer_put(buffer);
    }
    if (!is_found)
        log_error("nanofs", "%s: both anchors (blocks %llu and %llu) are damaged", fs->device->name,
                  (unsigned long long)blocks[0], (unsigned long long)blocks[1]);
    return is_found ? 0 : -EUCLEAN;
}

/* ---- open and close -------------------------------------------------------------------------- */

/* Shares of memory: nothing here may make a small machine unusable. */
static void limits_init(struct nanofs *fs)
{
    struct page_statistics memory;
    uint32_t pages;

    page_statistics(&memory);
    pages = (uint32_t)MIN(memory.total_pages, (size_t)1 << 24);
    fs->page_limit = MAX(pages / 4, 256u);
    fs->dirty_limit = MAX(pages / 8, 128u);
    fs->buffer_limit = MAX(pages / 16, 256u);
}

static void locks_init(struct nanofs *fs)
{
    rwlock_init(&fs->transaction_lock, "nanofs_transaction", LOCK_RANK_FS_TRANSACTION);
    mutex_init(&fs->commit_lock, "nanofs_commit", LOCK_RANK_FS_COMMIT);
    mutex_init(&fs->list_lock, "nanofs_list", LOCK_RANK_FS_LIST);
    mutex_init(&fs->alloc_lock, "nanofs_alloc", LOCK_RANK_FS_ALLOC);
    mutex_init(&fs->table_lock, "nanofs_table", LOCK_RANK_FS_TABLE);
    mutex_init(&fs->lru_lock, "nanofs_lru", LOCK_RANK_FS_LRU);
    wait_queue_init(&fs->writeback_wait, "nanofs_writeback");
    wait_queue_init(&fs->committer_wait, "nanofs_committer");
    list_init(&fs->committing);
    list_init(&fs->dirty_files);
    list_init(&fs->unstored);
    list_init(&fs->writebacks);
    list_init(&fs->zombies);
    list_init(&fs->lru);
}

static int open_contents(struct nanofs *fs)
{
    int error = super_read(fs);

    if (error)
        return error;
    fs->crc_seed = nanofs_crc_seed(&fs->super);
    memcpy(&fs->hash_key, fs->super.hash_key, sizeof(fs->hash_key));
    fs->batch = nanofs_batch_create(fs);
    fs->closed_groups = kcalloc(BITMAP_WORDS(fs->super.group_count), sizeof(uint64_t));
    if (!fs->batch || !fs->closed_groups)
        return -ENOMEM;
    fs->freeze_limit = fs->batch->capacity - 2;
    fs->transaction_limit = fs->freeze_limit * 3 / 4;
    fs->metadata_reserve = CLAMP(fs->super.total_blocks / 64, (uint64_t)16, (uint64_t)1024);
    fs->data_cursor = fs->metadata_cursor = fs->super.data_block;
    fs->inode_cursor = NANOFS_INODE_FIRST;
    error = nanofs_journal_open(fs);
    return error ? error : anchor_read(fs);
}

int nanofs_open(struct nanofs_device *device, bool is_read_only, struct nanofs **result)
{
    struct nanofs *fs = kzalloc(sizeof(*fs));
    int error;

    if (!fs)
        return -ENOMEM;
    fs->device = device;
    fs->is_device_read_only = is_read_only || device->is_read_only;
    atomic_store(&fs->is_read_only, fs->is_device_read_only);
    limits_init(fs);
    locks_init(fs);
    nanofs_buffers_init(fs);
    error = open_contents(fs);
    if (error) {
        nanofs_close(fs);
        return error;
    }
    *result = fs;
    return 0;
}

void nanofs_close(struct nanofs *fs)
{
    while (fs->spare_pages) {
        void *page = fs->spare_pages;

        memcpy(&fs->spare_pages, page, sizeof(fs->spare_pages));
        nanofs_page_free(page);
    }
    nanofs_batch_destroy(fs->batch); /* first: it writes what is in buffers */
    nanofs_buffers_destroy(fs);
    kfree(fs->closed_groups);
    kfree(fs);
}

/* ---- start and stop ---------------------------------------------------------------------------
 */

static int committer_main(void *arg)
{
    struct nanofs *fs = arg;

    while (!atomic_load(&fs->is_stopping)) {
        int error = wait_event_uncancellable(&fs->committer_wait, atomic_load(&fs->is_stopping),
                                             deadline_after_ns(COMMIT_INTERVAL_NS));

        if (!error || atomic_load(&fs->is_read_only))
            continue;
        (void)nanofs_zombies_bury(fs); /* what fails has been logged */
        (void)nanofs_commit(fs);
        (void)nanofs_checkpoint(fs);
    }
    return 0;
}

static int directory_load(struct nanofs *fs, uint32_t number, struct nanofs_inode **result)
{
    struct nanofs_inode *inode;
    int error = nanofs_inode_load(fs, number, &inode);

    if (error)
        return error;
    if (inode->vnode.type == VNODE_DIRECTORY) {
        *result = inode;
        return 0;
    }
    log_error("nanofs", "%s: inode %u should be a directory", fs->device->name, number);
    nanofs_inode_free(inode);
    return -EUCLEAN;
}

int nanofs_start(struct nanofs *fs, struct mount *mount)
{
    int error;

    /* The orphan directory is no vnode of the mount: nobody can reach it. */
    error = directory_load(fs, NANOFS_INODE_ORPHANS, &fs->orphans);
    if (error)
        return error;
    fs->mount = mount;
    error = directory_load(fs, NANOFS_INODE_ROOT, &fs->root);
    if (!error && !fs->is_device_read_only)
        error = nanofs_orphans_recover(fs);
    if (error) {
        if (fs->root)
            nanofs_inode_free(fs->root);
        nanofs_inode_free(fs->orphans);
        return error;
    }
    return 0;
}

static void committer_stop(struct nanofs *fs)
{
    int status;

    if (!fs->committer)
        return;
    atomic_store(&fs->is_stopping, true);
    wake_all(&fs->committer_wait);
    while (task_join(fs->committer, &status, DEADLINE_NEVER))
        task_yield(); /* a cancelled unmount waits all the same: the committer ends soon */
    fs->committer = NULL;
}

void nanofs_discard(struct nanofs *fs)
{
    for (;;) {
        struct nanofs_inode *inode;

        mutex_lock(&fs->list_lock);
        inode = list_entry(list_front(&fs->dirty_files), struct nanofs_inode, data_node);
        if (!inode)
            inode = list_entry(list_front(&fs->unstored), struct nanofs_inode, store_node);
        if (!inode)
            inode = list_entry(list_front(&fs->zombies), struct nanofs_inode, zombie_node);
        if (inode)
            vnode_get(&inode->vnode);
        mutex_unlock(&fs->list_lock);
        if (!inode)
            return;
        nanofs_writeback_reap(fs, inode);
        mutex_lock(&inode->map_lock);
        nanofs_pages_drop(inode, 0);
        mutex_unlock(&inode->map_lock);
        nanofs_inode_unlist(inode);
        if (list_node_is_linked(&inode->zombie_node)) {
            list_remove(&inode->zombie_node);
            vnode_put(&inode->vnode);
        }
        vnode_put(&inode->vnode);
    }
}

int nanofs_stop(struct nanofs *fs)
{
    int error = 0;

    committer_stop(fs);
    nanofs_inode_unlist(fs->orphans);
    if (!fs->is_device_read_only) {
        error = nanofs_checkpoint(fs);
        if (!error)
            error = nanofs_journal_close(fs);
    }
    return error;
}

/* ---- as a file system of the VFS ---------------------------------------------------------------
 */

static int nanofs_mount(struct mount *mount, const char *disk)
{
    struct nanofs_device *device;
    struct nanofs *fs;
    int error = nanofs_device_open(disk, "nanofs", &device);

    if (error)
        return error;
    error = nanofs_open(device, false, &fs);
    if (error)
        goto close_device;
    error = nanofs_start(fs, mount);
    if (error)
        goto close_fs;
    mount->private = fs;
    mount->root = &fs->root->vnode;
    mount->is_read_only = fs->is_device_read_only;
    nanofs_reclaim_start(fs);
    if (!fs->is_device_read_only) {
        error = task_create("nanofs_commit", committer_main, fs, &fs->committer);
        if (error)
            log_warning("nanofs", "%s: no background commits: %s", disk, errno_text(error));
    }
    return 0;
close_fs:
    nanofs_discard(fs);
    nanofs_close(fs);
close_device:
    device->ops->close(device);
    return error;
}

/* A commit drops references, and with the last one a removed file becomes a zombie. */
static int nanofs_sync(struct mount *mount)
{
    struct nanofs *fs = mount->private;
    int error, bury_error = 0;

    do {
        error = nanofs_zombies_bury(fs);
        if (error)
            bury_error = error;
        error = nanofs_commit(fs);
    } while (!error && !list_is_empty(&fs->zombies));
    return error ? error : bury_error;
}

static int nanofs_settle(struct mount *mount)
{
    struct nanofs *fs = mount->private;
    int error = nanofs_sync(mount);

    if (atomic_load(&fs->is_read_only))
        nanofs_discard(fs);
    return error;
}

static int nanofs_unmount(struct mount *mount)
{
    struct nanofs *fs = mount->private;
    struct nanofs_device *device = fs->device;
    int error;

    nanofs_reclaim_stop(fs);
    error = nanofs_stop(fs);
    if (error)
        nanofs_discard(fs);
    nanofs_inode_free(fs->root);
    nanofs_inode_free(fs->orphans);
    nanofs_close(fs);
    device->ops->close(device);
    return error;
}

static int nanofs_statfs(struct mount *mount, struct vfs_statfs *statistics)
{
    struct nanofs *fs = mount->private;
    uint64_t taken;

    mutex_lock(&fs->alloc_lock);
    taken = fs->reserved_blocks + fs->metadata_reserve;
    *statistics = (struct vfs_statfs){
        .block_size = NANOFS_BLOCK_SIZE,
        .total_blocks = fs->super.total_blocks,
        .free_blocks = fs->free_blocks > taken ? fs->free_blocks - taken : 0,
        .inodes = fs->inode_count,
    };
    mutex_unlock(&fs->alloc_lock);
    return 0;
}

static int with_device(const char *disk, const char *user, const struct filesystem_report *report,
                       int (*run)(struct nanofs_device *device,
                                  const struct filesystem_report *report))
{
    struct nanofs_device *device;
    int result = nanofs_device_open(disk, user, &device);

    if (result)
        return result;
    result = run(device, report);
    device->ops->close(device);
    return result;
}

static int format_device(struct nanofs_device *device, const struct filesystem_report *report)
{
    uint8_t random[32];

    random_bytes(random, sizeof(random));
    return nanofs_format_device(device, random, report);
}

static int nanofs_format(const char *disk, const struct filesystem_report *report)
{
    return with_device(disk, "format", report, format_device);
}

static int nanofs_check(const char *disk, const struct filesystem_report *report)
{
    return with_device(disk, "fsck", report, nanofs_check_device);
}

const struct filesystem_ops nanofs_ops = {
    .needs_disk = true,
    .mount = nanofs_mount,
    .settle = nanofs_settle,
    .unmount = nanofs_unmount,
    .sync = nanofs_sync,
    .statfs = nanofs_statfs,
    .format = nanofs_format,
    .check = nanofs_check,
};
FILESYSTEM(nanofs, &nanofs_ops);
