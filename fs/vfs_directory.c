/*
 * Changes of names: create, remove, rename.
 *
 * Paths are walked without locks held, so once the directories are locked the names are looked up
 * again. Renames are serialised by one mutex: only they need two directories at once.
 */
#include "fs/mount.h"
#include "fs/vfs.h"
#include "kernel/sched/task.h"
#include "kernel/sync/mutex.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

static DEFINE_MUTEX(rename_lock, "vfs_rename", LOCK_RANK_FS_RENAME);

static bool is_read_only(const struct vnode *vnode)
{
    return READ_ONCE(vnode->mount->is_read_only);
}

int vfs_create_locked(struct vnode *directory, const char *name, size_t length,
                      enum vnode_type type, struct vnode **result)
{
    struct vnode *vnode;
    int error;

    if (directory->is_removed)
        return -ENOENT;
    error = directory->ops->create(directory, name, length, type, &vnode);
    if (error)
        return error;
    error = vnode_attach(vnode, directory, name, length);
    if (error)
        vnode_put(vnode); /* it exists on the disk all the same */
    else
        *result = vnode;
    return error;
}

static int mkdir_in(struct vfs_walk *walk)
{
    struct vnode *directory = walk->directory;
    struct vnode *vnode = NULL;
    int error;

    if (is_read_only(directory))
        return -EROFS;
    rwlock_write_lock(&directory->lock);
    error = vfs_lookup_locked(directory, walk->name, walk->length, &vnode);
    if (!error)
        error = -EEXIST;
    else if (error == -ENOENT)
        error = vfs_create_locked(directory, walk->name, walk->length, VNODE_DIRECTORY, &vnode);
    rwlock_write_unlock(&directory->lock);
    vnode_put(vnode);
    return error;
}

int vfs_mkdir(const char *path)
{
    struct vfs_walk walk;
    int error = vfs_walk(path, &walk);

    if (error)
        return error;
    error = walk.vnode ? -EEXIST : mkdir_in(&walk);
    vfs_walk_end(&walk);
    return error;
}

/* ---- removal -------------------------------------------------------------------------------- */

/* Both locked; nobody can find @victim any more, unless that fails. */
static int remove_hidden(struct vnode *directory, struct vnode *victim, const char *name,
                         size_t length)
{
    int error;

    if (victim->mounted)
        return -EBUSY;
    vnode_hide(victim);
    error = directory->ops->remove(directory, victim, name, length);
    if (error)
        vnode_show(victim);
    else
        vnode_detach(victim);
    return error;
}

static int remove_in(struct vfs_walk *walk)
{
    struct vnode *directory = walk->directory;
    struct vnode *victim = NULL;
    int error;

    if (is_read_only(directory))
        return -EROFS;
    /* The walk's own reference would make the file look used. */
    vnode_put(walk->vnode);
    walk->vnode = NULL;
    rwlock_write_lock(&directory->lock);
    error = vfs_lookup_locked(directory, walk->name, walk->length, &victim);
    if (!error) {
        rwlock_write_lock(&victim->lock);
        error = remove_hidden(directory, victim, walk->name, walk->length);
        rwlock_write_unlock(&victim->lock);
    }
    rwlock_write_unlock(&directory->lock);
    vnode_put(victim);
    return error;
}

static bool is_mount_root(const struct vnode *vnode)
{
    return vnode->mount->root == vnode;
}

int vfs_remove(const char *path)
{
    struct vfs_walk walk;
    int error = vfs_walk(path, &walk);

    if (error)
        return error;
    if (!walk.vnode)
        error = -ENOENT;
    else if (is_mount_root(walk.vnode))
        error = -EBUSY;
    else if (!walk.directory)
        error = -EINVAL; /* "." or ".." */
    else
        error = remove_in(&walk);
    vfs_walk_end(&walk);
    return error;
}

/* Appends the first name of a directory to its path. */
struct first_name {
    char *path;
    size_t length;
    bool is_found, is_too_long;
};

static bool take_first(void *context, const char *name, size_t length, enum vnode_type type,
                       uint64_t inode)
{
    struct first_name *first = context;

    (void)type;
    (void)inode;
    first->is_found = true;
    first->is_too_long = first->length + 1 + length >= VFS_PATH_MAX;
    if (!first->is_too_long) {
        first->path[first->length] = '/';
        memcpy(first->path + first->length + 1, name, length);
        first->path[first->length + 1 + length] = '\0';
    }
    return false;
}

/* Return: 1 descended, 0 empty, -errno. */
static int descend(char *path)
{
    struct first_name first = { .path = path, .length = strlen(path) };
    uint64_t cursor = 0;
    struct file *directory;
    int error = vfs_open(path, VFS_READ, &directory);

    if (error)
        return error;
    error = vfs_readdir(directory, &cursor, take_first, &first);
    vfs_close(directory);
    if (error || !first.is_found)
        return error;
    return first.is_too_long ? -ENAMETOOLONG : 1;
}

/* Depth first, without recursion: go down to what can be removed, remove it, go up. */
static int remove_tree(char *path, size_t top)
{
    for (;;) {
        int error = vfs_remove(path);

        if (task_is_cancelled())
            return -ECANCELED;
        if (error == -ENOTEMPTY) {
            error = descend(path);
            if (error >= 0)
                continue; /* emptied by somebody else: try again */
        }
        if (error)
            return error;
        if (strlen(path) <= top)
            return 0;
        *strrchr(path, '/') = '\0';
    }
}

int vfs_remove_tree(const char *path, char *failed)
{
    char *buffer = kmalloc(VFS_PATH_MAX);
    int error;

    if (!buffer)
        return -ENOMEM;
    error = vfs_resolve("/", path, buffer);
    if (!error)
        error = remove_tree(buffer, strlen(buffer));
    if (error && failed)
        strlcpy(failed, buffer, VFS_PATH_MAX);
    kfree(buffer);
    return error;
}

/* ---- rename --------------------------------------------------------------------------------- */

struct rename {
    struct vfs_walk from, to;
    struct vnode *vnode, *target; /* counted; looked up under the locks */
    char *name;
};

/* Which locks is decided at run time, beyond the analysis. */
static void lock_two(struct vnode *a, struct vnode *b) __no_thread_safety_analysis
{
    bool b_first = a != b && (vnode_is_ancestor(b, a) ||
                              (!vnode_is_ancestor(a, b) && (uintptr_t)b < (uintptr_t)a));

    rwlock_write_lock(b_first ? &b->lock : &a->lock);
    if (a != b)
        rwlock_write_lock(b_first ? &a->lock : &b->lock);
}

static void unlock_two(struct vnode *a, struct vnode *b) __no_thread_safety_analysis
{
    rwlock_write_unlock(&a->lock);
    if (a != b)
        rwlock_write_unlock(&b->lock);
}

static int check_rename(const struct rename *rename)
{
    struct vnode *vnode = rename->vnode, *target = rename->target;

    if (vnode->mounted || (target && target->mounted))
        return -EBUSY;
    if (vnode_is_ancestor(vnode, rename->to.directory))
        return -EINVAL; /* into itself */
    if (!target)
        return rename->to.has_trailing_slash && vnode->type != VNODE_DIRECTORY ? -ENOTDIR : 0;
    if (target->type == VNODE_DIRECTORY && vnode->type != VNODE_DIRECTORY)
        return -EISDIR;
    if (target->type != VNODE_DIRECTORY && vnode->type == VNODE_DIRECTORY)
        return -ENOTDIR;
    if (vnode_is_ancestor(target, rename->from.directory))
        return -ENOTEMPTY;
    return 0;
}

/* Directories, and the target, are locked. */
static int rename_hidden(struct rename *rename)
{
    struct vnode *from = rename->from.directory, *to = rename->to.directory;
    int error;

    if (rename->target)
        vnode_hide(rename->target);
    error = from->ops->rename(from, rename->vnode, rename->from.name, rename->from.length, to,
                              rename->to.name, rename->to.length, rename->target);
    if (error) {
        if (rename->target)
            vnode_show(rename->target);
        return error;
    }
    if (rename->target)
        vnode_detach(rename->target);
    vnode_move(rename->vnode, to, rename->name);
    rename->name = NULL;
    return 0;
}

static int rename_locked(struct rename *rename) __no_thread_safety_analysis
{
    int error = vfs_lookup_locked(rename->from.directory, rename->from.name, rename->from.length,
                                  &rename->vnode);

    if (error)
        return error;
    error = vfs_lookup_locked(rename->to.directory, rename->to.name, rename->to.length,
                              &rename->target);
    if (error && error != -ENOENT)
        return error;
    if (rename->to.directory->is_removed)
        return -ENOENT;
    if (rename->vnode == rename->target)
        return 0;
    error = check_rename(rename);
    if (error)
        return error;
    if (rename->target)
        rwlock_write_lock(&rename->target->lock);
    error = rename_hidden(rename);
    if (rename->target)
        rwlock_write_unlock(&rename->target->lock);
    return error;
}

static void drop_walked(struct vfs_walk *walk)
{
    vnode_put(walk->vnode);
    walk->vnode = NULL;
}

static int rename_walked(struct rename *rename)
{
    struct vnode *from = rename->from.directory, *to = rename->to.directory;
    int error;

    if (!rename->from.vnode)
        return -ENOENT;
    if (is_mount_root(rename->from.vnode) || (rename->to.vnode && is_mount_root(rename->to.vnode)))
        return -EBUSY;
    if (!from || !to)
        return -EINVAL; /* "." or ".." */
    if (from->mount != to->mount)
        return -EXDEV;
    if (is_read_only(from))
        return -EROFS;
    rename->name = kmalloc(rename->to.length + 1);
    if (!rename->name)
        return -ENOMEM;
    memcpy(rename->name, rename->to.name, rename->to.length);
    rename->name[rename->to.length] = '\0';
    drop_walked(&rename->from);
    drop_walked(&rename->to);
    mutex_lock(&rename_lock);
    lock_two(from, to);
    error = rename_locked(rename);
    unlock_two(from, to);
    mutex_unlock(&rename_lock);
    vnode_put(rename->vnode);
    vnode_put(rename->target);
    kfree(rename->name);
    return error;
}

int vfs_rename(const char *from, const char *to)
{
    struct rename rename = { 0 };
    int error = vfs_walk(from, &rename.from);

    if (error)
        return error;
    error = vfs_walk(to, &rename.to);
    if (!error)
        error = rename_walked(&rename);
    vfs_walk_end(&rename.from);
    vfs_walk_end(&rename.to);
    return error;
}
