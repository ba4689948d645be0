/*
 * Making a nanofs. The superblocks are wiped first and written last, with flushes between, so that
 * a cut in the middle leaves no file system rather than half of one. Groups are left as they are:
 * the group table says that nothing of them has been written yet.
 */
#include "fs/nanofs/nanofs.h"
#include "kernel/log.h"
#include "kernel/time/clock.h"
#include "lib/bitmap.h"
#include "lib/crc32.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "lib/uuid.h"
#include "mm/kmalloc.h"

/* The first blocks of the first group that are in use from the start. */
enum {
    FORMAT_INODE_BITMAP,
    FORMAT_INODES,
    FORMAT_BLOCKS = 1 + 16
};

struct format {
    struct nanofs *fs; /* enough of one to seal blocks */
    void *page;
    const struct filesystem_report *report;
};

static int put_block(struct format *format, uint64_t block, enum nanofs_kind kind)
{
    nanofs_seal(format->fs, block, kind, format->page);
    return nanofs_device_write(format->fs->device, block, 1, &format->page);
}

static uint64_t first_block(const struct nanofs *fs)
{
    return fs->super.data_block + NANOFS_GROUP_OVERHEAD;
}

static int write_groups(struct format *format, uint64_t *free_blocks)
{
    struct nanofs *fs = format->fs;
    uint64_t blocks = DIV_ROUND_UP(fs->super.group_count, NANOFS_GROUPS_PER_BLOCK);
    struct nanofs_group *entries = format->page;

    *free_blocks = 0;
    for (uint64_t i = 0; i < blocks; i++) {
        int error;

        memset(format->page, 0, NANOFS_BLOCK_SIZE);
        for (uint64_t j = 0; j < NANOFS_GROUPS_PER_BLOCK; j++) {
            uint64_t group = i * NANOFS_GROUPS_PER_BLOCK + j;

            if (group >= fs->super.group_count)
                break;
            entries[j].free_blocks = nanofs_group_size(fs, group) - NANOFS_GROUP_OVERHEAD;
            if (!group) {
                entries[j].free_blocks -= FORMAT_BLOCKS;
                entries[j].is_bitmap_written = 1;
            }
            *free_blocks += entries[j].free_blocks;
        }
        error = put_block(format, fs->super.group_table_block + i, NANOFS_KIND_GROUP_TABLE);
        if (error)
            return error;
        if (format->report && format->report->progress &&
            !format->report->progress(format->report->context, i + 1, blocks))
            return -ECANCELED;
    }
    nanofs_bitmap_fresh(fs, 0, format->page);
    bitmap_set_range(format->page, NANOFS_GROUP_OVERHEAD, FORMAT_BLOCKS);
    return put_block(format, fs->super.data_block, NANOFS_KIND_BITMAP);
}

static void put_inode(struct format *format, uint32_t number, uint32_t parent)
{
    struct nanofs_disk_inode *inode = (struct nanofs_disk_inode *)format->page + number;

    inode->type = VNODE_DIRECTORY;
    inode->number = number;
    inode->parent = parent;
    inode->created_ns = inode->modified_ns = format->fs->super.created_ns;
    inode->crc = nanofs_inode_crc(format->fs, inode);
}

static int write_inodes(struct format *format)
{
    struct nanofs *fs = format->fs;
    int error;

    memset(format->page, 0, NANOFS_BLOCK_SIZE);
    bitmap_set_range(format->page, 0, NANOFS_INODE_FIRST);
    error = put_block(format, first_block(fs) + FORMAT_INODE_BITMAP, NANOFS_KIND_INODE_BITMAP);
    if (error)
        return error;
    memset(format->page, 0, NANOFS_BLOCK_SIZE);
    put_inode(format, NANOFS_INODE_ROOT, NANOFS_INODE_ROOT);
    put_inode(format, NANOFS_INODE_ORPHANS, NANOFS_INODE_ORPHANS);
    return put_block(format, first_block(fs) + FORMAT_INODES, NANOFS_KIND_INODES);
}

static int write_anchors(struct format *format, uint64_t free_blocks)
{
    struct nanofs *fs = format->fs;
    struct nanofs_anchor *anchor = format->page;
    struct nanofs_disk_inode *table = &anchor->inode_file;
    int error;

    memset(format->page, 0, NANOFS_BLOCK_SIZE);
    anchor->sequence = 1;
    anchor->free_blocks = free_blocks;
    anchor->inode_count = 2;
    table->type = VNODE_FILE;
    table->number = NANOFS_INODE_FILE;
    table->extent_count = 1;
    table->blocks = FORMAT_BLOCKS;
    table->extents[0] = (struct nanofs_extent){ 0, FORMAT_BLOCKS, first_block(fs) };
    table->crc = nanofs_inode_crc(fs, table);
    error = put_block(format, 1, NANOFS_KIND_ANCHOR);
    return error ? error : put_block(format, fs->super.total_blocks - 2, NANOFS_KIND_ANCHOR);
}

static int write_journal(struct format *format)
{
    struct nanofs *fs = format->fs;
    struct nanofs_commit record = { .sequence = 2, .is_clean = 1 };
    int error;

    memset(format->page, 0, NANOFS_BLOCK_SIZE);
    nanofs_commit_record(fs, format->page, &record);
    error = nanofs_device_write(fs->device, fs->super.journal_block, 1, &format->page);
    if (error)
        return error;
    memset(format->page, 0, NANOFS_BLOCK_SIZE);
    return nanofs_device_write(fs->device, fs->super.journal_block + fs->super.slot_blocks, 1,
                               &format->page);
}

static int write_superblocks(struct format *format, bool is_wipe)
{
    struct nanofs *fs = format->fs;
    uint32_t crc;
    int error;

    memset(format->page, 0, NANOFS_BLOCK_SIZE);
    if (!is_wipe) {
        memcpy(format->page, &fs->super, sizeof(fs->super));
        crc = crc32(format->page, NANOFS_PAYLOAD);
        memcpy((char *)format->page + NANOFS_PAYLOAD, &crc, sizeof(crc));
    }
    error = nanofs_device_write(fs->device, 0, 1, &format->page);
    if (!error)
        error = nanofs_device_write(fs->device, fs->super.total_blocks - 1, 1, &format->page);
    return error ? error : fs->device->ops->flush(fs->device);
}

static int format_all(struct format *format)
{
    struct nanofs *fs = format->fs;
    uint64_t free_blocks;
    int error = write_superblocks(format, true);

    if (!error)
        error = write_groups(format, &free_blocks);
    if (!error)
        error = write_inodes(format);
    if (!error)
        error = write_anchors(format, free_blocks);
    if (!error)
        error = write_journal(format);
    if (!error)
        error = fs->device->ops->flush(fs->device);
    return error ? error : write_superblocks(format, false);
}

static void super_fill(struct nanofs *fs, const uint8_t random[32])
{
    struct uuid uuid;

    fs->super.magic = NANOFS_MAGIC;
    fs->super.version = NANOFS_VERSION;
    fs->super.block_size = NANOFS_BLOCK_SIZE;
    fs->super.created_ns = clock_wall_ns();
    uuid_set_random(&uuid, random);
    memcpy(fs->super.uuid, uuid.bytes, sizeof(fs->super.uuid));
    memcpy(fs->super.hash_key, random + 16, sizeof(fs->super.hash_key));
    fs->crc_seed = nanofs_crc_seed(&fs->super);
}

int nanofs_format_device(struct nanofs_device *device, const uint8_t random[32],
                         const struct filesystem_report *report)
{
    struct format format = { .fs = kzalloc(sizeof(struct nanofs)), .report = report };
    int error = -ENOMEM;

    format.page = nanofs_page_alloc(NULL);
    if (format.fs && format.page) {
        format.fs->device = device;
        if (device->is_read_only)
            error = -EROFS;
        else if (!nanofs_geometry(MIN(device->block_count, (uint64_t)NANOFS_MAX_BLOCKS),
                                  &format.fs->super))
            error = -ENOSPC;
        else {
            super_fill(format.fs, random);
            error = format_all(&format);
        }
    }
    nanofs_page_free(format.page);
    kfree(format.fs);
    return error;
}
