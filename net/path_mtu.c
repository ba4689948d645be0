/*
 * What is known of the path MTU to single destinations (RFC 1191), declared in route.h.
 *
 * A direct-mapped table: a collision forgets the older one, which then is learnt again.
 * Locks: path_lock (rank NET_TABLE); while nothing is known, nobody takes it.
 */
#include "kernel/sync/spinlock.h"
#include "kernel/time/clock.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "net/netdev.h"
#include "net/route.h"

#define PATH_ENTRIES     256
#define PATH_LIFETIME_NS (600 * NS_PER_S) /* RFC 1191 6.3: ten minutes */

struct path {
    uint32_t destination; /* 0: free */
    unsigned int mtu;
    uint64_t expires_ns;
};

static DEFINE_SPINLOCK(path_lock, "path_mtu", LOCK_RANK_NET_TABLE);
static struct path paths[PATH_ENTRIES] __guarded_global(path_lock);
static atomic_uint path_count; /* entries ever made since the last flush; a hint */

static unsigned int slot_of(uint32_t destination)
{
    return (destination * 0x9E3779B1u) >> 24; /* an attacker gains nothing by a collision */
}

unsigned int path_mtu(uint32_t destination, const struct netdev *netdev)
{
    unsigned int mtu = READ_ONCE(netdev->mtu);
    const struct path *path;
    irqflags_t flags;

    if (atomic_load_relaxed(&path_count) == 0)
        return mtu;
    flags = spin_lock_irqsave(&path_lock);
    path = &paths[slot_of(destination)];
    if (path->destination == destination && clock_now_ns() < path->expires_ns)
        mtu = MIN(mtu, path->mtu);
    spin_unlock_irqrestore(&path_lock, flags);
    return mtu;
}

unsigned int path_mtu_lower(uint32_t destination, const struct netdev *netdev, unsigned int mtu)
{
    unsigned int now = path_mtu(destination, netdev);
    struct path *path;
    irqflags_t flags;

    if (mtu < PATH_MTU_MIN || mtu >= now)
        return now;
    flags = spin_lock_irqsave(&path_lock);
    path = &paths[slot_of(destination)];
    *path = (struct path){ destination, mtu, deadline_after_ns(PATH_LIFETIME_NS) };
    atomic_fetch_add_relaxed(&path_count, 1);
    spin_unlock_irqrestore(&path_lock, flags);
    return mtu;
}

void path_mtu_flush(void)
{
    irqflags_t flags = spin_lock_irqsave(&path_lock);

    memset(paths, 0, sizeof(paths));
    atomic_store_relaxed(&path_count, 0);
    spin_unlock_irqrestore(&path_lock, flags);
}
