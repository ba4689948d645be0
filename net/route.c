/*
 * The routing table: a small sorted array. Readers take no lock (seqlock); writers are rare.
 *
 * Locks: routes_lock (rank NET_TABLE) serialises writers.
 */
#include "net/route.h"

#include "kernel/sync/seqlock.h"
#include "kernel/sync/spinlock.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "net/interface.h"
#include "net/loopback.h"
#include "net/netdev.h"

static DEFINE_SPINLOCK(routes_lock, "routes", LOCK_RANK_NET_TABLE);
static struct seqlock routes_sequence;
/* Longest prefix first, then lowest metric; written under routes_lock and routes_sequence. */
static struct route routes[ROUTES_MAX];
static unsigned int route_count;

static bool matches(const struct route *route, uint32_t destination)
{
    return (destination & ipv4_mask(route->prefix_length)) == route->destination;
}

static bool goes_before(const struct route *a, const struct route *b)
{
    if (a->prefix_length != b->prefix_length)
        return a->prefix_length > b->prefix_length;
    return a->metric < b->metric;
}

static bool is_same_route(const struct route *a, const struct route *b)
{
    return a->destination == b->destination && a->prefix_length == b->prefix_length &&
           a->netdev == b->netdev && a->metric == b->metric;
}

/*
 * The gateway must be a neighbour on the device's own net. An address with a prefix of 32 has no
 * neighbours; clouds give such ones (Google's DHCP does), and mean that the gateway answers ARP.
 */
static bool is_reachable(uint32_t gateway, const struct netdev *netdev)
{
    uint32_t own = interface_ipv4(&netdev->interface);
    unsigned int prefix_length = READ_ONCE(netdev->interface.prefix_length);
    uint32_t mask = ipv4_mask(prefix_length);

    if (own == 0 || gateway == own)
        return false;
    return prefix_length == 32 || (gateway & mask) == (own & mask);
}

static int insert_locked(const struct route *route)
{
    unsigned int position = 0;

    for (unsigned int i = 0; i < route_count; i++) {
        if (is_same_route(&routes[i], route))
            return -EEXIST;
    }
    if (route_count == ROUTES_MAX)
        return -ENOSPC;
    while (position < route_count && !goes_before(route, &routes[position]))
        position++;
    seqlock_write_begin(&routes_sequence);
    memmove(&routes[position + 1], &routes[position], (route_count - position) * sizeof(routes[0]));
    routes[position] = *route;
    route_count++;
    seqlock_write_end(&routes_sequence);
    return 0;
}

static void remove_locked(unsigned int position)
{
    seqlock_write_begin(&routes_sequence);
    route_count--;
    memmove(&routes[position], &routes[position + 1], (route_count - position) * sizeof(routes[0]));
    seqlock_write_end(&routes_sequence);
}

int route_add(const struct route *route)
{
    irqflags_t flags;
    int error;

    if (route->prefix_length > 32 || !route->netdev ||
        (route->destination & ~ipv4_mask(route->prefix_length)))
        return -EINVAL;
    if (route->gateway && !is_reachable(route->gateway, route->netdev))
        return -ENETUNREACH;
    flags = spin_lock_irqsave(&routes_lock);
    error = insert_locked(route);
    spin_unlock_irqrestore(&routes_lock, flags);
    return error;
}

int route_remove(uint32_t destination, unsigned int prefix_length, const struct netdev *netdev)
{
    irqflags_t flags = spin_lock_irqsave(&routes_lock);
    int error = -ENOENT;

    for (unsigned int i = 0; i < route_count; i++) {
        if (routes[i].destination == destination && routes[i].prefix_length == prefix_length &&
            (!netdev || routes[i].netdev == netdev)) {
            remove_locked(i);
            error = 0;
            break;
        }
    }
    spin_unlock_irqrestore(&routes_lock, flags);
    return error;
}

void route_remove_netdev(const struct netdev *netdev)
{
    irqflags_t flags = spin_lock_irqsave(&routes_lock);

    for (unsigned int i = route_count; i-- > 0;) {
        if (routes[i].netdev == netdev)
            remove_locked(i);
    }
    spin_unlock_irqrestore(&routes_lock, flags);
}

/* Copy the best route. Return: was there one? */
static bool find_route(uint32_t destination, const struct netdev *netdev, struct route *result)
{
    bool is_found;
    uint32_t sequence;

    do {
        unsigned int count;

        sequence = seqlock_read_begin(&routes_sequence);
        is_found = false;
        count = MIN_T(unsigned int, READ_ONCE(route_count), ROUTES_MAX);
        for (unsigned int i = 0; i < count && !is_found; i++) {
            if (matches(&routes[i], destination) && (!netdev || routes[i].netdev == netdev)) {
                *result = routes[i];
                is_found = true;
            }
        }
    } while (seqlock_read_retry(&routes_sequence, sequence));
    return is_found;
}

static void set_local(uint32_t destination, struct route_result *result)
{
    result->netdev = loopback_netdev();
    result->next_hop = destination;
    result->source = destination;
    result->is_local = true;
}

/* 255.255.255.255 names no net: it goes out by the device asked for, or the first with an address.
 */
static int set_broadcast(struct netdev *netdev, struct route_result *result)
{
    struct netdev *candidate = NULL;

    while (!netdev && (candidate = netdev_next(candidate)) != NULL) {
        if (!(candidate->features & NETDEV_LOOPBACK) && interface_ipv4(&candidate->interface))
            netdev = candidate;
    }
    if (!netdev)
        return -ENETUNREACH;
    result->netdev = netdev;
    result->source = interface_ipv4(&netdev->interface);
    result->is_broadcast = true;
    return 0;
}

int route_lookup(uint32_t destination, struct netdev *netdev, struct route_result *result)
{
    enum address_kind kind = interface_classify(destination);
    struct route route;

    *result = (struct route_result){ .next_hop = destination };
    if (destination == 0)
        return -ENETUNREACH; /* only ever a source: RFC 1122, 3.2.1.3 (a) */
    if (destination == IPV4_BROADCAST) {
        int error = set_broadcast(netdev, result);

        if (error)
            return error;
    } else if (kind == ADDRESS_OWN) {
        set_local(destination, result);
        if (!result->netdev)
            return -ENETDOWN;
    } else {
        if (!find_route(destination, netdev, &route))
            return -ENETUNREACH;
        result->netdev = route.netdev;
        result->source = interface_ipv4(&route.netdev->interface);
        result->is_broadcast = kind == ADDRESS_BROADCAST;
        if (route.gateway)
            result->next_hop = route.gateway;
    }
    return netdev_is_usable(result->netdev) ? 0 : -ENETDOWN;
}

bool route_get(unsigned int index, struct route *route)
{
    irqflags_t flags = spin_lock_irqsave(&routes_lock);
    bool is_there = index < route_count;

    if (is_there)
        *route = routes[index];
    spin_unlock_irqrestore(&routes_lock, flags);
    return is_there;
}
