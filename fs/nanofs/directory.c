/*
 * Directories: names ordered by their hash in a B+ tree (node.c). A leaf holds the entries packed,
 * smallest hash first; names with the same hash (which takes billions of names, or a forged disk)
 * stay in one leaf.
 *
 * The cursor of a reader is the hash to go on from. The lock of the directory's vnode guards the
 * tree.
 */
#include "fs/nanofs/nanofs.h"
#include "lib/errno.h"
#include "lib/string.h"

#define LAST_HASH (UINT64_MAX - 1) /* UINT64_MAX is the cursor at the end */

uint64_t nanofs_name_hash(const struct nanofs *fs, const char *name, size_t length)
{
    return MIN(hash_bytes(&fs->hash_key, name, length), (uint64_t)LAST_HASH);
}

/* ---- leaves --------------------------------------------------------------------------------- */

static size_t entry_size(const struct nanofs_dirent *entry)
{
    return sizeof(*entry) + entry->length;
}

static struct nanofs_dirent *entry_at(const struct nanofs_node *leaf, uint32_t offset)
{
    return (struct nanofs_dirent *)((char *)(leaf + 1) + offset);
}

/* Offset of the first entry whose hash is at least @hash. */
static uint32_t leaf_search(const struct nanofs_node *leaf, uint64_t hash)
{
    uint32_t offset = 0;

    while (offset < leaf->used && entry_at(leaf, offset)->hash < hash)
        offset += (uint32_t)entry_size(entry_at(leaf, offset));
    return offset;
}

/* The entry of a name, NULL if it is not there. */
static struct nanofs_dirent *leaf_find(const struct nanofs_node *leaf, uint64_t hash,
                                       const char *name, size_t length)
{
    for (uint32_t offset = leaf_search(leaf, hash); offset < leaf->used;
         offset += (uint32_t)entry_size(entry_at(leaf, offset))) {
        struct nanofs_dirent *entry = entry_at(leaf, offset);

        if (entry->hash != hash)
            break;
        if (entry->length == length && memcmp(entry->name, name, length) == 0)
            return entry;
    }
    return NULL;
}

static bool names_have_room(const struct nanofs_node *leaf, size_t size)
{
    return leaf->used + size <= NANOFS_NODE_SPACE;
}

/* Where to cut: near the middle, between two different hashes. 0: nowhere. */
static uint32_t split_offset(const struct nanofs_node *leaf, unsigned int *kept)
{
    uint32_t best = 0, offset = 0;
    unsigned int count = 0;

    while (offset < leaf->used) {
        const struct nanofs_dirent *entry = entry_at(leaf, offset);
        uint32_t next = offset + (uint32_t)entry_size(entry);

        count++;
        if (next < leaf->used && entry_at(leaf, next)->hash != entry->hash) {
            best = next;
            *kept = count;
            if (next >= leaf->used / 2)
                break;
        }
        offset = next;
    }
    return best;
}

static int names_split(struct nanofs_node *from, struct nanofs_node *to, uint64_t key,
                       uint64_t *first)
{
    unsigned int kept = 0;
    uint32_t offset = split_offset(from, &kept);

    (void)key;
    if (!offset)
        return -ENOSPC;
    *first = entry_at(from, offset)->hash;
    to->used = from->used - offset;
    to->count = (uint16_t)(from->count - kept);
    memcpy(to + 1, entry_at(from, offset), to->used);
    from->used = offset;
    from->count = (uint16_t)kept;
    return 0;
}

/* ---- look-up -------------------------------------------------------------------------------- */

/* The leaf of a name, and its entry there or -ENOENT. */
static int find_entry(struct nanofs_inode *directory, const char *name, size_t length,
                      struct nanofs_path *path, struct nanofs_dirent **entry)
{
    uint64_t hash = nanofs_name_hash(directory->fs, name, length);
    int error;

    if (!directory->map.tree.levels)
        return -ENOENT;
    error = nanofs_tree_descend(&directory->map.tree, hash, path);
    if (error)
        return error;
    *entry = leaf_find(nanofs_node(path->buffers[0]), hash, name, length);
    if (*entry)
        return 0;
    nanofs_path_put(path);
    return -ENOENT;
}

int nanofs_directory_find(struct nanofs_inode *directory, const char *name, size_t length,
                          uint32_t *inode, enum vnode_type *type)
{
    struct nanofs_dirent *entry;
    struct nanofs_path path;
    int error = find_entry(directory, name, length, &path, &entry);

    if (error)
        return error;
    *inode = entry->inode;
    *type = entry->type;
    nanofs_path_put(&path);
    return 0;
}

/* Emits a leaf from *@cursor on. Return: false when the reader has had enough. */
static bool emit_leaf(const struct nanofs_node *leaf, uint64_t *cursor, vfs_emit *emit,
                      void *context)
{
    for (uint32_t offset = leaf_search(leaf, *cursor); offset < leaf->used;
         offset += (uint32_t)entry_size(entry_at(leaf, offset))) {
        const struct nanofs_dirent *entry = entry_at(leaf, offset);

        *cursor = entry->hash;
        if (!emit(context, entry->name, entry->length, entry->type, entry->inode))
            return false;
    }
    return true;
}

int nanofs_directory_read(struct nanofs_inode *directory, uint64_t *cursor, vfs_emit *emit,
                          void *context)
{
    while (directory->map.tree.levels && *cursor != UINT64_MAX) {
        struct nanofs_path path;
        bool wants_more;
        uint64_t end;
        int error = nanofs_tree_descend(&directory->map.tree, *cursor, &path);

        if (error)
            return error;
        wants_more = emit_leaf(nanofs_node(path.buffers[0]), cursor, emit, context);
        end = path.end;
        nanofs_path_put(&path);
        if (!wants_more)
            return 0;
        *cursor = end;
    }
    *cursor = UINT64_MAX;
    return 0;
}

/* ---- changes -------------------------------------------------------------------------------- */

/* Dirty buffers stay in memory, so what was pinned is found again without the disk. */
static void pin_path(const struct nanofs_path *path)
{
    for (unsigned int level = 0; level < path->levels; level++)
        nanofs_buffer_modify(path->buffers[level]);
}

int nanofs_directory_prepare(struct nanofs_inode *directory, const char *name, size_t length,
                             enum nanofs_purpose purpose)
{
    struct nanofs_tree *tree = &directory->map.tree;
    struct nanofs_path path;
    int error = 0;

    if (!tree->levels) {
        error = nanofs_tree_plant(tree, purpose);
        if (error)
            return error;
        nanofs_inode_changed(directory);
    }
    error = nanofs_tree_make_room(tree, nanofs_name_hash(directory->fs, name, length), purpose,
                                  names_have_room, names_split,
                                  sizeof(struct nanofs_dirent) + length, &path);
    nanofs_inode_changed(directory);
    if (error)
        return error;
    pin_path(&path);
    nanofs_path_put(&path);
    return 0;
}

/* What follows a successful prepare or pin in the same handle cannot fail; if it does, memory is
 * not what the disk must become, and the transaction must not be committed. */
static void directory_broken(struct nanofs_inode *directory, int error)
{
    nanofs_fail(directory->fs, error, "a prepared directory was not there");
}

void nanofs_directory_insert(struct nanofs_inode *directory, const char *name, size_t length,
                             uint32_t inode, enum vnode_type type)
{
    uint64_t hash = nanofs_name_hash(directory->fs, name, length);
    size_t size = sizeof(struct nanofs_dirent) + length;
    struct nanofs_dirent *entry;
    struct nanofs_node *leaf;
    struct nanofs_path path;
    uint32_t offset;
    int error = nanofs_tree_descend(&directory->map.tree, hash, &path);

    if (error) {
        directory_broken(directory, error);
        return;
    }
    leaf = nanofs_node(path.buffers[0]);
    offset = leaf_search(leaf, hash);
    entry = entry_at(leaf, offset);
    memmove((char *)entry + size, entry, leaf->used - offset);
    *entry = (struct nanofs_dirent){
        .hash = hash, .inode = inode, .type = (uint8_t)type, .length = (uint8_t)length
    };
    memcpy(entry->name, name, length);
    leaf->used += (uint32_t)size;
    leaf->count++;
    nanofs_path_put(&path);
    directory->disk_size++;
    nanofs_inode_changed(directory);
}

int nanofs_directory_pin(struct nanofs_inode *directory, const char *name, size_t length)
{
    struct nanofs_dirent *entry;
    struct nanofs_path path;
    int error = find_entry(directory, name, length, &path, &entry);

    if (error)
        return error;
    pin_path(&path);
    nanofs_path_put(&path);
    return 0;
}

void nanofs_directory_remove(struct nanofs_inode *directory, const char *name, size_t length)
{
    struct nanofs_dirent *entry;
    struct nanofs_node *leaf;
    struct nanofs_path path;
    size_t size;
    int error = find_entry(directory, name, length, &path, &entry);

    if (error) {
        directory_broken(directory, error);
        return;
    }
    leaf = nanofs_node(path.buffers[0]);
    size = entry_size(entry);
    memmove(entry, (char *)entry + size,
            (size_t)((char *)entry_at(leaf, leaf->used) - ((char *)entry + size)));
    leaf->used -= (uint32_t)size;
    leaf->count--;
    if (leaf->count)
        nanofs_path_put(&path);
    else
        nanofs_tree_prune(&directory->map.tree, &path);
    directory->disk_size--;
    nanofs_inode_changed(directory);
}

void nanofs_directory_replace(struct nanofs_inode *directory, const char *name, size_t length,
                              uint32_t inode, enum vnode_type type)
{
    struct nanofs_dirent *entry;
    struct nanofs_path path;
    int error = find_entry(directory, name, length, &path, &entry);

    if (error) {
        directory_broken(directory, error);
        return;
    }
    entry->inode = inode;
    entry->type = (uint8_t)type;
    nanofs_path_put(&path);
    nanofs_inode_changed(directory);
}
