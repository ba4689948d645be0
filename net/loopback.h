/*
 * lo: 127.0.0.1/8, and every packet that this machine sends to one of its own addresses.
 */
#pragma once

struct netdev;

/** loopback_netdev() - NULL before it is registered (INIT_BUS). Context: any. */
struct netdev *loopback_netdev(void);
