/*
 * The vnode cache: which vnodes are in memory. One in use is referenced; the others are kept on a
 * list until there are too many or memory runs low. Names are fs/vnode_name.c's.
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
#include "fs/vnode_internal.h"
#include "kernel/sync/spinlock.h"
#include "kernel/sync/wait_queue.h"
#include "mm/page.h"
#include "mm/reclaim.h"

#define UNUSED_MIN 128u       /* kept on the smallest machine */
#define UNUSED_MAX (1u << 20) /* and on the largest */
#define EVICT_WALK 8u         /* looked at for one to go */

DEFINE_SPINLOCK(vnode_cache_lock, "vnode_cache", LOCK_RANK_VNODE_CACHE);
static struct list unused_vnodes __guarded_global(vnode_cache_lock) = LIST_INIT(unused_vnodes);
static unsigned int unused_count __guarded_global(vnode_cache_lock);
static unsigned int vnode_count __guarded_global(vnode_cache_lock);
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
    spin_lock(&vnode_cache_lock);
    vnode_count++;
    if (mount)
        list_push_back(&mount->vnodes, &vnode->mount_node);
    spin_unlock(&vnode_cache_lock);
}

void vnode_destroy(struct vnode *vnode)
{
    spin_lock(&vnode_cache_lock);
    vnode_count--;
    list_remove(&vnode->mount_node);
    spin_unlock(&vnode_cache_lock);
    vnode_name_free(vnode, vnode->name);
    vnode->name = NULL;
}

/* ---- references ------------------------------------------------------------------------------ */

struct vnode *vnode_get(struct vnode *vnode)
{
    spin_lock(&vnode_cache_lock);
    vnode_get_locked(vnode);
    spin_unlock(&vnode_cache_lock);
    return vnode;
}

unsigned int vnode_references(struct vnode *vnode)
{
    unsigned int references;

    spin_lock(&vnode_cache_lock);
    references = vnode->references;
    spin_unlock(&vnode_cache_lock);
    return references;
}

static void unlist_locked(struct vnode *vnode) __must_hold(vnode_cache_lock)
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
static struct vnode *detach_unused_locked(struct vnode *vnode) __must_hold(vnode_cache_lock)
{
    struct vnode *parent = vnode->parent;

    unlist_locked(vnode);
    vnode_unhash_locked(vnode);
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

static enum put_result put_locked(struct vnode *vnode) __must_hold(vnode_cache_lock)
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

        spin_lock(&vnode_cache_lock);
        result = put_locked(vnode);
        if (result == PUT_LAST)
            parent = detach_unused_locked(vnode);
        spin_unlock(&vnode_cache_lock);
        is_one_more |= result == PUT_LISTED;
        if (result == PUT_LAST)
            release(vnode);
        vnode = parent;
    }
    return is_one_more;
}

/* The next to go, or NULL when none is found within a few steps. Those in use leave the list, and
 * come back with their last reference. */
static struct vnode *choose_victim_locked(void) __must_hold(vnode_cache_lock)
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

        spin_lock(&vnode_cache_lock);
        victim = choose_victim_locked();
        parent = victim ? detach_unused_locked(victim) : NULL;
        spin_unlock(&vnode_cache_lock);
        if (!victim)
            break;
        release(victim);
        (void)put(parent);
        gone++;
    }
    return gone;
}

/* Not the last one? Most are not. */
static bool put_one_of_many(struct vnode *vnode)
{
    bool is_one_of_many;

    spin_lock(&vnode_cache_lock);
    is_one_of_many = vnode->references > 1;
    if (is_one_of_many)
        vnode->references--;
    spin_unlock(&vnode_cache_lock);
    return is_one_of_many;
}

void vnode_put(struct vnode *vnode)
{
    if (!vnode || put_one_of_many(vnode) || !put(vnode))
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

/* References within the mount that are there because of @vnode, and are no user's. */
static unsigned int own_references(const struct vnode *vnode)
{
    if (vnode == vnode->mount->root)
        return 1; /* the mount's */
    if (vnode->is_removed)
        return 0;
    /* Its own on its parent, and its name's on it. */
    return vnode->mount->filesystem->ops->keeps_vnodes ? 2 : 1;
}

static void count_locked(struct mount *mount, struct census *census) __must_hold(vnode_cache_lock)
{
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
        census->users += vnode->references - own_references(vnode);
    }
}

static bool is_any_going(struct mount *mount)
{
    struct census census;

    spin_lock(&vnode_cache_lock);
    count_locked(mount, &census);
    spin_unlock(&vnode_cache_lock);
    return census.is_any_going;
}

unsigned int vnode_cache_drop_mount(struct mount *mount)
{
    struct census census;
    struct vnode *parent;

    for (;;) {
        spin_lock(&vnode_cache_lock);
        count_locked(mount, &census);
        parent = census.unused ? detach_unused_locked(census.unused) : NULL;
        spin_unlock(&vnode_cache_lock);
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

    spin_lock(&vnode_cache_lock);
    count = vnode_count;
    spin_unlock(&vnode_cache_lock);
    return count;
}

/* ---- when memory runs low ------------------------------------------------------------------- */

#define VNODES_PER_PAGE 6u

static size_t vnodes_shrink(size_t pages)
{
    unsigned int gone = vnode_cache_shrink((unsigned int)pages * VNODES_PER_PAGE);

    return DIV_ROUND_UP(gone, VNODES_PER_PAGE);
}
MEMORY_SHRINKER_SLEEPING(vnodes, "unused vnodes", vnodes_shrink);
