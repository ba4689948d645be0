/*
 * Benchmarks of small packets: a peer sends datagrams that this machine echoes, or pings it, always
 * with some of them under way, and tells in the end how many came back in which time.
 *
 * "go COUNT" begins it; what the peer says is "done COUNT NANOSECONDS", several times, for
 * datagrams may be lost. Everything else is to be echoed as it is.
 */
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "shell/bench/bench_peer.h"

#define ECHOES        50000
#define PINGS         50000
#define DATAGRAM_MAX  128
#define REPORT_PREFIX "done "

/* "COUNT NANOSECONDS" */
static int parse_report(char *text, uint64_t *count, uint64_t *ns)
{
    char *space = strchr(text, ' ');

    if (!space)
        return -EPROTO;
    *space = '\0';
    int error = parse_u64(text, count);
    return error ? error : parse_u64(space + 1, ns);
}

/* Echo what comes until the report does. */
static int echo_until_done(struct socket *socket, char text[DATAGRAM_MAX + 1])
{
    for (;;) {
        size_t got;
        int error =
            socket_receive(socket, text, DATAGRAM_MAX, deadline_after_ns(PEER_WAIT_NS), &got);

        if (error)
            return error;
        text[got] = '\0';
        if (strncmp(text, REPORT_PREFIX, strlen(REPORT_PREFIX)) == 0)
            return 0;
        error = socket_send(socket, text, got, deadline_after_ns(PEER_WAIT_NS), NULL);
        if (error)
            return error;
    }
}

static int converse(struct bench *bench, struct socket *socket, const char *name, uint64_t wanted)
{
    char text[DATAGRAM_MAX + 1];
    uint64_t count, ns;
    int length = snprintf(text, sizeof(text), "go %llu", (unsigned long long)wanted);
    int error = socket_send(socket, text, (size_t)length, deadline_after_ns(PEER_WAIT_NS), NULL);

    bench_now_ns(); /* for the instructions; the peer has the time */
    if (!error)
        error = echo_until_done(socket, text);
    bench_now_ns();
    if (!error)
        error = parse_report(text + strlen(REPORT_PREFIX), &count, &ns);
    if (!error)
        bench_report_per_second(bench, name, count, ns, "packets/s");
    return error;
}

static int measure(struct bench *bench, const char *name, uint16_t port, uint64_t count)
{
    struct socket_address peer;
    struct socket *socket;
    int error = bench_peer(bench, &peer);

    if (error)
        return error;
    error = socket_create(SOCKET_UDP, &socket);
    if (error)
        return bench_peer_failed(bench, error);
    peer.port = port;
    error = socket_connect(socket, &peer, deadline_after_ns(PEER_WAIT_NS));
    if (!error)
        error = converse(bench, socket, name, count);
    socket_close(socket);
    return bench_peer_failed(bench, error);
}

static int udp_bench(struct bench *bench)
{
    return measure(bench, "udp_echo_64", PEER_UDP, bench_count(bench, ECHOES));
}
BENCH(udp, "datagrams of 64 B that a peer sends and we echo", "HOST", udp_bench);

static int ping_bench(struct bench *bench)
{
    return measure(bench, "ping_answered", PEER_PING, bench_count(bench, PINGS));
}
BENCH(ping, "pings of a peer that we answer", "HOST", ping_bench);
