/*
 * Address resolution (RFC 826, RFC 5227): which link address an IPv4 neighbour has.
 *
 * An entry is made only by our own question, or by a request addressed to us; what arrives unasked
 * never creates one and never changes one. At most ARP_ENTRIES_MAX entries, of which requests to us
 * may fill three quarters, and ARP_PENDING_MAX frames wait for each answer; what has to go is
 * counted.
 */
#pragma once

#include "lib/compiler.h"
#include "net/frame.h"
#include "net/ip_address.h"

struct netdev;

#define ARP_ENTRIES_MAX 1024
#define ARP_PENDING_MAX 16

/** arp_input() - an ARP packet, link header pulled. Takes @frame. Context: softirq. */
void arp_input(struct netdev *netdev, struct frame *frame);

/**
 * arp_output() - send an IPv4 packet to the neighbour @next_hop, resolving it first if need be
 * Takes @frame, which waits (bounded) while the question is out. When nobody answers, the
 * transport is told "host unreachable" as if by ICMP.
 * Context: any.
 */
void arp_output(struct netdev *netdev, struct frame *frame, uint32_t next_hop);

/** arp_confirm() - the transport heard from @address lately: its entry stays fresh. Context: any.
 */
void arp_confirm(struct netdev *netdev, uint32_t address);

/**
 * arp_suspect() - the transport has not heard from @address for long: its link address may be wrong
 * It is used on, but asked for at the next use; without an answer everybody is asked. Context: any.
 */
void arp_suspect(struct netdev *netdev, uint32_t address);

/**
 * arp_probe() - is @address in use on the link? (RFC 5227 2.1.1, before a DHCP lease is taken)
 * Return: 0 free; -EADDRINUSE with the owner's @mac; -ECANCELED; -ENETDOWN. Context: task; takes
 * a few hundred milliseconds up to 3 s (probes spread by chance as the RFC says).
 */
int __must_check arp_probe(struct netdev *netdev, uint32_t address, uint8_t mac[MAC_SIZE]);

/** arp_announce() - tell the link that we have our address now (RFC 5227 2.3). Context: any. */
void arp_announce(struct netdev *netdev);

/** arp_flush() - forget the neighbours of @netdev (NULL: all). Context: any. */
void arp_flush(struct netdev *netdev);

enum arp_state {
    ARP_FREE,
    ARP_INCOMPLETE,
    ARP_REACHABLE,
    ARP_STALE
};

struct arp_entry_info {
    uint32_t address;
    uint8_t mac[MAC_SIZE];
    enum arp_state state;
    struct netdev *netdev;
    uint64_t age_ns; /* since confirmed */
    unsigned int pending;
};
/** arp_get() - copy entry @index for display; false past the end. */
bool arp_get(unsigned int index, struct arp_entry_info *info);

enum arp_counter {
    ARP_REQUESTS_SENT,
    ARP_REPLIES_SENT,
    ARP_REQUESTS_RECEIVED,
    ARP_REPLIES_RECEIVED,
    ARP_UNSOLICITED, /* ignored */
    ARP_MALFORMED,
    ARP_TIMEOUTS,
    ARP_PENDING_DROPPED,
    ARP_TABLE_FULL,
    ARP_CONFLICTS, /* somebody else claims our address */
    ARP_COUNTER_COUNT
};
uint64_t arp_counter(enum arp_counter counter);
const char *arp_counter_name(enum arp_counter counter);
