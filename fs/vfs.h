/*
 * Files, for the rest of the kernel: paths, mounts, reading and writing.
 *
 * Paths are absolute ("/a/b", at most 4095 bytes, names at most 255); "." and ".." are understood,
 * ".." above the root is the root, every component passed must exist and be a directory. All
 * functions run in a task and may sleep; 0 or -errno:
 *   -ENOENT -ENOTDIR -EISDIR -EEXIST -ENAMETOOLONG -EINVAL (not absolute), -EROFS, -ENOSPC, -EIO,
 *   -EBUSY (a mount point, or in use), -EXDEV (rename across mounts), -ENOMEM.
 */
#pragma once

#include "fs/filesystem.h"
#include "fs/vnode.h"

struct file;

enum vfs_open_flags {
    VFS_READ = 1u << 0,
    VFS_WRITE = 1u << 1,
    VFS_CREATE = 1u << 2,    /* make the file if it is not there */
    VFS_EXCLUSIVE = 1u << 3, /* with VFS_CREATE: -EEXIST if it is */
    VFS_TRUNCATE = 1u << 4,  /* empty it */
    VFS_APPEND = 1u << 5,    /* every write goes to the end, whatever its offset */
};

/** vfs_open() - a file, or (for vfs_readdir) a directory with VFS_READ alone. */
int __must_check vfs_open(const char *path, unsigned int flags, struct file **file);
/** vfs_close() - NULL is ignored. What was written reaches the disk with the next commit or sync.
 */
void vfs_close(struct file *file);
int __must_check vfs_read(struct file *file, void *buffer, size_t size, uint64_t offset,
                          size_t *done);
/** vfs_write() - *@done is valid on an error too. */
int __must_check vfs_write(struct file *file, const void *buffer, size_t size, uint64_t offset,
                           size_t *done);
/** vfs_truncate() - cut or extend with zeros that take no space. */
int __must_check vfs_truncate(struct file *file, uint64_t size);
/** vfs_fsync() - on return the file, and its name, survive a power cut. */
int __must_check vfs_fsync(struct file *file);
/** vfs_readdir() - see vnode_ops.readdir. */
int __must_check vfs_readdir(struct file *directory, uint64_t *cursor, vfs_emit *emit,
                             void *context);

struct vfs_stat {
    enum vnode_type type;
    uint64_t inode;
    uint64_t size;
    uint64_t created_ns; /* wall clock */
    uint64_t modified_ns;
    const char *filesystem;
};
int __must_check vfs_stat(const char *path, struct vfs_stat *stat);
void vfs_file_stat(struct file *file, struct vfs_stat *stat);

int __must_check vfs_mkdir(const char *path);
/** vfs_remove() - a file or an empty directory. */
int __must_check vfs_remove(const char *path);
/**
 * vfs_remove_tree() - a file or a directory with all in it; each removal is one step of its own
 * Return: -ECANCELED at Ctrl-C; *@failed (VFS_PATH_MAX, may be NULL) names what could not go.
 */
int __must_check vfs_remove_tree(const char *path, char *failed);
/** vfs_rename() - an existing file (or empty directory) @to is replaced, all or nothing. */
int __must_check vfs_rename(const char *from, const char *to);

/** vfs_sync() - everything written before the call survives a power cut. The first error. */
int __must_check vfs_sync(void);
int __must_check vfs_statfs(const char *path, struct vfs_statfs *statistics);

/** vfs_mount() - @disk is NULL for a file system without one; @path an empty or any directory. */
int __must_check vfs_mount(const char *filesystem, const char *disk, const char *path);
/** vfs_unmount() - -ENXIO: nothing is mounted right there. */
int __must_check vfs_unmount(const char *path);
/** vfs_unmount_all() - sync and unmount what can be; before poweroff and reboot. */
void vfs_unmount_all(void);
/** vfs_mounts() - visit every mount; the path is in @path. May be called by anyone in a task. */
void vfs_mounts(void (*visit)(const struct mount *mount, const char *path, void *context),
                void *context);

/* A mounted file system and its room, as a copy: for those who may wait while they tell of it. */
struct vfs_usage {
    char path[256];         /* cut if it is longer */
    char source[32];        /* disk name or "-" */
    const char *filesystem; /* its type */
    uint64_t size, free;    /* bytes */
};
/** vfs_usage() - of every mount, @max at most. Return: how many. */
size_t vfs_usage(struct vfs_usage *usages, size_t max);

/** vfs_is_mount() - is something mounted right there? */
bool vfs_is_mount(const char *path);
/** vfs_is_same_mount() - do both paths exist, on one file system? */
bool vfs_is_same_mount(const char *a, const char *b);
/** filesystem_find() - the registered type, or NULL. */
const struct filesystem *filesystem_find(const char *name);

/**
 * vfs_resolve() - @path made absolute and plain: relative ones start at @directory; "." ".." "//"
 * are removed by their spelling. @result has VFS_PATH_MAX bytes. -ENAMETOOLONG, -ENOENT if empty.
 */
int __must_check vfs_resolve(const char *directory, const char *path, char *result);

/* For the VFS's own files: fs/path.c. */
struct vfs_walk {
    struct vnode *directory; /* counted; NULL when the path is the root itself */
    struct vnode *vnode;     /* counted; NULL when the last name does not exist */
    const char *name;        /* last component, in the path given; NULL for a root, "." or ".." */
    size_t length;
    bool has_trailing_slash;
};
/** vfs_walk() - resolve to the last component, which may be absent. vfs_walk_end() drops both. */
int __must_check vfs_walk(const char *path, struct vfs_walk *walk);
void vfs_walk_end(struct vfs_walk *walk);
