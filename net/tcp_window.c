/*
 * The receive window, and when the peer is told of it and of what has come: RFC 9293 3.8.6, RFC
 * 5681 4.2.
 *
 * A segment costs its receiver less than an ACK does: a wake-up of the device, on the other side a
 * wake-up of the sender. So what is due after every second segment is left to a reader who is there
 * anyway: he takes all that has come by then, which one ACK tells, and with it the sender gets what
 * it may send in one piece. "There" is a reader who waits for data, or copies what he took. Without
 * one, or during the first ACKs of a connection, which the peer's slow start lives on, it is sent
 * at once; as are those of tcp_receive.c, which tell of a loss. A reader who does not come in the
 * time that an ACK may be delayed is not waited for again before he has come.
 *
 *   a segment arrives    tcp_schedule_ack()    at once | reader | timer
 *   a reader asks        tcp_reader_asks()     what was left to him; with a window that is nearly
 *                                              used up he reads first, and tells of both in one
 *   a reader has read    tcp_consumed()        what came meanwhile; a window worth telling
 *
 * Above: tcp_receive.c for what arrives, tcp_read.c for the reader. Below: tcp_segment.c.
 */
#include "net/tcp_internal.h"

#define ACK_EVERY 2 /* full-sized segments: RFC 5681 4.2 */

uint32_t tcp_receive_window(const struct tcp_socket *tcp)
{
    uint32_t limit = tcp->receive_limit;

    if (tcp_memory_is_short())
        limit = MIN(limit, TCP_BUFFER_INITIAL);
    return limit > tcp->unread ? limit - tcp->unread : 0;
}

/* What the peer may still send. */
static uint32_t promised_window(const struct tcp_socket *tcp)
{
    return seq_gt(tcp->rcv_adv, tcp->rcv_nxt) ? tcp->rcv_adv - tcp->rcv_nxt : 0;
}

/* May the peer still send data, so that it wants to hear of the window? */
static bool is_receiving(const struct tcp_socket *tcp)
{
    return tcp->state == TCP_ESTABLISHED || tcp->state == TCP_FIN_WAIT_1 ||
           tcp->state == TCP_FIN_WAIT_2;
}

void tcp_schedule_ack(struct tcp_socket *tcp, uint32_t length)
{
    tcp->unacked_segments += MAX(length / MAX(tcp->mss, (uint16_t)1), 1u);
    if (tcp->quick_acks > 0 || (tcp->unacked_segments >= ACK_EVERY && !tcp->is_reader_here))
        tcp->must_ack = true;
    else if (!tcp_timer_is_set(tcp, TCP_TIMER_DELAYED_ACK))
        tcp_timer_set(tcp, TCP_TIMER_DELAYED_ACK, deadline_after_ns(TCP_DELAYED_ACK_NS));
}

void tcp_delayed_ack_expired(struct tcp_socket *tcp)
{
    if (tcp->unread > 0)
        tcp->is_reader_here = false;
    tcp_send_ack(tcp);
}

void tcp_reader_asks(struct tcp_socket *tcp, bool is_served)
{
    tcp->is_reader_here = is_served || !tcp->base.is_nonblocking;
    if (is_served && is_receiving(tcp) && tcp->unacked_segments >= ACK_EVERY &&
        promised_window(tcp) >= tcp->receive_limit / 2)
        tcp_send_ack(tcp);
}

/* A whole buffer was read, and the reader keeps up: the window is what limits the peer. */
static void grow_receive_limit(struct tcp_socket *tcp)
{
    if (tcp->consumed < tcp->receive_limit || tcp->has_fixed_receive_limit)
        return;
    tcp->consumed = 0;
    if (tcp->unread <= tcp->receive_limit / 4 && !tcp_memory_is_short())
        tcp->receive_limit = MIN(2 * tcp->receive_limit, TCP_BUFFER_MAX);
}

/*
 * Is the new room worth a segment? By RFC 9293 3.8.6.2.2 when the window has grown by a segment or
 * half the buffer; and by as much as the peer has left of it, who otherwise is in no need: a reader
 * who empties a full buffer tells of it seven times, not at each read.
 */
static bool is_window_worth_telling(const struct tcp_socket *tcp)
{
    uint32_t promised = promised_window(tcp);
    uint32_t window = tcp_receive_window(tcp);

    return window >= 2 * promised &&
           window >= promised + MIN(tcp->receive_limit / 2, MAX(2u * tcp->mss, 1u));
}

void tcp_consumed(struct tcp_socket *tcp, uint32_t bytes, bool has_more)
{
    tcp->is_reader_here = has_more;
    tcp->unread -= bytes;
    tcp->consumed += bytes;
    grow_receive_limit(tcp);
    if (is_receiving(tcp) && (tcp->unacked_segments >= ACK_EVERY || is_window_worth_telling(tcp)))
        tcp_send_ack(tcp);
}
