/*
 * TCP's side of the socket interface: RFC 9293 3.10.1 to 3.10.5 (OPEN, SEND, RECEIVE, CLOSE,
 * ABORT), and the life of a connection.
 *
 * Above: socket.c. Data is copied with no spinlock held: the reader owns read_queue and the writer
 * write_buffer by the mutexes of the socket.
 */
#include "kernel/init.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "net/tcp_internal.h"

#define WRITE_BUFFER_MIN 1024u
#define WRITE_BUFFER_MAX 32768u
#define WRITE_AT_ONCE    65536u
#define MEMORY_SHARE     8 /* of all memory, TCP's queues take at most one in this many parts */

static atomic_u64 counters[TCP_COUNTER_COUNT];
static atomic_u64 memory_bytes;
static uint64_t memory_limit; /* const after init */
static atomic_uint time_wait_count;
static const struct socket_ops tcp_ops;

/* ---- counting ---- */

void tcp_count_add(enum tcp_counter counter, uint64_t value)
{
    atomic_fetch_add_relaxed(&counters[counter], value);
}

void tcp_count(enum tcp_counter counter)
{
    tcp_count_add(counter, 1);
}

uint64_t tcp_counter(enum tcp_counter counter)
{
    return atomic_load_relaxed(&counters[counter]);
}

uint64_t tcp_memory_bytes(void)
{
    return atomic_load_relaxed(&memory_bytes);
}

void tcp_charge(struct tcp_socket *tcp, int64_t bytes)
{
    tcp->charged = (uint32_t)(tcp->charged + bytes);
    atomic_fetch_add_relaxed(&memory_bytes, (uint64_t)bytes);
}

bool tcp_memory_is_short(void)
{
    return atomic_load_relaxed(&memory_bytes) > memory_limit;
}

/* ---- life ---- */

struct tcp_socket *tcp_create(void)
{
    struct tcp_socket *tcp = kzalloc(sizeof(*tcp));

    if (!tcp)
        return NULL;
    socket_init(&tcp->base, SOCKET_TCP, &tcp_ops);
    list_node_init(&tcp->table_node);
    list_node_init(&tcp->port_node);
    list_node_init(&tcp->accept_node);
    list_init(&tcp->chunks);
    frame_queue_init(&tcp->receive_queue);
    frame_queue_init(&tcp->out_of_order);
    frame_queue_init(&tcp->read_queue);
    tcp_timer_init(tcp);
    tcp->congestion = &tcp_cubic_ops;
    tcp->rcv_scale = TCP_WINDOW_SCALE;
    tcp->receive_limit = TCP_BUFFER_INITIAL;
    tcp->send_limit = TCP_BUFFER_INITIAL;
    tcp->rto_ns = TCP_RTO_INITIAL_NS;
    tcp->mss = TCP_MSS_DEFAULT;
    return tcp;
}

static void drop_chunks(struct tcp_socket *tcp)
{
    struct tcp_chunk *chunk;

    while ((chunk = list_entry(list_pop_front(&tcp->chunks), struct tcp_chunk, node)) != NULL) {
        tcp_charge(tcp, -(int64_t)chunk->length);
        frame_buffer_put(chunk->buffer);
        kfree(chunk);
    }
}

static void tcp_destroy(struct socket *socket)
{
    struct tcp_socket *tcp = to_tcp(socket);
    struct frame *frame;

    drop_chunks(tcp);
    tcp_purge_receive(tcp);
    while ((frame = frame_queue_pop(&tcp->read_queue)) != NULL)
        frame_free(frame);
    tcp_charge(tcp, -(int64_t)tcp->charged); /* what the reader had taken */
    tcp_sack_clear(tcp);
    if (tcp->write_buffer)
        frame_buffer_put(tcp->write_buffer);
    kfree(tcp->listener);
    kfree(tcp);
}

void tcp_unlock(struct tcp_socket *tcp, irqflags_t flags)
{
    bool is_gone = tcp->state == TCP_CLOSED && tcp->is_in_table;
    struct tcp_socket *to_notify = tcp->to_notify;

    tcp->to_notify = NULL;
    if (is_gone)
        tcp->is_in_table = false;
    spin_unlock_irqrestore(&tcp->base.lock, flags);
    if (is_gone)
        tcp_table_remove(tcp);
    if (to_notify) {
        flags = spin_lock_irqsave(&to_notify->base.lock);
        socket_notify_locked(&to_notify->base);
        spin_unlock_irqrestore(&to_notify->base.lock, flags);
        socket_put(&to_notify->base);
    }
}

void tcp_end(struct tcp_socket *tcp, int error)
{
    if (tcp->state == TCP_CLOSED)
        return;
    if (tcp->state == TCP_TIME_WAIT)
        atomic_fetch_sub_relaxed(&time_wait_count, 1);
    tcp->state = TCP_CLOSED;
    tcp_timer_stop_all(tcp);
    drop_chunks(tcp);
    tcp_sack_clear(tcp);
    tcp->snd_end = tcp->snd_una;
    if (tcp->is_orphan)
        tcp_purge_receive(tcp);
    else if (error)
        tcp->base.error = error;
    tcp_listener_forget(tcp);
    socket_notify_locked(&tcp->base);
}

void tcp_enter_time_wait(struct tcp_socket *tcp)
{
    if (tcp->state != TCP_TIME_WAIT) {
        if (atomic_fetch_add_relaxed(&time_wait_count, 1) >= TCP_TIME_WAIT_MAX) {
            atomic_fetch_sub_relaxed(&time_wait_count, 1);
            tcp_send_ack(tcp);
            tcp_end(tcp, 0);
            return;
        }
        tcp->state = TCP_TIME_WAIT;
        tcp_timer_stop_all(tcp);
        tcp_sack_clear(tcp);
    }
    tcp_timer_set(tcp, TCP_TIMER_STATE, deadline_after_ns(2 * TCP_MSL_NS));
}

void tcp_negotiate(struct tcp_socket *tcp, const struct tcp_options *options)
{
    tcp->ts_offset = (uint32_t)tcp_hash(&tcp->base.local, &tcp->base.peer, 2);
    tcp->peer_mss =
        options->mss ? (uint16_t)MAX_T(uint16_t, options->mss, TCP_MSS_MIN) : TCP_MSS_DEFAULT;
    tcp->has_sack = options->has_sack_permitted;
    tcp->has_timestamps = options->has_timestamps;
    if (tcp->has_timestamps) {
        tcp->ts_recent = options->ts_value;
        tcp->ts_recent_ns = clock_now_ns();
    }
    tcp->has_window_scale = options->window_scale >= 0;
    if (tcp->has_window_scale)
        tcp->snd_scale = (uint8_t)options->window_scale;
    else
        tcp->rcv_scale = 0;
}

#define QUICK_ACKS 16 /* the peer's slow start lives on our ACKs */

void tcp_set_established(struct tcp_socket *tcp)
{
    tcp_count(tcp->is_passive ? TCP_PASSIVE_OPENS : TCP_ACTIVE_OPENS);
    tcp->state = tcp->has_user_fin ? TCP_FIN_WAIT_1 : TCP_ESTABLISHED;
    tcp->was_connected = true;
    tcp->high_rxt = tcp->lost_edge = tcp->snd_una;
    tcp->backoff = 0;
    tcp->stalled_since_ns = 0;
    tcp->quick_acks = QUICK_ACKS;
    tcp->last_received_ns = clock_now_ns();
    if (tcp->srtt_ns == 0 && tcp->syn_tries > 1)
        tcp->rto_ns = 3 * NS_PER_S; /* RFC 6298 5.7 */
    tcp_timer_clear(tcp, TCP_TIMER_RETRANSMIT);
    tcp_timer_clear(tcp, TCP_TIMER_STATE);
    (void)tcp_update_route(tcp); /* a route that went away is found by the first timeout */
    tcp_congestion_start(tcp);
    if (tcp->keepalive_ns)
        tcp_timer_set(tcp, TCP_TIMER_KEEPALIVE, deadline_after_ns(tcp->keepalive_ns));
    socket_notify_locked(&tcp->base);
}

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

/* ---- SEND: 3.10.2 ---- */

/* May data be queued? 0; -EAGAIN not yet (handshake, no room); or why never. */
static int check_send_locked(struct tcp_socket *tcp, uint32_t *room)
{
    uint32_t queued = tcp->snd_end - tcp->snd_una;

    if (tcp->base.error)
        return socket_take_error_locked(&tcp->base);
    switch (tcp->state) {
    case TCP_CLOSED:
        return tcp->was_connected ? -EPIPE : -ENOTCONN;
    case TCP_LISTEN:
        return -ENOTCONN;
    case TCP_SYN_SENT:
    case TCP_SYN_RECEIVED:
        return tcp->has_user_fin ? -EPIPE : -EAGAIN;
    case TCP_ESTABLISHED:
    case TCP_CLOSE_WAIT:
        break;
    default:
        return -EPIPE;
    }
    if (queued >= tcp->send_limit || (tcp_memory_is_short() && queued > 0))
        return -EAGAIN;
    *room = tcp->send_limit - queued;
    return 0;
}

/* Append [data, data + length) of @buffer (one reference taken) to the stream, and send. */
static int append(struct tcp_socket *tcp, struct frame_buffer *buffer, uint8_t *data,
                  uint32_t length)
{
    struct tcp_chunk *chunk = kmalloc(sizeof(*chunk));
    struct tcp_chunk *last;
    irqflags_t flags;
    uint32_t room;
    int error;

    if (!chunk)
        return -ENOMEM;
    flags = tcp_lock(tcp);
    error = check_send_locked(tcp, &room);
    if (!error) {
        last = list_entry(list_back(&tcp->chunks), struct tcp_chunk, node);
        if (last && last->buffer == buffer && last->data + last->length == data) {
            last->length += length;
        } else {
            *chunk = (struct tcp_chunk){ .buffer = frame_buffer_get(buffer),
                                         .data = data,
                                         .seq = tcp->snd_end,
                                         .length = length };
            list_push_back(&tcp->chunks, &chunk->node);
            chunk = NULL;
        }
        tcp_charge(tcp, length);
        tcp->snd_end += length;
        tcp_output(tcp);
    }
    tcp_unlock(tcp, flags);
    kfree(chunk);
    return error;
}

/* Room in the buffer being filled, a new one if need be. NULL: out of memory. */
static struct frame_buffer *writable_buffer(struct tcp_socket *tcp, size_t wanted)
{
    if (tcp->write_buffer && tcp->write_filled == tcp->write_buffer->size) {
        frame_buffer_put(tcp->write_buffer);
        tcp->write_buffer = NULL;
    }
    if (!tcp->write_buffer) {
        size_t size = CLAMP(wanted, (size_t)WRITE_BUFFER_MIN, (size_t)WRITE_BUFFER_MAX);

        tcp->write_buffer = frame_buffer_alloc((uint32_t)size);
        tcp->write_filled = 0;
    }
    return tcp->write_buffer;
}

static int tcp_send(struct socket *socket, const void *data, size_t length, size_t *sent)
{
    struct tcp_socket *tcp = to_tcp(socket);
    irqflags_t flags = tcp_lock(tcp);
    uint32_t room = 0;
    int error = check_send_locked(tcp, &room);

    tcp_unlock(tcp, flags);
    length = MIN(length, (size_t)MIN(room, WRITE_AT_ONCE));
    while (!error && *sent < length) {
        struct frame_buffer *buffer = writable_buffer(tcp, length - *sent);
        uint8_t *to;
        uint32_t part;

        if (!buffer)
            return *sent > 0 ? 0 : -ENOMEM;
        to = buffer->data + tcp->write_filled;
        part = MIN_T(uint32_t, buffer->size - tcp->write_filled, length - *sent);
        memcpy(to, (const uint8_t *)data + *sent, part);
        error = append(tcp, buffer, to, part);
        if (error)
            break;
        tcp->write_filled += part;
        *sent += part;
    }
    return error;
}

static int tcp_send_buffer(struct socket *socket, struct frame_buffer *buffer, uint8_t *data,
                           uint32_t length)
{
    return length ? append(to_tcp(socket), buffer, data, length) : 0;
}

/* ---- RECEIVE: 3.10.3 ---- */

/* Take what has arrived into read_queue. Return: 0 there is something; -EAGAIN; the error; 1 end.
 */
static int refill(struct tcp_socket *tcp)
{
    irqflags_t flags = tcp_lock(tcp);
    int result = 0;

    if (!frame_queue_is_empty(&tcp->receive_queue)) {
        list_splice(&tcp->read_queue.frames, &tcp->receive_queue.frames);
        tcp->read_queue.count += tcp->receive_queue.count;
        tcp->read_queue.bytes += tcp->receive_queue.bytes;
        frame_queue_init(&tcp->receive_queue);
    } else if (tcp->base.error) {
        result = socket_take_error_locked(&tcp->base);
    } else if (tcp->has_received_fin || tcp->is_read_shut ||
               (tcp->state == TCP_CLOSED && tcp->was_opened)) {
        result = 1;
    } else if (tcp->state == TCP_CLOSED || tcp->state == TCP_LISTEN) {
        result = -ENOTCONN;
    } else {
        result = -EAGAIN;
    }
    tcp_unlock(tcp, flags);
    return result;
}

static void account_read(struct tcp_socket *tcp, uint32_t bytes, uint32_t freed)
{
    irqflags_t flags = tcp_lock(tcp);

    tcp_charge(tcp, -(int64_t)freed);
    tcp_consumed(tcp, bytes);
    tcp_unlock(tcp, flags);
}

static int tcp_receive(struct socket *socket, void *data, size_t size, size_t *received,
                       struct socket_address *peer)
{
    struct tcp_socket *tcp = to_tcp(socket);
    uint8_t *to = data;
    size_t done = 0;
    uint32_t freed = 0;

    if (frame_queue_is_empty(&tcp->read_queue)) {
        int result = refill(tcp);

        if (result)
            return result < 0 ? result : 0;
    }
    while (done < size && !frame_queue_is_empty(&tcp->read_queue)) {
        struct frame *frame = list_entry(list_front(&tcp->read_queue.frames), struct frame, node);
        uint32_t part = MIN_T(uint32_t, size - done, frame->length);

        frame_copy_out(frame, 0, to + done, part);
        done += part;
        if (part == frame->length) {
            frame_queue_pop(&tcp->read_queue);
            freed += frame_truesize(frame);
            frame_free(frame);
        } else {
            uint32_t before = frame_truesize(frame);

            tcp->read_queue.bytes -= part;
            frame_pull(frame, part);
            freed += before - frame_truesize(frame);
        }
    }
    if (peer)
        socket_peer(socket, peer);
    account_read(tcp, (uint32_t)done, freed);
    *received = done;
    return 0;
}

static int tcp_receive_frame(struct socket *socket, struct frame **frame)
{
    struct tcp_socket *tcp = to_tcp(socket);

    if (frame_queue_is_empty(&tcp->read_queue)) {
        int result = refill(tcp);

        if (result)
            return result < 0 ? result : 0;
    }
    *frame = frame_queue_pop(&tcp->read_queue);
    account_read(tcp, (*frame)->length, frame_truesize(*frame));
    return 0;
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

static const struct socket_ops tcp_ops = {
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

static int tcp_init(void)
{
    struct page_statistics pages;

    page_statistics(&pages);
    memory_limit = MAX((uint64_t)pages.total_pages * PAGE_SIZE / MEMORY_SHARE, (uint64_t)1 << 20);
    tcp_table_init();
    tcp_cookie_init();
    return 0;
}
INIT_HOOK(tcp_init, INIT_SMP);
