/*
 * FAT under the VFS, read-only: `mount fat DISK PATH`.
 *
 * A vnode knows its first cluster; names and sizes come from the directory once, at the look-up.
 * One file may have several vnodes, under names that differ in case: nothing changes here, so that
 * does no harm.
 */
#include "fs/fat/disk.h"
#include "fs/filesystem.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

struct fat_node {
    struct vnode vnode;
    uint32_t cluster;      /* const; the first; 0: an empty file, or the root */
    struct fat_chain last; /* where the last read was; guarded by the volume's lock */
};

static const struct vnode_ops fat_vnode_ops;

static struct fat_node *fat_node(const struct vnode *vnode)
{
    return container_of(vnode, struct fat_node, vnode);
}

static struct fat_volume *fat_volume(const struct vnode *vnode)
{
    return vnode->mount->private;
}

static struct fat_node *node_create(struct mount *mount, enum vnode_type type, uint64_t inode,
                                    uint32_t cluster)
{
    struct fat_node *node = kzalloc(sizeof(*node));

    if (!node)
        return NULL;
    vnode_init(&node->vnode, mount, &fat_vnode_ops, type, inode);
    node->cluster = cluster;
    fat_chain_start(&node->last, cluster);
    return node;
}

static void fat_release(struct vnode *vnode)
{
    vnode_destroy(vnode);
    kfree(fat_node(vnode));
}

/* ---- names ----------------------------------------------------------------------------------- */

/* A forged directory may hold one that it lies in: such a tree would have no end. */
static bool is_above(struct vnode *directory, uint32_t cluster)
{
    struct vnode *vnode = vnode_get(directory);
    bool is_found = false;

    while (vnode && !is_found) {
        struct vnode *parent = vnode_parent(vnode);

        is_found = fat_node(vnode)->cluster == cluster;
        vnode_put(vnode); /* not the last reference: @directory's user holds the whole line */
        vnode = parent;
    }
    vnode_put(vnode);
    return is_found || cluster == fat_volume(directory)->root_cluster;
}

static int check_directory(struct vnode *parent, const struct fat_entry *entry)
{
    if (entry->cluster == 0 || is_above(parent, entry->cluster))
        return fat_damaged(fat_volume(parent), "a directory lies in itself, at cluster",
                           entry->cluster);
    return 0;
}

static int node_of(struct vnode *directory, const struct fat_entry *entry, struct vnode **result)
{
    bool is_directory = entry->attributes & FAT_DIRECTORY;
    int error = is_directory ? check_directory(directory, entry) : 0;
    struct fat_node *node;

    if (error)
        return error;
    node = node_create(directory->mount, is_directory ? VNODE_DIRECTORY : VNODE_FILE,
                       entry->position, entry->cluster);
    if (!node)
        return -ENOMEM;
    node->vnode.size = entry->size;
    node->vnode.created_ns = entry->created_ns;
    node->vnode.modified_ns = entry->modified_ns;
    *result = &node->vnode;
    return 0;
}

static int fat_lookup(struct vnode *directory, const char *name, size_t length,
                      struct vnode **result)
{
    struct fat_entry *entry = kmalloc(sizeof(*entry));
    int error =
        entry ? fat_find(fat_volume(directory), fat_node(directory)->cluster, name, length, entry)
              : -ENOMEM;

    if (!error)
        error = node_of(directory, entry, result);
    kfree(entry);
    return error;
}

/* The cursor is the slot that comes next. */
static int emit_from(struct vnode *directory, struct fat_walk *walk, struct fat_entry *entry,
                     uint64_t *cursor, vfs_emit *emit, void *context)
{
    fat_walk_start(walk, fat_volume(directory), fat_node(directory)->cluster, (uint32_t)*cursor);
    for (;;) {
        int error = fat_walk_next(walk, entry);

        if (error == -ENOENT)
            *cursor = UINT64_MAX;
        if (error)
            return error == -ENOENT ? 0 : error;
        if (!(entry->attributes & FAT_LABEL) &&
            !emit(context, entry->name, strlen(entry->name),
                  entry->attributes & FAT_DIRECTORY ? VNODE_DIRECTORY : VNODE_FILE,
                  entry->position))
            return 0;
        *cursor = walk->slot;
    }
}

static int fat_readdir(struct vnode *directory, uint64_t *cursor, vfs_emit *emit, void *context)
{
    struct fat_walk *walk = kmalloc(sizeof(*walk));
    struct fat_entry *entry = kmalloc(sizeof(*entry));
    int error = walk && entry ? 0 : -ENOMEM;

    if (!error && *cursor < FAT_SLOTS_MAX)
        error = emit_from(directory, walk, entry, cursor, emit, context);
    else if (!error)
        *cursor = UINT64_MAX;
    kfree(walk);
    kfree(entry);
    return error;
}

/* ---- contents -------------------------------------------------------------------------------- */

static int fat_file_read(struct vnode *vnode, void *buffer, size_t size, uint64_t offset,
                         size_t *done)
{
    struct fat_volume *volume = fat_volume(vnode);
    struct fat_node *node = fat_node(vnode);
    struct fat_chain chain;
    int error;

    if (offset >= vnode->size)
        return 0;
    size = (size_t)MIN((uint64_t)size, vnode->size - offset);
    mutex_lock(&volume->lock);
    chain = node->last;
    mutex_unlock(&volume->lock);
    error = fat_read(volume, &chain, offset, buffer, size);
    mutex_lock(&volume->lock);
    node->last = chain;
    mutex_unlock(&volume->lock);
    if (!error)
        *done = size;
    return error;
}

/* The VFS keeps changes away from a read-only mount; no operation for them is needed. */
static const struct vnode_ops fat_vnode_ops = {
    .lookup = fat_lookup,
    .readdir = fat_readdir,
    .read = fat_file_read,
    .release = fat_release,
};

/* ---- mounts ---------------------------------------------------------------------------------- */

static int fat_mount(struct mount *mount, const char *disk)
{
    struct fat_volume *volume;
    struct fat_node *root;
    int error = fat_disk_open(disk, "fat", &volume);

    if (error)
        return error;
    mount->private = volume;
    mount->is_read_only = true;
    root = node_create(mount, VNODE_DIRECTORY, 0, 0);
    if (!root) {
        fat_disk_close(volume);
        return -ENOMEM;
    }
    mount->root = &root->vnode;
    return 0;
}

static int fat_unmount(struct mount *mount)
{
    (void)vnode_cache_drop_mount(mount);
    fat_release(mount->root);
    fat_disk_close(mount->private);
    return 0;
}

/* Nothing is free: nothing can be written. */
static int fat_statfs(struct mount *mount, struct vfs_statfs *statistics)
{
    const struct fat_volume *volume = mount->private;

    *statistics = (struct vfs_statfs){ .block_size = volume->cluster_bytes,
                                       .total_blocks = volume->cluster_count };
    return 0;
}

static const struct filesystem_ops fat_ops = {
    .needs_disk = true,
    .mount = fat_mount,
    .unmount = fat_unmount,
    .statfs = fat_statfs,
};
FILESYSTEM(fat, &fat_ops);
