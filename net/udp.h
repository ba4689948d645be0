/*
 * UDP (RFC 768). Used through net/socket.h.
 */
#pragma once

#include "lib/compiler.h"
#include "net/frame.h"
#include "net/icmp.h"
#include "net/ipv4.h"

#define UDP_HEADER_SIZE 8
#define UDP_PAYLOAD_MAX (65535 - IPV4_HEADER_SIZE - UDP_HEADER_SIZE)

struct udp_header {
    uint16_t source; /* big endian, as all */
    uint16_t destination;
    uint16_t length;
    uint16_t checksum;
} __packed;

/** udp_input() - a datagram, IP header pulled. Takes @frame. Context: softirq. */
void udp_input(struct frame *frame, const struct ipv4_packet *packet);
/** udp_error() - an ICMP error about one that we sent. Context: softirq. */
void udp_error(const struct icmp_error *error);

enum udp_counter {
    UDP_RECEIVED,
    UDP_SENT,
    UDP_BAD_HEADER,
    UDP_BAD_CHECKSUM,
    UDP_NO_PORT,
    UDP_QUEUE_FULL,
    UDP_SOCKETS, /* open now */
    UDP_COUNTER_COUNT
};
uint64_t udp_counter(enum udp_counter counter);
const char *udp_counter_name(enum udp_counter counter);
