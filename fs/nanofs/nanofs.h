/*
 * nanofs: what its files share. docs/NANOFS.md has the design; layout.h the disk.
 *
 *   super.c      mount, unmount, statfs, geometry        buffer.c   metadata blocks in memory
 *   format.c     making one                              journal.c  handles, commit, replay
 *   fsck.c       looking for damage                      alloc.c    groups: bitmaps and checksums
 *   namespace.c  create, remove, rename, look-up         table.c    the inode file
 *   pages.c      page cache and its bound                map.c      file maps: extents
 *   file.c       read, write, truncate                   directory.c names in a B+ tree
 *   writeback.c  delayed allocation                      node.c     what the two trees share
 *   device.c     waiting for the disk                    disk.c     the block layer as a device
 *   reclaim.c    giving memory back
 *
 * Locks, outermost first: vnode locks; transaction_lock (shared by handles, exclusive to freeze);
 * map_lock of one file; table_lock; alloc_lock; buffer_lock. Under vnode lock W in a handle only:
 * nodes of directories.
 */
#pragma once

#include "fs/filesystem.h"
#include "fs/nanofs/device.h"
#include "fs/nanofs/layout.h"
#include "kernel/sync/mutex.h"
#include "kernel/sync/rwlock.h"
#include "kernel/sync/wait_group.h"
#include "lib/atomic.h"
#include "lib/hash.h"
#include "lib/hash_table.h"
#include "lib/list.h"
#include "lib/rbtree.h"

struct nanofs;

/* ---- buffer.c: metadata blocks ------------------------------------------------------------- */

struct nanofs_buffer {
    uint64_t block;               /* const */
    struct nanofs *fs;            /* const */
    enum nanofs_kind kind;        /* guarded by buffer_lock, const while referenced */
    void *data;                   /* the page; replaced by nanofs_buffer_modify() while frozen */
    void *frozen;                 /* image of the transaction being committed; may equal data */
    enum nanofs_kind frozen_kind; /* set with it */
    void *busy[2]; /* bitmaps: bits freed in the running [0] and committing [1] transaction;
                      guarded by alloc_lock */
    unsigned int references; /* buffer_lock, as all below */
    bool is_dirty;           /* changed by the running transaction */
    bool is_overlay;         /* replayed in memory only: must stay */
    bool is_reading;
    int error;
    struct hash_node hash_node;
    struct list_node lru_node;
    struct list_node dirty_node;
    struct list_node commit_node;
};

#define NANOFS_NEW (1u << 0) /* just allocated: zeros, not read */

void nanofs_buffers_init(struct nanofs *fs);
void nanofs_buffers_destroy(struct nanofs *fs);
/** nanofs_buffers_shrink() - free up to @count that nobody uses. Return: how many. */
unsigned int nanofs_buffers_shrink(struct nanofs *fs, unsigned int count);
/**
 * nanofs_buffer_get() - the block, read and its checksum and structure checked; one reference
 * Return: 0; -EIO (told in the log); -ENOMEM.
 */
int __must_check nanofs_buffer_get(struct nanofs *fs, uint64_t block, enum nanofs_kind kind,
                                   unsigned int flags, struct nanofs_buffer **result);
void nanofs_buffer_put(struct nanofs_buffer *buffer);
struct nanofs_buffer *nanofs_buffer_hold(struct nanofs_buffer *buffer);
/** nanofs_buffer_modify() - before a change of data, in a handle, under the lock of the contents.
 */
void nanofs_buffer_modify(struct nanofs_buffer *buffer);
/** nanofs_buffer_forget() - its block was freed: it leaves the transaction. Drops the reference. */
void nanofs_buffer_forget(struct nanofs_buffer *buffer);
/** nanofs_buffer_insert() - a replayed image, kept in memory; @page is taken over on success. */
int __must_check nanofs_buffer_insert(struct nanofs *fs, uint64_t block, enum nanofs_kind kind,
                                      void *page);

uint32_t nanofs_block_crc(const struct nanofs *fs, uint64_t block, enum nanofs_kind kind,
                          const void *data);
/** nanofs_seal() - put the CRC at the end of a block of a kind that has one. */
void nanofs_seal(const struct nanofs *fs, uint64_t block, enum nanofs_kind kind, void *data);
bool nanofs_is_sealed(const struct nanofs *fs, uint64_t block, enum nanofs_kind kind,
                      const void *data);
/** nanofs_node_check() - is the structure of a tree node sound? NULL, or what is wrong. */
const char *nanofs_node_check(enum nanofs_kind kind, const void *data);
void *nanofs_page_alloc(struct nanofs *fs); /* evicts clean pages before it gives up */
void nanofs_page_free(void *page);

/* ---- journal.c ------------------------------------------------------------------------------ */

#define NANOFS_HANDLE_BLOCKS 64u /* metadata blocks one handle may dirty */

/** nanofs_begin() - open a handle, which holds transaction_lock shared; may commit first.
 * Return: 0, -EROFS or the error of the commit. */
int __must_check nanofs_begin(struct nanofs *fs);
/** nanofs_try_begin() - the same, but -EAGAIN where it would have to commit first. */
int __must_check nanofs_try_begin(struct nanofs *fs);
void nanofs_end(struct nanofs *fs);
/** nanofs_commit() - everything done before the call survives. Holds no lock. */
int nanofs_commit(struct nanofs *fs);
/** nanofs_checkpoint() - write the last commit in place, if that is still to be done. */
int nanofs_checkpoint(struct nanofs *fs);
/** nanofs_fail() - the file system becomes read-only, with a line that says why. */
void nanofs_fail(struct nanofs *fs, int error, const char *what);
int __must_check nanofs_journal_open(struct nanofs *fs);
int __must_check nanofs_journal_close(struct nanofs *fs);
uint32_t nanofs_image_crc(const struct nanofs *fs, uint64_t block, enum nanofs_kind kind,
                          const void *data);
/** nanofs_commit_record() - fill a commit block; what the records leave of @page stays: zeros. */
void nanofs_commit_record(const struct nanofs *fs, void *page, const struct nanofs_commit *record);

/* ---- alloc.c -------------------------------------------------------------------------------- */

enum nanofs_purpose {
    NANOFS_FOR_RESERVED, /* was reserved: data, nodes of its map */
    NANOFS_FOR_METADATA, /* growth: names, inodes */
    NANOFS_FOR_REMOVAL,  /* what freeing needs; may use the last blocks */
};

/** nanofs_alloc() - 1 to @want blocks in a run near @goal (0: anywhere). In a handle. */
int __must_check nanofs_alloc(struct nanofs *fs, enum nanofs_purpose purpose, uint64_t goal,
                              uint32_t want, uint64_t *block, uint32_t *count);
/** nanofs_free() - reusable once this transaction is durable. Damage in the way is logged, the
 * blocks then stay in use. In a handle. */
void nanofs_free(struct nanofs *fs, uint64_t block, uint32_t count);
/** nanofs_reserve() - promise blocks to data in memory. 0 or -ENOSPC. */
int __must_check nanofs_reserve(struct nanofs *fs, uint64_t count, bool is_removal);
void nanofs_unreserve(struct nanofs *fs, uint64_t count);
int __must_check nanofs_checksums_set(struct nanofs *fs, uint64_t block, uint32_t count,
                                      const uint32_t *crcs);
int __must_check nanofs_checksums_get(struct nanofs *fs, uint64_t block, uint32_t count,
                                      uint32_t *crcs);
/** nanofs_block_is_usable() - may a pointer from the disk point there? */
bool nanofs_block_is_usable(const struct nanofs *fs, uint64_t block, uint64_t count);
/** The bitmap of @group as first written: management blocks and what lies past the end. */
void nanofs_bitmap_fresh(const struct nanofs *fs, uint64_t group, void *page);
uint32_t nanofs_group_size(const struct nanofs *fs, uint64_t group);

/* ---- node.c, map.c: trees and extents -------------------------------------------------------- */

struct nanofs_tree {
    struct nanofs *fs;
    enum nanofs_kind kind;
    uint64_t owner;
    uint64_t root;
    uint16_t levels; /* 0: no tree */
};

struct nanofs_path {
    struct nanofs_buffer *buffers[NANOFS_MAX_LEVELS]; /* by level, 0 is the leaf */
    unsigned int index[NANOFS_MAX_LEVELS];            /* of the branch taken; not for the leaf */
    uint64_t end; /* first key that does not belong to the leaf; UINT64_MAX: none */
    unsigned int levels;
};

static inline struct nanofs_node *nanofs_node(const struct nanofs_buffer *buffer)
{
    return buffer->data;
}

static inline struct nanofs_branch *nanofs_branches(const struct nanofs_buffer *buffer)
{
    return (struct nanofs_branch *)(nanofs_node(buffer) + 1);
}

int __must_check nanofs_tree_descend(const struct nanofs_tree *tree, uint64_t key,
                                     struct nanofs_path *path);
void nanofs_path_put(struct nanofs_path *path);
int __must_check nanofs_tree_plant(struct nanofs_tree *tree, enum nanofs_purpose purpose);
/**
 * nanofs_tree_make_room() - descend to the leaf of @key, splitting what is full on the way
 * @has_room, @split: of a leaf; split moves the upper part of @from to the empty @to and gives the
 * key of its first entry, or returns -ENOSPC. A failure leaves a valid tree.
 */
int __must_check nanofs_tree_make_room(
    struct nanofs_tree *tree, uint64_t key, enum nanofs_purpose purpose,
    bool (*has_room)(const struct nanofs_node *leaf, size_t size),
    int (*split)(struct nanofs_node *from, struct nanofs_node *to, uint64_t key, uint64_t *first),
    size_t size, struct nanofs_path *path);
/** nanofs_tree_prune() - the leaf of @path has become empty: take it out. Uses up @path. */
void nanofs_tree_prune(struct nanofs_tree *tree, struct nanofs_path *path);

struct nanofs_map {
    struct nanofs_tree tree; /* levels 0: the extents are inline */
    uint32_t count;          /* inline */
    uint64_t blocks;         /* mapped */
    struct nanofs_extent extents[NANOFS_INLINE_EXTENTS];
};

/** nanofs_map_lookup() - *@physical (0: a hole) and how far that goes, at most @limit blocks. */
int __must_check nanofs_map_lookup(const struct nanofs_map *map, uint32_t logical, uint32_t limit,
                                   uint64_t *physical, uint32_t *count);
/** nanofs_map_set() - map as much of a run as lies in one leaf; the blocks it replaces are freed.
 * In a handle. On an error nothing has changed. *@done: blocks mapped. */
int __must_check nanofs_map_set(struct nanofs_map *map, enum nanofs_purpose purpose,
                                uint32_t logical, uint64_t physical, uint32_t count,
                                uint32_t *done);
/**
 * nanofs_map_cut() - unmap what lies at or behind @from, at most @limit extents, last ones first
 * Return: 1 when all is gone, 0 when there is more (*@end: first block that is unmapped), -errno.
 */
int __must_check nanofs_map_cut(struct nanofs_map *map, uint32_t from, unsigned int limit,
                                uint32_t *end);

/* ---- inodes: table.c, namespace.c, directory.c ------------------------------------------------
 */

struct nanofs_inode {
    struct vnode vnode;          /* size: what readers see */
    struct nanofs *fs;           /* const */
    struct nanofs_buffer *table; /* const; the block of the inode file it lies in */
    uint32_t number, generation; /* const */
    uint32_t parent;             /* guarded by the locks of both parents, as in rename */
    uint64_t disk_size;          /* what the next commit records; map_lock. Directories: entries */
    struct mutex map_lock;
    struct nanofs_map map; /* files: guarded by map_lock; directories: by the vnode's lock */
    struct rbtree pages;   /* guarded by map_lock, as all below */
    struct rbtree dirty_pages;
    uint32_t dirty_count, page_count, writeback_count;
    uint64_t reserved;            /* blocks promised to dirty_pages */
    uint32_t read_next;           /* page a sequential reader wants next; a hint */
    uint32_t read_window;         /* pages of read-ahead; a hint */
    struct list_node data_node;   /* in fs->dirty_files; guarded by list_lock; holds a reference */
    struct list_node store_node;  /* in fs->unstored; the same */
    struct list_node stored_node; /* in a commit, after it was stored; commit_lock */
    struct list_node zombie_node; /* in fs->zombies; holds a reference */
    bool is_orphan;               /* in the orphan directory; guarded by the vnode's lock */
};

static inline struct nanofs_inode *nanofs_inode(struct vnode *vnode)
{
    return container_of(vnode, struct nanofs_inode, vnode);
}

/** nanofs_inode_load() - number to vnode, checked. One reference. */
int __must_check nanofs_inode_load(struct nanofs *fs, uint32_t number,
                                   struct nanofs_inode **result);
/** nanofs_inode_create() - allocate a number and make an empty inode. In a handle. */
int __must_check nanofs_inode_create(struct nanofs *fs, uint32_t parent, enum vnode_type type,
                                     struct nanofs_inode **result);
/** nanofs_inode_changed() - the next commit stores it. In a handle. */
void nanofs_inode_changed(struct nanofs_inode *inode);
/** nanofs_inode_store() - put it in its block; the freeze does. */
void nanofs_inode_store(struct nanofs_inode *inode);
/** nanofs_inode_erase() - free the number; nothing is mapped any more. In a handle. */
void nanofs_inode_erase(struct nanofs_inode *inode);
/** nanofs_inode_free() - the memory. */
void nanofs_inode_free(struct nanofs_inode *inode);
/** nanofs_inode_name() - path for messages. */
const char *nanofs_inode_name(struct nanofs_inode *inode, char *buffer, size_t size);
uint32_t nanofs_inode_crc(const struct nanofs *fs, const struct nanofs_disk_inode *inode);
/** nanofs_disk_inode_check() - is it sound in itself? NULL, or what is wrong. */
const char *nanofs_disk_inode_check(const struct nanofs *fs, const struct nanofs_disk_inode *disk);
/** nanofs_table_find() - the block of an inode. -ENOENT: the inode file has none there. */
int __must_check nanofs_table_find(struct nanofs *fs, uint32_t number,
                                   struct nanofs_buffer **result);
void nanofs_map_load(struct nanofs_map *map, struct nanofs *fs, enum nanofs_kind kind,
                     const struct nanofs_disk_inode *disk);
void nanofs_map_store(const struct nanofs_map *map, struct nanofs_disk_inode *disk);

uint64_t nanofs_name_hash(const struct nanofs *fs, const char *name, size_t length);
int __must_check nanofs_directory_find(struct nanofs_inode *directory, const char *name,
                                       size_t length, uint32_t *inode, enum vnode_type *type);
/** nanofs_directory_prepare() - make room, and pin it: the insertion that follows cannot fail. */
int __must_check nanofs_directory_prepare(struct nanofs_inode *directory, const char *name,
                                          size_t length, enum nanofs_purpose purpose);
void nanofs_directory_insert(struct nanofs_inode *directory, const char *name, size_t length,
                             uint32_t inode, enum vnode_type type);
/** nanofs_directory_pin() - load and hold what a removal or replacement needs; -ENOENT. */
int __must_check nanofs_directory_pin(struct nanofs_inode *directory, const char *name,
                                      size_t length);
void nanofs_directory_remove(struct nanofs_inode *directory, const char *name, size_t length);
void nanofs_directory_replace(struct nanofs_inode *directory, const char *name, size_t length,
                              uint32_t inode, enum vnode_type type);
int __must_check nanofs_directory_read(struct nanofs_inode *directory, uint64_t *cursor,
                                       vfs_emit *emit, void *context);

extern const struct vnode_ops nanofs_vnode_ops;
void nanofs_orphan_name(uint32_t number, char name[12]);
/** nanofs_zombies_bury() - free removed inodes that were in use. Holds no lock. */
int nanofs_zombies_bury(struct nanofs *fs);
/** nanofs_orphans_recover() - the same after a crash, at mount. */
int __must_check nanofs_orphans_recover(struct nanofs *fs);

/* ---- pages.c, writeback.c, file.c ------------------------------------------------------------ */

enum nanofs_page_state {
    NANOFS_PAGE_CLEAN,
    NANOFS_PAGE_DIRTY,
    NANOFS_PAGE_WRITEBACK
};

struct nanofs_page { /* guarded by the inode's map_lock, but for the LRU */
    struct rb_node node;
    struct rb_node dirty_node;
    struct nanofs_inode *inode;
    void *data;
    uint32_t index;
    uint8_t state;
    bool is_used;              /* since the LRU saw it last; a hint */
    struct list_node lru_node; /* clean pages; guarded by lru_lock */
};

struct nanofs_page *nanofs_page_find(struct nanofs_inode *inode, uint32_t index);
/** nanofs_page_insert() - of an @index that is not there. NULL: out of memory. Takes @data over. */
struct nanofs_page *nanofs_page_insert(struct nanofs_inode *inode, uint32_t index, void *data);
void nanofs_page_set_state(struct nanofs_page *page, enum nanofs_page_state state);
/** nanofs_pages_drop() - pages from @from on; those dirty lose their contents. None in writeback.
 */
void nanofs_pages_drop(struct nanofs_inode *inode, uint32_t from);
/** nanofs_page_forget() - one clean page. */
void nanofs_page_forget(struct nanofs_page *page);
/** nanofs_pages_shrink() - free up to @count clean pages of any file. Return: how many. */
unsigned int nanofs_pages_shrink(struct nanofs *fs, unsigned int count);
struct nanofs_page *nanofs_page_at_or_after(struct nanofs_inode *inode, uint32_t index);

enum nanofs_writeback_mode {
    NANOFS_WRITEBACK_BEHIND, /* a writer of the file: all but the last page, handles of its own */
    NANOFS_WRITEBACK_COMMIT, /* a commit: handles as long as the transaction has room */
    NANOFS_WRITEBACK_FREEZE, /* a commit that has the transaction exclusively: no handles */
};
/** nanofs_writeback_file() - start writing dirty pages. -EAGAIN: the transaction is full. */
int __must_check nanofs_writeback_file(struct nanofs_inode *inode, enum nanofs_writeback_mode mode);
/** nanofs_writeback_all() - of all files. */
int __must_check nanofs_writeback_all(struct nanofs *fs, enum nanofs_writeback_mode mode);
/** nanofs_writeback_reap() - wait for what was started, of one file (then none of its pages is in
 * writeback) or, NULL, of all. What could not be written is dirty again. Holds no map_lock. */
void nanofs_writeback_reap(struct nanofs *fs, struct nanofs_inode *inode);

/** nanofs_reserve_pages() - what @dirty_count dirty pages may need. -ENOSPC when that rises. */
int nanofs_reserve_pages(struct nanofs_inode *inode, uint32_t dirty_count, bool is_removal);
int nanofs_file_read(struct vnode *vnode, void *buffer, size_t size, uint64_t offset, size_t *done);
int nanofs_file_write(struct vnode *vnode, const void *buffer, size_t size, uint64_t offset,
                      size_t *done);
int nanofs_file_truncate(struct vnode *vnode, uint64_t size);
/** nanofs_file_cut() - unmap from block @from on, in as many handles as it takes. */
int __must_check nanofs_file_cut(struct nanofs_inode *inode, uint64_t size);
/** nanofs_inode_unlist() - off the lists of what a commit writes; its contents are of no use. */
void nanofs_inode_unlist(struct nanofs_inode *inode);
/** nanofs_discard() - a failed file system gives up what it cannot write. */
void nanofs_discard(struct nanofs *fs);

/* ---- super.c --------------------------------------------------------------------------------- */

struct nanofs {
    struct nanofs_device *device; /* const, as all down to is_read_only */
    struct mount *mount;          /* NULL in fsck */
    struct nanofs_superblock super;
    struct hash_key hash_key;
    uint32_t crc_seed;
    uint32_t transaction_limit; /* metadata blocks of a transaction, with handles open */
    uint32_t freeze_limit;      /* and with the last files written in its freeze */
    uint64_t metadata_reserve;  /* blocks data may not take */
    uint32_t page_limit;        /* clean pages kept */
    uint32_t dirty_limit;       /* dirty pages of all files, then writers wait */
    uint32_t buffer_limit;
    atomic_bool is_read_only; /* set by nanofs_fail() */
    bool is_device_read_only; /* const */
    atomic_int failure;       /* why; 0: none */

    struct rwlock transaction_lock; /* rank: FS_TRANSACTION */
    atomic_u32 handles;
    atomic_u32 spare_count; /* pages for copies when memory is out */
    void *spare_pages;      /* buffer_lock; chained by their first word */

    struct mutex commit_lock; /* rank: FS_COMMIT; one commit at a time, guards down to batch */
    struct list committing;   /* buffers with a frozen image */
    uint32_t committing_count;
    bool is_checkpointing;      /* they are being written in place */
    uint64_t sequence;          /* of the last durable transaction */
    struct nanofs_batch *batch; /* requests of commits */
    uint64_t changes_committed; /* what the last commit covered */
    atomic_u64 changes;         /* bumped by whatever a commit would have to save */

    struct mutex list_lock; /* rank: FS_LIST; guards the next four */
    struct list dirty_files;
    struct list unstored;
    struct list writebacks;
    struct list zombies;        /* removed inodes to be freed */
    atomic_u32 dirty_pages;     /* of all files */
    atomic_u32 writeback_pages; /* being written */
    struct wait_queue writeback_wait;

    struct mutex buffer_lock;  /* rank: FS_BUFFER; guards the hash, the lists and the counts */
    struct hash_table buffers; /* by block */
    atomic_u32 dirty_count;    /* changed under the lock */
    struct list buffer_lru;
    struct list dirty_buffers;
    struct wait_queue buffer_wait;

    struct mutex alloc_lock;    /* rank: FS_ALLOC; guards the next six */
    uint64_t free_blocks;       /* by the bitmaps */
    uint64_t pending_blocks[2]; /* of those, freed in the running and committing transaction */
    uint64_t reserved_blocks;
    uint64_t data_cursor, metadata_cursor;
    uint64_t *closed_groups; /* bitmap: damaged */

    struct mutex table_lock; /* rank: FS_TABLE; guards the next three and the inode blocks */
    struct nanofs_map table; /* of the inode file */
    uint64_t inode_count;
    uint32_t inode_cursor;

    struct mutex lru_lock; /* rank: FS_LRU */
    struct list lru;       /* clean pages, least recently used first */
    atomic_u32 page_count; /* all pages */

    struct nanofs_inode *root;    /* const */
    struct nanofs_inode *orphans; /* const; NULL in fsck */
    struct task *committer;       /* const; NULL on the host and when read-only */
    struct wait_queue committer_wait;
    atomic_bool is_stopping;
    struct list_node instance_node; /* reclaim.c */
};

/** nanofs_reclaim_start() - when memory runs low, @fs is asked for some of it from now on. */
void nanofs_reclaim_start(struct nanofs *fs);
/** nanofs_reclaim_stop() - not any more, nor is it being asked. */
void nanofs_reclaim_stop(struct nanofs *fs);

/** nanofs_open() - superblock, anchor, journal: all that is needed to look at blocks. */
int __must_check nanofs_open(struct nanofs_device *device, bool is_read_only,
                             struct nanofs **result);
void nanofs_close(struct nanofs *fs);
/** nanofs_start() - load root and orphans, finish deletions. */
int __must_check nanofs_start(struct nanofs *fs, struct mount *mount);
/** nanofs_stop() - commit, mark clean. Memory of the inodes goes with their vnodes. */
int nanofs_stop(struct nanofs *fs);

/** nanofs_geometry() - the layout of a disk of that size; false when there is none. */
bool nanofs_geometry(uint64_t total_blocks, struct nanofs_superblock *super);
uint32_t nanofs_crc_seed(const struct nanofs_superblock *super);
int __must_check nanofs_format_device(struct nanofs_device *device, const uint8_t random[32],
                                      const struct filesystem_report *report);
/** nanofs_check_device() - fsck. Return: problems found, or -errno. */
int __must_check nanofs_check_device(struct nanofs_device *device,
                                     const struct filesystem_report *report);

extern const struct filesystem_ops nanofs_ops;
