/*
 * The receive window, and when the peer is told: RFC 9293 3.8.6.
 *
 * Above: tcp_receive.c for what arrives, tcp_read.c for the reader. Below: tcp_segment.c.
 */
#include "net/tcp_internal.h"

uint32_t tcp_receive_window(const struct tcp_socket *tcp)
{
    uint32_t limit = tcp->receive_limit;

    if (tcp_memory_is_short())
        limit = MIN(limit, TCP_BUFFER_INITIAL);
    return limit > tcp->unread ? limit - tcp->unread : 0;
}

void tcp_consumed(struct tcp_socket *tcp, uint32_t bytes)
{
    uint32_t promised, window;

    tcp->unread -= bytes;
    tcp->consumed += bytes;
    /* A whole buffer was read, and the reader keeps up: the window is what limits the peer. */
    if (tcp->consumed >= tcp->receive_limit && !tcp->has_fixed_receive_limit) {
        tcp->consumed = 0;
        if (tcp->unread <= tcp->receive_limit / 4 && !tcp_memory_is_short())
            tcp->receive_limit = MIN(2 * tcp->receive_limit, TCP_BUFFER_MAX);
    }
    if (tcp->state != TCP_ESTABLISHED && tcp->state != TCP_FIN_WAIT_1 &&
        tcp->state != TCP_FIN_WAIT_2)
        return;
    /* RFC 9293 3.8.6.2.2: tell of the new room when it is worth a segment. */
    promised = seq_gt(tcp->rcv_adv, tcp->rcv_nxt) ? tcp->rcv_adv - tcp->rcv_nxt : 0;
    window = tcp_receive_window(tcp);
    if (window >= promised + MIN(tcp->receive_limit / 2, MAX(2u * tcp->mss, 1u)) &&
        (promised < tcp->receive_limit / 2))
        tcp_send_ack(tcp);
}

/* When to acknowledge: at once, or every second full-sized segment (RFC 9293 3.8.6.3). */
void tcp_schedule_ack(struct tcp_socket *tcp, uint32_t length)
{
    tcp->unacked_segments += MAX(length / MAX(tcp->mss, (uint16_t)1), 1u);
    if (length < tcp->mss && tcp->unacked_segments < 2 && tcp->quick_acks == 0) {
        /* small: an answer may carry the ACK */
    } else if (tcp->unacked_segments >= 2 || tcp->quick_acks > 0) {
        tcp->must_ack = true;
        return;
    }
    if (!tcp_timer_is_set(tcp, TCP_TIMER_DELAYED_ACK))
        tcp_timer_set(tcp, TCP_TIMER_DELAYED_ACK, deadline_after_ns(TCP_DELAYED_ACK_NS));
}
