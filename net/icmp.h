/*
 * ICMP for IPv4 (RFC 792, RFC 1122 3.2.2): echo both ways, errors both ways.
 */
#pragma once

#include "lib/compiler.h"
#include "net/frame.h"
#include "net/ipv4.h"

enum icmp_type {
    ICMP_ECHO_REPLY = 0,
    ICMP_UNREACHABLE = 3,
    ICMP_SOURCE_QUENCH = 4,
    ICMP_REDIRECT = 5,
    ICMP_ECHO_REQUEST = 8,
    ICMP_TIME_EXCEEDED = 11,
    ICMP_PARAMETER_PROBLEM = 12,
    ICMP_TYPE_COUNT = 19 /* counters are kept for types below this */
};

enum icmp_unreachable_code {
    ICMP_NET_UNREACHABLE = 0,
    ICMP_HOST_UNREACHABLE = 1,
    ICMP_PROTOCOL_UNREACHABLE = 2,
    ICMP_PORT_UNREACHABLE = 3,
    ICMP_FRAGMENTATION_NEEDED = 4,
    ICMP_ADMIN_PROHIBITED = 13,
};

#define ICMP_REASSEMBLY_TIMEOUT 1 /* code of ICMP_TIME_EXCEEDED */
#define ICMP_HEADER_SIZE        8

/** icmp_input() - a message, IP header pulled. Takes @frame. Context: softirq. */
void icmp_input(struct frame *frame, const struct ipv4_packet *packet);

/**
 * icmp_send_error() - answer @packet with an error, where RFC 1122 allows one and the rate limit
 * (shared by all, 1000 a second in bursts of 100) has one left
 * Context: any.
 */
void icmp_send_error(const struct ipv4_packet *packet, uint8_t type, uint8_t code, uint32_t info);

/** icmp_error_to_errno() - what a socket is told, 0 for "nothing". */
int icmp_error_to_errno(uint8_t type, uint8_t code);

/** An error about a packet that we sent, for the transport protocols (host order). */
struct icmp_error {
    uint8_t type, code;
    uint32_t info;                 /* for ICMP_FRAGMENTATION_NEEDED: the MTU of the next hop */
    uint32_t source;               /* of the packet that we sent: our address */
    uint32_t destination;          /* and the peer's */
    const uint8_t *transport;      /* its first bytes after the IP header */
    unsigned int transport_length; /* at least 8 */
};

/** icmp_deliver_error() - tell the transport protocol @protocol. Context: softirq, no lock held. */
void icmp_deliver_error(uint8_t protocol, const struct icmp_error *error);

/* ---- ping ---- */

struct icmp_echo; /* a series of requests with one identifier */

struct icmp_echo_reply {
    uint32_t source;
    uint16_t sequence;
    uint8_t ttl;
    uint8_t type, code; /* ICMP_ECHO_REPLY, or the error that came back */
    uint32_t length;    /* payload bytes */
    uint64_t rtt_ns;
};

/** icmp_echo_open() - -ENOMEM, or -EADDRINUSE when every identifier is taken. Context: task. */
int __must_check icmp_echo_open(struct icmp_echo **result);
void icmp_echo_close(struct icmp_echo *echo);
/**
 * icmp_echo_request() - send one request and wait for its answer
 * Return: 0 (an error that came back by ICMP counts: see reply->type); -ETIMEDOUT; -ECANCELED;
 * -EMSGSIZE above 65507 bytes; as ipv4_output(). Context: task.
 */
int __must_check icmp_echo_request(struct icmp_echo *echo, uint32_t destination, uint16_t sequence,
                                   uint32_t payload_length, uint64_t deadline_ns,
                                   struct icmp_echo_reply *reply);

enum icmp_counter {
    ICMP_BAD_CHECKSUM,
    ICMP_MALFORMED,
    ICMP_RATE_LIMITED,
    ICMP_UNEXPECTED_REPLY,
    ICMP_COUNTER_COUNT
};
uint64_t icmp_received(unsigned int type);
uint64_t icmp_sent(unsigned int type);
uint64_t icmp_counter(enum icmp_counter counter);
const char *icmp_counter_name(enum icmp_counter counter);
const char *icmp_type_name(unsigned int type);
