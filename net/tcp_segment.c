/*
 * How a segment is made: header, options, window, data.
 *
 * Segments point at the bytes in the send queue; nothing is copied. With a device that cuts large
 * frames (TSO) one frame carries up to 64 KiB.
 *
 * Above: tcp_output.c, and whoever answers. Below: ipv4_output.c.
 */
#include "lib/byteorder.h"
#include "lib/checksum.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "net/ipv4.h"
#include "net/netdev.h"
#include "net/route.h"
#include "net/tcp_internal.h"

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

int tcp_send_segment(struct tcp_socket *tcp, uint32_t seq, uint32_t length, uint8_t flags,
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
    (void)tcp_send_segment(tcp, tcp->snd_nxt, 0, 0, false);
}

void tcp_send_probe(struct tcp_socket *tcp)
{
    (void)tcp_send_segment(tcp, tcp->snd_una - 1, 0, 0, false);
}

void tcp_send_reset(struct tcp_socket *tcp)
{
    tcp_count(TCP_RESETS_SENT);
    (void)tcp_send_segment(tcp, tcp->snd_nxt, 0, TCP_RST, false);
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
        sent = tcp_send_segment(tcp, tcp->snd_una, 0, TCP_FIN, false) < 0 ? 0 : 1;
    } else {
        sent = tcp_send_segment(tcp, tcp->snd_una, 1, 0, false);
    }
    tcp->rtt_start_ns = 0;
    if (sent > 0) {
        tcp->snd_nxt = seq_max(tcp->snd_nxt, tcp->snd_una + 1);
        tcp->snd_max = seq_max(tcp->snd_max, tcp->snd_nxt);
    }
}
