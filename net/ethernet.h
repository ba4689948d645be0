/*
 * Ethernet II framing.
 */
#pragma once

#include "lib/compiler.h"
#include "net/frame.h"
#include "net/ip_address.h"

struct netdev;

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP  0x0806
#define ETHERTYPE_IPV6 0x86DD

struct ethernet_header {
    uint8_t destination[MAC_SIZE];
    uint8_t source[MAC_SIZE];
    uint16_t type; /* big endian */
} __packed;

extern const uint8_t ethernet_broadcast[MAC_SIZE];

/** ethernet_input() - sort by type; called by netdev_receive(). Takes @frame. Context: softirq. */
void ethernet_input(struct netdev *netdev, struct frame *frame);

/** ethernet_output() - put the header on and send. Takes @frame. Context: any. */
void ethernet_output(struct netdev *netdev, struct frame *frame,
                     const uint8_t destination[MAC_SIZE], uint16_t type);
