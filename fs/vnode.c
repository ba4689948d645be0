/*
 * The vnode cache: the tree of files and directories in memory, found by (parent, name). A vnode in
 * use is referenced; the others are kept on a list until there are too many or memory runs low.
 *
 * The list is in order of age, and who was used since it came there or was passed gets a second
 * chance (the CLOCK algorithm). Using a vnode that is on it so leaves the list alone: moving it
 * would touch four others, which among many are in nobody's cache.
 *
 * One spinlock guards names, parents, references, the hash and the lists; what a file system does
 * in release() happens outside it.
 */
#include "fs/vnode.h"

#include "fs/filesystem.h"
#include "kernel/sync/spinlock.h"
#include "kernel/sync/wait_queue.h"
#include "lib/errno.h"
#include "lib/hash.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "mm/reclaim.h"

#define UNUSED_MIN 128u       /* kept on the smallest machine */
#define UNUSED_MAX (1u << 20) /* and on the largest */
#define EVICT_WALK 8u         /* looked at for one to go */

static const struct hash_table_memory bucket_memory = { .alloc = kmalloc, .free = kfree };

static DEFINE_SPINLOCK(cache_lock, "vnode_cache", LOCK_RANK_VNODE_CACHE);
static struct hash_table names __guarded_global(cache_lock) = HASH_TABLE_INIT(&bucket_memory);
static struct list unused_vnodes __guarded_global(cache_lock) = LIST_INIT(unused_vnodes);
static unsigned int unused_count __guarded_global(cache_lock);
static unsigned int vnode_count __guarded_global(cache_lock);
static DEFINE_WAIT_QUEUE(released, "vnodes to be released");

/* How many unused ones are kept, at some 600 bytes: one for each page of memory. */
static unsigned int unused_limit(void)
{
    static unsigned int limit; /* atomic; looked up once */
    struct page_statistics memory;

    if (!READ_ONCE(limit)) {
        page_statistics(&memory);
        WRITE_ONCE(limit,
                   (unsigned int)CLAMP(memory.total_pages, (size_t)UNUSED_MIN, (size_t)UNUSED_MAX));
    }
    return READ_ONCE(limit);
}

static uint32_t name_hash(const struct vnode *parent, const char *name, size_t length)
{
    static const struct hash_key key = { { 0x6e6f732076666e6full, 0x6465206361636865ull } };

    return (uint32_t)(hash_bytes(&key, name, length) ^ (uintptr_t)parent >> 6);
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

/* @name was that of @vnode. */
static void name_free(const struct vnode *vnode, char *name)
{
    if (name != vnode->short_name)
        kfree(name);
}

void vnode_destroy(struct vnode *vnode)
{
    spin_lock(&cache_lock);
    vnode_count--;
    list_remove(&vnode->mount_node);
    spin_unlock(&cache_lock);
    name_free(vnode, vnode->name);
    vnode->name = NULL;
}

/* ---- references ------------------------------------------------------------------------------ */

static void get_locked(struct vnode *vnode) __must_hold(cache_lock)
{
    vnode->references++;
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
    if (vnode->is_hashed)
        hash_table_remove(&names, &vnode->hash_node);
    vnode->is_hashed = false;
}

static void hash_locked(struct vnode *vnode) __must_hold(cache_lock)
{
    hash_table_insert(&names, &vnode->hash_node,
                      name_hash(vnode->parent, vnode->name, strlen(vnode->name)));
    vnode->is_hashed = true;
}

static void unlist_locked(struct vnode *vnode) __must_hold(cache_lock)
{
    if (list_node_is_linked(&vnode->lru_node)) {
        list_remove(&vnode->lru_node);
        unused_count--;
    }
}

/*
 * Takes @vnode, which has no references, out of the cache. Return: its parent, whose reference is
 * the caller's to drop.
 */
static struct vnode *detach_unused_locked(struct vnode *vnode) __must_hold(cache_lock)
{
    struct vnode *parent = vnode->parent;

    unlist_locked(vnode);
    unhash_locked(vnode);
    vnode->parent = NULL;
    vnode->is_going = true;
    return parent;
}

/* What detach_unused_locked() has prepared. An unmount may wait for it. */
static void release(struct vnode *vnode)
{
    vnode->ops->release(vnode);
    wake_all(&released);
}

/* What becomes of a vnode when somebody does not need it any more. */
enum put_result {
    PUT_KEPT,
    PUT_LISTED, /* it is new on the list */
    PUT_LAST,   /* to be released */
};

static enum put_result put_locked(struct vnode *vnode) __must_hold(cache_lock)
{
    if (--vnode->references)
        return PUT_KEPT;
    if (vnode->is_removed || !vnode->is_hashed)
        return PUT_LAST;
    vnode->is_recent = list_node_is_linked(&vnode->lru_node);
    if (vnode->is_recent)
        return PUT_KEPT;
    list_push_back(&unused_vnodes, &vnode->lru_node);
    unused_count++;
    return PUT_LISTED;
}

/* Drops a reference, and those on what is above as it goes. Return: is there one more unused? */
static bool put(struct vnode *vnode)
{
    bool is_one_more = false;

    while (vnode) {
        struct vnode *parent = NULL;
        enum put_result result;

        spin_lock(&cache_lock);
        result = put_locked(vnode);
        if (result == PUT_LAST)
            parent = detach_unused_locked(vnode);
        spin_unlock(&cache_lock);
        is_one_more |= result == PUT_LISTED;
        if (result == PUT_LAST)
            release(vnode);
        vnode = parent;
    }
    return is_one_more;
}

/* The next to go, or NULL when none is found within a few steps. Those in use leave the list, and
 * come back with their last reference. */
static struct vnode *choose_victim_locked(void) __must_hold(cache_lock)
{
    for (unsigned int i = 0; i < EVICT_WALK && !list_is_empty(&unused_vnodes); i++) {
        struct vnode *vnode = list_entry(list_front(&unused_vnodes), struct vnode, lru_node);

        if (!vnode->references && !vnode->is_recent)
            return vnode;
        unlist_locked(vnode);
        if (!vnode->references) {
            vnode->is_recent = false;
            list_push_back(&unused_vnodes, &vnode->lru_node);
            unused_count++;
        }
    }
    return NULL;
}

unsigned int vnode_cache_shrink(unsigned int count)
{
    unsigned int gone = 0;

    while (gone < count) {
        struct vnode *victim, *parent;

        spin_lock(&cache_lock);
        victim = choose_victim_locked();
        parent = victim ? detach_unused_locked(victim) : NULL;
        spin_unlock(&cache_lock);
        if (!victim)
            break;
        release(victim);
        (void)put(parent);
        gone++;
    }
    return gone;
}

void vnode_put(struct vnode *vnode)
{
    if (!put(vnode))
        return;
    if (READ_ONCE(unused_count) > unused_limit())
        (void)vnode_cache_shrink(2);
    else if (page_memory_is_low())
        (void)vnode_cache_shrink(8);
}

/* The vnodes of a mount, as its unmount sees them. */
struct census {
    struct vnode *unused; /* one of them, or NULL */
    bool is_any_going;    /* is somebody else releasing one? */
    unsigned int users;   /* references that users hold; valid without unused ones */
};

static void count_locked(struct mount *mount, struct census *census) __must_hold(cache_lock)
{
    unsigned int own = mount->filesystem->ops->keeps_vnodes ? 2 : 1; /* name, child on parent */
    struct vnode *vnode;

    *census = (struct census){ 0 };
    list_for_each_entry(vnode, &mount->vnodes, mount_node) {
        if (!vnode->references && vnode->is_going) {
            census->is_any_going = true;
            continue;
        }
        if (!vnode->references) {
            census->unused = vnode;
            return;
        }
        census->users += vnode->references;
        census->users -= vnode == mount->root || vnode->is_removed ? vnode == mount->root : own;
    }
}

static bool is_any_going(struct mount *mount)
{
    struct census census;

    spin_lock(&cache_lock);
    count_locked(mount, &census);
    spin_unlock(&cache_lock);
    return census.is_any_going;
}

unsigned int vnode_cache_drop_mount(struct mount *mount)
{
    struct census census;
    struct vnode *parent;

    for (;;) {
        spin_lock(&cache_lock);
        count_locked(mount, &census);
        parent = census.unused ? detach_unused_locked(census.unused) : NULL;
        spin_unlock(&cache_lock);
        if (census.unused) {
            release(census.unused);
            (void)put(parent);
        } else if (census.is_any_going) {
            (void)wait_event_uncancellable(&released, !is_any_going(mount), DEADLINE_NEVER);
        } else {
            return census.users;
        }
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
    uint32_t hash = name_hash(parent, name, length);
    struct vnode *vnode;

    spin_lock(&cache_lock);
    hash_table_for_each_entry(vnode, &names, hash, struct vnode, hash_node)
    {
        if (vnode->parent == parent && strncmp(vnode->name, name, length) == 0 &&
            !vnode->name[length])
            break;
    }
    if (vnode)
        get_locked(vnode);
    spin_unlock(&cache_lock);
    return vnode;
}

int vnode_attach(struct vnode *vnode, struct vnode *parent, const char *name, size_t length)
{
    char *copy = length < VNODE_SHORT_NAME ? vnode->short_name : kmalloc(length + 1);

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
    name_free(vnode, name);
    (void)put(parent); /* not the last: whoever removes the vnode has its directory */
}

void vnode_move(struct vnode *vnode, struct vnode *parent, char *name)
{
    size_t size = strlen(name) + 1;
    bool is_short = size <= VNODE_SHORT_NAME;
    struct vnode *old_parent;
    char *old_name;

    spin_lock(&cache_lock);
    unhash_locked(vnode);
    old_parent = vnode->parent;
    old_name = vnode->name;
    get_locked(parent);
    vnode->parent = parent;
    vnode->name = is_short ? memcpy(vnode->short_name, name, size) : name;
    hash_locked(vnode);
    spin_unlock(&cache_lock);
    if (is_short)
        kfree(name);
    name_free(vnode, old_name);
    (void)put(old_parent); /* not the last, as above */
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

/* ---- when memory runs low ------------------------------------------------------------------- */

#define VNODES_PER_PAGE 6u

static size_t vnodes_shrink(size_t pages)
{
    unsigned int gone = vnode_cache_shrink((unsigned int)pages * VNODES_PER_PAGE);

    return DIV_ROUND_UP(gone, VNODES_PER_PAGE);
}
MEMORY_SHRINKER_SLEEPING(vnodes, "unused vnodes", vnodes_shrink);
