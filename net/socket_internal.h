/*
 * What every kind of socket shares; for files of net/ only.
 *
 * struct udp_socket and struct tcp_socket embed struct socket. A socket is counted: the user's
 * reference goes with socket_close(); tables, timers and packets under way hold their own.
 *
 * socket->lock (rank SOCKET) guards the state of the socket and of its connection. The two mutexes
 * keep readers among themselves and writers among themselves in order while data is copied with no
 * spinlock held.
 */
#pragma once

#include "net/socket.h"

struct socket_ops {
    int (*bind)(struct socket *socket, const struct socket_address *address);
    int (*listen)(struct socket *socket, unsigned int backlog);
    int (*accept)(struct socket *socket, struct socket **connection); /* -EAGAIN: none yet */
    int (*connect)(struct socket *socket, const struct socket_address *peer); /* -EINPROGRESS */
    /* send: take what there is room for now; *@sent counts. -EAGAIN: nothing. Writer mutex held. */
    int (*send)(struct socket *socket, const void *data, size_t length, size_t *sent);
    int (*send_buffer)(struct socket *socket, struct frame_buffer *buffer, uint8_t *data,
                       uint32_t length);
    int (*send_to)(struct socket *socket, const void *data, size_t length,
                   const struct socket_address *peer);
    /* receive: what is there now. -EAGAIN: nothing. Reader mutex held. @peer may be NULL. */
    int (*receive)(struct socket *socket, void *data, size_t size, size_t *received,
                   struct socket_address *peer);
    int (*receive_frame)(struct socket *socket, struct frame **frame); /* *frame NULL: the end */
    int (*shutdown)(struct socket *socket, enum socket_shutdown how);
    int (*set_option)(struct socket *socket, enum socket_option option, uint64_t value);
    unsigned int (*ready_locked)(struct socket *socket);
    void (*close)(struct socket *socket, bool is_abort); /* puts the user's reference */
    void (*destroy)(struct socket *socket); /* the last reference is gone; any context */
};

struct socket {
    const struct socket_ops *ops; /* const */
    enum socket_type type;        /* const */
    atomic_uint references;
    struct spinlock lock;      /* rank: LOCK_RANK_SOCKET */
    struct wait_queue changed; /* woken when the answer of ready_locked() may be another */
    struct list pollers __guarded_by(lock);
    struct mutex reader;          /* rank: LOCK_RANK_SOCKET_SLEEP */
    struct mutex writer;          /* rank: LOCK_RANK_SOCKET_SLEEP */
    int error __guarded_by(lock); /* 0 or -errno, for the next call */
    bool is_nonblocking __guarded_by(lock);
    bool is_bound __guarded_by(lock);
    bool may_broadcast __guarded_by(lock);
    uint8_t ttl __guarded_by(lock); /* 0: default */
    struct netdev *netdev __guarded_by(lock);
    struct socket_address local __guarded_by(lock);
    struct socket_address peer __guarded_by(lock);
};

void socket_init(struct socket *socket, enum socket_type type, const struct socket_ops *ops);

static inline struct socket *socket_get(struct socket *socket)
{
    atomic_fetch_add_relaxed(&socket->references, 1);
    return socket;
}

void socket_put(struct socket *socket);

/** socket_notify_locked() - something changed: wake who waits. socket->lock is held, which TCP
 * takes as tcp_lock() and the compiler cannot follow; checked at run time. */
void socket_notify_locked(struct socket *socket);

/** socket_take_error_locked() - the pending error, which is cleared. */
int socket_take_error_locked(struct socket *socket); /* likewise */

/* Each kind makes its own. */
int __must_check udp_socket_create(struct socket **socket);
int __must_check tcp_socket_create(struct socket **socket);

/* ---- port_range.c: a local port for sockets that do not care which ---- */

struct port_search {
    uint32_t start, tried; /* zero before the first call */
};

/** port_search_next() - the next candidate; false when each was offered once. Context: any. */
bool port_search_next(struct port_search *search, uint16_t *port);
