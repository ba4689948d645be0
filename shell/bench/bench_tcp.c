/*
 * Benchmark of TCP streams: what a peer sends and takes, by one connection and by eight at once.
 */
#include "lib/errno.h"
#include "lib/printf.h"
#include "mm/kmalloc.h"
#include "shell/bench/bench_peer.h"
#include "shell/bench/bench_team.h"

#define TOTAL       (256UL * 1024 * 1024) /* over all connections */
#define CHUNK       65536
#define STREAMS_MAX 8

struct stream {
    const struct socket_address *peer;
    uint64_t bytes;
    uint8_t *buffer; /* CHUNK bytes */
};

static int receive_stream(void *arg)
{
    struct stream *stream = arg;
    struct socket *socket;
    size_t got;
    int error = bench_peer_connect(stream->peer, PEER_SOURCE, &socket);

    if (error)
        return error;
    for (uint64_t total = 0; total < stream->bytes && !error; total += got) {
        error =
            socket_receive(socket, stream->buffer, CHUNK, deadline_after_ns(PEER_WAIT_NS), &got);
        if (!error && got == 0)
            error = -ECONNRESET;
    }
    socket_abort(socket);
    return error;
}

/* Sent is what the peer has taken: it closes when it has read everything. */
static int send_stream(void *arg)
{
    struct stream *stream = arg;
    struct socket *socket;
    size_t got;
    int error = bench_peer_connect(stream->peer, PEER_SINK, &socket);

    if (error)
        return error;
    for (uint64_t total = 0; total < stream->bytes && !error; total += CHUNK)
        error = socket_send(socket, stream->buffer, CHUNK, deadline_after_ns(PEER_WAIT_NS), NULL);
    if (!error)
        error = socket_shutdown(socket, SOCKET_SHUTDOWN_WRITE);
    if (!error)
        error = socket_receive(socket, stream->buffer, 1, deadline_after_ns(PEER_WAIT_NS), &got);
    socket_abort(socket);
    return error;
}

static int measure(struct bench *bench, struct stream *streams, unsigned int count,
                   const char *direction, int (*run)(void *arg))
{
    uint64_t total = bench_count(bench, TOTAL / CHUNK) / count * count * CHUNK;
    struct bench_team team;
    char name[32];

    snprintf(name, sizeof(name), "tcp_%s_%u", direction, count);
    for (unsigned int i = 0; i < count; i++)
        streams[i].bytes = total / count;
    uint64_t start = bench_now_ns();
    int error = bench_team_start(&team, TEAM_ANYWHERE, count, run, streams, sizeof(*streams));
    if (!error)
        error = bench_team_join(&team);
    if (!error)
        bench_report(bench, name, bench_rate(total, bench_now_ns() - start), "MB/s");
    return error;
}

static int measure_all(struct bench *bench, struct stream *streams)
{
    static const unsigned int counts[] = { 1, STREAMS_MAX };
    int error = 0;

    for (size_t i = 0; i < ARRAY_SIZE(counts) && !error; i++) {
        error = measure(bench, streams, counts[i], "receive", receive_stream);
        if (!error)
            error = measure(bench, streams, counts[i], "send", send_stream);
    }
    return bench_peer_failed(bench, error);
}

static int tcp_bench(struct bench *bench)
{
    struct stream streams[STREAMS_MAX];
    struct socket_address peer;
    int error = bench_peer(bench, &peer);

    if (error)
        return error;
    uint8_t *buffers = kzalloc(STREAMS_MAX * CHUNK);
    for (unsigned int i = 0; i < STREAMS_MAX; i++)
        streams[i] = (struct stream){ .peer = &peer, .buffer = buffers + i * CHUNK };
    error = buffers ? measure_all(bench, streams) : -ENOMEM;
    kfree(buffers);
    return error;
}
BENCH(tcp, "TCP to and from a peer, by 1 connection and by 8", "HOST", tcp_bench);
