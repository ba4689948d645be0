/*
 * File system types. A file system registers itself by name; `mount` and `format` find it there.
 *
 *     static const struct filesystem_ops ramfs_ops = { .mount = ramfs_mount, ... };
 *     FILESYSTEM(ramfs, &ramfs_ops);
 */
#pragma once

#include "fs/vnode.h"
#include "lib/printf.h"
#include "lib/registry.h"

struct vfs_statfs {
    uint64_t block_size;
    uint64_t total_blocks;
    uint64_t free_blocks; /* for files */
    uint64_t inodes;      /* in use */
};

/* What a long operation tells while it works; return false to stop it (-ECANCELED). */
struct filesystem_report {
    bool (*progress)(void *context, uint64_t done, uint64_t total);
    format_sink *problem; /* one complaint of fsck, without a newline, in one piece */
    void *context;
};

struct filesystem_ops {
    bool needs_disk;
    bool keeps_vnodes; /* each name holds a reference on its vnode */
    /* Make mount->root (one reference) and mount->private. @disk: name or NULL. The message for
     * people goes to the log; 0 or -errno. */
    int (*mount)(struct mount *mount, const char *disk);
    /* Before unmount(), others may still use it: write out what can be, let go of every vnode that
     * only waits for that. Optional. */
    int (*settle)(struct mount *mount);
    /* Nothing of it is in use. After this the disk is free again, whatever is returned: an error
     * says that the last changes may not have reached it. */
    int (*unmount)(struct mount *mount);
    int (*sync)(struct mount *mount); /* optional */
    int (*statfs)(struct mount *mount, struct vfs_statfs *statistics);
    int (*format)(const char *disk, const struct filesystem_report *report); /* optional */
    /* Look for damage without writing. Return: number of problems, or -errno. Optional. */
    int (*check)(const char *disk, const struct filesystem_report *report);
};

struct filesystem {
    const char *name;
    const struct filesystem_ops *ops;
};

#define FILESYSTEM(name_, ops_)                                                                    \
    REGISTRY_ENTRY(filesystem, name_##_filesystem, { .name = #name_, .ops = (ops_) })

struct mount {
    const struct filesystem *filesystem; /* const */
    char source[32];                     /* const; disk name or "-" */
    struct vnode *root;                  /* const while mounted; one reference */
    struct vnode *covered;               /* const; the directory below, counted; NULL for / */
    bool is_read_only;                   /* atomic; a file system sets it when it fails */
    void *private;                       /* the file system's */
    struct list_node node;               /* guarded by the mount table's lock */
    struct list vnodes;                  /* all of it; guarded by the vnode cache's lock */
};
