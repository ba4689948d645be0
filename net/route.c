/*
 * Which way a packet goes: to this machine, to a neighbour, by a gateway (route_table.c).
 */
#include "net/route.h"

#include "lib/errno.h"
#include "net/interface.h"
#include "net/loopback.h"
#include "net/netdev.h"
#include "net/route_table.h"

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

int route_add(const struct route *route)
{
    if (route->prefix_length > 32 || !route->netdev ||
        (route->destination & ~ipv4_mask(route->prefix_length)))
        return -EINVAL;
    if (route->gateway && !is_reachable(route->gateway, route->netdev))
        return -ENETUNREACH;
    return route_table_insert(route);
}

int route_remove(uint32_t destination, unsigned int prefix_length, const struct netdev *netdev)
{
    return prefix_length > 32 ? -ENOENT : route_table_remove(destination, prefix_length, netdev);
}

void route_remove_netdev(const struct netdev *netdev)
{
    route_table_remove_netdev(netdev);
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
        if (!route_table_find(destination, netdev, &route))
            return -ENETUNREACH;
        result->netdev = route.netdev;
        result->source = interface_ipv4(&route.netdev->interface);
        result->is_broadcast = kind == ADDRESS_BROADCAST;
        if (route.gateway)
            result->next_hop = route.gateway;
    }
    return netdev_is_usable(result->netdev) ? 0 : -ENETDOWN;
}
