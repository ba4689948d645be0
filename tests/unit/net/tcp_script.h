/*
 * A scripted peer for TCP. The kernel is host A of the wire; the peer is the test, segment by
 * segment:
 *
 *     // links: net/loopback.c net/arp.c net/netdev.c net/udp.c net/ipv4_fragment.c
 *     // links: tests/unit/net/wire.c tests/unit/net/tcp_script.c
 *
 *     static void refused(void)
 *     {
 *         struct socket *socket = connect_start();
 *         struct seen *syn = peer_gets(SYN);
 *         ...
 *     }
 *     UNIT_TESTS(TCP_SCRIPT(refused))
 *
 * Each script has a wire to itself, and must leave no connection and no queued byte behind.
 */
#pragma once

#include "arch/host/host.h"
#include "lib/byteorder.h"
#include "net/route.h"
#include "net/socket.h"
#include "net/tcp_internal.h"
#include "tests/unit/net/wire.h"

#define FIN TCP_FIN
#define SYN TCP_SYN
#define RST TCP_RST
#define ACK TCP_ACK

#define TCP_SCRIPT(function)                                                                       \
    {                                                                                              \
#function, tcp_script_run, NULL, NULL, (void *)(function)                                  \
    }
void tcp_script_run(void **state);

/* A segment that A has sent; PSH is left out of the flags. */
struct seen {
    uint64_t at_ns;
    uint32_t seq, ack, length;
    uint16_t window, local_port, peer_port;
    uint8_t flags;
    struct tcp_options options;
    bool has_dont_fragment;
};

#define TCP_SEEN_MAX 200000
extern struct seen seen[TCP_SEEN_MAX];
extern unsigned int seen_count, seen_next; /* all; those that peer_gets() has returned */

/* The other end of one connection. */
struct peer {
    uint16_t port, local_port; /* peer's, A's */
    uint32_t nxt;              /* what the peer sends next */
    uint32_t una;              /* what it acknowledges: A's next */
    uint16_t window;
    bool has_timestamps;
    uint32_t ts_value, ts_echo;
};

/* ---- from A ---- */

/** peer_gets() - the next segment from A; the test fails when there is none, or other @flags. */
struct seen *peer_gets(uint8_t flags);
void peer_gets_nothing(void);
void peer_skips(void); /* whatever has come */

/* ---- to A ---- */

extern const struct tcp_options no_options;
void peer_sends_options(const struct peer *peer, uint32_t seq, uint32_t ack, uint8_t flags,
                        const struct tcp_options *given, const void *data, size_t length);
void peer_sends(const struct peer *peer, uint32_t seq, uint32_t ack, uint8_t flags,
                const void *data, size_t length);
/** peer_injects() - the same, with no task of A's running before it returns. */
void peer_injects(const struct peer *peer, uint32_t seq, uint32_t ack, uint8_t flags,
                  const void *data, size_t length);
void peer_sends_data(struct peer *peer, const void *data, size_t length); /* the next in order */
void peer_acks(const struct peer *peer);

/* ---- A's user ---- */

/** connect_start() - a non-blocking socket whose SYN is on its way to port 7. */
struct socket *connect_start(void);
/** connect_with() - ESTABLISHED; @options are those of the peer's SYN. */
struct socket *connect_with(struct peer *peer, const struct tcp_options *options);
struct socket *connect_plain(struct peer *peer); /* MSS 1000, nothing else */
struct socket *connect_sack(struct peer *peer);  /* and SACK */
struct socket *listen_on(uint16_t port, unsigned int backlog);
void user_sends(struct socket *socket, size_t length); /* zeros */
/** user_takes() - bytes read without waiting; 0 for none, an end or an error. */
size_t user_takes(struct socket *socket, void *data, size_t size);
enum tcp_state state_of(struct socket *socket);
