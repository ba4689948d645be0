/*
 * The routes, ordered so that the best for an address is found by a few binary searches.
 */
#pragma once

#include "lib/compiler.h"
#include "net/route.h"

/** route_table_insert() - 0, -EEXIST when the same route is there, -ENOMEM. Context: any. */
int __must_check route_table_insert(const struct route *route);

/** route_table_remove() - as route_remove(). route_table_remove_netdev() - all through @netdev. */
int __must_check route_table_remove(uint32_t destination, unsigned int prefix_length,
                                    const struct netdev *netdev);
void route_table_remove_netdev(const struct netdev *netdev);

/**
 * route_table_find() - copy the route with the longest prefix, and of those the lowest metric
 * @netdev: only through this one; NULL: any. Takes no lock. Return: was there one? Context: any.
 */
bool __must_check route_table_find(uint32_t destination, const struct netdev *netdev,
                                   struct route *result);
