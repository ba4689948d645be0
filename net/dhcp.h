/*
 * The DHCP client: a task per network device that gets a lease and keeps it.
 */
#pragma once

#include <stdint.h>

#include "lib/compiler.h"
#include "net/ip_address.h"

struct netdev;

enum dhcp_state { /* RFC 2131, figure 5 */
    DHCP_STATE_STOPPED,
    DHCP_STATE_SELECTING,
    DHCP_STATE_REQUESTING,
    DHCP_STATE_PROBING, /* asking by ARP whether the address is free */
    DHCP_STATE_BOUND,
    DHCP_STATE_RENEWING,
    DHCP_STATE_REBINDING,
};

struct dhcp_status {
    enum dhcp_state state;
    uint32_t address; /* 0: no lease */
    unsigned int prefix_length;
    uint32_t server;
    uint32_t gateway;
    uint64_t expires_ns; /* absolute; DEADLINE_NEVER */
    uint64_t renew_ns;
};

/**
 * dhcp_start() - keep a lease on @netdev, in the background; nothing when it does already
 * Return: 0; -EPERM when dhcp=off; -ENOMEM. Context: task.
 */
int __must_check dhcp_start(struct netdev *netdev);

/**
 * dhcp_wait() - until @netdev has a lease
 * Return: 0; -ETIMEDOUT; -ECANCELED; -ENOENT when no client runs. Context: task.
 */
int __must_check dhcp_wait(struct netdev *netdev, uint64_t deadline_ns);

/** dhcp_status() - of the client on @netdev. Return: false when there is none. Context: any. */
bool dhcp_status(struct netdev *netdev, struct dhcp_status *status);

const char *dhcp_state_name(enum dhcp_state state);
