/*
 * File maps: which block of the disk holds which block of a file. A few extents lie in the inode,
 * more in a B+ tree (node.c). What no extent covers is a hole.
 *
 * The map_lock of the file guards its map (of the inode file: table_lock).
 */
#include "fs/nanofs/nanofs.h"
#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/string.h"

BUILD_ASSERT(sizeof(struct nanofs_extent) == sizeof(struct nanofs_branch));

/* A stretch of extents to work on: those of the inode, or one leaf. */
struct leaf {
    struct nanofs_extent *extents;
    unsigned int count;
};

static uint32_t extent_end(const struct nanofs_extent *extent)
{
    return extent->logical + extent->length;
}

static struct leaf leaf_of(const struct nanofs_map *map, const struct nanofs_path *path)
{
    if (!map->tree.levels)
        return (struct leaf){ (struct nanofs_extent *)map->extents, map->count };
    return (struct leaf){ (struct nanofs_extent *)(nanofs_node(path->buffers[0]) + 1),
                          nanofs_node(path->buffers[0])->count };
}

static void leaf_set_count(struct nanofs_map *map, struct nanofs_path *path, unsigned int count)
{
    if (!map->tree.levels)
        map->count = count;
    else
        nanofs_node(path->buffers[0])->count = (uint16_t)count;
}

/* Index of the first extent that ends behind @logical. */
static unsigned int extent_search(const struct leaf *leaf, uint32_t logical)
{
    unsigned int low = 0, high = leaf->count;

    while (low < high) {
        unsigned int middle = (low + high) / 2;

        if (extent_end(&leaf->extents[middle]) <= logical)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- look-up -------------------------------------------------------------------------------- */

static int extent_check(const struct nanofs_map *map, const struct nanofs_extent *extent)
{
    if (nanofs_block_is_usable(map->tree.fs, extent->physical, extent->length))
        return 0;
    log_error("nanofs",
              "%s: inode %llu: block %u of the file is said to lie at block %llu of the disk",
              map->tree.fs->device->name, (unsigned long long)map->tree.owner, extent->logical,
              (unsigned long long)extent->physical);
    return -EIO;
}

int nanofs_map_lookup(const struct nanofs_map *map, uint32_t logical, uint32_t limit,
                      uint64_t *physical, uint32_t *count)
{
    struct nanofs_path path = { .end = UINT64_MAX };
    const struct nanofs_extent *extent;
    struct leaf leaf;
    unsigned int index;
    int error = 0;

    if (map->tree.levels) {
        error = nanofs_tree_descend(&map->tree, logical, &path);
        if (error)
            return error;
    }
    leaf = leaf_of(map, &path);
    index = extent_search(&leaf, logical);
    extent = &leaf.extents[index];
    *physical = 0;
    if (index == leaf.count) {
        *count = (uint32_t)MIN((uint64_t)limit, path.end - logical);
    } else if (extent->logical > logical) {
        *count = MIN(limit, extent->logical - logical);
    } else {
        error = extent_check(map, extent);
        *physical = extent->physical + (logical - extent->logical);
        *count = MIN(limit, extent_end(extent) - logical);
    }
    nanofs_path_put(&path);
    return error;
}

/* ---- insertion ------------------------------------------------------------------------------ */

/* Replacing a run may cut one extent in two and adds one. */
#define NEEDED_ROOM 2u

static bool extents_have_room(const struct nanofs_node *leaf, size_t size)
{
    return leaf->count + size <= NANOFS_NODE_ENTRIES;
}

static int extents_split(struct nanofs_node *from, struct nanofs_node *to, uint64_t key,
                         uint64_t *first)
{
    struct nanofs_extent *extents = (struct nanofs_extent *)(from + 1);
    unsigned int keep = from->count / 2u;

    if (key > extents[from->count - 1].logical)
        keep = from->count - NEEDED_ROOM; /* a file that is written in order */
    to->count = (uint16_t)(from->count - keep);
    memcpy(to + 1, extents + keep, to->count * sizeof(extents[0]));
    from->count = (uint16_t)keep;
    *first = extents[keep].logical;
    return 0;
}

/* From inline to a leaf. */
static int map_spill(struct nanofs_map *map, enum nanofs_purpose purpose)
{
    struct nanofs_path path;
    int error = nanofs_tree_plant(&map->tree, purpose);

    if (error)
        return error;
    error = nanofs_tree_descend(&map->tree, 0, &path);
    if (error) /* it was made a moment ago and is dirty: it is in memory */
        return error;
    nanofs_buffer_modify(path.buffers[0]);
    memcpy(nanofs_node(path.buffers[0]) + 1, map->extents, map->count * sizeof(map->extents[0]));
    nanofs_node(path.buffers[0])->count = (uint16_t)map->count;
    map->count = 0;
    nanofs_path_put(&path);
    return 0;
}

static int map_make_room(struct nanofs_map *map, enum nanofs_purpose purpose, uint32_t logical,
                         struct nanofs_path *path)
{
    int error;

    *path = (struct nanofs_path){ .end = UINT64_MAX };
    if (!map->tree.levels) {
        if (map->count + NEEDED_ROOM <= NANOFS_INLINE_EXTENTS)
            return 0;
        error = map_spill(map, purpose);
        if (error)
            return error;
    }
    error = nanofs_tree_make_room(&map->tree, logical, purpose, extents_have_room, extents_split,
                                  NEEDED_ROOM, path);
    if (!error)
        nanofs_buffer_modify(path->buffers[0]);
    return error;
}

static void leaf_move(struct leaf *leaf, unsigned int from, unsigned int to)
{
    memmove(leaf->extents + to, leaf->extents + from,
            (leaf->count - from) * sizeof(leaf->extents[0]));
    leaf->count = leaf->count - from + to;
}

static void release_blocks(struct nanofs_map *map, uint64_t physical, uint32_t count)
{
    nanofs_free(map->tree.fs, physical, count);
    map->blocks -= MIN(map->blocks, (uint64_t)count);
}

/* Unmaps [logical, end) within the leaf. Return: index where an extent for it would go. */
static unsigned int leaf_punch(struct nanofs_map *map, struct leaf *leaf, uint32_t logical,
                               uint32_t end)
{
    unsigned int index = extent_search(leaf, logical);

    while (index < leaf->count && leaf->extents[index].logical < end) {
        struct nanofs_extent *extent = &leaf->extents[index];
        uint32_t from = MAX(extent->logical, logical), to = MIN(extent_end(extent), end);
        uint32_t head = from - extent->logical, tail = extent_end(extent) - to;

        release_blocks(map, extent->physical + head, to - from);
        if (head && tail) {
            leaf_move(leaf, index, index + 1);
            extent[1] = (struct nanofs_extent){ to, tail, extent->physical + head + (to - from) };
            extent->length = head;
            return index + 1;
        }
        if (head) {
            extent->length = head;
            index++;
        } else if (tail) {
            extent->physical += to - from;
            extent->logical = to;
            extent->length = tail;
        } else {
            leaf_move(leaf, index + 1, index);
        }
    }
    return index;
}

static bool is_continued_by(const struct nanofs_extent *extent, const struct nanofs_extent *next,
                            const struct nanofs *fs)
{
    return extent_end(extent) == next->logical &&
           extent->physical + extent->length == next->physical &&
           nanofs_block_is_usable(fs, extent->physical, (uint64_t)extent->length + next->length);
}

static void leaf_insert(const struct nanofs *fs, struct leaf *leaf, unsigned int index,
                        struct nanofs_extent extent)
{
    if (index && is_continued_by(&leaf->extents[index - 1], &extent, fs)) {
        leaf->extents[--index].length += extent.length;
    } else {
        leaf_move(leaf, index, index + 1);
        leaf->extents[index] = extent;
    }
    if (index + 1 < leaf->count &&
        is_continued_by(&leaf->extents[index], &leaf->extents[index + 1], fs)) {
        leaf->extents[index].length += leaf->extents[index + 1].length;
        leaf_move(leaf, index + 2, index + 1);
    }
}

int nanofs_map_set(struct nanofs_map *map, enum nanofs_purpose purpose, uint32_t logical,
                   uint64_t physical, uint32_t count, uint32_t *done)
{
    struct nanofs_path path;
    struct leaf leaf;
    unsigned int index;
    int error = map_make_room(map, purpose, logical, &path);

    if (error)
        return error;
    count = (uint32_t)MIN((uint64_t)count, path.end - logical);
    leaf = leaf_of(map, &path);
    index = leaf_punch(map, &leaf, logical, logical + count);
    leaf_insert(map->tree.fs, &leaf, index, (struct nanofs_extent){ logical, count, physical });
    leaf_set_count(map, &path, leaf.count);
    map->blocks += count;
    nanofs_path_put(&path);
    *done = count;
    return 0;
}

/* ---- removal -------------------------------------------------------------------------------- */

/* Takes extents off the end of a leaf. Return: 1 when those left are all before @from. */
static int leaf_cut(struct nanofs_map *map, struct leaf *leaf, uint32_t from, unsigned int *limit,
                    uint32_t *end)
{
    while (leaf->count) {
        struct nanofs_extent *extent = &leaf->extents[leaf->count - 1];
        uint32_t keep = extent->logical < from ? from - extent->logical : 0;

        if (keep >= extent->length)
            return 1;
        if (!*limit)
            return 0;
        --*limit;
        release_blocks(map, extent->physical + keep, extent->length - keep);
        *end = extent->logical + keep;
        extent->length = keep;
        if (keep)
            return 1;
        leaf->count--;
    }
    return 0;
}

/* One leaf of the tree, the last. Return as nanofs_map_cut(), and 0 also when the leaf has gone. */
static int tree_cut(struct nanofs_map *map, uint32_t from, unsigned int *limit, uint32_t *end)
{
    struct nanofs_path path;
    struct leaf leaf;
    int error = nanofs_tree_descend(&map->tree, UINT64_MAX, &path);
    int is_done;

    if (error)
        return error;
    nanofs_buffer_modify(path.buffers[0]);
    leaf = leaf_of(map, &path);
    is_done = leaf_cut(map, &leaf, from, limit, end);
    leaf_set_count(map, &path, leaf.count);
    if (leaf.count)
        nanofs_path_put(&path);
    else
        nanofs_tree_prune(&map->tree, &path);
    return is_done;
}

int nanofs_map_cut(struct nanofs_map *map, uint32_t from, unsigned int limit, uint32_t *end)
{
    struct leaf leaf;
    int is_done = 0;

    *end = UINT32_MAX;
    while (map->tree.levels && limit && !is_done)
        is_done = tree_cut(map, from, &limit, end);
    if (map->tree.levels || is_done)
        return is_done;
    leaf = leaf_of(map, NULL);
    is_done = leaf_cut(map, &leaf, from, &limit, end);
    map->count = leaf.count;
    return is_done || !leaf.count;
}
