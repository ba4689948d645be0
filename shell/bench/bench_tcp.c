/*
 * Benchmark of TCP against the peer of bench/linux/peer.c on another machine: what it sends, what
 * it takes, and how long one byte takes there and back.
 */
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "mm/kmalloc.h"
#include "net/socket.h"
#include "shell/bench/bench.h"

#define PORT_SOURCE 7001 /* sends without end */
#define PORT_SINK   7002 /* takes everything, and closes when we do */
#define PORT_ECHO   7003
#define TOTAL       (64UL * 1024 * 1024)
#define CHUNK       65536
#define TRIPS       2000
#define WAIT_NS     (20 * NS_PER_S)

struct tcp_run {
    struct bench *bench;
    struct socket_address address;
    struct socket *socket;
    uint8_t *buffer; /* CHUNK bytes */
    uint64_t *times; /* TRIPS */
};

static int receive_total(struct tcp_run *run)
{
    uint64_t start = clock_now_ns();
    size_t total = 0, got;

    while (total < TOTAL) {
        int error =
            socket_receive(run->socket, run->buffer, CHUNK, deadline_after_ns(WAIT_NS), &got);
        if (error || got == 0)
            return error ? error : -ECONNRESET;
        total += got;
    }
    bench_report(run->bench, "tcp_receive", bench_rate(total, clock_now_ns() - start), "MB/s");
    return 0;
}

/* Sent is what the peer has taken: it closes when it has read everything. */
static int send_total(struct tcp_run *run)
{
    uint64_t start = clock_now_ns();
    size_t got;

    for (size_t total = 0; total < TOTAL; total += CHUNK) {
        int error = socket_send(run->socket, run->buffer, CHUNK, deadline_after_ns(WAIT_NS), NULL);
        if (error)
            return error;
    }
    int error = socket_shutdown(run->socket, SOCKET_SHUTDOWN_WRITE);
    if (!error)
        error = socket_receive(run->socket, run->buffer, 1, deadline_after_ns(WAIT_NS), &got);
    if (!error)
        bench_report(run->bench, "tcp_send", bench_rate(TOTAL, clock_now_ns() - start), "MB/s");
    return error;
}

static int round_trips(struct tcp_run *run)
{
    int error = socket_set_option(run->socket, SOCKET_OPTION_NODELAY, 1);
    size_t got;

    for (int i = 0; i < TRIPS && !error; i++) {
        uint64_t start = clock_now_ns();
        error = socket_send(run->socket, run->buffer, 1, deadline_after_ns(WAIT_NS), NULL);
        if (!error)
            error = socket_receive(run->socket, run->buffer, 1, deadline_after_ns(WAIT_NS), &got);
        run->times[i] = clock_now_ns() - start;
    }
    if (error)
        return error;
    bench_report(run->bench, "tcp_round_trip_median", bench_percentile(run->times, TRIPS, 50),
                 "ns");
    bench_report(run->bench, "tcp_round_trip_p99", bench_percentile(run->times, TRIPS, 99), "ns");
    return 0;
}

static int connected(struct tcp_run *run, uint16_t port, int (*measure)(struct tcp_run *run))
{
    int error = socket_create(SOCKET_TCP, &run->socket);

    if (error)
        return error;
    run->address.port = port;
    error = socket_connect(run->socket, &run->address, deadline_after_ns(WAIT_NS));
    if (!error)
        error = measure(run);
    socket_abort(run->socket);
    return error;
}

static int measure_all(struct tcp_run *run)
{
    int error = connected(run, PORT_SOURCE, receive_total);

    if (!error)
        error = connected(run, PORT_SINK, send_total);
    if (!error)
        error = connected(run, PORT_ECHO, round_trips);
    if (error)
        shell_error(run->bench->shell, "the peer: %s", errno_text(error));
    return error;
}

static int tcp_bench(struct bench *bench)
{
    struct tcp_run run = { .bench = bench };

    if (bench->argc != 1) {
        shell_error(bench->shell, "usage: bench tcp HOST, where bench/linux/peer.c runs");
        return -EINVAL;
    }
    int error = net_resolve(bench->argv[0], &run.address.ip, deadline_after_ns(WAIT_NS));
    if (error) {
        shell_error(bench->shell, "%s: %s", bench->argv[0], errno_text(error));
        return error;
    }
    run.buffer = kzalloc(CHUNK);
    run.times = kcalloc(TRIPS, sizeof(run.times[0]));
    error = run.buffer && run.times ? measure_all(&run) : -ENOMEM;
    kfree(run.buffer);
    kfree(run.times);
    return error;
}
BENCH(tcp, "TCP to and from a peer, and round trips of one byte", "HOST", tcp_bench);
