/*
 * Vnodes: what the file systems and the VFS say to each other about one file or directory.
 *
 * There are no hard links, so a vnode has one parent and one name, and the tree of vnodes in memory
 * is the cache of names too. A vnode holds a reference on its parent. Those nobody uses stay
 * cached, those used least recently first out, up to a bound (fs/vnode.c).
 *
 * Locks: vnode->lock serialises operations on one file or directory; it has no rank, because it
 * nests by the tree: a directory before what is in it; two directories only under the rename lock
 * of fs/vfs_directory.c, the ancestor first, else the one at the lower address.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/sync/rwlock.h"
#include "lib/compiler.h"
#include "lib/hash_table.h"
#include "lib/list.h"

#define VFS_NAME_MAX 255
#define VFS_PATH_MAX 4096

enum vnode_type {
    VNODE_FILE = 1,
    VNODE_DIRECTORY = 2
};

struct mount;
struct vnode;

#define VNODE_SHORT_NAME 24 /* bytes with the end; most names fit */

/* In the order of use: a look-up, which may be one among a hundred thousand, ends within the first
 * three cache lines, and comes by no other memory than these. */
struct vnode {
    /* Guarded by the vnode cache's lock. */
    struct hash_node hash_node;
    struct vnode *parent; /* counted; NULL: root of its mount, or removed */
    char *name;           /* short_name or heap; NULL for a root */
    char short_name[VNODE_SHORT_NAME];
    unsigned int references;
    bool is_removed; /* no longer has a name; goes away with the last reference */
    bool is_hashed;
    bool is_going;             /* it has been given to release() */
    bool is_recent;            /* was used since it came on the list, or was last passed there */
    struct list_node lru_node; /* linked since references were 0 for the first time */
    struct mount *mounted;     /* what is mounted on this directory */
    struct list_node mount_node;

    const struct vnode_ops *ops; /* const */
    struct mount *mount;         /* const */
    enum vnode_type type;        /* const */
    uint64_t inode;              /* const; number within its file system */
    uint64_t size;               /* bytes; written under lock, read anywhere (atomic) */
    uint64_t created_ns;         /* const */
    uint64_t modified_ns;        /* wall clock; like size */
    struct rwlock lock;          /* no rank, see above */
};

/**
 * typedef vfs_emit - receives one directory entry
 * Return: false to stop; that entry is delivered again by the next call with the same cursor.
 */
typedef bool vfs_emit(void *context, const char *name, size_t length, enum vnode_type type,
                      uint64_t inode);

/*
 * Operations of a file system. All run in a task and may sleep; 0 or -errno. Names are checked
 * already: 1 to 255 bytes, no '/' or NUL, not "." or "..". "R" and "W" say how the lock of the
 * vnode is held.
 */
struct vnode_ops {
    /* W. Make the vnode of an existing name (vnode_init, one reference). -ENOENT. */
    int (*lookup)(struct vnode *directory, const char *name, size_t length, struct vnode **result);
    /* W. The name does not exist. Make a file or an empty directory and its vnode. */
    int (*create)(struct vnode *directory, const char *name, size_t length, enum vnode_type type,
                  struct vnode **result);
    /* W on both. The storage goes now or, while other references exist, in release(). A directory
     * that is not empty: -ENOTEMPTY. */
    int (*remove)(struct vnode *directory, struct vnode *victim, const char *name, size_t length);
    /* W on both directories and on @target. Move, all or nothing; @target (NULL if the new name is
     * free) is replaced; types were compared. */
    int (*rename)(struct vnode *directory, struct vnode *vnode, const char *name, size_t length,
                  struct vnode *new_directory, const char *new_name, size_t new_length,
                  struct vnode *target);
    /* R. Emit entries from *@cursor (0 at first) on, and move it. *@cursor is UINT64_MAX at the
     * end. What is there throughout is emitted once, whatever is added or removed between calls. */
    int (*readdir)(struct vnode *directory, uint64_t *cursor, vfs_emit *emit, void *context);
    /* R. Up to @size bytes; *@done says how many, 0 at the end. An error after the first bytes is
     * reported by the next call. */
    int (*read)(struct vnode *file, void *buffer, size_t size, uint64_t offset, size_t *done);
    /* W. *@done says how many were taken, also on an error. */
    int (*write)(struct vnode *file, const void *buffer, size_t size, uint64_t offset,
                 size_t *done);
    int (*truncate)(struct vnode *file, uint64_t size); /* W. */
    int (*sync)(struct vnode *vnode);                   /* no lock held; NULL: nothing to do */
    /* No lock held, nobody else has it: give back the memory, and the storage if is_removed. */
    void (*release)(struct vnode *vnode);
};

/** vnode_init() - the first step of a file system's constructor; one reference, no name. */
void vnode_init(struct vnode *vnode, struct mount *mount, const struct vnode_ops *ops,
                enum vnode_type type, uint64_t inode);
/** vnode_destroy() - the last step of release(): undoes vnode_init(); does not free @vnode. */
void vnode_destroy(struct vnode *vnode);

/** vnode_get() - one more reference. Context: any task. Return: @vnode. */
struct vnode *vnode_get(struct vnode *vnode);
/** vnode_put() - drop one; NULL is ignored. May release: hold no lock of the VFS or a file system.
 */
void vnode_put(struct vnode *vnode);
/** vnode_references() - how many there are; changes under the reader's feet unless it is hidden. */
unsigned int vnode_references(struct vnode *vnode);

/**
 * vnode_path() - absolute path, for people; "(removed)" in front of one without a name
 * Return: @buffer. Cut at the front when it does not fit. Context: any task.
 */
const char *vnode_path(struct vnode *vnode, char *buffer, size_t size);

/* For the VFS's own files. */
/** vnode_find_cached() - a counted reference to the child of that name, or NULL. */
struct vnode *vnode_find_cached(struct vnode *parent, const char *name, size_t length);
/** vnode_attach() - give @vnode its name in @parent (locked W) and let look-ups find it. -ENOMEM.
 */
int __must_check vnode_attach(struct vnode *vnode, struct vnode *parent, const char *name,
                              size_t length);
/** vnode_hide() - look-ups do not find it any more; vnode_show() undoes that. */
void vnode_hide(struct vnode *vnode);
void vnode_show(struct vnode *vnode);
/** vnode_detach() - it has been removed: it loses its name. The caller still has a reference. */
void vnode_detach(struct vnode *vnode);
/** vnode_move() - rename in memory; @name is heap memory, taken over. */
void vnode_move(struct vnode *vnode, struct vnode *parent, char *name);
/** vnode_parent() - counted; NULL for the root of a mount. */
struct vnode *vnode_parent(struct vnode *vnode);
/** vnode_is_ancestor() - is @ancestor @vnode or above it in the same mount? */
bool vnode_is_ancestor(struct vnode *ancestor, struct vnode *vnode);
/**
 * vnode_cache_drop_mount() - release all unused vnodes of @mount
 * Return: references on what is left that are nobody's but users': not those of the mount on its
 * root, of children on parents, of names (filesystem_ops.keeps_vnodes).
 */
unsigned int vnode_cache_drop_mount(struct mount *mount);
unsigned int vnode_cache_count(void);
/**
 * vnode_cache_shrink() - release up to @count vnodes that nobody uses
 * Context: as vnode_put(), but locks of vnodes that are in use may be held. Return: how many.
 */
unsigned int vnode_cache_shrink(unsigned int count);
