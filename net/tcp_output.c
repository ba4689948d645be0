/*
 * TCP output: what to send next (RFC 9293 3.8, RFC 6675 NextSeg), and how a segment is made.
 *
 * Segments point at the bytes in the send queue; nothing is copied. With a device that cuts large
 * frames (TSO) one frame carries up to 64 KiB.
 */
#include "lib/byteorder.h"
#include "lib/checksum.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "net/ipv4.h"
#include "net/netdev.h"
#include "net/route.h"
#include "net/tcp_internal.h"

/* ---- segments ---- */

uint32_t tcp_timestamp_now(const struct tcp_socket *tcp)
{
    return (uint32_t)(clock_now_ns() / NS_PER_MS) + tcp->ts_offset;
}

uint16_t tcp_mss_for(uint32_t destination, const struct netdev *netdev)
{
    unsigned int mtu = path_mtu(destination, netdev);

    return (uint16_t)MAX(mtu - IPV4_HEADER_SIZE - TCP_HEADER_SIZE, (unsigned int)TCP_MSS_MIN);
}

int tcp_update_route(struct tcp_socket *tcp)
{
    struct route_result route;
    int error = route_lookup(tcp->base.peer.ip.v4, tcp->base.netdev, &route);
    uint16_t mss;

    if (error)
        return error;
    tcp->netdev = route.netdev;
    tcp->next_hop = route.next_hop;
    tcp->has_tso = route.netdev->features & NETDEV_TSO4;
    mss = MIN_T(uint16_t, tcp->peer_mss ? tcp->peer_mss : TCP_MSS_DEFAULT,
                tcp_mss_for(tcp->base.peer.ip.v4, route.netdev));
    tcp->mss = (uint16_t)MAX(mss - (tcp->has_timestamps ? 12 : 0), TCP_MSS_MIN);
    return 0;
}

/* The header in front of what @frame holds, and off it goes. Takes @frame. */
static int send_frame(struct frame *frame, const struct socket_address *local,
                      const struct socket_address *peer, const struct tcp_header *header,
                      const struct tcp_options *options, struct netdev *netdev, uint8_t ttl)
{
    struct ipv4_output_options ip = {
        .source = local->ip.v4,
        .destination = peer->ip.v4,
        .protocol = IP_PROTOCOL_TCP,
        .ttl = ttl,
        .has_dont_fragment = true,
        .netdev = netdev,
    };
    uint8_t option_bytes[TCP_OPTIONS_MAX];
    unsigned int length = TCP_HEADER_SIZE + tcp_options_write(option_bytes, options);
    struct tcp_header *to = (void *)frame_push(frame, length);

    if (!to) {
        frame_free(frame);
        return -ENOMEM;
    }
    *to = *header;
    to->source = cpu_to_be16(local->port);
    to->destination = cpu_to_be16(peer->port);
    to->data_offset = (uint8_t)(length / 4 << 4);
    memcpy(to + 1, option_bytes, length - TCP_HEADER_SIZE);
    to->checksum = (uint16_t)~checksum_fold(
        ipv4_pseudo_sum(local->ip.v4, peer->ip.v4, IP_PROTOCOL_TCP, frame->length));
    frame->flags |= FRAME_CSUM_PARTIAL;
    frame->csum_start = 0;
    frame->csum_offset = offsetof(struct tcp_header, checksum);
    tcp_count(TCP_SEGMENTS_SENT);
    return ipv4_output(frame, &ip);
}

static void fill_options(struct tcp_socket *tcp, struct tcp_options *options)
{
    *options = (struct tcp_options){ .window_scale = -1 };
    if (tcp->has_timestamps) {
        options->has_timestamps = true;
        options->ts_value = tcp_timestamp_now(tcp);
        options->ts_echo = tcp->ts_recent;
    }
    if (tcp->has_sack && tcp->sack_block_count > 0) {
        options->sack_count = tcp->sack_block_count;
        memcpy(options->sack, tcp->sack_blocks, sizeof(options->sack));
    }
}

/* The window to advertise (RFC 9293 3.8.6.2.2); what was promised is never taken back. */
static uint16_t choose_window(struct tcp_socket *tcp, bool is_syn)
{
    uint32_t window = tcp_receive_window(tcp);
    uint32_t promised = seq_gt(tcp->rcv_adv, tcp->rcv_nxt) ? tcp->rcv_adv - tcp->rcv_nxt : 0;
    unsigned int scale = is_syn ? 0 : tcp->rcv_scale;
    uint32_t step = MIN(tcp->receive_limit / 2, (uint32_t)tcp->mss);

    if (window < promised + step)
        window = promised;
    window = MIN(window, TCP_WINDOW_MAX << scale);
    if (!is_syn) /* rounded up: a promise must survive the loss of low bits */
        window = MIN((window + (1u << scale) - 1) >> scale, TCP_WINDOW_MAX) << scale;
    tcp->rcv_adv = seq_max(tcp->rcv_adv, tcp->rcv_nxt + window);
    return (uint16_t)(window >> scale);
}

/* Everything that an ACK, with data or without, settles. */
static void note_ack_sent(struct tcp_socket *tcp)
{
    tcp->last_ack_sent = tcp->rcv_nxt;
    tcp->must_ack = false;
    tcp->unacked_segments = 0;
    if (tcp->quick_acks > 0)
        tcp->quick_acks--;
    tcp_timer_clear(tcp, TCP_TIMER_DELAYED_ACK);
}

/* Append [seq, seq + length) of the send queue to @frame. Return: bytes that found a segment. */
static uint32_t attach_data(struct tcp_socket *tcp, struct frame *frame, uint32_t seq,
                            uint32_t length)
{
    struct tcp_chunk *chunk;
    uint32_t done = 0;

    list_for_each_entry(chunk, &tcp->chunks, node) {
        uint32_t skip =
            seq + done - chunk->seq; /* wraps for chunks beyond, which are not reached */
        uint32_t part;

        if (seq_leq(chunk->seq + chunk->length, seq + done))
            continue;
        if (done == length)
            break;
        part = MIN(chunk->length - skip, length - done);
        if (!frame_add_segment(frame, frame_buffer_get(chunk->buffer), chunk->data + skip, part)) {
            frame_buffer_put(chunk->buffer);
            break;
        }
        done += part;
    }
    return done;
}

/*
 * Send [seq, seq + length) with @flags. Return: bytes sent (fewer when the queue is in very small
 * pieces), or -errno.
 */
static int send_segment(struct tcp_socket *tcp, uint32_t seq, uint32_t length, uint8_t flags,
                        bool has_more)
{
    struct tcp_header header = { 0 };
    struct tcp_options options;
    struct frame *frame;
    int error;

    frame = frame_alloc(FRAME_HEADROOM, 0, length ? FRAME_SEGMENTS_MAX : 1);
    if (!frame)
        return -ENOMEM;
    if (length > 0) {
        uint32_t attached = attach_data(tcp, frame, seq, length);

        if (attached < length)
            flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
        length = attached;
    }
    if (length > tcp->mss) {
        frame->gso_type = FRAME_GSO_TCPV4;
        frame->gso_size = tcp->mss;
    }
    if (has_more)
        frame->flags |= FRAME_MORE;
    fill_options(tcp, &options);
    header.seq = cpu_to_be32(seq);
    header.ack = cpu_to_be32(tcp->rcv_nxt);
    header.flags = flags | TCP_ACK;
    header.window = cpu_to_be16(choose_window(tcp, false));
    note_ack_sent(tcp);
    error = send_frame(frame, &tcp->base.local, &tcp->base.peer, &header, &options,
                       tcp->base.netdev, tcp->base.ttl);
    if (error == -EMSGSIZE) /* the path MTU was lowered: the retransmission will fit */
        (void)tcp_update_route(tcp);
    return (int)length;
}

void tcp_send_ack(struct tcp_socket *tcp)
{
    (void)send_segment(tcp, tcp->snd_nxt, 0, 0, false);
}

void tcp_send_probe(struct tcp_socket *tcp)
{
    (void)send_segment(tcp, tcp->snd_una - 1, 0, 0, false);
}

void tcp_send_reset(struct tcp_socket *tcp)
{
    tcp_count(TCP_RESETS_SENT);
    (void)send_segment(tcp, tcp->snd_nxt, 0, TCP_RST, false);
}

void tcp_send_raw(const struct socket_address *local, const struct socket_address *peer,
                  struct netdev *netdev, uint32_t seq, uint32_t ack, uint8_t flags, uint16_t window,
                  const struct tcp_options *options)
{
    const struct tcp_options none = { .window_scale = -1 };
    struct tcp_header header = { .seq = cpu_to_be32(seq),
                                 .ack = cpu_to_be32(ack),
                                 .flags = flags,
                                 .window = cpu_to_be16(window) };
    struct frame *frame = frame_alloc(FRAME_HEADROOM, 0, 1);

    if (!frame)
        return;
    /* no way back is not our loss: the peer asks again */
    (void)!send_frame(frame, local, peer, &header, options ? options : &none, netdev, 0);
}

void tcp_reply_reset(const struct tcp_segment *segment)
{
    if (segment->flags & TCP_RST)
        return;
    tcp_count(TCP_RESETS_SENT);
    if (segment->flags & TCP_ACK)
        tcp_send_raw(&segment->local, &segment->peer, NULL, segment->ack, 0, TCP_RST, 0, NULL);
    else
        tcp_send_raw(&segment->local, &segment->peer, NULL, 0, tcp_segment_end(segment),
                     TCP_RST | TCP_ACK, 0, NULL);
}

void tcp_send_syn(struct tcp_socket *tcp)
{
    bool is_answer = tcp->state == TCP_SYN_RECEIVED;
    struct tcp_options options = { .window_scale = -1 };
    bool is_first = tcp->syn_tries++ == 0;

    if (tcp_update_route(tcp) == 0)
        options.mss = tcp_mss_for(tcp->base.peer.ip.v4, tcp->netdev);
    if (!is_answer || tcp->has_window_scale)
        options.window_scale = (int8_t)tcp->rcv_scale;
    options.has_sack_permitted = !is_answer || tcp->has_sack;
    if (!is_answer || tcp->has_timestamps) {
        options.has_timestamps = true;
        options.ts_value = tcp_timestamp_now(tcp);
        options.ts_echo = is_answer ? tcp->ts_recent : 0;
    }
    if (is_first) {
        tcp->rtt_seq = tcp->iss;
        tcp->rtt_start_ns = clock_now_ns();
    } else {
        tcp->rtt_start_ns = 0; /* Karn: which of them is answered cannot be told */
    }
    tcp->snd_nxt = tcp->snd_max = tcp->iss + 1;
    tcp_send_raw(&tcp->base.local, &tcp->base.peer, tcp->base.netdev, tcp->iss,
                 is_answer ? tcp->rcv_nxt : 0, is_answer ? TCP_SYN | TCP_ACK : TCP_SYN,
                 choose_window(tcp, true), &options);
    tcp_timer_set(tcp, TCP_TIMER_RETRANSMIT, deadline_after_ns(tcp_rto(tcp)));
}

void tcp_send_window_probe(struct tcp_socket *tcp)
{
    int sent;

    tcp_count(TCP_ZERO_WINDOW_PROBES);
    if (tcp->snd_una == tcp->snd_end) { /* only a FIN is left */
        sent = send_segment(tcp, tcp->snd_una, 0, TCP_FIN, false) < 0 ? 0 : 1;
    } else {
        sent = send_segment(tcp, tcp->snd_una, 1, 0, false);
    }
    tcp->rtt_start_ns = 0;
    if (sent > 0) {
        tcp->snd_nxt = seq_max(tcp->snd_nxt, tcp->snd_una + 1);
        tcp->snd_max = seq_max(tcp->snd_max, tcp->snd_nxt);
    }
}

/* ---- what to send next ---- */

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
    sent = send_segment(tcp, range.start, length - has_fin, has_fin ? TCP_FIN | TCP_PSH : TCP_PSH,
                        false);
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
    if (!is_worth_sending(tcp, length, is_all, has_fin))
        return false;
    if (is_all)
        flags |= TCP_PSH;
    if (has_fin)
        flags |= TCP_FIN;
    sent = send_segment(tcp, tcp->snd_nxt, length, flags, !is_all);
    if (sent < 0)
        return false;
    note_sent(tcp, tcp->snd_nxt, (uint32_t)sent, has_fin && (uint32_t)sent == length);
    return true;
}

/* Nothing is in flight and something is left: only the peer's window can be the reason. */
static void check_persist(struct tcp_socket *tcp)
{
    if (tcp->snd_nxt != tcp->snd_una || seq_geq(tcp->snd_nxt, tcp_send_end(tcp)) ||
        tcp_timer_is_set(tcp, TCP_TIMER_PERSIST))
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
