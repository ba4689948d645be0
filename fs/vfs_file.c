/*
 * Open files: reading, writing, and what is asked about a file.
 */
#include "fs/mount.h"
#include "fs/vfs.h"
#include "lib/errno.h"
#include "mm/kmalloc.h"

struct file {
    struct vnode *vnode; /* const; counted */
    unsigned int flags;  /* const; enum vfs_open_flags */
};

static bool is_read_only(const struct vnode *vnode)
{
    return READ_ONCE(vnode->mount->is_read_only);
}

/* The name does not exist, or did not a moment ago. */
static int create_file(struct vfs_walk *walk, unsigned int flags)
{
    struct vnode *directory = walk->directory;
    int error;

    if (!directory || walk->has_trailing_slash)
        return -EISDIR;
    if (is_read_only(directory))
        return -EROFS;
    rwlock_write_lock(&directory->lock);
    error = vfs_lookup_locked(directory, walk->name, walk->length, &walk->vnode);
    if (!error && (flags & VFS_EXCLUSIVE)) {
        error = -EEXIST;
    } else if (error == -ENOENT) {
        error = vfs_create_locked(directory, walk->name, walk->length, VNODE_FILE, &walk->vnode);
    }
    rwlock_write_unlock(&directory->lock);
    return error;
}

static int check_open(struct vnode *vnode, unsigned int flags)
{
    bool is_change = flags & (VFS_WRITE | VFS_TRUNCATE | VFS_APPEND);

    if (vnode->type == VNODE_DIRECTORY && (is_change || (flags & VFS_CREATE)))
        return -EISDIR;
    if (is_change && is_read_only(vnode))
        return -EROFS;
    return 0;
}

static int file_make(struct vnode *vnode, unsigned int flags, struct file **result)
{
    struct file *file = kmalloc(sizeof(*file));
    int error;

    if (!file)
        return -ENOMEM;
    file->vnode = vnode;
    file->flags = flags;
    if (flags & VFS_TRUNCATE) {
        error = vfs_truncate(file, 0);
        if (error) {
            kfree(file);
            return error;
        }
    }
    vnode_get(vnode);
    *result = file;
    return 0;
}

int vfs_open(const char *path, unsigned int flags, struct file **file)
{
    struct vfs_walk walk;
    int error;

    if (flags & (VFS_APPEND | VFS_TRUNCATE))
        flags |= VFS_WRITE;
    error = vfs_walk(path, &walk);
    if (error)
        return error;
    if (!walk.vnode)
        error = flags & VFS_CREATE ? create_file(&walk, flags) : -ENOENT;
    else if ((flags & VFS_CREATE) && (flags & VFS_EXCLUSIVE))
        error = -EEXIST;
    if (!error)
        error = check_open(walk.vnode, flags);
    if (!error)
        error = file_make(walk.vnode, flags, file);
    vfs_walk_end(&walk);
    return error;
}

void vfs_close(struct file *file)
{
    if (!file)
        return;
    vnode_put(file->vnode);
    kfree(file);
}

int vfs_read(struct file *file, void *buffer, size_t size, uint64_t offset, size_t *done)
{
    struct vnode *vnode = file->vnode;
    int error;

    *done = 0;
    if (vnode->type == VNODE_DIRECTORY)
        return -EISDIR;
    if (!(file->flags & VFS_READ))
        return -EBADF;
    rwlock_read_lock(&vnode->lock);
    error = vnode->ops->read(vnode, buffer, size, offset, done);
    rwlock_read_unlock(&vnode->lock);
    return error;
}

int vfs_write(struct file *file, const void *buffer, size_t size, uint64_t offset, size_t *done)
{
    struct vnode *vnode = file->vnode;
    int error;

    *done = 0;
    if (!(file->flags & VFS_WRITE))
        return -EBADF;
    if (is_read_only(vnode))
        return -EROFS;
    rwlock_write_lock(&vnode->lock);
    if (file->flags & VFS_APPEND)
        offset = vnode->size;
    error = vnode->ops->write(vnode, buffer, size, offset, done);
    rwlock_write_unlock(&vnode->lock);
    return error;
}

int vfs_truncate(struct file *file, uint64_t size)
{
    struct vnode *vnode = file->vnode;
    int error = 0;

    if (!(file->flags & VFS_WRITE))
        return -EBADF;
    if (is_read_only(vnode))
        return -EROFS;
    rwlock_write_lock(&vnode->lock);
    if (vnode->size != size)
        error = vnode->ops->truncate(vnode, size);
    rwlock_write_unlock(&vnode->lock);
    return error;
}

int vfs_fsync(struct file *file)
{
    struct vnode *vnode = file->vnode;

    return vnode->ops->sync ? vnode->ops->sync(vnode) : 0;
}

int vfs_readdir(struct file *directory, uint64_t *cursor, vfs_emit *emit, void *context)
{
    struct vnode *vnode = directory->vnode;
    int error;

    if (vnode->type != VNODE_DIRECTORY)
        return -ENOTDIR;
    rwlock_read_lock(&vnode->lock);
    error = vnode->ops->readdir(vnode, cursor, emit, context);
    rwlock_read_unlock(&vnode->lock);
    return error;
}

static void fill_stat(const struct vnode *vnode, struct vfs_stat *stat)
{
    *stat = (struct vfs_stat){
        .type = vnode->type,
        .inode = vnode->inode,
        .size = READ_ONCE(vnode->size),
        .created_ns = vnode->created_ns,
        .modified_ns = READ_ONCE(vnode->modified_ns),
        .filesystem = vnode->mount->filesystem->name,
    };
}

void vfs_file_stat(struct file *file, struct vfs_stat *stat)
{
    fill_stat(file->vnode, stat);
}

int vfs_stat(const char *path, struct vfs_stat *stat)
{
    struct vfs_walk walk;
    int error = vfs_walk(path, &walk);

    if (error)
        return error;
    if (walk.vnode)
        fill_stat(walk.vnode, stat);
    else
        error = -ENOENT;
    vfs_walk_end(&walk);
    return error;
}

int vfs_statfs(const char *path, struct vfs_statfs *statistics)
{
    struct vfs_walk walk;
    int error = vfs_walk(path, &walk);

    if (error)
        return error;
    error = -ENOENT;
    if (walk.vnode)
        error = walk.vnode->mount->filesystem->ops->statfs(walk.vnode->mount, statistics);
    vfs_walk_end(&walk);
    return error;
}
