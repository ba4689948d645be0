/*
 * fsck: look at everything on the disk and say what is wrong, without writing. A transaction that
 * waits in the journal is replayed in memory.
 *
 * Every inode marked in use is checked with all it holds (fsck_contents.c); what blocks it holds,
 * and which inodes the directories name, is noted on the way and compared in the end with the
 * bitmaps and counts.
 */
#include "fs/nanofs/fsck.h"

#include <stdarg.h>

#include "kernel/sched/task.h"
#include "lib/bitmap.h"
#include "lib/crc32.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define LINE_SIZE 512
#define MAX_DEPTH 4096u /* directories above one another: a path has no more */

void nanofs_fsck_problem(struct nanofs_fsck *fsck, const char *format, ...)
{
    char line[LINE_SIZE];
    va_list args;

    fsck->problems++;
    if (!fsck->report || !fsck->report->problem)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    fsck->report->problem(fsck->report->context, line, strlen(line));
}

bool nanofs_fsck_progress(struct nanofs_fsck *fsck, uint64_t blocks)
{
    const struct filesystem_report *report = fsck->report;
    uint64_t total = fsck->fs->super.total_blocks - fsck->fs->free_blocks;

    fsck->blocks_done += blocks;
    if (task_is_cancelled() ||
        (report && report->progress &&
         !report->progress(report->context, MIN(fsck->blocks_done, total), total)))
        fsck->is_cancelled = true;
    return !fsck->is_cancelled;
}

bool nanofs_fsck_mark(struct nanofs_fsck *fsck, uint64_t block, uint64_t count)
{
    struct nanofs *fs = fsck->fs;
    uint64_t group = (block - fs->super.data_block) / NANOFS_GROUP_BLOCKS;
    uint32_t bit = (uint32_t)((block - fs->super.data_block) % NANOFS_GROUP_BLOCKS);
    bool is_free;

    if (!nanofs_block_is_usable(fs, block, count))
        return false;
    if (!fsck->group_maps[group]) {
        fsck->group_maps[group] = nanofs_page_alloc(fs);
        if (!fsck->group_maps[group])
            return true; /* out of memory: the comparison in the end is left out */
        nanofs_bitmap_fresh(fs, group, fsck->group_maps[group]);
    }
    is_free = bitmap_range_is_clear(fsck->group_maps[group], bit, count);
    bitmap_set_range(fsck->group_maps[group], bit, count);
    return is_free;
}

/* ---- superblocks and anchors ---------------------------------------------------------------- */

static void check_superblock(struct nanofs_fsck *fsck, uint64_t block)
{
    struct nanofs *fs = fsck->fs;
    uint32_t crc;

    if (nanofs_device_read(fs->device, block, 1, fsck->pages)) {
        nanofs_fsck_problem(fsck, "superblock in block %llu cannot be read",
                            (unsigned long long)block);
        return;
    }
    memcpy(&crc, (char *)fsck->pages[0] + NANOFS_PAYLOAD, sizeof(crc));
    if (crc != crc32(fsck->pages[0], NANOFS_PAYLOAD) ||
        memcmp(fsck->pages[0], &fs->super, sizeof(fs->super)) != 0)
        nanofs_fsck_problem(fsck, "superblock in block %llu is damaged", (unsigned long long)block);
}

static void check_anchor(struct nanofs_fsck *fsck, uint64_t block)
{
    struct nanofs *fs = fsck->fs;
    const struct nanofs_anchor *anchor;
    struct nanofs_buffer *buffer;

    if (nanofs_buffer_get(fs, block, NANOFS_KIND_ANCHOR, 0, &buffer)) {
        nanofs_fsck_problem(fsck, "anchor in block %llu is damaged", (unsigned long long)block);
        return;
    }
    anchor = buffer->data;
    if (anchor->free_blocks != fs->free_blocks || anchor->inode_count != fs->inode_count)
        nanofs_fsck_problem(fsck, "anchor in block %llu is older than the other",
                            (unsigned long long)block);
    nanofs_buffer_put(buffer);
}

static bool is_record_sound(const char *sector)
{
    const struct nanofs_commit *record = (const void *)sector;

    for (uint32_t i = sizeof(*record); i < NANOFS_COMMIT_STRIDE; i++) {
        if (sector[i])
            return false;
    }
    return record->magic == NANOFS_COMMIT_MAGIC &&
           record->crc == crc32(record, offsetof(struct nanofs_commit, crc));
}

/* The commit block that decided what was replayed. */
static void check_journal(struct nanofs_fsck *fsck)
{
    struct nanofs *fs = fsck->fs;
    uint64_t slot = fs->super.journal_block + fs->sequence % 2 * fs->super.slot_blocks;
    unsigned int bad = 0;

    if (nanofs_device_read(fs->device, slot, 1, fsck->pages)) {
        nanofs_fsck_problem(fsck, "commit block %llu cannot be read", (unsigned long long)slot);
        return;
    }
    for (uint32_t offset = 0; offset < NANOFS_BLOCK_SIZE; offset += NANOFS_COMMIT_STRIDE)
        bad += !is_record_sound((const char *)fsck->pages[0] + offset);
    if (bad)
        nanofs_fsck_problem(fsck, "commit block %llu: %u of 8 copies are damaged",
                            (unsigned long long)slot, bad);
}

/* ---- inodes --------------------------------------------------------------------------------- */

bool nanofs_fsck_inode(struct nanofs_fsck *fsck, uint32_t number, struct nanofs_disk_inode *disk)
{
    struct nanofs_buffer *buffer;

    if (!number || nanofs_table_find(fsck->fs, number, &buffer))
        return false;
    *disk = ((struct nanofs_disk_inode *)buffer->data)[number % NANOFS_INODES_PER_BLOCK];
    nanofs_buffer_put(buffer);
    return disk->number == number && !nanofs_disk_inode_check(fsck->fs, disk);
}

static __noinline void check_inode(struct nanofs_fsck *fsck, uint32_t number)
{
    struct nanofs_disk_inode disk;

    fsck->inodes++;
    bitmap_set(fsck->allocated, number);
    if (nanofs_fsck_inode(fsck, number, &disk)) {
        nanofs_fsck_contents(fsck, &disk);
    } else {
        char path[256];

        nanofs_fsck_problem(fsck, "inode %u (%s) is damaged", number,
                            nanofs_fsck_path(fsck, number, path, sizeof(path)));
    }
}

/* One bitmap block and the inodes it says are in use. */
static void check_inode_group(struct nanofs_fsck *fsck, uint32_t group)
{
    struct nanofs_buffer *bitmap;
    uint32_t first = group * NANOFS_INODE_GROUP;
    uint64_t physical;
    uint32_t count;
    size_t bit;

    if (nanofs_map_lookup(&fsck->fs->table, group * NANOFS_INODE_GROUP_BLOCKS, 1, &physical,
                          &count)) {
        nanofs_fsck_problem(fsck, "the map of the inode file is damaged");
        return;
    }
    if (!physical)
        return;
    if (nanofs_buffer_get(fsck->fs, physical, NANOFS_KIND_INODE_BITMAP, 0, &bitmap)) {
        nanofs_fsck_problem(fsck, "inode bitmap in block %llu (inodes %u on) is damaged",
                            (unsigned long long)physical, first);
        return;
    }
    bitmap_for_each_set(bit, bitmap->data, NANOFS_INODE_GROUP) {
        if (first + bit && first + bit < fsck->inode_limit && nanofs_fsck_progress(fsck, 0))
            check_inode(fsck, first + (uint32_t)bit);
    }
    nanofs_buffer_put(bitmap);
}

/* ---- names ---------------------------------------------------------------------------------- */

static __noinline void check_ancestors(struct nanofs_fsck *fsck, uint32_t number,
                                       const struct nanofs_disk_inode *first)
{
    struct nanofs_disk_inode disk = *first;
    unsigned int depth = 0;

    while (disk.parent != disk.number && depth++ < MAX_DEPTH) {
        if (!nanofs_fsck_inode(fsck, disk.parent, &disk))
            return; /* reported where it is */
    }
    if (depth >= MAX_DEPTH)
        nanofs_fsck_problem(fsck, "directory inode %u is not below the root", number);
}

static void check_names(struct nanofs_fsck *fsck)
{
    size_t number;

    bitmap_for_each_set(number, fsck->allocated, fsck->inode_limit) {
        struct nanofs_disk_inode disk;

        if (number < NANOFS_INODE_FIRST)
            continue;
        if (!bitmap_test(fsck->named, number))
            nanofs_fsck_problem(fsck, "inode %u is in use, but no directory names it",
                                (unsigned int)number);
        else if (nanofs_fsck_inode(fsck, (uint32_t)number, &disk) && disk.type == VNODE_DIRECTORY)
            check_ancestors(fsck, (uint32_t)number, &disk);
    }
}

/* ---- bitmaps and counts --------------------------------------------------------------------- */

static void compare_bits(struct nanofs_fsck *fsck, uint64_t group, const uint64_t *disk,
                         const uint64_t *found)
{
    uint64_t start = fsck->fs->super.data_block + group * NANOFS_GROUP_BLOCKS;
    uint32_t leaked = 0, unmarked = 0;
    uint64_t first_leaked = 0, first_unmarked = 0;

    for (uint32_t bit = 0; bit < NANOFS_GROUP_BLOCKS; bit++) {
        bool is_marked = bitmap_test(disk, bit), is_used = bitmap_test(found, bit);

        if (is_marked && !is_used && !leaked++)
            first_leaked = start + bit;
        if (is_used && !is_marked && !unmarked++)
            first_unmarked = start + bit;
    }
    if (leaked)
        nanofs_fsck_problem(fsck, "%u blocks from %llu on are marked in use, but nothing uses them",
                            leaked, (unsigned long long)first_leaked);
    if (unmarked)
        nanofs_fsck_problem(fsck, "%u blocks from %llu on are in use, but marked free", unmarked,
                            (unsigned long long)first_unmarked);
}

static void check_group_bitmap(struct nanofs_fsck *fsck, uint64_t group,
                               const struct nanofs_group *entry)
{
    struct nanofs *fs = fsck->fs;
    uint64_t block = fs->super.data_block + group * NANOFS_GROUP_BLOCKS;
    struct nanofs_buffer *bitmap;
    uint64_t free;

    if (nanofs_buffer_get(fs, block, NANOFS_KIND_BITMAP, 0, &bitmap)) {
        nanofs_fsck_problem(fsck, "block bitmap in block %llu is damaged",
                            (unsigned long long)block);
        return;
    }
    if (!fsck->group_maps[group]) {
        fsck->group_maps[group] = nanofs_page_alloc(fs);
        if (fsck->group_maps[group])
            nanofs_bitmap_fresh(fs, group, fsck->group_maps[group]);
    }
    if (fsck->group_maps[group])
        compare_bits(fsck, group, bitmap->data, fsck->group_maps[group]);
    free = NANOFS_GROUP_BLOCKS - bitmap_count(bitmap->data, NANOFS_GROUP_BLOCKS);
    if (free != entry->free_blocks)
        nanofs_fsck_problem(fsck, "group %llu has %llu free blocks, the group table says %u",
                            (unsigned long long)group, (unsigned long long)free,
                            entry->free_blocks);
    nanofs_buffer_put(bitmap);
}

static void check_checksum_blocks(struct nanofs_fsck *fsck, uint64_t group, uint32_t written)
{
    uint64_t first = fsck->fs->super.data_block + group * NANOFS_GROUP_BLOCKS + 1;

    for (uint32_t i = 0; i < NANOFS_CHECKSUM_BLOCKS; i++) {
        struct nanofs_buffer *buffer;

        if (!(written >> i & 1))
            continue;
        if (nanofs_buffer_get(fsck->fs, first + i, NANOFS_KIND_CHECKSUMS, 0, &buffer))
            nanofs_fsck_problem(fsck, "checksums of data in block %llu are damaged",
                                (unsigned long long)first + i);
        else
            nanofs_buffer_put(buffer);
    }
}

static void check_groups(struct nanofs_fsck *fsck)
{
    struct nanofs *fs = fsck->fs;
    uint64_t free = 0;

    for (uint64_t group = 0; group < fs->super.group_count && !fsck->is_cancelled; group++) {
        uint64_t block = fs->super.group_table_block + group / NANOFS_GROUPS_PER_BLOCK;
        struct nanofs_buffer *buffer;
        struct nanofs_group entry;

        if (nanofs_buffer_get(fs, block, NANOFS_KIND_GROUP_TABLE, 0, &buffer)) {
            nanofs_fsck_problem(fsck, "group table in block %llu is damaged",
                                (unsigned long long)block);
            return;
        }
        entry = ((struct nanofs_group *)buffer->data)[group % NANOFS_GROUPS_PER_BLOCK];
        nanofs_buffer_put(buffer);
        free += entry.free_blocks;
        if (entry.is_bitmap_written)
            check_group_bitmap(fsck, group, &entry);
        else if (fsck->group_maps[group])
            nanofs_fsck_problem(fsck, "group %llu is in use, but has no bitmap",
                                (unsigned long long)group);
        check_checksum_blocks(fsck, group, entry.checksums_written);
    }
    if (free != fs->free_blocks && !fsck->is_cancelled)
        nanofs_fsck_problem(fsck, "%llu blocks are free, the anchor says %llu",
                            (unsigned long long)free, (unsigned long long)fs->free_blocks);
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* One more than the largest number the inode file has room for. */
static uint32_t inode_limit(struct nanofs *fs)
{
    uint64_t groups = 0;

    for (;;) {
        uint64_t physical;
        uint32_t count;

        if (groups * NANOFS_INODE_GROUP > NANOFS_INODE_MAX - NANOFS_INODE_GROUP ||
            nanofs_map_lookup(&fs->table, (uint32_t)(groups * NANOFS_INODE_GROUP_BLOCKS), 1,
                              &physical, &count) ||
            !physical)
            return (uint32_t)(groups * NANOFS_INODE_GROUP);
        groups++;
    }
}

static int fsck_alloc(struct nanofs_fsck *fsck)
{
    fsck->inode_limit = inode_limit(fsck->fs);
    fsck->group_maps = kcalloc(fsck->fs->super.group_count, sizeof(fsck->group_maps[0]));
    fsck->named = kcalloc(BITMAP_WORDS(fsck->inode_limit) + 1, sizeof(uint64_t));
    fsck->allocated = kcalloc(BITMAP_WORDS(fsck->inode_limit) + 1, sizeof(uint64_t));
    for (uint32_t i = 0; i < NANOFS_IO_MAX_BLOCKS; i++) {
        fsck->pages[i] = nanofs_page_alloc(fsck->fs);
        if (!fsck->pages[i])
            return -ENOMEM;
    }
    return fsck->group_maps && fsck->named && fsck->allocated ? 0 : -ENOMEM;
}

static void fsck_free(struct nanofs_fsck *fsck)
{
    for (uint64_t i = 0; fsck->group_maps && i < fsck->fs->super.group_count; i++)
        nanofs_page_free(fsck->group_maps[i]);
    for (uint32_t i = 0; i < NANOFS_IO_MAX_BLOCKS; i++)
        nanofs_page_free(fsck->pages[i]);
    kfree(fsck->group_maps);
    kfree(fsck->named);
    kfree(fsck->allocated);
}

static void check_all(struct nanofs_fsck *fsck)
{
    struct nanofs *fs = fsck->fs;
    struct nanofs_disk_inode table = { .type = VNODE_FILE, .number = NANOFS_INODE_FILE };

    check_superblock(fsck, 0);
    check_superblock(fsck, fs->super.total_blocks - 1);
    check_anchor(fsck, 1);
    check_anchor(fsck, fs->super.total_blocks - 2);
    check_journal(fsck);
    nanofs_map_store(&fs->table, &table);
    table.size = NANOFS_MAX_SIZE;
    nanofs_fsck_contents(fsck, &table);
    for (uint32_t group = 0; group < fsck->inode_limit / NANOFS_INODE_GROUP; group++)
        check_inode_group(fsck, group);
    if (fsck->is_cancelled)
        return;
    check_names(fsck);
    if (fsck->inodes != fs->inode_count)
        nanofs_fsck_problem(fsck, "%llu inodes are in use, the anchor says %llu",
                            (unsigned long long)fsck->inodes, (unsigned long long)fs->inode_count);
    check_groups(fsck);
}

int nanofs_check_device(struct nanofs_device *device, const struct filesystem_report *report)
{
    struct nanofs_fsck *fsck = kzalloc(sizeof(*fsck));
    int result;

    if (!fsck)
        return -ENOMEM;
    fsck->report = report;
    result = nanofs_open(device, true, &fsck->fs);
    if (!result) {
        result = fsck_alloc(fsck);
        if (!result) {
            check_all(fsck);
            result = fsck->is_cancelled ? -ECANCELED : (int)MIN(fsck->problems, 1u << 30);
        }
        fsck_free(fsck);
        nanofs_close(fsck->fs);
    }
    kfree(fsck);
    return result;
}
