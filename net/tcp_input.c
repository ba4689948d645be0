/*
 * A segment arrives: RFC 9293 3.10.7, in its order. With RFC 7323 (timestamps, PAWS), RFC 5961
 * (blind attacks) and RFC 6191 (TIME-WAIT) where they say their checks go.
 *
 * Below: ipv4_input.c. The steps that are subjects of their own are in tcp_ack.c, tcp_receive.c and
 * tcp_listen.c.
 */
#include "lib/byteorder.h"
#include "lib/checksum.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "net/route.h"
#include "net/tcp_internal.h"

/* ---- parsing ---- */

static bool is_checksum_good(const struct frame *frame, const struct ipv4_packet *packet)
{
    if (frame->flags & (FRAME_CSUM_VERIFIED | FRAME_CSUM_PARTIAL))
        return true;
    return checksum_fold(frame_checksum(frame, 0, frame->length,
                                        ipv4_pseudo_sum(packet->source, packet->destination,
                                                        IP_PROTOCOL_TCP, frame->length))) == 0;
}

/* Fill @segment from the header and pull that off the frame. Return: well formed? */
static bool parse_segment(struct frame *frame, const struct ipv4_packet *packet,
                          struct tcp_segment *segment)
{
    const struct tcp_header *header = (void *)frame_header(frame, TCP_HEADER_SIZE);
    unsigned int length = header ? (header->data_offset >> 4) * 4u : 0;

    if (length < TCP_HEADER_SIZE)
        return false;
    header = (void *)frame_header(frame, length);
    if (!header || !tcp_options_parse((const uint8_t *)(header + 1), length - TCP_HEADER_SIZE,
                                      &segment->options))
        return false;
    segment->seq = be32_to_cpu(header->seq);
    segment->ack = be32_to_cpu(header->ack);
    segment->window = be16_to_cpu(header->window);
    segment->flags = header->flags;
    segment->local = socket_address_v4(packet->destination, be16_to_cpu(header->destination));
    segment->peer = socket_address_v4(packet->source, be16_to_cpu(header->source));
    segment->netdev = packet->netdev;
    frame_pull(frame, length);
    segment->length = frame->length;
    segment->frame = frame;
    return segment->local.port != 0 && segment->peer.port != 0;
}

/* ---- SYN-SENT: RFC 9293 3.10.7.3 ---- */

static void process_syn_sent(struct tcp_socket *tcp, struct tcp_segment *segment)
{
    bool has_ack = segment->flags & TCP_ACK;

    /* First, check the ACK bit. */
    if (has_ack && segment->ack != tcp->snd_nxt) {
        tcp_reply_reset(segment);
        return;
    }
    /* Second, check the RST bit. */
    if (segment->flags & TCP_RST) {
        if (has_ack) {
            tcp_count(TCP_RESETS_RECEIVED);
            tcp_count(TCP_ATTEMPTS_FAILED);
            tcp_end(tcp, -ECONNREFUSED);
        }
        return;
    }
    /* Fourth, check the SYN bit. */
    if (!(segment->flags & TCP_SYN))
        return;
    tcp->irs = segment->seq;
    tcp->rcv_nxt = tcp->rcv_adv = segment->seq + 1;
    tcp_negotiate(tcp, &segment->options);
    tcp->snd_wnd = tcp->snd_wnd_max = segment->window; /* never scaled in a SYN */
    tcp->snd_wl1 = segment->seq;
    tcp->snd_wl2 = has_ack ? segment->ack : tcp->iss;
    tcp->last_ack_sent = tcp->rcv_nxt; /* by what is sent now */
    if (!has_ack) {                    /* simultaneous open (3.5, figure 7) */
        tcp->state = TCP_SYN_RECEIVED;
        tcp_send_syn(tcp);
        return;
    }
    if (tcp->rtt_start_ns)
        tcp_rtt_sample(tcp, clock_now_ns() - tcp->rtt_start_ns);
    tcp->rtt_start_ns = 0;
    tcp->snd_una = segment->ack;
    tcp_set_established(tcp);
    tcp->must_ack = true;
    if (segment->length > 0 || segment->flags & TCP_FIN) {
        segment->seq++;
        tcp_receive_segment(tcp, segment);
    }
    tcp_output(tcp);
}

/* ---- other states: 3.10.7.4 ---- */

/* RFC 5961 7: an ACK that asks "was that you?", not more often than its answer is worth. */
static void send_challenge(struct tcp_socket *tcp)
{
    uint64_t now = clock_now_ns();

    if (tcp->challenged_ns != 0 && now - tcp->challenged_ns < TCP_CHALLENGE_INTERVAL_NS)
        return;
    tcp->challenged_ns = now;
    tcp_count(TCP_CHALLENGE_ACKS);
    tcp_send_ack(tcp);
}

/* RFC 7323 5.2: a timestamp older than the last one: the segment is from an earlier lap. */
static bool is_paws_failure(const struct tcp_socket *tcp, const struct tcp_segment *segment)
{
    if (!tcp->has_timestamps || !segment->options.has_timestamps ||
        segment->flags & (TCP_RST | TCP_SYN))
        return false;
    if (seq_geq(segment->options.ts_value, tcp->ts_recent))
        return false;
    return clock_now_ns() - tcp->ts_recent_ns < TCP_PAWS_IDLE_NS;
}

/* First, check the sequence number: table 6, with the window that was advertised. */
static bool is_acceptable(const struct tcp_socket *tcp, const struct tcp_segment *segment)
{
    uint32_t edge = seq_max(tcp->rcv_adv, tcp->rcv_nxt);
    uint32_t length = tcp_segment_end(segment) - segment->seq;
    uint32_t last = segment->seq + length - 1;

    if (edge == tcp->rcv_nxt)
        return length == 0 && segment->seq == tcp->rcv_nxt;
    if (length == 0)
        return seq_geq(segment->seq, tcp->rcv_nxt) && seq_leq(segment->seq, edge);
    return seq_lt(segment->seq, edge) && seq_geq(last, tcp->rcv_nxt);
}

/* RFC 7323 4.3: remember the timestamp to echo; after 24 days any is newer (5.5). */
static void note_timestamp(struct tcp_socket *tcp, const struct tcp_segment *segment)
{
    if (tcp->has_timestamps && segment->options.has_timestamps &&
        seq_leq(segment->seq, tcp->last_ack_sent) &&
        (seq_geq(segment->options.ts_value, tcp->ts_recent) ||
         clock_now_ns() - tcp->ts_recent_ns >= TCP_PAWS_IDLE_NS)) {
        tcp->ts_recent = segment->options.ts_value;
        tcp->ts_recent_ns = clock_now_ns();
    }
}

/* A segment outside the window: its ACK may still count when the window is shut (3.10.7.4). */
static void reject_segment(struct tcp_socket *tcp, const struct tcp_segment *segment)
{
    bool is_at_edge = segment->seq == tcp->rcv_nxt && segment->flags & TCP_ACK;

    tcp_count(TCP_OUT_OF_WINDOW);
    if (segment->flags & TCP_RST)
        return;
    if (is_at_edge && tcp_is_synchronized(tcp))
        (void)tcp_process_ack(tcp, segment);
    if (tcp->state == TCP_TIME_WAIT && segment->flags & TCP_FIN)
        tcp_enter_time_wait(tcp); /* our last ACK was lost: 2 MSL begins again */
    /* Repeated or probing data wants its answer; a bare ACK may be part of a loop. */
    if (tcp_segment_end(segment) != segment->seq)
        tcp_send_ack(tcp);
    else
        send_challenge(tcp);
}

/* Second, check the RST bit (RFC 5961 3.2). */
static void process_reset(struct tcp_socket *tcp, const struct tcp_segment *segment)
{
    if (segment->seq != tcp->rcv_nxt) {
        send_challenge(tcp);
        return;
    }
    tcp_count(TCP_RESETS_RECEIVED);
    switch (tcp->state) {
    case TCP_SYN_RECEIVED:
        tcp_count(TCP_ATTEMPTS_FAILED);
        tcp_end(tcp, -ECONNREFUSED);
        break;
    case TCP_TIME_WAIT: /* RFC 1337: a stray reset must not cut TIME-WAIT short */
        break;
    case TCP_CLOSING:
    case TCP_LAST_ACK:
        tcp_end(tcp, 0);
        break;
    default:
        tcp_end(tcp, -ECONNRESET);
    }
}

/* Fourth, check the SYN bit (RFC 5961 4.2). Return: is the segment dealt with? */
static bool process_stray_syn(struct tcp_socket *tcp, const struct tcp_segment *segment)
{
    if (!(segment->flags & TCP_SYN))
        return false;
    if (tcp->state == TCP_SYN_RECEIVED && segment->seq == tcp->irs) {
        if (segment->flags & TCP_ACK && segment->ack == tcp->snd_nxt)
            return false;  /* the other half of a simultaneous open */
        tcp_send_syn(tcp); /* our SYN-ACK was lost */
        return true;
    }
    send_challenge(tcp);
    return true;
}

/* Fifth, check the ACK field, SYN-RECEIVED. Return: go on? */
static bool complete_handshake(struct tcp_socket *tcp, struct tcp_segment *segment)
{
    if (seq_leq(segment->ack, tcp->snd_una) || seq_gt(segment->ack, tcp->snd_nxt)) {
        tcp_reply_reset(segment);
        return false;
    }
    if (tcp->parent && !tcp_listener_established(tcp)) {
        tcp_count(TCP_ACCEPT_QUEUE_FULL); /* the peer tries again: SYN-ACK or data come back */
        return false;
    }
    if (tcp->rtt_start_ns)
        tcp_rtt_sample(tcp, clock_now_ns() - tcp->rtt_start_ns);
    tcp->rtt_start_ns = 0;
    tcp->snd_una = tcp->iss + 1;
    tcp->snd_wnd = tcp_segment_window(segment, tcp->snd_scale);
    tcp->snd_wnd_max = tcp->snd_wnd;
    tcp->snd_wl1 = segment->seq;
    tcp->snd_wl2 = segment->ack;
    if (segment->flags & TCP_SYN) /* of a simultaneous open: it counts, and was received before */
        segment->seq++;
    tcp_set_established(tcp);
    return true;
}

/* Fifth, the states in which our FIN may be what was acknowledged. */
static void process_fin_ack(struct tcp_socket *tcp)
{
    bool is_fin_acked = tcp->has_user_fin && tcp->snd_una == tcp_send_end(tcp);

    if (!is_fin_acked)
        return;
    switch (tcp->state) {
    case TCP_FIN_WAIT_1:
        tcp->state = TCP_FIN_WAIT_2;
        if (tcp->is_orphan)
            tcp_timer_set(tcp, TCP_TIMER_STATE, deadline_after_ns(TCP_FIN_WAIT_2_NS));
        break;
    case TCP_CLOSING:
        tcp_enter_time_wait(tcp);
        break;
    case TCP_LAST_ACK:
        tcp_end(tcp, 0);
        break;
    default:
        break;
    }
}

/* RFC 9293 3.6.1: data for a user who is gone. Return: was the connection reset for it? */
static bool reset_orphan(struct tcp_socket *tcp, const struct tcp_segment *segment)
{
    if (!tcp->is_orphan || segment->length == 0 ||
        seq_leq(segment->seq + segment->length, tcp->rcv_nxt) ||
        (tcp->state != TCP_FIN_WAIT_1 && tcp->state != TCP_FIN_WAIT_2))
        return false;
    tcp_send_reset(tcp);
    tcp_end(tcp, 0);
    return true;
}

static void process_synchronized(struct tcp_socket *tcp, struct tcp_segment *segment)
{
    /* It lies before the window, and is looked at in the fourth step. */
    bool is_repeated_syn =
        tcp->state == TCP_SYN_RECEIVED && segment->flags & TCP_SYN && segment->seq == tcp->irs;

    tcp->last_received_ns = clock_now_ns();
    tcp->probes = 0;
    /* First, sequence number; before it, PAWS (RFC 7323 5.3 R1). */
    if (is_paws_failure(tcp, segment)) {
        tcp_count(TCP_PAWS_REJECTED);
        tcp_send_ack(tcp);
        return;
    }
    if (!is_repeated_syn && !is_acceptable(tcp, segment)) {
        reject_segment(tcp, segment);
        return;
    }
    /* Second, RST. (Third, security: obsolete.) */
    if (segment->flags & TCP_RST) {
        process_reset(tcp, segment);
        return;
    }
    /* Fourth, SYN. */
    if (process_stray_syn(tcp, segment))
        return;
    /* Fifth, ACK. */
    if (!(segment->flags & TCP_ACK))
        return;
    if (tcp->state == TCP_SYN_RECEIVED && !complete_handshake(tcp, segment))
        return;
    note_timestamp(tcp, segment);
    if (!tcp_process_ack(tcp, segment)) {
        send_challenge(tcp);
        return;
    }
    process_fin_ack(tcp);
    if (tcp->state == TCP_CLOSED)
        return;
    if (tcp->state == TCP_TIME_WAIT && segment->flags & TCP_FIN)
        tcp_send_ack(tcp);
    /* Sixth, URG: its data is taken in line (3.8.5). Seventh and eighth, data and FIN. */
    if (reset_orphan(tcp, segment))
        return;
    if (tcp->state == TCP_ESTABLISHED || tcp->state == TCP_FIN_WAIT_1 ||
        tcp->state == TCP_FIN_WAIT_2)
        tcp_receive_segment(tcp, segment);
    tcp_output(tcp);
}

/*
 * TIME-WAIT and a SYN (3.10.7.4, RFC 6191): a new incarnation may begin if its numbers cannot be
 * mixed up with the old one's. Return: is the old connection to be forgotten?
 */
static bool may_reuse(const struct tcp_socket *tcp, const struct tcp_segment *segment)
{
    if (tcp->state != TCP_TIME_WAIT || (segment->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
        return false;
    if (tcp->has_timestamps && segment->options.has_timestamps &&
        segment->options.ts_value != tcp->ts_recent)
        return seq_gt(segment->options.ts_value, tcp->ts_recent);
    return seq_gt(segment->seq, tcp->rcv_nxt);
}

/* Return: false when the segment is for nobody any more (TIME-WAIT made room). */
static bool process_for_connection(struct tcp_socket *tcp, struct tcp_segment *segment)
{
    irqflags_t flags = tcp_lock(tcp);
    bool is_done = true;

    if (may_reuse(tcp, segment)) {
        tcp_count(TCP_TIME_WAIT_REUSED);
        segment->iss_after = tcp->snd_max;
        segment->has_iss_after = true;
        tcp_end(tcp, 0);
        is_done = false;
    } else if (tcp->state == TCP_SYN_SENT) {
        process_syn_sent(tcp, segment);
    } else if (tcp->state != TCP_CLOSED) {
        process_synchronized(tcp, segment);
    }
    tcp_unlock(tcp, flags);
    return is_done;
}

/* Find who it is for: a connection, a listener, or nobody (3.10.7.1: CLOSED). */
void tcp_dispatch(struct tcp_segment *segment)
{
    struct tcp_socket *tcp = tcp_table_find(&segment->local, &segment->peer);
    bool is_done = false;

    if (tcp) {
        is_done = process_for_connection(tcp, segment);
        socket_put(&tcp->base);
    }
    if (is_done)
        return;
    tcp = tcp_table_find_listener(&segment->local, segment->netdev);
    if (tcp) {
        tcp_listen_input(tcp, segment);
        socket_put(&tcp->base);
    } else {
        tcp_reply_reset(segment);
    }
}

void tcp_input(struct frame *frame, const struct ipv4_packet *packet)
{
    struct tcp_segment segment = { .frame = NULL };

    tcp_count(TCP_SEGMENTS_RECEIVED);
    if (packet->is_broadcast) { /* RFC 9293 MUST-57 */
        frame_free(frame);
        return;
    }
    if (!is_checksum_good(frame, packet)) {
        tcp_count(TCP_BAD_CHECKSUM);
        frame_free(frame);
        return;
    }
    if (!parse_segment(frame, packet, &segment)) {
        tcp_count(TCP_BAD_HEADER);
        frame_free(frame);
        return;
    }
    tcp_dispatch(&segment);
    frame_free(segment.frame);
}
