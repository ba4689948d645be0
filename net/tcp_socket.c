/*
 * TCP's side of the socket interface: RFC 9293 3.10.1 (OPEN), 3.10.4 and 3.10.5 (CLOSE, ABORT),
 * options. 3.10.2 and 3.10.3 (SEND, RECEIVE) are in tcp_write.c and tcp_read.c.
 *
 * Above: socket.c. Below: tcp_connection.c, tcp_table.c, tcp_listen.c.
 */
#include "lib/errno.h"
#include "net/tcp_internal.h"

/* ---- OPEN: 3.10.1 ---- */

static int tcp_bind(struct socket *socket, const struct socket_address *address)
{
    struct socket_address local = *address;
    int error = -EINVAL;

    if (local.ip.family == IP_V4 && local.ip.v4 == 0)
        local.ip.family = IP_NONE;
    mutex_lock(&socket->writer);
    if (!socket->is_bound && !to_tcp(socket)->was_opened)
        error = tcp_ports_bind(to_tcp(socket), &local);
    mutex_unlock(&socket->writer);
    return error;
}

static int tcp_listen(struct socket *socket, unsigned int backlog)
{
    struct tcp_socket *tcp = to_tcp(socket);
    int error = -EINVAL;

    mutex_lock(&socket->writer);
    if (socket->is_bound && tcp->state == TCP_CLOSED && !tcp->was_opened)
        error = tcp_listener_create(tcp, backlog);
    if (!error) {
        irqflags_t flags = tcp_lock(tcp);

        tcp->was_opened = true;
        tcp->state = TCP_LISTEN;
        tcp_unlock(tcp, flags);
    }
    mutex_unlock(&socket->writer);
    return error;
}

static int tcp_accept(struct socket *socket, struct socket **connection)
{
    struct tcp_socket *tcp = to_tcp(socket);

    return READ_ONCE(tcp->state) == TCP_LISTEN ? tcp_listener_accept(tcp, connection) : -EINVAL;
}

/* The local address, fixed: by bind, or by the route. */
static int choose_local(struct tcp_socket *tcp, const struct socket_address *peer)
{
    uint32_t source;
    int error;

    if (tcp->base.local.ip.family == IP_V4)
        return 0;
    error = ipv4_source_for(peer->ip.v4, tcp->base.netdev, &source);
    if (!error)
        tcp->base.local.ip = ip_from_v4(source);
    return error;
}

static int enter_table(struct tcp_socket *tcp)
{
    return tcp->base.local.port ? tcp_table_insert(tcp) : tcp_table_insert_anywhere(tcp);
}

static void start_handshake(struct tcp_socket *tcp)
{
    irqflags_t flags = tcp_lock(tcp);

    tcp->ts_offset = (uint32_t)tcp_hash(&tcp->base.local, &tcp->base.peer, 2);
    tcp->iss = tcp_initial_sequence(&tcp->base.local, &tcp->base.peer);
    tcp->snd_una = tcp->high_rxt = tcp->lost_edge = tcp->iss;
    tcp->snd_nxt = tcp->snd_max = tcp->snd_end = tcp->iss + 1;
    tcp->state = TCP_SYN_SENT;
    tcp_send_syn(tcp);
    tcp_unlock(tcp, flags);
}

static int tcp_connect(struct socket *socket, const struct socket_address *peer)
{
    struct tcp_socket *tcp = to_tcp(socket);
    int error;

    if (peer->port == 0 || peer->ip.v4 == 0 || ipv4_is_multicast(peer->ip.v4) ||
        peer->ip.v4 == IPV4_BROADCAST)
        return -EINVAL;
    mutex_lock(&socket->writer);
    if (tcp->was_opened) {
        error = READ_ONCE(tcp->state) == TCP_SYN_SENT ? -EALREADY : -EISCONN;
    } else {
        error = choose_local(tcp, peer);
        if (!error) {
            tcp->base.peer = *peer;
            error = enter_table(tcp);
        }
        if (!error) {
            tcp->was_opened = true;
            start_handshake(tcp);
            error = -EINPROGRESS;
        }
    }
    mutex_unlock(&socket->writer);
    return error;
}

/* ---- CLOSE and ABORT: 3.10.4, 3.10.5 ---- */

/* The user's stream ends here: FIN after what is queued. */
static void end_stream_locked(struct tcp_socket *tcp)
{
    if (tcp->has_user_fin)
        return;
    switch (tcp->state) {
    case TCP_SYN_RECEIVED:
        tcp->has_user_fin = true; /* tcp_set_established() goes on to FIN-WAIT-1 */
        return;
    case TCP_ESTABLISHED:
        tcp->state = TCP_FIN_WAIT_1;
        break;
    case TCP_CLOSE_WAIT:
        tcp->state = TCP_LAST_ACK;
        break;
    default:
        return;
    }
    tcp->has_user_fin = true;
    tcp_output(tcp);
}

static int tcp_shutdown(struct socket *socket, enum socket_shutdown how)
{
    struct tcp_socket *tcp = to_tcp(socket);
    irqflags_t flags = tcp_lock(tcp);
    int error = 0;

    if (tcp->state == TCP_LISTEN || !tcp->was_opened) {
        error = -ENOTCONN;
    } else {
        if (how & SOCKET_SHUTDOWN_READ)
            tcp->is_read_shut = true;
        if (how & SOCKET_SHUTDOWN_WRITE) {
            if (tcp->state == TCP_SYN_SENT)
                tcp_end(tcp, 0);
            else
                end_stream_locked(tcp);
        }
        socket_notify_locked(socket);
    }
    tcp_unlock(tcp, flags);
    return error;
}

static void close_connection_locked(struct tcp_socket *tcp, bool is_abort)
{
    bool has_unread = tcp->unread > 0;

    tcp->is_orphan = true;
    if (tcp->state == TCP_CLOSED || tcp->state == TCP_TIME_WAIT) {
        tcp_purge_receive(tcp);
        return;
    }
    if (tcp->state == TCP_SYN_SENT) {
        tcp_end(tcp, 0);
        return;
    }
    if ((is_abort || has_unread) && tcp->state != TCP_LAST_ACK && tcp->state != TCP_CLOSING) {
        tcp_send_reset(tcp);
        tcp_end(tcp, 0);
        return;
    }
    tcp_purge_receive(tcp);
    end_stream_locked(tcp);
    if (tcp->state == TCP_FIN_WAIT_2)
        tcp_timer_set(tcp, TCP_TIMER_STATE, deadline_after_ns(TCP_FIN_WAIT_2_NS));
}

static void tcp_close(struct socket *socket, bool is_abort)
{
    struct tcp_socket *tcp = to_tcp(socket);
    irqflags_t flags;

    if (tcp->state == TCP_LISTEN) {
        flags = tcp_lock(tcp);
        tcp->state = TCP_CLOSED;
        tcp_unlock(tcp, flags);
        tcp_listener_close(tcp);
    } else {
        flags = tcp_lock(tcp);
        close_connection_locked(tcp, is_abort);
        tcp_unlock(tcp, flags);
    }
    if (tcp->is_in_ports)
        tcp_ports_unbind(tcp);
    socket_put(socket);
}

/* ---- the rest of the interface ---- */

static unsigned int tcp_ready_locked(struct socket *socket)
{
    struct tcp_socket *tcp = to_tcp(socket);
    unsigned int ready = 0;

    if (socket->error)
        ready |= SOCKET_ERROR;
    if (tcp->state == TCP_LISTEN)
        return ready | (tcp_listener_is_ready(tcp) ? SOCKET_READABLE : 0);
    if (tcp->unread > 0 || tcp->has_received_fin || tcp->is_read_shut)
        ready |= SOCKET_READABLE;
    if (tcp->state == TCP_CLOSED && tcp->was_opened)
        ready |= SOCKET_HANGUP | SOCKET_READABLE | SOCKET_WRITABLE;
    if (tcp_is_synchronized(tcp) &&
        (tcp->has_user_fin || tcp->snd_end - tcp->snd_una <= tcp->send_limit / 4 * 3))
        ready |= SOCKET_WRITABLE;
    return ready;
}

static int set_buffer(uint32_t *limit, bool *is_fixed, uint64_t value)
{
    *limit = (uint32_t)CLAMP(value, (uint64_t)TCP_BUFFER_MIN, (uint64_t)TCP_BUFFER_MAX);
    *is_fixed = true;
    return 0;
}

static int set_congestion(struct tcp_socket *tcp, uint64_t value)
{
    const struct tcp_congestion_ops *ops =
        value <= TCP_CONGESTION_NEWRENO ? tcp_congestion_find((enum tcp_congestion_kind)value)
                                        : NULL;

    if (!ops || tcp_is_synchronized(tcp))
        return -EINVAL;
    tcp->congestion = ops;
    return 0;
}

static int set_option_locked(struct tcp_socket *tcp, enum socket_option option, uint64_t value)
{
    switch (option) {
    case SOCKET_OPTION_RECEIVE_BUFFER:
        return set_buffer(&tcp->receive_limit, &tcp->has_fixed_receive_limit, value);
    case SOCKET_OPTION_SEND_BUFFER:
        return set_buffer(&tcp->send_limit, &tcp->has_fixed_send_limit, value);
    case SOCKET_OPTION_NODELAY:
        tcp->is_nodelay = value != 0;
        if (tcp->is_nodelay)
            tcp_output(tcp);
        return 0;
    case SOCKET_OPTION_KEEPALIVE:
        if (value > 7 * 24 * 3600)
            return -EINVAL;
        tcp->keepalive_ns = value * NS_PER_S;
        if (value && tcp_is_synchronized(tcp))
            tcp_timer_set(tcp, TCP_TIMER_KEEPALIVE, deadline_after_ns(tcp->keepalive_ns));
        return 0;
    case SOCKET_OPTION_GIVE_UP:
        tcp->give_up_ns = value * NS_PER_MS;
        return 0;
    case SOCKET_OPTION_CONGESTION:
        return set_congestion(tcp, value);
    default:
        return -ENOPROTOOPT;
    }
}

static int tcp_set_option(struct socket *socket, enum socket_option option, uint64_t value)
{
    struct tcp_socket *tcp = to_tcp(socket);
    irqflags_t flags = tcp_lock(tcp);
    int error = set_option_locked(tcp, option, value);

    tcp_unlock(tcp, flags);
    return error;
}

const struct socket_ops tcp_socket_ops = {
    .bind = tcp_bind,
    .listen = tcp_listen,
    .accept = tcp_accept,
    .connect = tcp_connect,
    .send = tcp_send,
    .send_buffer = tcp_send_buffer,
    .receive = tcp_receive,
    .receive_frame = tcp_receive_frame,
    .shutdown = tcp_shutdown,
    .set_option = tcp_set_option,
    .ready_locked = tcp_ready_locked,
    .close = tcp_close,
    .destroy = tcp_destroy,
};

int tcp_socket_create(struct socket **socket)
{
    struct tcp_socket *tcp = tcp_create();

    if (!tcp)
        return -ENOMEM;
    *socket = &tcp->base;
    return 0;
}
