/*
 * The mount table. A mount covers a directory of another one (or is the root), found through
 * vnode->mounted. table_lock serialises mounting and unmounting and guards the list; the links
 * between vnodes and mounts are also read without it, under the vnode cache's rules: a covered
 * directory and a mounted root are referenced for as long as the mount is there.
 */
#include "fs/mount.h"

#include "fs/vfs.h"
#include "kernel/log.h"
#include "kernel/sync/mutex.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

static DEFINE_MUTEX(table_lock, "mount_table", LOCK_RANK_MOUNT_TABLE);
static struct list mounts __guarded_global(table_lock) = LIST_INIT(mounts);

/* Guards the pointers that walks follow against an unmount under way. */
static DEFINE_SPINLOCK(link_lock, "mount_links", LOCK_RANK_MOUNT_LINKS);
static struct mount *root_mount __guarded_global(link_lock);

struct vnode *mount_root(void)
{
    struct vnode *root;

    spin_lock(&link_lock);
    root = root_mount ? vnode_get(root_mount->root) : NULL;
    spin_unlock(&link_lock);
    return root;
}

struct vnode *mount_cross(struct vnode *vnode)
{
    for (;;) {
        struct vnode *root = NULL;

        spin_lock(&link_lock);
        if (vnode->mounted)
            root = vnode_get(vnode->mounted->root);
        spin_unlock(&link_lock);
        if (!root)
            return vnode;
        vnode_put(vnode);
        vnode = root;
    }
}

struct vnode *mount_parent(struct vnode *vnode)
{
    struct vnode *parent;

    while (vnode->mount->root == vnode && vnode->mount->covered)
        vnode = vnode->mount->covered; /* stays while what is on it is in use */
    parent = vnode_parent(vnode);
    return parent ? parent : vnode_get(vnode);
}

const struct filesystem *filesystem_find(const char *name)
{
    const struct filesystem *filesystem;

    registry_for_each(filesystem, filesystem) {
        if (strcmp(filesystem->name, name) == 0)
            return filesystem;
    }
    return NULL;
}

/* ---- mount ---------------------------------------------------------------------------------- */

static void mount_link(struct mount *mount)
{
    spin_lock(&link_lock);
    if (mount->covered)
        mount->covered->mounted = mount;
    else
        root_mount = mount;
    spin_unlock(&link_lock);
}

static void mount_unlink(struct mount *mount)
{
    spin_lock(&link_lock);
    if (mount->covered)
        mount->covered->mounted = NULL;
    else
        root_mount = NULL;
    spin_unlock(&link_lock);
}

/* What @path names must be a directory nobody has mounted on; NULL for the first "/". */
static int find_covered(const char *path, struct vnode **covered)
{
    struct vfs_walk walk;
    int error;

    *covered = NULL;
    if (list_is_empty(&mounts))
        return strcmp(path, "/") == 0 ? 0 : -ENOENT;
    error = vfs_walk(path, &walk);
    if (error)
        return error;
    if (!walk.vnode)
        error = -ENOENT;
    else if (walk.vnode->type != VNODE_DIRECTORY)
        error = -ENOTDIR;
    else if (walk.vnode->mount->root == walk.vnode)
        error = -EBUSY;
    if (!error)
        *covered = vnode_get(walk.vnode);
    vfs_walk_end(&walk);
    return error;
}

static int mount_start(const struct filesystem *filesystem, const char *disk, struct vnode *covered,
                       struct mount **result)
{
    struct mount *mount = kzalloc(sizeof(*mount));
    int error;

    if (!mount)
        return -ENOMEM;
    mount->filesystem = filesystem;
    mount->covered = covered;
    strlcpy(mount->source, disk ? disk : "-", sizeof(mount->source));
    list_init(&mount->vnodes);
    list_node_init(&mount->node);
    error = filesystem->ops->mount(mount, disk);
    if (error)
        kfree(mount);
    else
        *result = mount;
    return error;
}

/* A directory may have been removed since it was found. */
static int mount_attach(struct mount *mount) __no_thread_safety_analysis /* conditional lock */
{
    struct vnode *covered = mount->covered;
    int error = 0;

    if (covered) {
        rwlock_write_lock(&covered->lock);
        error = covered->is_removed ? -ENOENT : 0;
    }
    if (!error)
        mount_link(mount);
    if (covered)
        rwlock_write_unlock(&covered->lock);
    return error;
}

static int mount_locked(const struct filesystem *filesystem, const char *disk, const char *path)
{
    struct vnode *covered;
    struct mount *mount;
    int error = find_covered(path, &covered);

    if (error)
        return error;
    error = mount_start(filesystem, disk, covered, &mount);
    if (error)
        goto put_covered;
    error = mount_attach(mount);
    if (error)
        goto unmount;
    list_push_back(&mounts, &mount->node);
    return 0;
unmount:
    (void)filesystem->ops->unmount(mount);
    kfree(mount);
put_covered:
    vnode_put(covered);
    return error;
}

int vfs_mount(const char *filesystem_name, const char *disk, const char *path)
{
    const struct filesystem *filesystem = filesystem_find(filesystem_name);
    int error;

    if (!filesystem)
        return -ENODEV;
    if (filesystem->ops->needs_disk != (disk != NULL))
        return -EINVAL;
    mutex_lock(&table_lock);
    error = mount_locked(filesystem, disk, path);
    mutex_unlock(&table_lock);
    return error;
}

/* ---- unmount -------------------------------------------------------------------------------- */

static int find_mount(const char *path, struct mount **result)
{
    struct vfs_walk walk;
    int error = vfs_walk(path, &walk);

    if (error)
        return error;
    if (!walk.vnode)
        error = -ENOENT;
    else if (walk.vnode->mount->root != walk.vnode)
        error = -ENXIO;
    else
        *result = walk.vnode->mount;
    vfs_walk_end(&walk);
    return error;
}

static int unmount_locked(struct mount *mount, bool is_forced)
{
    const struct filesystem_ops *ops = mount->filesystem->ops;
    int error = ops->settle ? ops->settle(mount) : 0;
    int unmount_error;

    if (error && !is_forced && !mount->is_read_only)
        return error;
    mount_unlink(mount); /* from here on nobody new gets in */
    if (vnode_cache_drop_mount(mount)) {
        mount_link(mount);
        return -EBUSY;
    }
    list_remove(&mount->node);
    unmount_error = ops->unmount(mount);
    vnode_put(mount->covered);
    kfree(mount);
    return error ? error : unmount_error;
}

int vfs_unmount(const char *path)
{
    struct mount *mount;
    int error;

    mutex_lock(&table_lock);
    error = find_mount(path, &mount);
    if (!error && !mount->covered)
        error = -EBUSY; /* the root stays until the machine goes */
    if (!error)
        error = unmount_locked(mount, false);
    mutex_unlock(&table_lock);
    return error;
}

void vfs_unmount_all(void)
{
    struct mount *mount;

    mutex_lock(&table_lock);
    while (!list_is_empty(&mounts)) {
        mount = list_entry(list_back(&mounts), struct mount, node); /* newest first */
        if (unmount_locked(mount, true) == -EBUSY)
            list_remove(&mount->node); /* synced by settle(); in use, so it is left at that */
    }
    mutex_unlock(&table_lock);
}

/* ---- all mounts ----------------------------------------------------------------------------- */

void vfs_mounts(void (*visit)(const struct mount *mount, const char *path, void *context),
                void *context)
{
    char *path = kmalloc(VFS_PATH_MAX);
    struct mount *mount;

    if (!path)
        return;
    mutex_lock(&table_lock);
    list_for_each_entry(mount, &mounts, node)
        visit(mount, vnode_path(mount->root, path, VFS_PATH_MAX), context);
    mutex_unlock(&table_lock);
    kfree(path);
}

bool vfs_is_mount(const char *path)
{
    struct vfs_walk walk;
    bool is_mount;

    if (vfs_walk(path, &walk))
        return false;
    is_mount = walk.vnode && walk.vnode->mount->root == walk.vnode;
    vfs_walk_end(&walk);
    return is_mount;
}

bool vfs_is_same_mount(const char *a, const char *b)
{
    struct vfs_walk first, second;
    bool is_same = false;

    if (vfs_walk(a, &first))
        return false;
    if (!vfs_walk(b, &second)) {
        is_same = first.vnode && second.vnode && first.vnode->mount == second.vnode->mount;
        vfs_walk_end(&second);
    }
    vfs_walk_end(&first);
    return is_same;
}

int vfs_sync(void)
{
    struct mount *mount;
    int result = 0;

    mutex_lock(&table_lock);
    list_for_each_entry(mount, &mounts, node) {
        int error = mount->filesystem->ops->sync ? mount->filesystem->ops->sync(mount) : 0;

        if (error && !result)
            result = error;
    }
    mutex_unlock(&table_lock);
    return result;
}
