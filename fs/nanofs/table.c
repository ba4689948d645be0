/*
 * The inode file: where inodes lie, which numbers are free, and inodes between disk and memory.
 *
 * For each 32736 inodes it has one bitmap block and 2046 blocks of inodes, mapped as they are
 * needed, in chunks. All of it is metadata. table_lock guards the map of the inode file, the
 * bitmaps and the blocks of inodes; an inode in memory holds a reference on its block, so that
 * storing it cannot fail.
 */
#include "fs/nanofs/nanofs.h"
#include "kernel/log.h"
#include "kernel/time/clock.h"
#include "lib/bitmap.h"
#include "lib/crc32.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define CHUNK_BLOCKS 16u /* 256 inodes */

static uint32_t bitmap_logical(uint32_t number)
{
    return number / NANOFS_INODE_GROUP * NANOFS_INODE_GROUP_BLOCKS;
}

static uint32_t block_logical(uint32_t number)
{
    return bitmap_logical(number) + 1 + number % NANOFS_INODE_GROUP / NANOFS_INODES_PER_BLOCK;
}

static struct nanofs_disk_inode *disk_inode(const struct nanofs_buffer *buffer, uint32_t number)
{
    return (struct nanofs_disk_inode *)buffer->data + number % NANOFS_INODES_PER_BLOCK;
}

uint32_t nanofs_inode_crc(const struct nanofs *fs, const struct nanofs_disk_inode *inode)
{
    return crc32_update(crc32_update(fs->crc_seed, &inode->number, sizeof(inode->number)),
                        (const char *)inode + sizeof(inode->crc),
                        sizeof(*inode) - sizeof(inode->crc));
}

static const char *inline_extents_check(const struct nanofs *fs,
                                        const struct nanofs_disk_inode *disk)
{
    uint64_t end = 0;

    if (disk->extent_count > NANOFS_INLINE_EXTENTS)
        return "too many extents";
    for (unsigned int i = 0; i < disk->extent_count; i++) {
        const struct nanofs_extent *extent = &disk->extents[i];

        if (extent->logical < end || !extent->length)
            return "extents out of order";
        if (!nanofs_block_is_usable(fs, extent->physical, extent->length))
            return "an extent outside the data blocks";
        end = (uint64_t)extent->logical + extent->length;
    }
    return end > UINT32_MAX ? "an extent past the largest file" : NULL;
}

const char *nanofs_disk_inode_check(const struct nanofs *fs, const struct nanofs_disk_inode *disk)
{
    if (disk->crc != nanofs_inode_crc(fs, disk))
        return "bad checksum";
    if (disk->type != VNODE_FILE && disk->type != VNODE_DIRECTORY)
        return "no known type";
    if (disk->levels > NANOFS_MAX_LEVELS)
        return "too deep a tree";
    if (disk->levels && disk->extent_count)
        return "extents in two places";
    if (disk->levels && !nanofs_block_is_usable(fs, disk->root, 1))
        return "the root of its tree outside the data blocks";
    if (disk->type == VNODE_DIRECTORY)
        return disk->extent_count ? "a directory with extents" : NULL;
    if (disk->size > NANOFS_MAX_SIZE)
        return "too large";
    return inline_extents_check(fs, disk);
}

void nanofs_map_load(struct nanofs_map *map, struct nanofs *fs, enum nanofs_kind kind,
                     const struct nanofs_disk_inode *disk)
{
    *map = (struct nanofs_map){
        .tree = { .fs = fs,
                  .kind = kind,
                  .owner = disk->number,
                  .root = disk->root,
                  .levels = disk->levels },
        .count = disk->extent_count,
        .blocks = disk->blocks,
    };
    memcpy(map->extents, disk->extents, sizeof(map->extents));
}

void nanofs_map_store(const struct nanofs_map *map, struct nanofs_disk_inode *disk)
{
    disk->root = map->tree.root;
    disk->levels = map->tree.levels;
    disk->extent_count = map->count;
    disk->blocks = map->blocks;
    memcpy(disk->extents, map->extents, map->count * sizeof(map->extents[0]));
}

/* ---- the inode file ------------------------------------------------------------------------- */

/* The block of the inode file; mapped first if @is_growth. *@is_new: it was. */
static int table_block(struct nanofs *fs, uint32_t logical, uint32_t chunk, bool is_growth,
                       uint64_t *physical, bool *is_new)
{
    uint32_t count;
    uint64_t block;
    uint32_t got;
    int error = nanofs_map_lookup(&fs->table, logical, chunk, physical, &count);

    *is_new = false;
    if (error || *physical)
        return error;
    if (!is_growth)
        return -ENOENT;
    error = nanofs_alloc(fs, NANOFS_FOR_METADATA, 0, count, &block, &got);
    if (error)
        return error;
    *physical = block;
    *is_new = true;
    for (uint32_t done; got && !error; got -= done, block += done, logical += done) {
        error = nanofs_map_set(&fs->table, NANOFS_FOR_METADATA, logical, block, got, &done);
        if (error)
            break;
    }
    if (error)
        nanofs_free(fs, block, got);
    return error;
}

int nanofs_table_find(struct nanofs *fs, uint32_t number, struct nanofs_buffer **result)
{
    uint64_t physical;
    bool is_new;
    int error;

    mutex_lock(&fs->table_lock);
    error = table_block(fs, block_logical(number), 1, false, &physical, &is_new);
    mutex_unlock(&fs->table_lock);
    return error ? error : nanofs_buffer_get(fs, physical, NANOFS_KIND_INODES, 0, result);
}

/* The bitmap block for @number and, in @is_growth, a new one. */
static int inode_bitmap(struct nanofs *fs, uint32_t number, bool is_growth,
                        struct nanofs_buffer **result)
{
    uint64_t physical;
    bool is_new;
    int error = table_block(fs, bitmap_logical(number), 1, is_growth, &physical, &is_new);

    if (error)
        return error;
    error =
        nanofs_buffer_get(fs, physical, NANOFS_KIND_INODE_BITMAP, is_new ? NANOFS_NEW : 0, result);
    if (!error && is_new) {
        nanofs_buffer_modify(*result);
        if (number < NANOFS_INODE_GROUP)
            bitmap_set((*result)->data, 0); /* 0 is no inode */
    }
    return error;
}

/* The block that inode @number lies in; zeros if no inode in it is in use. */
static int inode_block(struct nanofs *fs, uint32_t number, const struct nanofs_buffer *bitmap,
                       struct nanofs_buffer **result)
{
    uint32_t index = number % NANOFS_INODE_GROUP / NANOFS_INODES_PER_BLOCK;
    uint16_t used = ((const uint16_t *)bitmap->data)[index];
    uint32_t chunk = MIN(CHUNK_BLOCKS - index % CHUNK_BLOCKS,
                         NANOFS_INODE_GROUP / NANOFS_INODES_PER_BLOCK - index);
    uint64_t physical;
    bool is_new;
    int error = table_block(fs, block_logical(number), chunk, true, &physical, &is_new);

    if (error)
        return error;
    return nanofs_buffer_get(fs, physical, NANOFS_KIND_INODES,
                             used & ~(index ? 0u : 1u) ? 0 : NANOFS_NEW, result);
}

/* A free number in the group of *@number, at or after it. */
static int number_alloc_in_group(struct nanofs *fs, uint32_t *number, struct nanofs_buffer **block)
{
    uint32_t first = *number - *number % NANOFS_INODE_GROUP;
    struct nanofs_buffer *bitmap;
    size_t bit;
    int error = inode_bitmap(fs, *number, true, &bitmap);

    if (error)
        return error;
    bit = bitmap_find_clear(bitmap->data, NANOFS_INODE_GROUP, *number - first);
    if (bit == NANOFS_INODE_GROUP) {
        error = -ENOSPC;
        goto put;
    }
    *number = first + (uint32_t)bit;
    error = inode_block(fs, *number, bitmap, block);
    if (error)
        goto put;
    nanofs_buffer_modify(bitmap);
    nanofs_buffer_modify(*block);
    bitmap_set(bitmap->data, bit);
put:
    nanofs_buffer_put(bitmap);
    return error;
}

static int number_alloc(struct nanofs *fs, uint32_t *number, struct nanofs_buffer **block)
{
    uint32_t groups = fs->table.tree.levels || fs->table.count
                          ? (uint32_t)(fs->inode_count / NANOFS_INODE_GROUP) + 2
                          : 1;
    uint32_t first = fs->inode_cursor / NANOFS_INODE_GROUP;
    int error = -ENOSPC;

    mutex_lock(&fs->table_lock);
    for (uint32_t i = 0; i <= groups && (error == -ENOSPC || error == -EIO); i++) {
        uint32_t group = (first + i) % groups;

        *number = i ? group * NANOFS_INODE_GROUP : fs->inode_cursor;
        if (!i && first >= groups)
            continue;
        error = number_alloc_in_group(fs, number, block);
    }
    if (!error) {
        fs->inode_count++;
        fs->inode_cursor = *number + 1;
    }
    mutex_unlock(&fs->table_lock);
    return error;
}

/* A number becomes free; what is left of the inode remembers the generation. */
static void number_free(struct nanofs *fs, uint32_t number, struct nanofs_buffer *block,
                        uint32_t generation)
{
    struct nanofs_disk_inode *disk;
    struct nanofs_buffer *bitmap;
    int error;

    mutex_lock(&fs->table_lock);
    nanofs_buffer_modify(block);
    disk = disk_inode(block, number);
    memset(disk, 0, sizeof(*disk));
    disk->generation = generation;
    error = inode_bitmap(fs, number, false, &bitmap);
    if (!error) {
        nanofs_buffer_modify(bitmap);
        bitmap_clear(bitmap->data, number % NANOFS_INODE_GROUP);
        nanofs_buffer_put(bitmap);
        fs->inode_count--;
        fs->inode_cursor = MIN(fs->inode_cursor, number);
    } else {
        log_error("nanofs", "%s: inode %u stays in use: its bitmap is damaged", fs->device->name,
                  number);
    }
    mutex_unlock(&fs->table_lock);
}

/* ---- inodes in memory ----------------------------------------------------------------------- */

static struct nanofs_inode *inode_alloc(struct nanofs *fs, uint32_t number, enum vnode_type type)
{
    struct nanofs_inode *inode = kzalloc(sizeof(*inode));

    if (!inode)
        return NULL;
    vnode_init(&inode->vnode, fs->mount, &nanofs_vnode_ops, type, number);
    inode->fs = fs;
    inode->number = number;
    mutex_init(&inode->map_lock, "nanofs_map", LOCK_RANK_FS_MAP);
    rbtree_init(&inode->pages);
    rbtree_init(&inode->dirty_pages);
    list_node_init(&inode->data_node);
    list_node_init(&inode->store_node);
    list_node_init(&inode->stored_node);
    list_node_init(&inode->zombie_node);
    return inode;
}

void nanofs_inode_free(struct nanofs_inode *inode)
{
    nanofs_pages_drop(inode, 0);
    nanofs_buffer_put(inode->table);
    vnode_destroy(&inode->vnode);
    kfree(inode);
}

const char *nanofs_inode_name(struct nanofs_inode *inode, char *buffer, size_t size)
{
    return vnode_path(&inode->vnode, buffer, size);
}

static enum nanofs_kind map_kind(enum vnode_type type)
{
    return type == VNODE_DIRECTORY ? NANOFS_KIND_DIRECTORY : NANOFS_KIND_EXTENTS;
}

static int inode_fill(struct nanofs *fs, uint32_t number, struct nanofs_buffer *buffer,
                      struct nanofs_inode **result)
{
    struct nanofs_disk_inode disk;
    struct nanofs_inode *inode;
    const char *problem;

    mutex_lock(&fs->table_lock);
    disk = *disk_inode(buffer, number);
    mutex_unlock(&fs->table_lock);
    problem = disk.number == number ? nanofs_disk_inode_check(fs, &disk) : "bad checksum";
    if (problem) {
        log_error("nanofs", "%s: inode %u in block %llu: %s", fs->device->name, number,
                  (unsigned long long)buffer->block, problem);
        return -EIO;
    }
    inode = inode_alloc(fs, number, disk.type);
    if (!inode)
        return -ENOMEM;
    inode->generation = disk.generation;
    inode->parent = disk.parent;
    inode->disk_size = disk.size;
    inode->vnode.size = disk.size;
    inode->vnode.created_ns = disk.created_ns;
    inode->vnode.modified_ns = disk.modified_ns;
    nanofs_map_load(&inode->map, fs, map_kind(disk.type), &disk);
    inode->table = buffer;
    *result = inode;
    return 0;
}

/* Inodes keep their blocks in memory: when there is no room for others, some must go. */
static void make_room(struct nanofs *fs)
{
    if (READ_ONCE(fs->buffers.count) > fs->buffer_limit)
        (void)vnode_cache_shrink(4);
}

int nanofs_inode_load(struct nanofs *fs, uint32_t number, struct nanofs_inode **result)
{
    struct nanofs_buffer *buffer;
    int error =
        number && number <= NANOFS_INODE_MAX ? nanofs_table_find(fs, number, &buffer) : -ENOENT;

    if (error == -ENOENT) {
        log_error("nanofs", "%s: there is no inode %u, but a name for it", fs->device->name,
                  number);
        return -EIO;
    }
    if (error)
        return error;
    make_room(fs);
    error = inode_fill(fs, number, buffer, result);
    if (error)
        nanofs_buffer_put(buffer);
    return error;
}

int nanofs_inode_create(struct nanofs *fs, uint32_t parent, enum vnode_type type,
                        struct nanofs_inode **result)
{
    struct nanofs_disk_inode empty = { .type = (uint16_t)type };
    struct nanofs_inode *inode;
    struct nanofs_buffer *buffer;
    uint32_t number;
    int error = number_alloc(fs, &number, &buffer);

    if (error)
        return error;
    inode = inode_alloc(fs, number, type);
    if (!inode) {
        number_free(fs, number, buffer, 0);
        nanofs_buffer_put(buffer);
        return -ENOMEM;
    }
    inode->generation = disk_inode(buffer, number)->generation + 1;
    inode->parent = parent;
    inode->vnode.created_ns = inode->vnode.modified_ns = clock_wall_ns();
    inode->table = buffer;
    empty.number = number;
    nanofs_map_load(&inode->map, fs, map_kind(type), &empty);
    nanofs_inode_changed(inode);
    *result = inode;
    return 0;
}

void nanofs_inode_changed(struct nanofs_inode *inode)
{
    struct nanofs *fs = inode->fs;

    if (inode->vnode.type == VNODE_DIRECTORY)
        WRITE_ONCE(inode->vnode.size, inode->disk_size);
    nanofs_buffer_modify(inode->table);
    if (list_node_is_linked(&inode->store_node)) /* stays so while the handle is open */
        return;
    mutex_lock(&fs->list_lock);
    if (!list_node_is_linked(&inode->store_node)) {
        vnode_get(&inode->vnode);
        list_push_back(&fs->unstored, &inode->store_node);
    }
    mutex_unlock(&fs->list_lock);
}

void nanofs_inode_store(struct nanofs_inode *inode)
{
    struct nanofs *fs = inode->fs;
    struct nanofs_disk_inode *disk;

    mutex_lock(&fs->table_lock);
    nanofs_buffer_modify(inode->table);
    disk = disk_inode(inode->table, inode->number);
    memset(disk, 0, sizeof(*disk));
    disk->type = (uint16_t)inode->vnode.type;
    disk->number = inode->number;
    disk->parent = inode->parent;
    disk->generation = inode->generation;
    disk->size = inode->disk_size;
    disk->created_ns = inode->vnode.created_ns;
    disk->modified_ns = READ_ONCE(inode->vnode.modified_ns);
    nanofs_map_store(&inode->map, disk);
    disk->crc = nanofs_inode_crc(fs, disk);
    mutex_unlock(&fs->table_lock);
}

void nanofs_inode_erase(struct nanofs_inode *inode)
{
    number_free(inode->fs, inode->number, inode->table, inode->generation);
}
