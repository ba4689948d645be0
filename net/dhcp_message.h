/*
 * DHCP messages (RFC 2131, RFC 2132): building requests, and taking replies apart.
 *
 * Pure functions of bytes, for host tests and fuzzing. Addresses are in host order.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "net/ip_address.h"

#define DHCP_SERVER_PORT 67
#define DHCP_CLIENT_PORT 68
#define DHCP_MESSAGE_MAX 576 /* what every host must accept (RFC 2131, 2) */
#define DHCP_SERVERS_MAX 3   /* of each kind: DNS, NTP */

enum dhcp_type {
    DHCP_DISCOVER = 1,
    DHCP_OFFER = 2,
    DHCP_REQUEST = 3,
    DHCP_DECLINE = 4,
    DHCP_ACK = 5,
    DHCP_NAK = 6,
    DHCP_RELEASE = 7,
};

struct dhcp_request {
    enum dhcp_type type;
    uint32_t transaction; /* xid */
    uint8_t mac[MAC_SIZE];
    uint16_t seconds;           /* since it was begun */
    uint32_t client_address;    /* ciaddr: ours, when renewing; else 0 */
    uint32_t requested_address; /* option 50; 0: left out */
    uint32_t server;            /* option 54; 0: left out */
    bool wants_broadcast;       /* we cannot receive unicast yet */
};

struct dhcp_reply {
    enum dhcp_type type; /* OFFER, ACK or NAK */
    uint32_t address;    /* yiaddr */
    uint32_t server;     /* option 54 */
    uint32_t netmask;    /* 0: not given */
    uint32_t gateway;    /* the first; 0: none */
    uint32_t name_servers[DHCP_SERVERS_MAX];
    unsigned int name_server_count;
    uint32_t lease_seconds;   /* 0: not given; UINT32_MAX: for ever */
    uint32_t renewal_seconds; /* T1; 0: not given */
    uint32_t rebind_seconds;  /* T2; 0: not given */
    uint16_t mtu;             /* 0: not given */
    char domain[64];
};

/** dhcp_build() - Return: length of the message, at most DHCP_MESSAGE_MAX. */
size_t dhcp_build(uint8_t message[DHCP_MESSAGE_MAX], const struct dhcp_request *request);

/**
 * dhcp_parse() - a reply to our @transaction
 * Return: 0; -ENOENT it is for somebody else; -EBADMSG it is malformed.
 */
int __must_check dhcp_parse(const uint8_t *message, size_t length, uint32_t transaction,
                            const uint8_t mac[MAC_SIZE], struct dhcp_reply *reply);
