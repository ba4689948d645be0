/*
 * The mount table, for the VFS's own files.
 */
#pragma once

#include "fs/vnode.h"

/** mount_root() - the vnode of "/", counted; NULL before anything is mounted. */
struct vnode *mount_root(void);
/** mount_cross() - if something is mounted on @vnode, its root instead. Takes and gives a
 * reference. */
struct vnode *mount_cross(struct vnode *vnode);
/** mount_parent() - ".." of a directory, counted; of "/" itself. */
struct vnode *mount_parent(struct vnode *vnode);

/** vfs_lookup_locked() - a name in @directory, whose lock is held W. Counted. fs/path.c */
int __must_check vfs_lookup_locked(struct vnode *directory, const char *name, size_t length,
                                   struct vnode **result);
/** vfs_create_locked() - a new name in @directory, whose lock is held W. Counted.
 * fs/vfs_directory.c */
int __must_check vfs_create_locked(struct vnode *directory, const char *name, size_t length,
                                   enum vnode_type type, struct vnode **result);
