/*
 * Between those who start and ask DHCP clients (dhcp.c) and what a client does (dhcp_client.c).
 */
#pragma once

#include "kernel/sync/wait_queue.h"
#include "lib/list.h"
#include "net/dhcp.h"
#include "net/dhcp_message.h"

struct dhcp_client {
    struct list_node node;        /* dhcp.c's, as the next */
    struct dhcp_status published; /* a copy of status, for others to read */
    struct netdev *netdev;        /* const */
    struct wait_queue told;       /* wants_check or is_stopped has changed */
    bool wants_check;             /* atomic: the link came back: is the lease still good? */
    bool is_stopped;              /* atomic: the device is gone */
    /* The task's own: */
    struct dhcp_status status;
    struct socket *socket;
    uint32_t transaction;
    uint64_t begun_ns;
    uint64_t requested_ns; /* when the request that was acknowledged was sent */
    struct dhcp_reply lease;
    uint64_t rebind_ns;
    uint8_t message[1500];
};

/**
 * dhcp_client_run() - get leases and keep them, until is_stopped
 * Return: 0, or why there is no socket. Context: a task of its own.
 */
int dhcp_client_run(struct dhcp_client *client);

/** dhcp_publish() - let others see the client's status, and wake those who wait for it */
void dhcp_publish(struct dhcp_client *client);
