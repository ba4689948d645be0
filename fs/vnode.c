/*
 * The vnode cache: the tree of files and directories in memory, found by (parent, name). A vnode in
 * use is referenced; others wait on a list, least recently used first, until there are too many.
 *
 * One spinlock guards names, parents, references, the hash and the lists; what a file system does
 * in release() happens outside it.
 */
#include "fs/vnode.h"

#include "fs/filesystem.h"
#include "kernel/sync/spinlock.h"
#include "lib/errno.h"
#include "lib/hash.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"

#define BUCKETS 4096u

static DEFINE_SPINLOCK(cache_lock, "vnode_cache", LOCK_RANK_VNODE_CACHE);
static struct vnode *buckets[BUCKETS] __guarded_global(cache_lock);
static struct list unused_vnodes __guarded_global(cache_lock) = LIST_INIT(unused_vnodes);
static unsigned int unused_count __guarded_global(cache_lock);
static unsigned int vnode_count __guarded_global(cache_lock);

/* How many unused ones are kept: a share of memory, looked up once. */
static unsigned int unused_limit(void)
{
    static unsigned int limit;
    struct page_statistics memory;

    if (!limit) {
        page_statistics(&memory);
        limit = (unsigned int)CLAMP(memory.total_pages / 4, (size_t)128, (size_t)65536);
    }
    return limit;
}

static struct vnode **bucket(const struct vnode *parent, const char *name, size_t length)
    __must_hold(cache_lock)
{
    static const struct hash_key key = { { 0x6e6f732076666e6full, 0x6465206361636865ull } };

    return &buckets[(hash_bytes(&key, name, length) ^ (uintptr_t)parent >> 6) % BUCKETS];
}

void vnode_init(struct vnode *vnode, struct mount *mount, const struct vnode_ops *ops,
                enum vnode_type type, uint64_t inode)
{
    vnode->ops = ops;
    vnode->mount = mount;
    vnode->type = type;
    vnode->inode = inode;
    vnode->references = 1;
    rwlock_init(&vnode->lock, "vnode", LOCK_RANK_NONE);
    list_node_init(&vnode->lru_node);
    list_node_init(&vnode->mount_node);
    spin_lock(&cache_lock);
    vnode_count++;
    if (mount)
        list_push_back(&mount->vnodes, &vnode->mount_node);
    spin_unlock(&cache_lock);
}

void vnode_destroy(struct vnode *vnode)
{
    spin_lock(&cache_lock);
    vnode_count--;
    list_remove(&vnode->mount_node);
    spin_unlock(&cache_lock);
    kfree(vnode->name);
    vnode->name = NULL;
}

/* ---- references ------------------------------------------------------------------------------ */

static void get_locked(struct vnode *vnode) __must_hold(cache_lock)
{
    if (!vnode->references++ && list_node_is_linked(&vnode->lru_node)) {
        list_remove(&vnode->lru_node);
        unused_count--;
    }
}

struct vnode *vnode_get(struct vnode *vnode)
{
    spin_lock(&cache_lock);
    get_locked(vnode);
    spin_unlock(&cache_lock);
    return vnode;
}

unsigned int vnode_references(struct vnode *vnode)
{
    unsigned int references;

    spin_lock(&cache_lock);
    references = vnode->references;
    spin_unlock(&cache_lock);
    return references;
}

static void unhash_locked(struct vnode *vnode) __must_hold(cache_lock)
{
    struct vnode **link;

    if (!vnode->is_hashed)
        return;
    link = bucket(vnode->parent, vnode->name, strlen(vnode->name));
    while (*link != vnode)
        link = &(*link)->hash_next;
    *link = vnode->hash_next;
    vnode->is_hashed = false;
}

static void hash_locked(struct vnode *vnode) __must_hold(cache_lock)
{
    struct vnode **link = bucket(vnode->parent, vnode->name, strlen(vnode->name));

    vnode->hash_next = *link;
    *link = vnode;
    vnode->is_hashed = true;
}

/*
 * Takes @vnode, which has no references, out of the cache. Return: its parent, whose reference is
 * the caller's to drop.
 */
static struct vnode *detach_unused_locked(struct vnode *vnode) __must_hold(cache_lock)
{
    struct vnode *parent = vnode->parent;

    if (list_node_is_linked(&vnode->lru_node)) {
        list_remove(&vnode->lru_node);
        unused_count--;
    }
    unhash_locked(vnode);
    vnode->parent = NULL;
    return parent;
}

/* Drops one reference. Return: the vnode to release, if any: it, or one that has been unused long.
 */
static struct vnode *put_locked(struct vnode *vnode) __must_hold(cache_lock)
{
    if (--vnode->references)
        return NULL;
    if (vnode->is_removed || !vnode->is_hashed)
        return vnode;
    list_push_back(&unused_vnodes, &vnode->lru_node);
    if (++unused_count <= unused_limit())
        return NULL;
    return list_entry(list_front(&unused_vnodes), struct vnode, lru_node);
}

void vnode_put(struct vnode *vnode)
{
    while (vnode) {
        struct vnode *victim, *parent = NULL;

        spin_lock(&cache_lock);
        victim = put_locked(vnode);
        if (victim)
            parent = detach_unused_locked(victim);
        spin_unlock(&cache_lock);
        if (victim)
            victim->ops->release(victim);
        vnode = parent;
    }
}

/* An unused vnode of @mount, or NULL and the number of references that users hold. */
static struct vnode *find_unused_locked(struct mount *mount, unsigned int *users)
    __must_hold(cache_lock)
{
    unsigned int own = mount->filesystem->ops->keeps_vnodes ? 2 : 1; /* name, child on parent */
    struct vnode *vnode;

    *users = 0;
    list_for_each_entry(vnode, &mount->vnodes, mount_node) {
        if (!vnode->references)
            return vnode;
        *users += vnode->references;
        *users -= vnode == mount->root || vnode->is_removed ? vnode == mount->root : own;
    }
    return NULL;
}

unsigned int vnode_cache_drop_mount(struct mount *mount)
{
    struct vnode *victim, *parent;
    unsigned int users;

    for (;;) {
        spin_lock(&cache_lock);
        victim = find_unused_locked(mount, &users);
        parent = victim ? detach_unused_locked(victim) : NULL;
        spin_unlock(&cache_lock);
        if (!victim)
            return users;
        victim->ops->release(victim);
        vnode_put(parent);
    }
}

unsigned int vnode_cache_count(void)
{
    unsigned int count;

    spin_lock(&cache_lock);
    count = vnode_count;
    spin_unlock(&cache_lock);
    return count;
}

/* ---- names ---------------------------------------------------------------------------------- */

struct vnode *vnode_find_cached(struct vnode *parent, const char *name, size_t length)
{
    struct vnode *vnode;

    spin_lock(&cache_lock);
    vnode = *bucket(parent, name, length);
    while (vnode && (vnode->parent != parent || strncmp(vnode->name, name, length) != 0 ||
                     vnode->name[length]))
        vnode = vnode->hash_next;
    if (vnode)
        get_locked(vnode);
    spin_unlock(&cache_lock);
    return vnode;
}

int vnode_attach(struct vnode *vnode, struct vnode *parent, const char *name, size_t length)
{
    char *copy = kmalloc(length + 1);

    if (!copy)
        return -ENOMEM;
    memcpy(copy, name, length);
    copy[length] = '\0';
    spin_lock(&cache_lock);
    get_locked(parent);
    vnode->parent = parent;
    vnode->name = copy;
    hash_locked(vnode);
    spin_unlock(&cache_lock);
    return 0;
}

void vnode_hide(struct vnode *vnode)
{
    spin_lock(&cache_lock);
    unhash_locked(vnode);
    spin_unlock(&cache_lock);
}

void vnode_show(struct vnode *vnode)
{
    spin_lock(&cache_lock);
    hash_locked(vnode);
    spin_unlock(&cache_lock);
}

void vnode_detach(struct vnode *vnode)
{
    struct vnode *parent;
    char *name;

    spin_lock(&cache_lock);
    unhash_locked(vnode);
    vnode->is_removed = true;
    parent = vnode->parent;
    name = vnode->name;
    vnode->parent = NULL;
    vnode->name = NULL;
    spin_unlock(&cache_lock);
    kfree(name);
    vnode_put(parent); /* not the last: whoever removes the vnode has its directory */
}

void vnode_move(struct vnode *vnode, struct vnode *parent, char *name)
{
    struct vnode *old_parent;
    char *old_name;

    spin_lock(&cache_lock);
    unhash_locked(vnode);
    old_parent = vnode->parent;
    old_name = vnode->name;
    get_locked(parent);
    vnode->parent = parent;
    vnode->name = name;
    hash_locked(vnode);
    spin_unlock(&cache_lock);
    kfree(old_name);
    vnode_put(old_parent); /* not the last, as above */
}

struct vnode *vnode_parent(struct vnode *vnode)
{
    struct vnode *parent;

    spin_lock(&cache_lock);
    parent = vnode->parent;
    if (parent)
        get_locked(parent);
    spin_unlock(&cache_lock);
    return parent;
}

bool vnode_is_ancestor(struct vnode *ancestor, struct vnode *vnode)
{
    spin_lock(&cache_lock);
    while (vnode && vnode != ancestor)
        vnode = vnode->parent;
    spin_unlock(&cache_lock);
    return vnode != NULL;
}

/* What is above: the parent, or for the root of a mount the directory it covers. */
static struct vnode *path_parent(struct vnode *vnode, const char **name) __must_hold(cache_lock)
{
    while (!vnode->parent && vnode->mount && vnode->mount->root == vnode && vnode->mount->covered)
        vnode = vnode->mount->covered;
    *name = vnode->name;
    return vnode->parent;
}

const char *vnode_path(struct vnode *vnode, char *buffer, size_t size)
{
    char *start = buffer + size - 1;
    bool is_root;
    const char *name;

    *start = '\0';
    spin_lock(&cache_lock);
    is_root = vnode->mount && vnode->mount->root == vnode;
    if (vnode->is_removed || (!vnode->parent && !is_root)) {
        spin_unlock(&cache_lock);
        strlcpy(buffer, "(removed)", size);
        return buffer;
    }
    while ((vnode = path_parent(vnode, &name))) {
        size_t length = strlen(name);

        if ((size_t)(start - buffer) < length + 1)
            break;
        start -= length;
        memcpy(start, name, length);
        *--start = '/';
    }
    spin_unlock(&cache_lock);
    if (!*start)
        *--start = '/';
    memmove(buffer, start, strlen(start) + 1);
    return buffer;
}
