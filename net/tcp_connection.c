/*
 * The life of a connection: made, established, ended, in TIME-WAIT, destroyed; and what all of them
 * together hold and have counted.
 *
 * Above: tcp_socket.c for the user, tcp_listen.c for peers. What a connection does in between is in
 * the files that tcp_internal.h lists.
 */
#include "kernel/init.h"
#include "lib/errno.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "net/tcp_internal.h"

#define MEMORY_SHARE 8 /* of all memory, TCP's queues take at most one in this many parts */

static atomic_u64 counters[TCP_COUNTER_COUNT];
static atomic_u64 memory_bytes;
static uint64_t memory_limit; /* const after init */
static atomic_uint time_wait_count;

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
    socket_init(&tcp->base, SOCKET_TCP, &tcp_socket_ops);
    list_node_init(&tcp->table_node);
    list_node_init(&tcp->port_node);
    list_node_init(&tcp->accept_node);
    list_init(&tcp->chunks);
    frame_queue_init(&tcp->receive_queue);
    frame_queue_init(&tcp->out_of_order);
    frame_queue_init(&tcp->read_queue);
    tcp_timer_init(tcp);
    tcp_room_init(tcp);
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

void tcp_destroy(struct socket *socket)
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
    if (tcp->srtt_ns == 0 && tcp->backoff > 0)
        tcp->rto_ns = 3 * NS_PER_S; /* RFC 6298 5.7 */
    tcp->backoff = 0;
    tcp->stalled_since_ns = 0;
    tcp->quick_acks = QUICK_ACKS;
    tcp->last_received_ns = clock_now_ns();
    tcp_timer_clear(tcp, TCP_TIMER_RETRANSMIT);
    tcp_timer_clear(tcp, TCP_TIMER_STATE);
    (void)tcp_update_route(tcp); /* a route that went away is found by the first timeout */
    tcp_congestion_start(tcp);
    if (tcp->keepalive_ns)
        tcp_timer_set(tcp, TCP_TIMER_KEEPALIVE, deadline_after_ns(tcp->keepalive_ns));
    socket_notify_locked(&tcp->base);
}

/* ---- start ---- */

static int __init tcp_init(void)
{
    struct page_statistics pages;

    page_statistics(&pages);
    memory_limit = MAX((uint64_t)pages.total_pages * PAGE_SIZE / MEMORY_SHARE, (uint64_t)1 << 20);
    tcp_table_init();
    tcp_cookie_init();
    return 0;
}
INIT_HOOK(tcp_init, INIT_SMP);
