/*
 * Benchmark of growth: one byte there and back, and a connection made and ended, with 1 TCP
 * connection open and with 10,000, over the loopback. Both ends are here, driven by one task.
 */
#include "lib/errno.h"
#include "lib/printf.h"
#include "mm/kmalloc.h"
#include "net/socket.h"
#include "shell/bench/bench.h"
#include "shell/bench/bench_random.h"

#define CONNECTIONS_LARGE 10000
#define TRIPS             20000
#define OPENINGS          2000
#define BACKLOG           16
#define WAIT_NS           (20 * NS_PER_S)

struct pair {
    struct socket *client, *server;
};

struct connections {
    struct socket *listener;
    struct socket_address address;
    struct pair *pairs;
    unsigned int count;
};

static void close_pair(struct pair *pair)
{
    if (pair->client)
        socket_abort(pair->client);
    if (pair->server)
        socket_abort(pair->server);
    *pair = (struct pair){ 0 };
}

static int open_pair(struct connections *all, struct pair *pair)
{
    int error = socket_create(SOCKET_TCP, &pair->client);

    if (!error)
        error = socket_connect(pair->client, &all->address, deadline_after_ns(WAIT_NS));
    if (!error)
        error = socket_accept(all->listener, &pair->server, deadline_after_ns(WAIT_NS));
    if (!error)
        error = socket_set_option(pair->client, SOCKET_OPTION_NODELAY, 1);
    if (!error)
        error = socket_set_option(pair->server, SOCKET_OPTION_NODELAY, 1);
    if (error)
        close_pair(pair);
    return error;
}

static int pass_byte(struct socket *from, struct socket *to)
{
    uint8_t byte = 0;
    size_t got;
    int error = socket_send(from, &byte, 1, deadline_after_ns(WAIT_NS), NULL);

    return error ? error : socket_receive(to, &byte, 1, deadline_after_ns(WAIT_NS), &got);
}

static int measure_trips(struct bench *bench, struct connections *all)
{
    uint64_t trips = bench_count(bench, TRIPS);
    uint32_t random = BENCH_SEED;
    char name[40];
    int error = 0;
    uint64_t start = clock_now_ns();

    for (uint64_t i = 0; i < trips && !error; i++) {
        struct pair *pair = &all->pairs[bench_random_below(&random, all->count)];
        error = pass_byte(pair->client, pair->server);
        if (!error)
            error = pass_byte(pair->server, pair->client);
    }
    snprintf(name, sizeof(name), "growth_trip_%u", all->count);
    if (!error)
        bench_report_per(bench, name, clock_now_ns() - start, trips);
    return error;
}

static int measure_openings(struct bench *bench, struct connections *all)
{
    uint64_t openings = bench_count(bench, OPENINGS);
    struct pair pair = { 0 };
    char name[40];
    int error = 0;
    uint64_t start = clock_now_ns();

    for (uint64_t i = 0; i < openings && !error; i++) {
        error = open_pair(all, &pair);
        close_pair(&pair);
    }
    snprintf(name, sizeof(name), "growth_connect_%u", all->count);
    if (!error)
        bench_report_per(bench, name, clock_now_ns() - start, openings);
    return error;
}

static int measure_with(struct bench *bench, struct connections *all, unsigned int count)
{
    int error = 0;

    all->pairs = kcalloc(count, sizeof(*all->pairs));
    if (!all->pairs)
        return -ENOMEM;
    for (all->count = 0; all->count < count && !error; all->count += error == 0) {
        error = open_pair(all, &all->pairs[all->count]);
        if (all->count % 256 == 0)
            shell_progress(bench->shell, "%u of %u connections", all->count, count);
    }
    shell_progress(bench->shell, "%s", "");
    if (!error)
        error = measure_trips(bench, all);
    if (!error)
        error = measure_openings(bench, all);
    for (unsigned int i = 0; i < all->count; i++)
        close_pair(&all->pairs[i]);
    kfree(all->pairs);
    return error;
}

static int listen_somewhere(struct connections *all)
{
    struct socket_address any = { .ip = ip_from_v4(IPV4_LOOPBACK) };
    int error = socket_bind(all->listener, &any);

    if (!error)
        error = socket_listen(all->listener, BACKLOG);
    socket_local(all->listener, &all->address);
    return error;
}

static int growth_connections_bench(struct bench *bench)
{
    struct connections all = { 0 };
    int error = socket_create(SOCKET_TCP, &all.listener);

    if (error)
        return error;
    error = listen_somewhere(&all);
    if (!error)
        error = measure_with(bench, &all, 1);
    if (!error)
        error = measure_with(bench, &all, (unsigned int)bench_count(bench, CONNECTIONS_LARGE));
    socket_close(all.listener);
    if (error)
        shell_error(bench->shell, "%s", errno_text(error));
    return error;
}
BENCH(growth_connections, "a round trip and a new connection, among 1 and 10,000", "",
      growth_connections_bench);
