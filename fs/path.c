/*
 * Paths: from text to vnodes, one component at a time, across mount points.
 */
#include "fs/mount.h"
#include "fs/vfs.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

static bool is_dot(const char *name, size_t length)
{
    return length == 1 && name[0] == '.';
}

static bool is_dot_dot(const char *name, size_t length)
{
    return length == 2 && name[0] == '.' && name[1] == '.';
}

int vfs_lookup_locked(struct vnode *directory, const char *name, size_t length,
                      struct vnode **result)
{
    struct vnode *vnode = vnode_find_cached(directory, name, length);
    int error;

    if (!vnode) {
        if (directory->is_removed)
            return -ENOENT;
        error = directory->ops->lookup(directory, name, length, &vnode);
        if (error)
            return error;
        error = vnode_attach(vnode, directory, name, length);
        if (error) {
            vnode_put(vnode);
            return error;
        }
    }
    *result = vnode;
    return 0;
}

static int lookup(struct vnode *directory, const char *name, size_t length, struct vnode **result)
{
    int error;

    *result = vnode_find_cached(directory, name, length);
    if (*result)
        return 0;
    rwlock_write_lock(&directory->lock);
    error = vfs_lookup_locked(directory, name, length, result);
    rwlock_write_unlock(&directory->lock);
    return error;
}

/* One step down. @directory's reference is not touched. */
static int step(struct vnode *directory, const char *name, size_t length, struct vnode **result)
{
    if (directory->type != VNODE_DIRECTORY)
        return -ENOTDIR;
    if (length > VFS_NAME_MAX)
        return -ENAMETOOLONG;
    if (is_dot(name, length)) {
        *result = vnode_get(directory);
        return 0;
    }
    if (is_dot_dot(name, length)) {
        *result = mount_parent(directory);
        return 0;
    }
    return lookup(directory, name, length, result);
}

static const char *skip_slashes(const char *path)
{
    while (*path == '/')
        path++;
    return path;
}

/* The last component, which need not exist. */
static int walk_last(struct vfs_walk *walk, const char *name, size_t length)
{
    struct vnode *directory = walk->vnode;
    int error = step(directory, name, length, &walk->vnode);

    if (error && error != -ENOENT) {
        walk->vnode = directory; /* to be put by the caller */
        return error;
    }
    if (is_dot(name, length) || is_dot_dot(name, length)) {
        vnode_put(directory);
    } else {
        walk->directory = directory;
        walk->name = name;
        walk->length = length;
    }
    if (error)
        walk->vnode = NULL;
    else
        walk->vnode = mount_cross(walk->vnode);
    return 0;
}

static int walk_on(struct vfs_walk *walk, const char *name, size_t length)
{
    struct vnode *next;
    int error = step(walk->vnode, name, length, &next);

    if (error)
        return error;
    vnode_put(walk->vnode);
    walk->vnode = mount_cross(next);
    return 0;
}

static int walk_components(const char *path, struct vfs_walk *walk)
{
    int error = 0;

    path = skip_slashes(path);
    while (*path && !error) {
        size_t length = strcspn(path, "/");
        const char *next = skip_slashes(path + length);

        if (*next) {
            error = walk_on(walk, path, length);
        } else {
            walk->has_trailing_slash = path[length] == '/';
            error = walk_last(walk, path, length);
            if (!error && walk->has_trailing_slash && walk->vnode &&
                walk->vnode->type != VNODE_DIRECTORY)
                error = -ENOTDIR;
        }
        path = next;
    }
    return error;
}

int vfs_walk(const char *path, struct vfs_walk *walk)
{
    int error;

    *walk = (struct vfs_walk){ 0 };
    if (path[0] != '/')
        return -EINVAL;
    if (strnlen(path, VFS_PATH_MAX) == VFS_PATH_MAX)
        return -ENAMETOOLONG;
    walk->vnode = mount_root();
    if (!walk->vnode)
        return -ENODEV;
    error = walk_components(path, walk);
    if (error)
        vfs_walk_end(walk);
    return error;
}

void vfs_walk_end(struct vfs_walk *walk)
{
    vnode_put(walk->vnode);
    vnode_put(walk->directory);
    *walk = (struct vfs_walk){ 0 };
}

/* Appends one component to a plain absolute path. */
static int resolve_component(char *result, size_t *end, const char *name, size_t length)
{
    if (is_dot(name, length))
        return 0;
    if (is_dot_dot(name, length)) {
        while (*end && result[--*end] != '/')
            ;
        return 0;
    }
    if (*end + 1 + length >= VFS_PATH_MAX)
        return -ENAMETOOLONG;
    result[(*end)++] = '/';
    memcpy(result + *end, name, length);
    *end += length;
    return 0;
}

static int resolve_components(char *result, size_t *end, const char *path)
{
    int error = 0;

    for (path = skip_slashes(path); *path && !error; path = skip_slashes(path)) {
        size_t length = strcspn(path, "/");

        error = resolve_component(result, end, path, length);
        path += length;
    }
    return error;
}

int vfs_resolve(const char *directory, const char *path, char *result)
{
    size_t end = 0;
    int error = 0;

    if (!*path)
        return -ENOENT;
    if (*path != '/')
        error = resolve_components(result, &end, directory);
    if (!error)
        error = resolve_components(result, &end, path);
    if (!end)
        result[end++] = '/';
    result[end] = '\0';
    return error;
}
