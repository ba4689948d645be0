/*
 * Sockets: how the rest of the kernel talks to the network.
 *
 *     struct socket *socket;
 *     int error = socket_create(SOCKET_TCP, &socket);
 *     error = socket_connect(socket, &server, deadline_after_ns(5 * NS_PER_S));
 *     error = socket_send(socket, request, length, deadline, &sent);
 *     error = socket_receive(socket, buffer, size, deadline, &received);    received 0: end
 *     socket_close(socket);
 *
 * Everything that waits takes an absolute deadline, ends with -ECANCELED on Ctrl-C, and with the
 * peer's error as soon as it is known (-ECONNREFUSED, -ECONNRESET, -EHOSTUNREACH, ...; -ETIMEDOUT
 * also when TCP gave up). With SOCKET_OPTION_NONBLOCK nothing waits: -EAGAIN instead.
 *
 * One task may read while another writes and a third waits in socket_poll(). Closing while another
 * task is in a call on the same socket is the caller's mistake; socket_shutdown() is the way to get
 * it out of there.
 *
 * Context of all: task, may sleep, unless stated otherwise.
 */
#pragma once

#include "kernel/sync/mutex.h"
#include "kernel/sync/spinlock.h"
#include "kernel/sync/wait_queue.h"
#include "lib/atomic.h"
#include "lib/compiler.h"
#include "lib/list.h"
#include "net/frame.h"
#include "net/ip_address.h"

struct netdev;
struct socket;

enum socket_type {
    SOCKET_UDP,
    SOCKET_TCP
};

enum socket_event {
    SOCKET_READABLE = 1u << 0, /* data, end of stream, or a connection to accept */
    SOCKET_WRITABLE = 1u << 1, /* room to send; a connect that is under way has ended */
    SOCKET_ERROR = 1u << 2,    /* the next call returns it; always reported */
    SOCKET_HANGUP = 1u << 3,   /* both directions have ended; always reported */
};

enum socket_option {
    SOCKET_OPTION_NONBLOCK,       /* 0 or 1 */
    SOCKET_OPTION_BROADCAST,      /* UDP: may send to broadcast addresses; 0 or 1 */
    SOCKET_OPTION_TTL,            /* 1-255 */
    SOCKET_OPTION_RECEIVE_BUFFER, /* bytes; sets the limit and ends automatic growth */
    SOCKET_OPTION_SEND_BUFFER,    /* likewise */
    SOCKET_OPTION_NODELAY,        /* TCP: 1 turns Nagle's algorithm off */
    SOCKET_OPTION_KEEPALIVE,      /* TCP: idle seconds before the first probe; 0 off */
    SOCKET_OPTION_GIVE_UP,    /* TCP: milliseconds without an ACK until it gives up; 0: that of the
                                 parameter tcp.give_up, or 120 s, and 180 s for connecting */
    SOCKET_OPTION_CONGESTION, /* TCP: enum tcp_congestion_kind (net/tcp.h) */
};

enum socket_shutdown {
    SOCKET_SHUTDOWN_READ = 1,
    SOCKET_SHUTDOWN_WRITE = 2,
    SOCKET_SHUTDOWN_BOTH
};

int __must_check socket_create(enum socket_type type, struct socket **socket);

/**
 * socket_close() - the caller is done with it; never waits
 * TCP delivers what was sent and says goodbye in the background, bounded by its give-up time; if
 * received data was left unread it resets the connection instead (RFC 9293 3.10.4, RFC 2525 2.17).
 */
void socket_close(struct socket *socket);

/** socket_abort() - close at once; the TCP peer gets a reset, unsent data is gone. */
void socket_abort(struct socket *socket);

/**
 * socket_bind() - fix the local address
 * @address: ip IP_NONE for all addresses; port 0 for a free one.
 * Only another bound socket keeps an address from being bound. Connections that an earlier listener
 * accepted do not, in TIME-WAIT or alive: what others ask for as SO_REUSEADDR is always so.
 * Return: 0; -EADDRINUSE; -EADDRNOTAVAIL (not ours, or no port free); -EINVAL when bound already.
 */
int __must_check socket_bind(struct socket *socket, const struct socket_address *address);

/** socket_bind_netdev() - send and receive through @netdev only (DHCP); NULL: any again. */
int __must_check socket_bind_netdev(struct socket *socket, struct netdev *netdev);

/**
 * socket_listen() - TCP: accept connections, at most @backlog of them waiting to be accepted and
 * as many in their handshake; beyond that SYN cookies (RFC 4987 3.6). -EINVAL unless bound.
 */
int __must_check socket_listen(struct socket *socket, unsigned int backlog);

/**
 * socket_accept() - take the oldest waiting connection
 * Return: 0 with *@connection, the caller's to close; -ETIMEDOUT, -ECANCELED, -EAGAIN, -EINVAL.
 */
int __must_check socket_accept(struct socket *socket, struct socket **connection,
                               uint64_t deadline_ns);

/**
 * socket_connect() - TCP: the handshake; UDP: fix the peer
 * Return: 0; -EINPROGRESS (non-blocking: SOCKET_WRITABLE or SOCKET_ERROR will tell);
 * -ETIMEDOUT, -ECANCELED (the attempt is given up: close the socket), -ECONNREFUSED,
 * -EHOSTUNREACH, -ENETUNREACH, -EADDRNOTAVAIL (no port left), -EISCONN, -EALREADY.
 */
int __must_check socket_connect(struct socket *socket, const struct socket_address *peer,
                                uint64_t deadline_ns);

/**
 * socket_send() - TCP: queue all @length bytes; UDP (connected): send one datagram
 * *@sent (may be NULL) counts bytes taken, also when an error ends it.
 * Return: 0 all taken; -ETIMEDOUT, -ECANCELED, -EAGAIN; -EPIPE after shutdown; the peer's error;
 * -EMSGSIZE for a datagram that cannot be; -ENOTCONN.
 */
int __must_check socket_send(struct socket *socket, const void *data, size_t length,
                             uint64_t deadline_ns, size_t *sent);

/** socket_send_to() - UDP: one datagram to @peer. */
int __must_check socket_send_to(struct socket *socket, const void *data, size_t length,
                                const struct socket_address *peer);

/**
 * socket_send_buffer() - TCP: queue a stretch of @buffer without copying it
 * A reference is taken; the bytes must not change until it is put. Else as socket_send().
 */
int __must_check socket_send_buffer(struct socket *socket, struct frame_buffer *buffer,
                                    uint8_t *data, uint32_t length, uint64_t deadline_ns);

/**
 * socket_receive() - wait for data and take what is there, at most @size bytes
 * *@received 0 with return 0: the peer has ended its direction (TCP), or an empty datagram (UDP).
 * A datagram longer than @size is cut, and the rest is gone.
 */
int __must_check socket_receive(struct socket *socket, void *data, size_t size,
                                uint64_t deadline_ns, size_t *received);

/** socket_receive_from() - the same, and who sent it. UDP. @peer may be NULL. */
int __must_check socket_receive_from(struct socket *socket, void *data, size_t size,
                                     uint64_t deadline_ns, size_t *received,
                                     struct socket_address *peer);

/**
 * socket_receive_frame() - the same without a copy: the next payload as it arrived
 * *@frame is the caller's to frame_free(), soon: it may pin a receive buffer of the device.
 * NULL with return 0: end of stream.
 */
int __must_check socket_receive_frame(struct socket *socket, uint64_t deadline_ns,
                                      struct frame **frame);

/** socket_shutdown() - end a direction: write sends FIN after what is queued; read discards. */
int __must_check socket_shutdown(struct socket *socket, enum socket_shutdown how);

int __must_check socket_set_option(struct socket *socket, enum socket_option option,
                                   uint64_t value);

/** socket_error() - take the pending error: 0 or -errno, which is cleared. */
int socket_error(struct socket *socket);

void socket_local(struct socket *socket, struct socket_address *address);
void socket_peer(struct socket *socket, struct socket_address *address);

/** One socket to wait for, and what for. */
struct socket_poll {
    struct socket *socket; /* NULL: skipped */
    unsigned int events;   /* wanted: enum socket_event */
    unsigned int ready;    /* result */
};

/**
 * socket_poll() - wait until one of several sockets is ready
 * Return: how many are; -ETIMEDOUT; -ECANCELED.
 */
int __must_check socket_poll(struct socket_poll *sockets, unsigned int count, uint64_t deadline_ns);

/** socket_ready() - SOCKET_* that hold now. Context: any. */
unsigned int socket_ready(struct socket *socket);

/* ---- resolving names: the DNS client registers itself here ---- */

typedef int (*net_resolver_t)(const char *name, struct ip_address *address, uint64_t deadline_ns);
void net_set_resolver(net_resolver_t function);
/**
 * net_resolve() - "10.0.2.2" or, with a resolver, a host name
 * Return: 0; -EINVAL not an address, and no resolver; else as dns_resolve().
 */
int __must_check net_resolve(const char *name, struct ip_address *address, uint64_t deadline_ns);
/** net_resolve_problem() - what an error of net_resolve() tells a person about the name. */
const char *net_resolve_problem(int error);
