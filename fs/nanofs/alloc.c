/*
 * Groups of blocks: bitmaps, free counts, and the checksums of data blocks.
 *
 * What is freed in a transaction is marked in the bitmap at once, and in a second, "busy" bitmap in
 * memory, so that it is not handed out before that transaction is durable; the commit moves the
 * busy bitmaps on (journal.c). Blocks promised to data that is still in memory are counted in
 * reserved_blocks.
 *
 * alloc_lock guards all of it, the contents of the group table, bitmap and checksum blocks
 * included.
 */
#include "fs/nanofs/nanofs.h"
#include "kernel/log.h"
#include "lib/bitmap.h"
#include "lib/errno.h"
#include "lib/string.h"

#define WORD_COUNT (NANOFS_BLOCK_SIZE / sizeof(uint64_t))
BUILD_ASSERT(NANOFS_GROUP_BLOCKS == NANOFS_PAYLOAD * 8);
BUILD_ASSERT(NANOFS_GROUP_BLOCKS == NANOFS_CHECKSUM_BLOCKS * NANOFS_CHECKSUMS);

/* A group, loaded to be changed. */
struct group {
    uint64_t number;
    struct nanofs_buffer *table;
    struct nanofs_group *entry;
    struct nanofs_buffer *bitmap;
};

static uint64_t group_start(const struct nanofs *fs, uint64_t group)
{
    return fs->super.data_block + group * NANOFS_GROUP_BLOCKS;
}

static uint64_t group_of(const struct nanofs *fs, uint64_t block)
{
    return (block - fs->super.data_block) / NANOFS_GROUP_BLOCKS;
}

static uint32_t bit_of(const struct nanofs *fs, uint64_t block)
{
    return (uint32_t)((block - fs->super.data_block) % NANOFS_GROUP_BLOCKS);
}

/* Two blocks at the end are the copies of superblock and anchor. */
uint32_t nanofs_group_size(const struct nanofs *fs, uint64_t group)
{
    uint64_t left = fs->super.total_blocks - 2 - group_start(fs, group);

    return (uint32_t)MIN(left, (uint64_t)NANOFS_GROUP_BLOCKS);
}

bool nanofs_block_is_usable(const struct nanofs *fs, uint64_t block, uint64_t count)
{
    uint64_t end = fs->super.total_blocks - 2;

    if (!count || block < fs->super.data_block || block >= end || count > end - block)
        return false;
    return bit_of(fs, block) >= NANOFS_GROUP_OVERHEAD &&
           bit_of(fs, block) + count <= NANOFS_GROUP_BLOCKS;
}

void nanofs_bitmap_fresh(const struct nanofs *fs, uint64_t group, void *page)
{
    uint32_t size = nanofs_group_size(fs, group);

    memset(page, 0, NANOFS_BLOCK_SIZE);
    bitmap_set_range(page, 0, NANOFS_GROUP_OVERHEAD);
    bitmap_set_range(page, size, NANOFS_GROUP_BLOCKS - size);
}

/* ---- one group ------------------------------------------------------------------------------ */

static int group_open(struct nanofs *fs, uint64_t number, struct group *group)
{
    uint64_t table_block = fs->super.group_table_block + number / NANOFS_GROUPS_PER_BLOCK;
    struct nanofs_group *entries;
    int error;

    if (bitmap_test(fs->closed_groups, number))
        return -EIO;
    error = nanofs_buffer_get(fs, table_block, NANOFS_KIND_GROUP_TABLE, 0, &group->table);
    if (error)
        return error;
    entries = group->table->data;
    group->number = number;
    group->entry = &entries[number % NANOFS_GROUPS_PER_BLOCK];
    error = nanofs_buffer_get(fs, group_start(fs, number), NANOFS_KIND_BITMAP,
                              group->entry->is_bitmap_written ? 0 : NANOFS_NEW, &group->bitmap);
    if (error)
        nanofs_buffer_put(group->table);
    return error;
}

/* Before its contents change. */
static void group_modify(struct nanofs *fs, struct group *group)
{
    struct nanofs_group *entries;

    nanofs_buffer_modify(group->table);
    nanofs_buffer_modify(group->bitmap);
    entries = group->table->data; /* may be a copy now */
    group->entry = &entries[group->number % NANOFS_GROUPS_PER_BLOCK];
    if (!group->entry->is_bitmap_written) {
        nanofs_bitmap_fresh(fs, group->number, group->bitmap->data);
        group->entry->is_bitmap_written = 1;
    }
}

static void group_close(struct group *group)
{
    nanofs_buffer_put(group->bitmap);
    nanofs_buffer_put(group->table);
}

/* From now on nothing is allocated there; what it holds can be read still. */
static void group_shut(struct nanofs *fs, uint64_t number, const char *why)
{
    if (bitmap_test(fs->closed_groups, number))
        return;
    bitmap_set(fs->closed_groups, number);
    log_error("nanofs", "%s: group %llu (blocks %llu on): %s; no block is allocated there any more",
              fs->device->name, (unsigned long long)number,
              (unsigned long long)group_start(fs, number), why);
}

/* ---- searching ------------------------------------------------------------------------------ */

/* Bits in use, or freed too recently. */
static uint64_t used_word(const struct nanofs_buffer *bitmap, unsigned int word)
{
    uint64_t used = ((const uint64_t *)bitmap->data)[word];

    for (int i = 0; i < 2; i++) {
        if (bitmap->busy[i])
            used |= ((const uint64_t *)bitmap->busy[i])[word];
    }
    return used;
}

/* First bit at or after @from with the wanted value; @size if none. */
static uint32_t scan(const struct nanofs_buffer *bitmap, uint32_t from, uint32_t size, bool used)
{
    while (from < size) {
        uint64_t word = used_word(bitmap, from / 64);

        word = (used ? word : ~word) >> (from % 64);
        if (word)
            return MIN(from + (uint32_t)__builtin_ctzll(word), size);
        from = (from | 63) + 1;
    }
    return size;
}

/* The first run of at least @want from @from on, or else the longest one. */
static uint32_t find_run(const struct nanofs_buffer *bitmap, uint32_t from, uint32_t size,
                         uint32_t want, uint32_t *length)
{
    uint32_t best = size;

    *length = 0;
    while (from < size) {
        uint32_t start = scan(bitmap, from, size, false);
        uint32_t end = scan(bitmap, start, MIN(size, start + want), true);

        if (end - start > *length) {
            best = start;
            *length = end - start;
        }
        if (*length >= want)
            break;
        from = end + 1;
    }
    return best;
}

/* ---- allocation ----------------------------------------------------------------------------- */

static bool is_allowed_locked(const struct nanofs *fs, enum nanofs_purpose purpose)
{
    uint64_t busy = fs->pending_blocks[0] + fs->pending_blocks[1];
    uint64_t kept = purpose == NANOFS_FOR_METADATA ? fs->metadata_reserve / 2 : 0;

    if (purpose != NANOFS_FOR_RESERVED)
        kept += fs->reserved_blocks;
    return fs->free_blocks > busy + kept;
}

/* A run in one group. -ENOSPC: it has none. */
static int alloc_in_group(struct nanofs *fs, uint64_t number, uint32_t from, uint32_t want,
                          uint64_t *block, uint32_t *count)
{
    struct group group;
    uint32_t size = nanofs_group_size(fs, number);
    uint32_t bit;
    int error = group_open(fs, number, &group);

    if (error)
        return error;
    if (group.entry->is_bitmap_written && !group.entry->free_blocks) {
        error = -ENOSPC;
        goto close;
    }
    group_modify(fs, &group);
    bit = find_run(group.bitmap, from, size, want, count);
    if (bit >= size || !*count || group.entry->free_blocks < *count) {
        error = -ENOSPC;
        goto close;
    }
    bitmap_set_range(group.bitmap->data, bit, *count);
    group.entry->free_blocks -= *count;
    fs->free_blocks -= *count;
    *block = group_start(fs, number) + bit;
close:
    group_close(&group);
    return error;
}

static int alloc_locked(struct nanofs *fs, uint64_t goal, uint32_t want, uint64_t *block,
                        uint32_t *count)
{
    uint64_t groups = fs->super.group_count;
    uint64_t first = group_of(fs, goal);
    int result = -ENOSPC;

    /* The group of the goal from the goal on, all others, and the first again from its start. */
    for (uint64_t i = 0; i <= groups; i++) {
        uint64_t number = (first + i) % groups;
        int error = alloc_in_group(fs, number, i ? 0 : bit_of(fs, goal), want, block, count);

        if (!error)
            return 0;
        if (error == -ENOMEM)
            return error;
        if (error != -ENOSPC) {
            group_shut(fs, number, "its bitmap or group table is damaged");
            result = error;
        }
    }
    return result;
}

int nanofs_alloc(struct nanofs *fs, enum nanofs_purpose purpose, uint64_t goal, uint32_t want,
                 uint64_t *block, uint32_t *count)
{
    uint64_t *cursor = purpose == NANOFS_FOR_RESERVED ? &fs->data_cursor : &fs->metadata_cursor;
    int error = -ENOSPC;

    mutex_lock(&fs->alloc_lock);
    if (is_allowed_locked(fs, purpose)) {
        error = alloc_locked(fs, nanofs_block_is_usable(fs, goal, 1) ? goal : *cursor, want, block,
                             count);
        if (!error)
            *cursor = *block + *count;
        if (*cursor >= fs->super.total_blocks - 2)
            *cursor = fs->super.data_block;
    }
    mutex_unlock(&fs->alloc_lock);
    return error;
}

/* ---- freeing -------------------------------------------------------------------------------- */

static const char *free_in_group(struct nanofs *fs, struct group *group, uint32_t bit,
                                 uint32_t count)
{
    struct nanofs_buffer *bitmap = group->bitmap;

    if (!bitmap_range_is_set(bitmap->data, bit, count))
        return "it was free already";
    if (!bitmap->busy[0]) {
        bitmap->busy[0] = nanofs_page_alloc(fs);
        if (!bitmap->busy[0])
            return "out of memory";
        memset(bitmap->busy[0], 0, NANOFS_BLOCK_SIZE);
    }
    bitmap_clear_range(bitmap->data, bit, count);
    bitmap_set_range(bitmap->busy[0], bit, count);
    group->entry->free_blocks += count;
    fs->free_blocks += count;
    fs->pending_blocks[0] += count;
    return NULL;
}

void nanofs_free(struct nanofs *fs, uint64_t block, uint32_t count)
{
    const char *problem = "its group is damaged";
    struct group group;

    mutex_lock(&fs->alloc_lock);
    if (!nanofs_block_is_usable(fs, block, count)) {
        problem = "not a block for data";
    } else if (!group_open(fs, group_of(fs, block), &group)) {
        group_modify(fs, &group);
        problem = free_in_group(fs, &group, bit_of(fs, block), count);
        group_close(&group);
    }
    mutex_unlock(&fs->alloc_lock);
    if (problem)
        log_error("nanofs", "%s: cannot free %u blocks at %llu: %s", fs->device->name, count,
                  (unsigned long long)block, problem);
}

/* ---- reservations --------------------------------------------------------------------------- */

int nanofs_reserve(struct nanofs *fs, uint64_t count, bool is_removal)
{
    uint64_t taken;
    int error = 0;

    mutex_lock(&fs->alloc_lock);
    taken = fs->pending_blocks[0] + fs->pending_blocks[1] + fs->reserved_blocks + count;
    if (fs->free_blocks < taken + (is_removal ? 0 : fs->metadata_reserve))
        error = -ENOSPC;
    else
        fs->reserved_blocks += count;
    mutex_unlock(&fs->alloc_lock);
    return error;
}

void nanofs_unreserve(struct nanofs *fs, uint64_t count)
{
    mutex_lock(&fs->alloc_lock);
    fs->reserved_blocks -= count;
    mutex_unlock(&fs->alloc_lock);
}

/* ---- checksums of data ---------------------------------------------------------------------- */

/* The checksum block that covers @block; a fresh one when the disk has none yet. */
static int checksum_block(struct nanofs *fs, uint64_t block, bool is_change,
                          struct nanofs_buffer **result)
{
    uint64_t number = group_of(fs, block);
    uint32_t part = bit_of(fs, block) / NANOFS_CHECKSUMS;
    struct nanofs_group *entry;
    struct group group;
    bool is_written;
    int error = group_open(fs, number, &group);

    if (error)
        return error;
    is_written = group.entry->checksums_written >> part & 1;
    error = nanofs_buffer_get(fs, group_start(fs, number) + 1 + part, NANOFS_KIND_CHECKSUMS,
                              is_written ? 0 : NANOFS_NEW, result);
    if (!error && is_change) {
        nanofs_buffer_modify(*result);
        if (!is_written) {
            group_modify(fs, &group);
            entry = group.entry;
            entry->checksums_written |= 1u << part;
        }
    }
    group_close(&group);
    return error;
}

static int checksums_access(struct nanofs *fs, uint64_t block, uint32_t count, bool is_change,
                            uint32_t *crcs)
{
    int error = 0;

    mutex_lock(&fs->alloc_lock);
    while (count && !error) {
        uint32_t slot = bit_of(fs, block) % NANOFS_CHECKSUMS;
        uint32_t length = MIN(count, NANOFS_CHECKSUMS - slot);
        struct nanofs_buffer *buffer;

        error = checksum_block(fs, block, is_change, &buffer);
        if (error)
            break;
        if (is_change)
            memcpy((uint32_t *)buffer->data + slot, crcs, length * sizeof(crcs[0]));
        else
            memcpy(crcs, (uint32_t *)buffer->data + slot, length * sizeof(crcs[0]));
        nanofs_buffer_put(buffer);
        block += length;
        crcs += length;
        count -= length;
    }
    if (error && is_change && error != -ENOMEM)
        group_shut(fs, group_of(fs, block), "its checksum blocks are damaged");
    mutex_unlock(&fs->alloc_lock);
    return error;
}

int nanofs_checksums_set(struct nanofs *fs, uint64_t block, uint32_t count, const uint32_t *crcs)
{
    return checksums_access(fs, block, count, true, (uint32_t *)crcs);
}

int nanofs_checksums_get(struct nanofs *fs, uint64_t block, uint32_t count, uint32_t *crcs)
{
    return checksums_access(fs, block, count, false, crcs);
}
