/*
 * IPv4 (RFC 791, RFC 1122): the packets in and out, fragments.
 */
#pragma once

#include "lib/compiler.h"
#include "net/frame.h"
#include "net/ip_address.h"

struct netdev;

#define IP_PROTOCOL_ICMP 1
#define IP_PROTOCOL_TCP  6
#define IP_PROTOCOL_UDP  17

#define IPV4_HEADER_SIZE 20
#define IPV4_TTL_DEFAULT 64
#define IPV4_FLAG_DF     0x4000 /* of the fragment field, host order */
#define IPV4_FLAG_MF     0x2000
#define IPV4_OFFSET_MASK 0x1FFF

struct ipv4_header {
    uint8_t version_ihl;
    uint8_t tos;
    uint16_t total_length; /* big endian, as all below */
    uint16_t id;
    uint16_t fragment;
    uint8_t ttl;
    uint8_t protocol;
    uint16_t checksum;
    uint32_t source;
    uint32_t destination;
} __packed;

/** What the transport protocols get with a packet: the header's fields, host order. */
struct ipv4_packet {
    struct netdev *netdev; /* received on */
    uint32_t source;
    uint32_t destination;
    uint8_t protocol;
    uint8_t ttl;
    uint8_t tos;
    bool is_broadcast; /* by link or by address: no ICMP error answers it */
    /* The first bytes of the packet as received, for ICMP errors: header and 8 bytes. */
    uint8_t original[60 + 8];
    uint8_t original_length;
};

/** ipv4_input() - a packet, link header pulled. Takes @frame. Context: softirq. */
void ipv4_input(struct netdev *netdev, struct frame *frame);

struct ipv4_output_options {
    uint32_t source; /* 0: the address of the device that the route picks */
    uint32_t destination;
    uint8_t protocol;
    uint8_t ttl; /* 0: IPV4_TTL_DEFAULT */
    uint8_t tos;
    bool has_dont_fragment; /* -EMSGSIZE instead of fragments */
    struct netdev *netdev;  /* only through this device; NULL: as routed */
};

/**
 * ipv4_output() - put the header on and send, in fragments where the packet is longer than the MTU
 * @frame: handed over in every case; holds the transport header and what follows, and headroom
 * Context: any, interrupts may be off; never waits.
 * Return: 0 sent or queued (not: arrived); -ENETUNREACH, -ENETDOWN, -EMSGSIZE, -ENOMEM,
 * -EADDRNOTAVAIL when no source address is known and @source is 0 (unless broadcast).
 */
int __must_check ipv4_output(struct frame *frame, const struct ipv4_output_options *options);

struct route_result;

/** ipv4_output_routed() - the same for who has looked @route up already. */
int __must_check ipv4_output_routed(struct frame *frame, const struct ipv4_output_options *options,
                                    const struct route_result *route);

/**
 * ipv4_source_for() - the source address packets to @destination get
 * Return: 0; as route_lookup(). Context: any.
 */
int __must_check ipv4_source_for(uint32_t destination, struct netdev *netdev, uint32_t *source);

/** ipv4_pseudo_sum() - sum of the pseudo header, for lib/checksum.h (addresses in host order). */
uint32_t ipv4_pseudo_sum(uint32_t source, uint32_t destination, uint8_t protocol, uint32_t length);

enum ipv4_counter {
    IPV4_RECEIVED,
    IPV4_DELIVERED,
    IPV4_BAD_HEADER,
    IPV4_BAD_CHECKSUM,
    IPV4_NOT_FOR_US,
    IPV4_BAD_SOURCE, /* martians: broadcast, multicast or our own address as source */
    IPV4_UNKNOWN_PROTOCOL,
    IPV4_FRAGMENTS_RECEIVED,
    IPV4_REASSEMBLED,
    IPV4_FRAGMENT_OVERLAP,
    IPV4_FRAGMENT_TIMEOUT,
    IPV4_FRAGMENT_NO_ROOM, /* bounded memory: the oldest had to go */
    IPV4_SENT,
    IPV4_FRAGMENTS_SENT,
    IPV4_NO_ROUTE,
    IPV4_TOO_BIG,
    IPV4_COUNTER_COUNT
};
uint64_t ipv4_counter(enum ipv4_counter counter);
const char *ipv4_counter_name(enum ipv4_counter counter);
