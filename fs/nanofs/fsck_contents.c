/*
 * fsck of one inode: its tree, its extents and their data, or its names.
 */
#include "fs/nanofs/fsck.h"
#include "lib/bitmap.h"
#include "lib/crc32.h"
#include "lib/errno.h"
#include "lib/string.h"

struct walk {
    struct nanofs_fsck *fsck;
    const struct nanofs_disk_inode *disk;
    uint64_t next;    /* smallest key that may come */
    uint64_t blocks;  /* data blocks found */
    uint64_t entries; /* names found */
};

/* ---- who is it? ----------------------------------------------------------------------------- */

struct name_search {
    uint32_t inode;
    char name[VFS_NAME_MAX + 1];
    bool is_found;
};

static bool match_inode(void *context, const char *name, size_t length, enum vnode_type type,
                        uint64_t inode)
{
    struct name_search *search = context;

    (void)type;
    if (inode != search->inode)
        return true;
    memcpy(search->name, name, length);
    search->name[length] = '\0';
    search->is_found = true;
    return false;
}

/* Emits the names in a leaf; true: go on. */
static bool emit_names(const struct nanofs_node *leaf, vfs_emit *emit, void *context)
{
    const char *entries = (const char *)(leaf + 1);

    for (uint32_t offset = 0; offset < leaf->used;) {
        const struct nanofs_dirent *entry = (const void *)(entries + offset);

        if (!emit(context, entry->name, entry->length, entry->type, entry->inode))
            return false;
        offset += (uint32_t)sizeof(*entry) + entry->length;
    }
    return true;
}

static void find_name(struct nanofs_fsck *fsck, const struct nanofs_disk_inode *directory,
                      struct name_search *search)
{
    struct nanofs_map map;
    uint64_t key = 0;

    nanofs_map_load(&map, fsck->fs, NANOFS_KIND_DIRECTORY, directory);
    while (map.tree.levels && key != UINT64_MAX && !search->is_found) {
        struct nanofs_path path;

        if (nanofs_tree_descend(&map.tree, key, &path))
            return;
        (void)emit_names(nanofs_node(path.buffers[0]), match_inode, search);
        key = path.end;
        nanofs_path_put(&path);
    }
}

/* Prepends; false when there is no more room. */
static bool prepend(char *buffer, char **start, const char *name)
{
    size_t length = strlen(name);

    if ((size_t)(*start - buffer) < length + 1)
        return false;
    *start -= length;
    memcpy(*start, name, length);
    *--*start = '/';
    return true;
}

/* The directory that names @number: by its own word or, if that is lost, unknown. */
static bool step_up(struct nanofs_fsck *fsck, uint32_t *number, struct name_search *search)
{
    struct nanofs_disk_inode disk, parent;

    if (!nanofs_fsck_inode(fsck, *number, &disk) ||
        !nanofs_fsck_inode(fsck, disk.parent, &parent) || parent.type != VNODE_DIRECTORY)
        return false;
    *search = (struct name_search){ .inode = *number };
    find_name(fsck, &parent, search);
    *number = disk.parent;
    return search->is_found;
}

/* A damaged inode does not say where it is: ask every directory. */
static bool search_everywhere(struct nanofs_fsck *fsck, uint32_t *number,
                              struct name_search *search)
{
    for (uint32_t i = 1; i < fsck->inode_limit; i++) {
        struct nanofs_disk_inode disk;

        if (!nanofs_fsck_inode(fsck, i, &disk) || disk.type != VNODE_DIRECTORY)
            continue;
        *search = (struct name_search){ .inode = *number };
        find_name(fsck, &disk, search);
        if (search->is_found) {
            *number = i;
            return true;
        }
    }
    return false;
}

const char *nanofs_fsck_path(struct nanofs_fsck *fsck, uint32_t number, char *buffer, size_t size)
{
    char *start = buffer + size - 1;
    struct name_search search;

    *start = '\0';
    if (number == NANOFS_INODE_FILE)
        return "the inode file";
    for (int depth = 0; number != NANOFS_INODE_ROOT && depth < 64; depth++) {
        if (!step_up(fsck, &number, &search) &&
            (depth || !search_everywhere(fsck, &number, &search)))
            return *start ? start : "without a name";
        if (!prepend(buffer, &start, search.name))
            break;
    }
    return *start ? start : "/";
}

static void problem(const struct walk *walk, const char *what, uint64_t block)
{
    char path[256];

    nanofs_fsck_problem(walk->fsck, "inode %u (%s): %s, block %llu", walk->disk->number,
                        nanofs_fsck_path(walk->fsck, walk->disk->number, path, sizeof(path)), what,
                        (unsigned long long)block);
}

/* ---- files ---------------------------------------------------------------------------------- */

static bool is_zero(const char *data, size_t size)
{
    while (size && !*data) {
        data++;
        size--;
    }
    return !size;
}

static void check_block(const struct walk *walk, uint32_t logical, uint64_t physical,
                        const void *data, uint32_t crc)
{
    uint64_t offset = (uint64_t)logical << NANOFS_BLOCK_SHIFT;
    uint64_t used = walk->disk->size > offset ? walk->disk->size - offset : 0;
    char path[256];

    if (crc32(data, NANOFS_BLOCK_SIZE) != crc)
        nanofs_fsck_problem(walk->fsck, "inode %u (%s): bad checksum at offset %llu, block %llu",
                            walk->disk->number,
                            nanofs_fsck_path(walk->fsck, walk->disk->number, path, sizeof(path)),
                            (unsigned long long)offset, (unsigned long long)physical);
    else if (used < NANOFS_BLOCK_SIZE &&
             !is_zero((const char *)data + used, NANOFS_BLOCK_SIZE - used))
        problem(walk, "bytes behind the end that are not zero", physical);
}

static void check_data(const struct walk *walk, uint32_t logical, uint64_t physical, uint32_t count)
{
    struct nanofs_fsck *fsck = walk->fsck;
    uint32_t crcs[NANOFS_IO_MAX_BLOCKS];

    if (nanofs_checksums_get(fsck->fs, physical, count, crcs)) {
        problem(walk, "its checksums cannot be read", physical);
        return;
    }
    if (nanofs_device_read(fsck->fs->device, physical, count, fsck->pages)) {
        if (count == 1) {
            problem(walk, "data cannot be read", physical);
            return;
        }
        for (uint32_t i = 0; i < count; i++)
            check_data(walk, logical + i, physical + i, 1);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        check_block(walk, logical + i, physical + i, fsck->pages[i], crcs[i]);
}

static void check_extent(struct walk *walk, const struct nanofs_extent *extent)
{
    uint64_t end = (uint64_t)extent->logical + extent->length;
    uint32_t done = 0;

    if (extent->logical < walk->next)
        problem(walk, "extents that overlap", extent->physical);
    walk->next = end;
    walk->blocks += extent->length;
    if (!nanofs_fsck_mark(walk->fsck, extent->physical, extent->length)) {
        problem(walk, "data in blocks that are not for it, or used twice", extent->physical);
        return;
    }
    if (walk->disk->number == NANOFS_INODE_FILE)
        return; /* its blocks are checked as what they are */
    if (end > (walk->disk->size + NANOFS_BLOCK_SIZE - 1) >> NANOFS_BLOCK_SHIFT)
        problem(walk, "data behind the end of the file", extent->physical);
    while (done < extent->length && nanofs_fsck_progress(walk->fsck, 0)) {
        uint32_t count = MIN(extent->length - done, NANOFS_IO_MAX_BLOCKS);

        check_data(walk, extent->logical + done, extent->physical + done, count);
        nanofs_fsck_progress(walk->fsck, count);
        done += count;
    }
}

/* ---- directories ---------------------------------------------------------------------------- */

static void entry_problem(const struct walk *walk, const struct nanofs_dirent *entry,
                          const char *what)
{
    char name[VFS_NAME_MAX + 1];
    char path[256];

    memcpy(name, entry->name, entry->length);
    name[entry->length] = '\0';
    nanofs_fsck_problem(walk->fsck, "inode %u (%s): entry \"%s\", inode %u: %s", walk->disk->number,
                        nanofs_fsck_path(walk->fsck, walk->disk->number, path, sizeof(path)), name,
                        entry->inode, what);
}

static void check_entry(struct walk *walk, const struct nanofs_dirent *entry)
{
    struct nanofs_fsck *fsck = walk->fsck;
    struct nanofs_disk_inode disk;

    walk->entries++;
    if (entry->hash < walk->next ||
        entry->hash != nanofs_name_hash(fsck->fs, entry->name, entry->length))
        entry_problem(walk, entry, "it is not where look-ups find it");
    walk->next = entry->hash;
    if (entry->inode < NANOFS_INODE_FIRST || entry->inode >= fsck->inode_limit) {
        entry_problem(walk, entry, "there is no such inode");
        return;
    }
    if (bitmap_test(fsck->named, entry->inode))
        entry_problem(walk, entry, "it is named twice");
    bitmap_set(fsck->named, entry->inode);
    if (!nanofs_fsck_inode(fsck, entry->inode, &disk))
        entry_problem(walk, entry, "the inode is damaged or free");
    else if (disk.type != entry->type)
        entry_problem(walk, entry, "the inode is of another type");
    else if (disk.parent != walk->disk->number)
        entry_problem(walk, entry, "the inode belongs to another directory");
}

/* ---- trees ---------------------------------------------------------------------------------- */

static void check_leaf(struct walk *walk, const struct nanofs_node *leaf)
{
    const char *entries = (const char *)(leaf + 1);
    uint32_t offset = 0;

    if (walk->disk->type == VNODE_FILE) {
        for (unsigned int i = 0; i < leaf->count; i++)
            check_extent(walk, (const struct nanofs_extent *)(leaf + 1) + i);
        return;
    }
    while (offset < leaf->used) {
        const struct nanofs_dirent *entry = (const void *)(entries + offset);

        check_entry(walk, entry);
        offset += (uint32_t)sizeof(*entry) + entry->length;
    }
}

/* At most NANOFS_MAX_LEVELS deep: levels fall from parent to child. */
static void check_node(struct walk *walk, uint64_t block, unsigned int level)
{
    enum nanofs_kind kind =
        walk->disk->type == VNODE_FILE ? NANOFS_KIND_EXTENTS : NANOFS_KIND_DIRECTORY;
    const struct nanofs_node *node;
    struct nanofs_buffer *buffer;

    if (!nanofs_fsck_mark(walk->fsck, block, 1)) {
        problem(walk, "a tree node in a block that is not for it, or used twice", block);
        return;
    }
    if (nanofs_buffer_get(walk->fsck->fs, block, kind, 0, &buffer)) {
        problem(walk, "a damaged tree node", block);
        return;
    }
    node = nanofs_node(buffer);
    if (node->level != level || node->owner != walk->disk->number)
        problem(walk, "a tree node of something else", block);
    else if (!level)
        check_leaf(walk, node);
    for (unsigned int i = 0; level && node->level == level && i < node->count; i++) {
        const struct nanofs_branch *branch = nanofs_branches(buffer) + i;

        if (i && branch->key < walk->next && walk->disk->type == VNODE_FILE)
            problem(walk, "a child with keys of the next", block);
        walk->next = i ? MAX(walk->next, branch->key) : walk->next;
        check_node(walk, branch->child, level - 1);
    }
    nanofs_buffer_put(buffer);
}

void nanofs_fsck_contents(struct nanofs_fsck *fsck, const struct nanofs_disk_inode *disk)
{
    struct walk walk = { .fsck = fsck, .disk = disk };

    for (uint32_t i = 0; i < disk->extent_count; i++)
        check_extent(&walk, &disk->extents[i]);
    if (disk->levels)
        check_node(&walk, disk->root, disk->levels - 1u);
    if (fsck->is_cancelled)
        return;
    if (disk->type == VNODE_FILE && walk.blocks != disk->blocks)
        problem(&walk, "a wrong count of blocks", walk.blocks);
    if (disk->type == VNODE_DIRECTORY && walk.entries != disk->size)
        problem(&walk, "a wrong count of names", disk->root);
}
