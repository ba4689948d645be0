/*
 * ramfs: files that live in memory alone. The vnodes are the directory: each exists as long as its
 * file does, kept by a reference of ramfs's own, so that every name is found in the vnode cache.
 * Pages come into being when they are written; what was never written reads as zeros and takes no
 * memory. When memory runs low writing ends with ENOSPC.
 *
 * The vnode's lock guards the pages of a file and the entries of a directory.
 */
#include "arch/mmu.h"
#include "fs/filesystem.h"
#include "kernel/time/clock.h"
#include "lib/btree.h"
#include "lib/errno.h"
#include "lib/rbtree.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"

/* Of all memory, what ramfs leaves to others. */
#define KEEP_FREE_SHARE 16

struct ramfs {
    uint64_t next_inode; /* atomic */
    uint64_t inodes;     /* atomic */
    uint64_t pages;      /* atomic */
};

struct ramfs_node {
    struct vnode vnode;
    struct btree pages;    /* files: page index to page */
    struct rbtree entries; /* directories: by number of entry */
    struct rb_node entry;  /* in its directory */
    uint64_t entry_number; /* cursor of readers; rises with age */
    uint64_t next_entry;   /* directories */
    char *name;            /* own copy: the vnode's belongs to the cache */
};

static const struct vnode_ops ramfs_vnode_ops;

static struct ramfs_node *ramfs_node(struct vnode *vnode)
{
    return container_of(vnode, struct ramfs_node, vnode);
}

static void *btree_memory_alloc(void *context, size_t size)
{
    (void)context;
    return kmalloc(size);
}

static void btree_memory_free(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    kfree(memory);
}

static const struct btree_allocator page_tree_allocator = { .alloc = btree_memory_alloc,
                                                            .free = btree_memory_free };

/* ---- nodes ---------------------------------------------------------------------------------- */

static struct ramfs *ramfs_of(const struct vnode *vnode)
{
    return vnode->mount->private;
}

static struct ramfs_node *node_create(struct mount *mount, enum vnode_type type)
{
    struct ramfs *ramfs = mount->private;
    struct ramfs_node *node = kzalloc(sizeof(*node));

    if (!node)
        return NULL;
    vnode_init(&node->vnode, mount, &ramfs_vnode_ops, type,
               __atomic_add_fetch(&ramfs->next_inode, 1, __ATOMIC_RELAXED));
    node->vnode.created_ns = node->vnode.modified_ns = clock_wall_ns();
    btree_init(&node->pages, &page_tree_allocator);
    rbtree_init(&node->entries);
    __atomic_fetch_add(&ramfs->inodes, 1, __ATOMIC_RELAXED);
    return node;
}

static int compare_entries(const struct rb_node *a, const struct rb_node *b)
{
    uint64_t first = container_of(a, const struct ramfs_node, entry)->entry_number;
    uint64_t second = container_of(b, const struct ramfs_node, entry)->entry_number;

    return first < second ? -1 : first > second;
}

static int compare_cursor(const void *key, const struct rb_node *node)
{
    uint64_t cursor = *(const uint64_t *)key;
    uint64_t number = container_of(node, const struct ramfs_node, entry)->entry_number;

    return cursor < number ? -1 : cursor > number;
}

static void touch(struct vnode *vnode)
{
    WRITE_ONCE(vnode->modified_ns, clock_wall_ns());
}

static void entry_add(struct ramfs_node *directory, struct ramfs_node *node)
{
    node->entry_number = directory->next_entry++;
    rb_insert(&directory->entries, &node->entry, compare_entries);
    WRITE_ONCE(directory->vnode.size, directory->vnode.size + 1);
    touch(&directory->vnode);
}

static void entry_remove(struct ramfs_node *directory, struct ramfs_node *node)
{
    rb_erase(&directory->entries, &node->entry);
    WRITE_ONCE(directory->vnode.size, directory->vnode.size - 1);
    touch(&directory->vnode);
}

static char *copy_name(const char *name, size_t length)
{
    char *copy = kmalloc(length + 1);

    if (copy) {
        memcpy(copy, name, length);
        copy[length] = '\0';
    }
    return copy;
}

/* ---- names ---------------------------------------------------------------------------------- */

static int ramfs_lookup(struct vnode *directory, const char *name, size_t length,
                        struct vnode **result)
{
    (void)directory;
    (void)name;
    (void)length;
    (void)result;
    return -ENOENT; /* otherwise it would have been in the cache */
}

static int ramfs_create(struct vnode *directory, const char *name, size_t length,
                        enum vnode_type type, struct vnode **result)
{
    char *copy = copy_name(name, length);
    struct ramfs_node *node = copy ? node_create(directory->mount, type) : NULL;

    if (!node) {
        kfree(copy);
        return -ENOSPC;
    }
    node->name = copy;
    entry_add(ramfs_node(directory), node);
    *result = vnode_get(&node->vnode); /* one for the name, one for the caller */
    return 0;
}

static int ramfs_remove(struct vnode *directory, struct vnode *victim, const char *name,
                        size_t length)
{
    (void)name;
    (void)length;
    if (!rbtree_is_empty(&ramfs_node(victim)->entries))
        return -ENOTEMPTY;
    entry_remove(ramfs_node(directory), ramfs_node(victim));
    victim->is_removed = true; /* before the name's reference goes; the caller has one */
    vnode_put(victim);
    return 0;
}

static int ramfs_rename(struct vnode *directory, struct vnode *vnode, const char *name,
                        size_t length, struct vnode *new_directory, const char *new_name,
                        size_t new_length, struct vnode *target)
{
    struct ramfs_node *node = ramfs_node(vnode);
    char *copy = copy_name(new_name, new_length);
    int error = copy ? 0 : -ENOMEM;

    (void)name;
    (void)length;
    if (!error && target)
        error = ramfs_remove(new_directory, target, new_name, new_length);
    if (error) {
        kfree(copy);
        return error;
    }
    entry_remove(ramfs_node(directory), node);
    kfree(node->name);
    node->name = copy;
    entry_add(ramfs_node(new_directory), node);
    return 0;
}

static int ramfs_readdir(struct vnode *directory, uint64_t *cursor, vfs_emit *emit, void *context)
{
    struct rb_node *position = rb_find_ge(&ramfs_node(directory)->entries, cursor, compare_cursor);

    for (; position; position = rb_next(position)) {
        struct ramfs_node *node = container_of(position, struct ramfs_node, entry);

        *cursor = node->entry_number;
        if (!emit(context, node->name, strlen(node->name), node->vnode.type, node->vnode.inode))
            return 0;
    }
    *cursor = UINT64_MAX;
    return 0;
}

/* ---- contents ------------------------------------------------------------------------------- */

static int ramfs_read(struct vnode *vnode, void *buffer, size_t size, uint64_t offset, size_t *done)
{
    struct ramfs_node *node = ramfs_node(vnode);

    if (offset >= vnode->size)
        return 0;
    size = (size_t)MIN((uint64_t)size, vnode->size - offset);
    while (*done < size) {
        uint64_t at = offset + *done;
        size_t start = at & (PAGE_SIZE - 1);
        size_t length = MIN(size - *done, (size_t)PAGE_SIZE - start);
        const char *page = btree_lookup(&node->pages, at >> PAGE_SHIFT);

        if (page)
            memcpy((char *)buffer + *done, page + start, length);
        else
            memset((char *)buffer + *done, 0, length);
        *done += length;
    }
    return 0;
}

static bool memory_is_low(void)
{
    struct page_statistics memory;

    page_statistics(&memory);
    return memory.free_pages < memory.total_pages / KEEP_FREE_SHARE;
}

/* The page of a stretch to be written; a new one where there is none. */
static char *page_for_write(struct ramfs_node *node, uint64_t index)
{
    char *page = btree_lookup(&node->pages, index);

    if (page || memory_is_low())
        return page;
    page = page_alloc(1, PAGE_ZERO, "ramfs");
    if (page && btree_insert(&node->pages, index, page)) {
        page_free(page);
        page = NULL;
    }
    if (page)
        __atomic_fetch_add(&ramfs_of(&node->vnode)->pages, 1, __ATOMIC_RELAXED);
    return page;
}

static int ramfs_write(struct vnode *vnode, const void *buffer, size_t size, uint64_t offset,
                       size_t *done)
{
    if (offset > INT64_MAX || size > INT64_MAX - offset)
        return -EFBIG;
    while (*done < size) {
        uint64_t at = offset + *done;
        size_t start = at & (PAGE_SIZE - 1);
        size_t length = MIN(size - *done, (size_t)PAGE_SIZE - start);
        char *page = page_for_write(ramfs_node(vnode), at >> PAGE_SHIFT);

        if (!page)
            return -ENOSPC;
        memcpy(page + start, (const char *)buffer + *done, length);
        *done += length;
        if (at + length > vnode->size)
            WRITE_ONCE(vnode->size, at + length);
    }
    touch(vnode);
    return 0;
}

static void drop_pages(struct ramfs_node *node, uint64_t from)
{
    uint64_t index;
    void *page;

    while ((page = btree_lookup_ge(&node->pages, from, &index))) {
        (void)btree_remove(&node->pages, index);
        page_free(page);
        __atomic_fetch_sub(&ramfs_of(&node->vnode)->pages, 1, __ATOMIC_RELAXED);
    }
}

static int ramfs_truncate(struct vnode *vnode, uint64_t size)
{
    struct ramfs_node *node = ramfs_node(vnode);
    size_t start = size & (PAGE_SIZE - 1);
    char *tail;

    if (size > INT64_MAX)
        return -EFBIG;
    if (size < vnode->size) {
        drop_pages(node, (size + PAGE_SIZE - 1) >> PAGE_SHIFT);
        tail = btree_lookup(&node->pages, size >> PAGE_SHIFT);
        if (tail && start)
            memset(tail + start, 0, PAGE_SIZE - start);
    }
    WRITE_ONCE(vnode->size, size);
    touch(vnode);
    return 0;
}

static void ramfs_release(struct vnode *vnode)
{
    struct ramfs_node *node = ramfs_node(vnode);

    drop_pages(node, 0);
    btree_clear(&node->pages);
    __atomic_fetch_sub(&ramfs_of(vnode)->inodes, 1, __ATOMIC_RELAXED);
    vnode_destroy(vnode);
    kfree(node->name);
    kfree(node);
}

static const struct vnode_ops ramfs_vnode_ops = {
    .lookup = ramfs_lookup,
    .create = ramfs_create,
    .remove = ramfs_remove,
    .rename = ramfs_rename,
    .readdir = ramfs_readdir,
    .read = ramfs_read,
    .write = ramfs_write,
    .truncate = ramfs_truncate,
    .release = ramfs_release,
};

/* ---- mounts --------------------------------------------------------------------------------- */

static int ramfs_mount(struct mount *mount, const char *disk)
{
    struct ramfs *ramfs = kzalloc(sizeof(*ramfs));
    struct ramfs_node *root;

    (void)disk;
    mount->private = ramfs;
    root = ramfs ? node_create(mount, VNODE_DIRECTORY) : NULL;
    if (!root) {
        kfree(ramfs);
        return -ENOMEM;
    }
    mount->root = &root->vnode;
    return 0;
}

static struct ramfs_node *first_entry(struct ramfs_node *directory)
{
    struct rb_node *first = rb_first(&directory->entries);

    return first ? container_of(first, struct ramfs_node, entry) : NULL;
}

/* Nobody uses any of it: the names' references are dropped from the bottom up. */
static void drop_tree(struct ramfs_node *root)
{
    struct ramfs_node *directory, *node;

    while (first_entry(root)) {
        directory = root;
        node = first_entry(root);
        while (first_entry(node)) {
            directory = node;
            node = first_entry(node);
        }
        entry_remove(directory, node);
        vnode_put(&node->vnode);
    }
}

static int ramfs_unmount(struct mount *mount)
{
    drop_tree(ramfs_node(mount->root));
    (void)vnode_cache_drop_mount(mount);
    ramfs_release(mount->root);
    kfree(mount->private);
    return 0;
}

static int ramfs_statfs(struct mount *mount, struct vfs_statfs *statistics)
{
    const struct ramfs *ramfs = mount->private;
    struct page_statistics memory;
    size_t keep;

    page_statistics(&memory);
    keep = memory.total_pages / KEEP_FREE_SHARE;
    *statistics = (struct vfs_statfs){
        .block_size = PAGE_SIZE,
        .free_blocks = memory.free_pages > keep ? memory.free_pages - keep : 0,
        .inodes = READ_ONCE(ramfs->inodes),
    };
    statistics->total_blocks = statistics->free_blocks + READ_ONCE(ramfs->pages);
    return 0;
}

static const struct filesystem_ops ramfs_ops = {
    .keeps_vnodes = true,
    .mount = ramfs_mount,
    .unmount = ramfs_unmount,
    .statfs = ramfs_statfs,
};
FILESYSTEM(ramfs, &ramfs_ops);
