/*
 * What an acknowledgment does: send queue, round-trip time (RFC 6298), loss detection and recovery
 * (RFC 5681, RFC 6582, RFC 6675), the peer's window.
 */
#include "lib/errno.h"
#include "mm/kmalloc.h"
#include "net/arp.h"
#include "net/netdev.h"
#include "net/tcp_internal.h"

#define CONFIRM_INTERVAL_NS (5 * NS_PER_S) /* how often ARP is told that the neighbour lives */

/* ---- round-trip time: RFC 6298 2 ---- */

void tcp_rtt_sample(struct tcp_socket *tcp, uint64_t rtt_ns)
{
    if (tcp->srtt_ns == 0) {
        tcp->srtt_ns = MAX(rtt_ns, (uint64_t)1);
        tcp->rttvar_ns = rtt_ns / 2;
    } else {
        uint64_t difference = tcp->srtt_ns > rtt_ns ? tcp->srtt_ns - rtt_ns : rtt_ns - tcp->srtt_ns;

        tcp->rttvar_ns = (3 * tcp->rttvar_ns + difference) / 4;
        tcp->srtt_ns = MAX((7 * tcp->srtt_ns + rtt_ns) / 8, (uint64_t)1);
    }
    tcp->rto_ns = CLAMP(tcp->srtt_ns + MAX_T(uint64_t, 4 * tcp->rttvar_ns, NS_PER_MS),
                        (uint64_t)TCP_RTO_MIN_NS, (uint64_t)TCP_RTO_MAX_NS);
}

uint64_t tcp_rto(const struct tcp_socket *tcp)
{
    return MIN_T(uint64_t, tcp->rto_ns << MIN(tcp->backoff, 10u), TCP_RTO_MAX_NS);
}

/* RFC 7323 4: by the echoed timestamp; without it by the one timed segment (Karn). */
static void take_rtt(struct tcp_socket *tcp, const struct tcp_segment *segment)
{
    if (tcp->has_timestamps && segment->options.has_timestamps && segment->options.ts_echo) {
        uint32_t ms = tcp_timestamp_now(tcp) - segment->options.ts_echo;

        if (tcp->rtt_start_ns != 0 && seq_gt(segment->ack, tcp->rtt_seq))
            tcp_rtt_sample(tcp, clock_now_ns() - tcp->rtt_start_ns); /* the same, but finer */
        else if (ms < TCP_RTO_MAX_NS / NS_PER_MS)
            tcp_rtt_sample(tcp, ms * NS_PER_MS);
    } else if (tcp->rtt_start_ns != 0 && seq_gt(segment->ack, tcp->rtt_seq)) {
        tcp_rtt_sample(tcp, clock_now_ns() - tcp->rtt_start_ns);
    }
    if (seq_gt(segment->ack, tcp->rtt_seq))
        tcp->rtt_start_ns = 0;
}

/* ---- what is in flight ---- */

/* RFC 6675 SetPipe(), by the marks that tcp_internal.h describes. */
uint32_t tcp_pipe(const struct tcp_socket *tcp)
{
    uint32_t sent_again = seq_max(tcp->high_rxt, tcp->snd_una);
    uint32_t lost = seq_min(seq_max(tcp->lost_edge, sent_again), tcp->snd_nxt);
    uint32_t pipe = tcp_sack_unsacked(tcp, tcp->snd_una, sent_again) +
                    tcp_sack_unsacked(tcp, lost, tcp->snd_nxt);
    uint32_t departed = tcp->has_sack ? 0 : tcp->duplicate_acks * tcp->mss;

    return pipe > departed ? pipe - departed : 0; /* each duplicate ACK: one segment has arrived */
}

static void clear_marks(struct tcp_socket *tcp)
{
    tcp->high_rxt = tcp->snd_una;
    tcp->lost_edge = tcp->snd_una;
    tcp->must_retransmit = false;
}

/* ---- recovery ---- */

static void enter_recovery(struct tcp_socket *tcp)
{
    tcp_count(TCP_FAST_RECOVERIES);
    tcp->ssthresh = tcp->congestion->ssthresh(tcp);
    tcp->cwnd = tcp->ssthresh;
    tcp->recovery = TCP_RECOVERY;
    tcp->recovery_point = tcp->snd_nxt;
    tcp->high_rxt = tcp->snd_una;
    tcp->must_retransmit = true;
    if (tcp->mss)
        tcp->lost_edge = seq_max(tcp_sack_lost_edge(tcp), tcp->snd_una + 1);
}

void tcp_enter_loss(struct tcp_socket *tcp)
{
    if (tcp->recovery != TCP_LOSS) /* repeated timeouts do not lower it again (RFC 5681 3.1) */
        tcp->ssthresh = tcp->congestion->ssthresh(tcp);
    if (tcp->congestion->timeout)
        tcp->congestion->timeout(tcp);
    /* RFC 2018 8: the peer may have dropped what it reported; so it looks after a second time. */
    if (tcp->backoff > 0 || (tcp->scoreboard && tcp->scoreboard->count > 0 &&
                             seq_leq(tcp->scoreboard->ranges[0].start, tcp->snd_una)))
        tcp_sack_clear(tcp);
    tcp->cwnd = tcp->mss;
    tcp->recovery = TCP_LOSS;
    tcp->recovery_point = tcp->snd_nxt;
    tcp->high_rxt = tcp->snd_una;
    tcp->lost_edge = tcp->snd_nxt;
    tcp->duplicate_acks = 0;
    tcp->rtt_start_ns = 0;
    tcp->must_retransmit = true;
}

static void leave_recovery(struct tcp_socket *tcp)
{
    if (tcp->recovery == TCP_RECOVERY)
        tcp->cwnd = MIN(tcp->ssthresh, MAX(tcp_pipe(tcp), (uint32_t)tcp->mss) + tcp->mss);
    tcp->recovery = TCP_OPEN;
    tcp->duplicate_acks = 0;
    clear_marks(tcp);
}

/* New data was acknowledged, but not up to the recovery point. */
static void partial_ack(struct tcp_socket *tcp, uint32_t acked)
{
    if (tcp->recovery == TCP_LOSS) {
        tcp_congestion_acked(tcp, acked);
    } else if (tcp->recovery == TCP_RECOVERY && !tcp->has_sack) { /* RFC 6582 3.2: the next hole */
        tcp->high_rxt = tcp->snd_una;
        tcp->must_retransmit = true;
        tcp->duplicate_acks -= MIN(tcp->duplicate_acks, acked / MAX(tcp->mss, (uint16_t)1));
    }
}

/* A sign that something left the network without being what was asked for. */
static void process_duplicate(struct tcp_socket *tcp)
{
    tcp->duplicate_acks++;
    if (tcp->recovery == TCP_OPEN) {
        bool is_lost = tcp->duplicate_acks >= TCP_DUPLICATE_ACKS ||
                       seq_gt(tcp_sack_lost_edge(tcp), tcp->snd_una);

        if (is_lost)
            enter_recovery(tcp);
    }
}

/* ---- the send queue ---- */

static void drop_acknowledged(struct tcp_socket *tcp)
{
    struct tcp_chunk *chunk;

    while ((chunk = list_entry(list_front(&tcp->chunks), struct tcp_chunk, node)) != NULL &&
           seq_leq(chunk->seq + chunk->length, tcp->snd_una)) {
        list_remove(&chunk->node);
        tcp_charge(tcp, -(int64_t)chunk->length);
        frame_buffer_put(chunk->buffer);
        kfree(chunk);
    }
}

/* As fast as cwnd allows, the user may queue twice what is in flight. */
static void grow_send_limit(struct tcp_socket *tcp)
{
    if (!tcp->has_fixed_send_limit && !tcp_memory_is_short())
        tcp->send_limit =
            MAX(tcp->send_limit, MIN_T(uint32_t, 2 * (uint64_t)tcp->cwnd, TCP_BUFFER_MAX));
}

static void confirm_neighbour(struct tcp_socket *tcp)
{
    uint64_t now = clock_now_ns();

    if (!tcp->netdev || tcp->netdev->features & NETDEV_LOOPBACK ||
        now - tcp->confirmed_ns < CONFIRM_INTERVAL_NS)
        return;
    tcp->confirmed_ns = now;
    arp_confirm(tcp->netdev, tcp->next_hop);
}

static void process_new_ack(struct tcp_socket *tcp, const struct tcp_segment *segment)
{
    uint32_t acked = segment->ack - tcp->snd_una;

    take_rtt(tcp, segment);
    tcp->snd_una = segment->ack;
    tcp->snd_nxt = seq_max(tcp->snd_nxt, tcp->snd_una);
    drop_acknowledged(tcp);
    tcp->high_rxt = seq_max(tcp->high_rxt, tcp->snd_una);
    tcp->lost_edge = seq_max(tcp->lost_edge, tcp->snd_una);
    tcp->backoff = 0; /* RFC 6298 5: what was sent last has arrived */
    tcp->persist_backoff = 0;
    tcp->stalled_since_ns = 0;
    tcp->soft_error = 0;
    confirm_neighbour(tcp);

    if (tcp->recovery == TCP_OPEN) {
        tcp->duplicate_acks = 0;
        clear_marks(tcp);
        tcp_congestion_acked(tcp, acked);
    } else if (seq_geq(tcp->snd_una, tcp->recovery_point)) {
        leave_recovery(tcp);
    } else {
        partial_ack(tcp, acked);
    }
    tcp_sack_advance(tcp);
    tcp->is_cwnd_limited = false;
    grow_send_limit(tcp);

    if (tcp->snd_una == tcp->snd_nxt) /* RFC 6298 5.2 */
        tcp_timer_clear(tcp, TCP_TIMER_RETRANSMIT);
    else /* 5.3 */
        tcp_timer_set(tcp, TCP_TIMER_RETRANSMIT, deadline_after_ns(tcp_rto(tcp)));
    socket_notify_locked(&tcp->base);
}

/* RFC 9293 3.10.7.4: SND.WND, unless the segment is older than the one it was taken from. */
static void update_window(struct tcp_socket *tcp, const struct tcp_segment *segment)
{
    bool was_shut = tcp->snd_wnd == 0;

    if (seq_gt(tcp->snd_wl1, segment->seq) ||
        (tcp->snd_wl1 == segment->seq && seq_gt(tcp->snd_wl2, segment->ack)))
        return;
    tcp->snd_wnd = tcp_segment_window(segment, tcp->snd_scale);
    tcp->snd_wnd_max = MAX(tcp->snd_wnd_max, tcp->snd_wnd);
    tcp->snd_wl1 = segment->seq;
    tcp->snd_wl2 = segment->ack;
    if (tcp->snd_wnd > 0 && tcp_timer_is_set(tcp, TCP_TIMER_PERSIST)) {
        tcp_timer_clear(tcp, TCP_TIMER_PERSIST);
        if (was_shut && tcp->snd_nxt == tcp->snd_una + 1)
            tcp->snd_nxt = tcp->snd_una; /* the probe's byte goes out again with its neighbours */
    }
}

/* RFC 5681 2 and RFC 6675 2: what counts as a duplicate acknowledgment. */
static bool is_duplicate(const struct tcp_socket *tcp, const struct tcp_segment *segment,
                         bool has_new_sack)
{
    if (segment->ack != tcp->snd_una || tcp->snd_una == tcp->snd_nxt)
        return false;
    if (tcp->has_sack)
        return has_new_sack;
    return segment->length == 0 && !(segment->flags & TCP_FIN) &&
           segment->window << tcp->snd_scale == tcp->snd_wnd && tcp->snd_wnd != 0;
}

bool tcp_process_ack(struct tcp_socket *tcp, const struct tcp_segment *segment)
{
    bool has_new_sack;

    if (seq_gt(segment->ack, tcp->snd_max)) /* acknowledges what was never sent */
        return false;
    if (seq_lt(segment->ack, tcp->snd_una - tcp->snd_wnd_max)) /* RFC 5961 5.2 */
        return false;
    if (tcp_timer_is_set(tcp, TCP_TIMER_PERSIST) && !tcp->is_orphan)
        tcp->stalled_since_ns = 0; /* the answer to a window probe */
    has_new_sack = tcp_sack_update(tcp, segment);
    if (seq_gt(segment->ack, tcp->snd_una))
        process_new_ack(tcp, segment);
    else if (is_duplicate(tcp, segment, has_new_sack))
        process_duplicate(tcp);
    if (tcp->recovery == TCP_RECOVERY && tcp->has_sack)
        tcp->lost_edge = seq_max(tcp->lost_edge, tcp_sack_lost_edge(tcp));
    update_window(tcp, segment);
    return true;
}
