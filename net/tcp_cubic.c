/*
 * CUBIC (RFC 9438), in integers: windows in bytes, time in milliseconds.
 *
 *   W_cubic(t) = C * (t - K)^3 + W_max        C = 0.4 segments / s^3, t in seconds
 *   K = cbrt((W_max - cwnd_epoch) / C)        beta = 0.7
 *
 * and never slower than Reno with the same beta would be (4.3).
 */
#include "net/tcp_internal.h"

#define BETA_PERCENT 70

static void cubic_init(struct tcp_socket *tcp)
{
    tcp->cubic = (struct tcp_cubic){ 0 };
}

/* Largest r with r^3 <= x. */
static uint32_t cube_root(uint64_t x)
{
    uint64_t root = 0;

    for (int bit = 20; bit >= 0; bit--) {
        uint64_t candidate = root | 1ull << bit;

        if (candidate * candidate * candidate <= x)
            root = candidate;
    }
    return (uint32_t)root;
}

/* RFC 9438 4.2: a new epoch of congestion avoidance starts at the present window. */
static void start_epoch(struct tcp_socket *tcp)
{
    struct tcp_cubic *cubic = &tcp->cubic;

    cubic->epoch_ns = clock_now_ns();
    cubic->w_est = tcp->cwnd;
    cubic->acked = 0;
    cubic->acked_reno = 0;
    if (cubic->w_max > tcp->cwnd) {
        /* (W_max - cwnd) / (0.4 * MSS) seconds cubed, and 10^9 of a millisecond cubed */
        cubic->k_ms = cube_root((uint64_t)(cubic->w_max - tcp->cwnd) * 2500000000ull / tcp->mss);
        cubic->origin = cubic->w_max;
    } else {
        cubic->k_ms = 0;
        cubic->origin = tcp->cwnd;
    }
}

/* W_cubic at @t_ms of the epoch. */
static uint32_t window_at(const struct tcp_socket *tcp, uint64_t t_ms)
{
    const struct tcp_cubic *cubic = &tcp->cubic;
    bool is_before = t_ms < cubic->k_ms;
    uint64_t distance = is_before ? cubic->k_ms - t_ms : t_ms - cubic->k_ms;
    uint64_t delta;

    distance = MIN(distance, (uint64_t)100000); /* the cube stays below 2^50 */
    delta = distance * distance * distance / 2500000 * tcp->mss / 1000;
    if (is_before)
        return delta >= cubic->origin ? 0 : cubic->origin - (uint32_t)delta;
    return (uint32_t)MIN(cubic->origin + delta, (uint64_t)UINT32_MAX / 2);
}

/* RFC 9438 4.3: alpha = 3 * (1 - beta) / (1 + beta) = 9 / 17 until w_max is reached again, then 1.
 */
static void grow_reno_estimate(struct tcp_socket *tcp, uint32_t bytes)
{
    struct tcp_cubic *cubic = &tcp->cubic;
    uint32_t scaled = cubic->w_est < cubic->w_max ? bytes / 17 * 9 + bytes % 17 * 9 / 17 : bytes;

    cubic->acked_reno += scaled;
    if (cubic->acked_reno >= tcp->cwnd) {
        cubic->acked_reno -= tcp->cwnd;
        cubic->w_est += tcp->mss;
    }
}

static void cubic_acked(struct tcp_socket *tcp, uint32_t bytes)
{
    struct tcp_cubic *cubic = &tcp->cubic;
    uint64_t t_ms;
    uint32_t target;

    if (cubic->epoch_ns == 0)
        start_epoch(tcp);
    t_ms = (clock_now_ns() - cubic->epoch_ns + tcp->srtt_ns) / NS_PER_MS;
    grow_reno_estimate(tcp, bytes);
    target = window_at(tcp, t_ms);
    if (target < cubic->w_est) { /* Reno-friendly region */
        tcp->cwnd = MAX(tcp->cwnd, cubic->w_est);
        return;
    }
    /* 4.4: towards the target by (target - cwnd) / cwnd per byte, at most half a window per RTT */
    target = CLAMP(target, tcp->cwnd, tcp->cwnd + tcp->cwnd / 2);
    cubic->acked += bytes;
    if (target > tcp->cwnd) {
        uint64_t growth = (uint64_t)(target - tcp->cwnd) * cubic->acked / tcp->cwnd;

        if (growth > 0) {
            tcp->cwnd += (uint32_t)growth;
            cubic->acked = 0;
        }
    } else if (cubic->acked / 100 >= tcp->cwnd) {
        tcp->cwnd += tcp->mss; /* on the plateau: very slowly (4.4) */
        cubic->acked = 0;
    }
}

static uint32_t cubic_ssthresh(struct tcp_socket *tcp)
{
    struct tcp_cubic *cubic = &tcp->cubic;

    /* 4.7 fast convergence: a flow that lost ground makes room for new ones. */
    if (tcp->cwnd < cubic->w_max)
        cubic->w_max = (uint32_t)((uint64_t)tcp->cwnd * (100 + BETA_PERCENT) / 200);
    else
        cubic->w_max = tcp->cwnd;
    cubic->epoch_ns = 0;
    return MAX((uint32_t)((uint64_t)tcp->cwnd * BETA_PERCENT / 100), 2u * tcp->mss);
}

static void cubic_timeout(struct tcp_socket *tcp)
{
    tcp->cubic.epoch_ns = 0;
}

const struct tcp_congestion_ops tcp_cubic_ops = {
    .name = "cubic",
    .init = cubic_init,
    .ssthresh = cubic_ssthresh,
    .acked = cubic_acked,
    .timeout = cubic_timeout,
};
