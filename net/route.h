/*
 * The IPv4 routing table: longest prefix first, then lowest metric.
 */
#pragma once

#include "lib/compiler.h"
#include "net/ip_address.h"

struct netdev;

struct route {
    uint32_t destination; /* bits beyond the prefix are 0 */
    unsigned int prefix_length;
    uint32_t gateway; /* 0: destination is on the link */
    struct netdev *netdev;
    unsigned int metric;
};

/** route_add() - -EEXIST when the same route is there; -EINVAL; -ENOMEM; -ENETUNREACH when the
 * gateway is not on a connected net. Context: any. */
int __must_check route_add(const struct route *route);
/** route_remove() - the route to exactly that prefix through @netdev (NULL: any). 0 or -ENOENT. */
int __must_check route_remove(uint32_t destination, unsigned int prefix_length,
                              const struct netdev *netdev);
/** route_remove_netdev() - all through @netdev. Context: any. */
void route_remove_netdev(const struct netdev *netdev);

/** What a sender needs: where the frame goes next, and from which address. */
struct route_result {
    struct netdev *netdev;
    uint32_t next_hop; /* address to resolve on the link */
    uint32_t source;   /* address of netdev; 0 when it has none */
    bool is_broadcast; /* of the link: no ARP */
    bool is_local;     /* to this machine, over lo */
};

/**
 * route_lookup() - where packets for @destination go
 * @netdev: only through this device, NULL for any. Broadcasts need it, or go out by the first
 * device that has an address.
 * Return: 0; -ENETUNREACH; -ENETDOWN when the device is stopped or its link down. Context: any.
 */
int __must_check route_lookup(uint32_t destination, struct netdev *netdev,
                              struct route_result *result);

/** route_get() - copy entry @index of the table for display; false past the end. */
bool route_get(unsigned int index, struct route *route);

/* ---- path MTU (RFC 1191): what "fragmentation needed" told, forgotten after ten minutes ---- */

#define PATH_MTU_MIN 552 /* lower claims are not believed: they only serve attacks */

/** path_mtu() - for @destination through @netdev: the device's unless less is known. */
unsigned int path_mtu(uint32_t destination, const struct netdev *netdev);
/** path_mtu_lower() - learn; raised claims are ignored. Return: the value now in force. */
unsigned int path_mtu_lower(uint32_t destination, const struct netdev *netdev, unsigned int mtu);
void path_mtu_flush(void);
