/*
 * TCP output: what to send next (RFC 9293 3.8, RFC 6675 NextSeg).
 *
 * New data goes only as fast as the device takes it: what cwnd and the peer's window allow beyond
 * that waits here, where it is not lost. So the round trip time does not grow by a queue of our
 * own.
 *
 * Below: tcp_segment.c.
 */
#include "net/tcp_internal.h"

static void note_sent(struct tcp_socket *tcp, uint32_t seq, uint32_t length, bool has_fin)
{
    uint32_t end = seq + length + has_fin;
    bool is_retransmission = seq_lt(seq, tcp->snd_max);

    if (is_retransmission) {
        tcp_count(TCP_RETRANSMITTED);
        tcp->rtt_start_ns = 0;
    } else {
        tcp_count_add(TCP_BYTES_SENT, length);
        if (tcp->rtt_start_ns == 0) {
            tcp->rtt_seq = seq;
            tcp->rtt_start_ns = clock_now_ns();
        }
    }
    tcp->snd_nxt = seq_max(tcp->snd_nxt, end);
    tcp->snd_max = seq_max(tcp->snd_max, tcp->snd_nxt);
    if (!tcp_timer_is_set(tcp, TCP_TIMER_RETRANSMIT)) /* RFC 6298 5.1 */
        tcp_timer_set(tcp, TCP_TIMER_RETRANSMIT, deadline_after_ns(tcp_rto(tcp)));
    tcp_timer_clear(tcp, TCP_TIMER_PERSIST);
}

/* RFC 6675 NextSeg rule 1: the first lost stretch not yet sent again. */
static bool next_retransmission(const struct tcp_socket *tcp, struct tcp_range *range)
{
    uint32_t limit = seq_min(tcp->lost_edge, tcp->snd_nxt);

    if (tcp->must_retransmit)
        limit = seq_max(limit, seq_min(tcp->snd_una + tcp->mss, tcp->snd_nxt));
    return tcp_sack_next_hole(tcp, seq_max(tcp->high_rxt, tcp->snd_una), limit, range);
}

/* Send one lost segment again. Return: was there one, and room for it? */
static bool retransmit_one(struct tcp_socket *tcp)
{
    struct tcp_range range;
    uint32_t length;
    bool has_fin;
    int sent;

    if (!next_retransmission(tcp, &range))
        return false;
    length = MIN(range.end - range.start, (uint32_t)tcp->mss);
    if (!tcp->must_retransmit && tcp_pipe(tcp) + length > tcp->cwnd)
        return false;
    has_fin = tcp->has_user_fin && range.start + length == tcp_send_end(tcp);
    sent = tcp_send_segment(tcp, range.start, length - has_fin,
                            has_fin ? TCP_FIN | TCP_PSH : TCP_PSH, false);
    if (sent < 0)
        return false;
    tcp->must_retransmit = false;
    note_sent(tcp, range.start, (uint32_t)sent, has_fin);
    tcp->high_rxt = range.start + (uint32_t)sent + has_fin;
    return true;
}

/* RFC 9293 3.7.4 and 3.8.6.2.1: is a segment of @length worth sending now? */
static bool is_worth_sending(const struct tcp_socket *tcp, uint32_t length, bool is_all,
                             bool has_fin)
{
    if (length >= tcp->mss || has_fin)
        return true;
    if (is_all && (tcp->is_nodelay || tcp->snd_nxt == tcp->snd_una))
        return true;
    return length > 0 && length >= tcp->snd_wnd_max / 2;
}

/* The length of the next new segment by window, cwnd and device. */
static uint32_t new_data_length(struct tcp_socket *tcp, uint32_t available)
{
    uint32_t window_end = tcp->snd_una + tcp->snd_wnd;
    uint32_t room = seq_gt(window_end, tcp->snd_nxt) ? window_end - tcp->snd_nxt : 0;
    uint32_t pipe = tcp_pipe(tcp);
    uint32_t most = tcp->has_tso ? MAX(TCP_SEGMENT_MAX / tcp->mss, 1u) * tcp->mss : tcp->mss;
    uint32_t length = MIN(MIN(available, room), most);
    uint32_t allowed = pipe < tcp->cwnd ? tcp->cwnd - pipe : 0;

    if (allowed < MIN(length, (uint32_t)tcp->mss)) {
        tcp->is_cwnd_limited = true;
        return 0;
    }
    if (length > allowed)
        length = allowed;
    if (length > tcp->mss)
        length -= length % tcp->mss;
    return length;
}

/* ---- room in the device ---- */

static void room_has_come(struct netdev_waiter *waiter)
{
    struct tcp_socket *tcp = container_of(waiter, struct tcp_socket, room_waiter);
    irqflags_t flags = tcp_lock(tcp);

    tcp->is_waiting_room = false;
    tcp->is_my_turn = true;
    tcp_output(tcp);
    tcp->is_my_turn = false;
    tcp_unlock(tcp, flags);
    socket_put(&tcp->base);
}

void tcp_room_init(struct tcp_socket *tcp)
{
    list_node_init(&tcp->room_waiter.node);
    tcp->room_waiter.has_room = room_has_come;
}

/* Has the device room for a segment? If not, we shall be called when it has. */
static bool has_room(struct tcp_socket *tcp)
{
    if (tcp->is_waiting_room)
        return false;
    if (!tcp->netdev || netdev_has_room(tcp->netdev, tcp->is_my_turn))
        return true;
    socket_get(&tcp->base);
    tcp->is_waiting_room = true;
    netdev_wait_room(tcp->netdev, &tcp->room_waiter);
    return false;
}

/* ---- new data ---- */

/* Send one new segment. Return: was there something, and room for it? */
static bool send_new(struct tcp_socket *tcp)
{
    uint32_t available, length;
    bool is_all, has_fin;
    uint8_t flags = 0;
    int sent;

    if (seq_geq(tcp->snd_nxt, tcp_send_end(tcp)))
        return false;
    available = seq_gt(tcp->snd_end, tcp->snd_nxt) ? tcp->snd_end - tcp->snd_nxt : 0;
    length = new_data_length(tcp, available);
    is_all = length == available;
    has_fin = tcp->has_user_fin && is_all &&
              (available > 0 || tcp->snd_wnd > 0 || tcp->snd_nxt == tcp->snd_una);
    if (available > 0 && length == 0)
        return false;
    if (!is_worth_sending(tcp, length, is_all, has_fin) || !has_room(tcp))
        return false;
    if (is_all)
        flags |= TCP_PSH;
    if (has_fin)
        flags |= TCP_FIN;
    sent = tcp_send_segment(tcp, tcp->snd_nxt, length, flags, !is_all);
    if (sent < 0)
        return false;
    note_sent(tcp, tcp->snd_nxt, (uint32_t)sent, has_fin && (uint32_t)sent == length);
    return true;
}

/* Nothing is in flight and something is left: if there is room, only the peer's window can be why.
 */
static void check_persist(struct tcp_socket *tcp)
{
    if (tcp->snd_nxt != tcp->snd_una || seq_geq(tcp->snd_nxt, tcp_send_end(tcp)) ||
        tcp->is_waiting_room || tcp_timer_is_set(tcp, TCP_TIMER_PERSIST))
        return;
    tcp_timer_clear(tcp, TCP_TIMER_RETRANSMIT);
    tcp->persist_backoff = 0;
    tcp_timer_set(tcp, TCP_TIMER_PERSIST, deadline_after_ns(tcp->rto_ns));
}

static bool can_send_data(const struct tcp_socket *tcp)
{
    return tcp->state == TCP_ESTABLISHED || tcp->state == TCP_CLOSE_WAIT ||
           tcp->state == TCP_FIN_WAIT_1 || tcp->state == TCP_CLOSING || tcp->state == TCP_LAST_ACK;
}

void tcp_output(struct tcp_socket *tcp)
{
    if (can_send_data(tcp)) {
        if (tcp->snd_una == tcp->snd_nxt && tcp->srtt_ns != 0 &&
            clock_now_ns() - tcp->last_received_ns > tcp_rto(tcp) && tcp->recovery == TCP_OPEN)
            tcp_congestion_idle(tcp);
        while (retransmit_one(tcp))
            ;
        while (send_new(tcp))
            ;
        check_persist(tcp);
        if (tcp->netdev)
            netdev_flush(tcp->netdev);
    }
    if (tcp->must_ack && tcp->state >= TCP_SYN_RECEIVED)
        tcp_send_ack(tcp);
}
