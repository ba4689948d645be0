/*
 * TCP on the wire: sequence numbers, header, options, and a segment that has arrived. No connection
 * in here. For files of net/ only.
 */
#pragma once

#include "net/frame.h"
#include "net/ip_address.h"

struct netdev;

/* ---- sequence numbers (RFC 9293 3.4): modulo 2^32 ---- */

static inline bool seq_lt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool seq_leq(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

static inline bool seq_gt(uint32_t a, uint32_t b)
{
    return seq_lt(b, a);
}

static inline bool seq_geq(uint32_t a, uint32_t b)
{
    return seq_leq(b, a);
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
    return seq_gt(a, b) ? a : b;
}

static inline uint32_t seq_min(uint32_t a, uint32_t b)
{
    return seq_lt(a, b) ? a : b;
}

/* ---- the header (RFC 9293 3.1) ---- */

#define TCP_HEADER_SIZE 20
#define TCP_OPTIONS_MAX 40

enum tcp_flags {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_URG = 0x20,
};

struct tcp_header {
    uint16_t source; /* big endian, as all */
    uint16_t destination;
    uint32_t seq;
    uint32_t ack;
    uint8_t data_offset; /* upper four bits, in words */
    uint8_t flags;
    uint16_t window;
    uint16_t checksum;
    uint16_t urgent;
} __packed;

/* ---- options ---- */

struct tcp_range {
    uint32_t start, end; /* [start, end) */
};

#define TCP_SACK_BLOCKS 4

struct tcp_options {
    uint16_t mss;        /* 0: not there */
    int8_t window_scale; /* -1: not there */
    bool has_sack_permitted;
    bool has_timestamps;
    uint32_t ts_value, ts_echo;
    unsigned int sack_count;
    struct tcp_range sack[TCP_SACK_BLOCKS];
};

/** tcp_options_parse() - false: malformed beyond use (RFC 9293 3.1: ignore the segment). */
bool tcp_options_parse(const uint8_t *bytes, unsigned int length, struct tcp_options *options);
/** tcp_options_write() - returns the length, a multiple of 4, at most TCP_OPTIONS_MAX. */
unsigned int tcp_options_write(uint8_t *bytes, const struct tcp_options *options);

/* A segment that has arrived, header parsed; host order. */
struct tcp_segment {
    uint32_t seq;
    uint32_t ack;
    uint32_t window; /* not scaled yet */
    uint32_t length; /* payload bytes */
    uint8_t flags;
    struct tcp_options options;
    struct socket_address local, peer;
    struct netdev *netdev;
    struct frame *frame; /* payload; NULL once handed on */
    uint32_t iss_after;  /* of a SYN that ended a TIME-WAIT: our ISS must be beyond this */
    bool has_iss_after;
};

/* The window that @segment tells, in bytes: never scaled in a SYN (RFC 7323 2.2). */
static inline uint32_t tcp_segment_window(const struct tcp_segment *segment, uint8_t scale)
{
    return segment->window << (segment->flags & TCP_SYN ? 0 : scale);
}

static inline uint32_t tcp_segment_end(const struct tcp_segment *segment)
{
    return segment->seq + segment->length + !!(segment->flags & TCP_SYN) +
           !!(segment->flags & TCP_FIN);
}
