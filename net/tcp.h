/*
 * TCP (RFC 9293). Used through net/socket.h; here is what the layers below call, and what
 * commands and tests look at. The design is described in net/tcp_internal.h.
 */
#pragma once

#include "lib/compiler.h"
#include "net/frame.h"
#include "net/icmp.h"
#include "net/ipv4.h"

enum tcp_congestion_kind {
    TCP_CONGESTION_CUBIC,
    TCP_CONGESTION_NEWRENO
};

/* RFC 9293 3.3.2, in the RFC's order. */
enum tcp_state {
    TCP_CLOSED,
    TCP_LISTEN,
    TCP_SYN_SENT,
    TCP_SYN_RECEIVED,
    TCP_ESTABLISHED,
    TCP_FIN_WAIT_1,
    TCP_FIN_WAIT_2,
    TCP_CLOSE_WAIT,
    TCP_CLOSING,
    TCP_LAST_ACK,
    TCP_TIME_WAIT,
    TCP_STATE_COUNT
};
const char *tcp_state_name(enum tcp_state state);

/** tcp_input() - a segment, IP header pulled. Takes @frame. Context: softirq. */
void tcp_input(struct frame *frame, const struct ipv4_packet *packet);
/** tcp_error() - an ICMP error about a segment that we sent. Context: softirq. */
void tcp_error(const struct icmp_error *error);

enum tcp_counter {
    TCP_SEGMENTS_RECEIVED,
    TCP_SEGMENTS_SENT,
    TCP_BYTES_RECEIVED, /* in order, delivered */
    TCP_BYTES_SENT,     /* without retransmissions */
    TCP_RETRANSMITTED,  /* segments */
    TCP_FAST_RECOVERIES,
    TCP_TIMEOUTS, /* RTO */
    TCP_GAVE_UP,
    TCP_BAD_CHECKSUM,
    TCP_BAD_HEADER,
    TCP_OUT_OF_ORDER,
    TCP_DUPLICATES,
    TCP_OUT_OF_WINDOW,
    TCP_PAWS_REJECTED,
    TCP_CHALLENGE_ACKS,
    TCP_RESETS_RECEIVED,
    TCP_RESETS_SENT,
    TCP_ACTIVE_OPENS,
    TCP_PASSIVE_OPENS,
    TCP_ATTEMPTS_FAILED,
    TCP_SYN_COOKIES_SENT,
    TCP_SYN_COOKIES_ACCEPTED,
    TCP_SYN_COOKIES_REFUSED,
    TCP_ACCEPT_QUEUE_FULL,
    TCP_ZERO_WINDOW_PROBES,
    TCP_KEEPALIVE_PROBES,
    TCP_NO_MEMORY, /* received data refused: the memory bound */
    TCP_TIME_WAIT_REUSED,
    TCP_NO_PORT, /* all local ports are taken */
    TCP_COUNTER_COUNT
};
uint64_t tcp_counter(enum tcp_counter counter);
const char *tcp_counter_name(enum tcp_counter counter);

/** tcp_connection_count() - entries of the connection table, TIME-WAIT included. */
unsigned int tcp_connection_count(void);
/** tcp_memory_bytes() - held in all send and receive queues. */
uint64_t tcp_memory_bytes(void);
