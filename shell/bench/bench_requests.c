/*
 * Benchmark of TCP requests: one byte to a peer and back, and connections opened and closed.
 */
#include "lib/errno.h"
#include "mm/kmalloc.h"
#include "shell/bench/bench_peer.h"

#define TRIPS       5000
#define CONNECTIONS 2000

static int round_trips(struct bench *bench, struct socket *socket, uint64_t *times, size_t count)
{
    uint8_t byte = 0;
    size_t got;

    for (size_t i = 0; i < count; i++) {
        uint64_t start = bench_now_ns();
        int error = socket_send(socket, &byte, 1, deadline_after_ns(PEER_WAIT_NS), NULL);
        if (!error)
            error = socket_receive(socket, &byte, 1, deadline_after_ns(PEER_WAIT_NS), &got);
        if (error)
            return error;
        times[i] = bench_now_ns() - start;
    }
    bench_report(bench, "tcp_round_trip_median", bench_percentile(times, count, 50), "ns");
    bench_report(bench, "tcp_round_trip_p99", bench_percentile(times, count, 99), "ns");
    return 0;
}

static int measure_trips(struct bench *bench, const struct socket_address *peer)
{
    size_t count = bench_count(bench, TRIPS);
    uint64_t *times = kcalloc(count, sizeof(*times));
    struct socket *socket;
    int error = times ? bench_peer_connect(peer, PEER_ECHO, &socket) : -ENOMEM;

    if (!error) {
        error = round_trips(bench, socket, times, count);
        socket_abort(socket);
    }
    kfree(times);
    return error;
}

/* Both directions ended in order: the peer, which takes what comes and closes when we do. */
static int connect_and_close(const struct socket_address *peer)
{
    struct socket *socket;
    uint8_t byte;
    size_t got;
    int error = bench_peer_connect(peer, PEER_SINK, &socket);

    if (error)
        return error;
    error = socket_shutdown(socket, SOCKET_SHUTDOWN_WRITE);
    if (!error)
        error = socket_receive(socket, &byte, 1, deadline_after_ns(PEER_WAIT_NS), &got);
    socket_close(socket);
    return error;
}

static int measure_connections(struct bench *bench, const struct socket_address *peer)
{
    uint64_t count = bench_count(bench, CONNECTIONS);
    uint64_t start = bench_now_ns();

    for (uint64_t i = 0; i < count; i++) {
        int error = connect_and_close(peer);
        if (error)
            return error;
    }
    bench_report_per_second(bench, "tcp_connect_close", count, bench_now_ns() - start,
                            "requests/s");
    return 0;
}

static int requests_bench(struct bench *bench)
{
    struct socket_address peer;
    int error = bench_peer(bench, &peer);

    if (error)
        return error;
    error = measure_trips(bench, &peer);
    if (!error)
        error = measure_connections(bench, &peer);
    return bench_peer_failed(bench, error);
}
BENCH(requests, "TCP round trips of one byte to a peer, and connect and close", "HOST",
      requests_bench);
