/*
 * Congestion control: what all algorithms share (RFC 5681, RFC 6928, RFC 3465), and NewReno.
 */
#include "net/tcp_internal.h"

const struct tcp_congestion_ops *tcp_congestion_find(enum tcp_congestion_kind kind)
{
    switch (kind) {
    case TCP_CONGESTION_CUBIC:
        return &tcp_cubic_ops;
    case TCP_CONGESTION_NEWRENO:
        return &tcp_newreno_ops;
    }
    return NULL;
}

/* RFC 6928: min(10 * MSS, max(2 * MSS, 14600)); one segment when the SYN was lost (RFC 5681 3.1).
 */
static uint32_t initial_window(const struct tcp_socket *tcp)
{
    uint32_t mss = tcp->mss;

    if (tcp->syn_tries > 2) /* the first and one repetition, which may have been our impatience */
        return mss;
    return MIN(TCP_INITIAL_WINDOW * mss, MAX(2 * mss, TCP_INITIAL_WINDOW * 1460u));
}

void tcp_congestion_start(struct tcp_socket *tcp)
{
    tcp->cwnd = initial_window(tcp);
    tcp->ssthresh = UINT32_MAX;
    tcp->congestion->init(tcp);
}

/* RFC 5681 3.1: exponential below ssthresh; with byte counting (RFC 3465) large ACKs count fully.
 */
void tcp_congestion_acked(struct tcp_socket *tcp, uint32_t bytes)
{
    const uint32_t most = 2 * TCP_BUFFER_MAX; /* more than can ever be in flight */

    if (!tcp->is_cwnd_limited) /* RFC 7661: unused window says nothing about the path */
        return;
    if (tcp->cwnd < tcp->ssthresh) {
        uint32_t growth = MIN(bytes, tcp->ssthresh - tcp->cwnd);

        tcp->cwnd = MIN(tcp->cwnd + growth, most);
        bytes -= growth;
    }
    if (bytes > 0)
        tcp->congestion->acked(tcp, bytes);
    tcp->cwnd = MIN(tcp->cwnd, most);
}

void tcp_congestion_idle(struct tcp_socket *tcp)
{
    tcp->cwnd = MIN(tcp->cwnd, initial_window(tcp));
}

/* ---- NewReno (RFC 5681, RFC 6582) ---- */

static void newreno_init(struct tcp_socket *tcp)
{
    tcp->reno_acked = 0;
}

static uint32_t newreno_ssthresh(struct tcp_socket *tcp)
{
    return MAX(tcp_pipe(tcp) / 2, 2u * tcp->mss);
}

/* One segment more per window acknowledged. */
static void newreno_acked(struct tcp_socket *tcp, uint32_t bytes)
{
    tcp->reno_acked += bytes;
    if (tcp->reno_acked >= tcp->cwnd) {
        tcp->reno_acked -= tcp->cwnd;
        tcp->cwnd += tcp->mss;
    }
}

const struct tcp_congestion_ops tcp_newreno_ops = {
    .name = "newreno",
    .init = newreno_init,
    .ssthresh = newreno_ssthresh,
    .acked = newreno_acked,
};
