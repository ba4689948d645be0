/*
 * TCP over a wire that loses, reorders, duplicates, corrupts and delays frames, by seed: every
 * transfer ends bit-exact, none hangs, and all memory and table entries come back.
 */
// links: net/loopback.c net/arp.c tests/unit/net/wire.c
#include "arch/host/host.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "net/socket.h"
#include "net/tcp.h"
#include "tests/unit/net/wire.h"

struct transfer {
    size_t length;
    uint64_t seed;
    const struct wire_conditions *conditions;
    size_t received;
    bool is_exact;
    int send_error, receive_error;
    uint64_t elapsed_ns;
};

static uint8_t byte_at(uint64_t seed, size_t i)
{
    uint64_t x = (i / 8 + seed) * 0x9E3779B97F4A7C15ull;

    return (uint8_t)(x >> i % 8 * 8);
}

static int serve(void *arg)
{
    struct transfer *transfer = arg;
    struct socket_address local = { .port = 80 };
    struct socket *listener, *connection = NULL;
    uint8_t *buffer = malloc(65536);

    assert_int_equal(socket_create(SOCKET_TCP, &listener), 0);
    assert_int_equal(socket_bind(listener, &local), 0);
    assert_int_equal(socket_listen(listener, 8), 0);
    transfer->is_exact = true;
    transfer->receive_error =
        socket_accept(listener, &connection, deadline_after_ns(400 * NS_PER_S));
    while (!transfer->receive_error) {
        size_t got;

        transfer->receive_error =
            socket_receive(connection, buffer, 65536, deadline_after_ns(400 * NS_PER_S), &got);
        if (transfer->receive_error || got == 0)
            break;
        for (size_t i = 0; i < got; i++)
            transfer->is_exact &= buffer[i] == byte_at(transfer->seed, transfer->received + i);
        transfer->received += got;
    }
    socket_close(connection);
    socket_close(listener);
    free(buffer);
    return 0;
}

static int run_transfer(void *arg)
{
    struct transfer *transfer = arg;
    uint8_t *buffer;
    struct socket_address peer = socket_address_v4(WIRE_A_PEER, 80);
    struct socket *socket;
    struct task *server;
    uint64_t start;
    int status;

    wire_start(transfer->seed, transfer->conditions);
    buffer = malloc(transfer->length + 1);
    start = clock_now_ns();

    for (size_t i = 0; i < transfer->length; i++)
        buffer[i] = byte_at(transfer->seed, i);
    assert_int_equal(task_create("server", serve, transfer, &server), 0);
    task_yield();
    assert_int_equal(socket_create(SOCKET_TCP, &socket), 0);
    transfer->send_error = socket_connect(socket, &peer, DEADLINE_NEVER);
    for (size_t at = 0; at < transfer->length && !transfer->send_error;) {
        size_t part = MIN(transfer->length - at, (size_t)20000), sent;

        transfer->send_error = socket_send(socket, buffer + at, part, DEADLINE_NEVER, &sent);
        at += sent;
    }
    socket_close(socket);
    assert_int_equal(task_join(server, &status, DEADLINE_NEVER), 0);
    transfer->elapsed_ns = clock_now_ns() - start;
    free(buffer);
    host_advance_ns(400 * NS_PER_S); /* TIME-WAIT, or giving up */
    wire_stop();
    return 0;
}

static uint64_t transfer_once(uint64_t seed, size_t length,
                              const struct wire_conditions *conditions)
{
    struct transfer transfer = { .length = length, .seed = seed, .conditions = conditions };

    wire_prepare();
    host_run(run_transfer, &transfer);
    if (!transfer.send_error && !transfer.receive_error)
        assert_int_equal(transfer.received, length);
    else
        print_message("seed %llu: send %d receive %d after %zu\n", (unsigned long long)seed,
                      transfer.send_error, transfer.receive_error, transfer.received);
    if (getenv("WIRE_VERBOSE"))
        print_message("seed %llu: %zu bytes, %u lost, %llu ms\n", (unsigned long long)seed,
                      transfer.received, wire_frames_lost,
                      (unsigned long long)(transfer.elapsed_ns / NS_PER_MS));
    assert_true(transfer.is_exact);
    assert_int_equal(tcp_connection_count(), 0);
    assert_int_equal(tcp_memory_bytes(), 0);
    return transfer.elapsed_ns;
}

/*
 * A path of 100 ms that loses 1 % (issue: at least 80 % of what the algorithm's own formula gives).
 * RFC 9438 5.1: Reno-friendly CUBIC holds an average window of 1.22 / sqrt(p) segments of 1448
 * bytes, which at this loss rate is more than the cubic part.
 */
static void test_long_lossy_path(void **state)
{
    struct wire_conditions conditions = { .delay_ns = 50 * NS_PER_MS, .loss = 100 };
    double rate_expected = 1.22 * 10 * 1448 / 0.1, rate_sum = 0;
    const unsigned int runs = 5;

    (void)state;
    for (uint64_t seed = 1; seed <= runs; seed++)
        rate_sum += 10e6 / ((double)transfer_once(seed, 10000000, &conditions) / 1e9);
    print_message("rate %.0f B/s, expected %.0f\n", rate_sum / runs, rate_expected);
    assert_true(rate_sum / runs >= 0.8 * rate_expected);
}

/* No window may be the limit on 10 ms: 100 MB/s need 1 MB in flight. */
static void test_window_grows(void **state)
{
    struct wire_conditions conditions = { .delay_ns = 5 * NS_PER_MS,
                                          .bytes_per_second = 100000000 };
    uint64_t elapsed = transfer_once(1, 40000000, &conditions);

    (void)state;
    print_message("40 MB in %llu ms\n", (unsigned long long)(elapsed / NS_PER_MS));
    assert_true(elapsed < 600 * NS_PER_MS);
}

static void test_clean(void **state)
{
    static const size_t lengths[] = { 0, 1, 1459, 1460, 1461, 65535, 65536, 1000000, 10000000 };
    struct wire_conditions conditions = { .delay_ns = NS_PER_MS };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
        transfer_once(i + 1, lengths[i], &conditions);
}

static void test_offloads(void **state)
{
    struct wire_conditions conditions = { .delay_ns = NS_PER_MS,
                                          .features = NETDEV_TX_CSUM | NETDEV_TSO4 };

    (void)state;
    transfer_once(1, 10000000, &conditions);
    conditions.loss = 200;
    transfer_once(2, 3000000, &conditions);
}

static void test_terrible(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct unit_random random = { seed };
        struct wire_conditions conditions = {
            .delay_ns = unit_random_below(&random, 50) * NS_PER_MS,
            .jitter_ns = unit_random_below(&random, 20) * NS_PER_MS,
            .loss = (unsigned int)unit_random_below(&random, 2000),
            .duplicate = (unsigned int)unit_random_below(&random, 1000),
            .corrupt = (unsigned int)unit_random_below(&random, 500),
            .features = unit_random_below(&random, 2) ? NETDEV_TX_CSUM | NETDEV_TSO4 : 0,
        };

        transfer_once(seed, 1 + unit_random_below(&random, 60000), &conditions);
    }
}

UNIT_TESTS(UNIT_TEST(test_clean), UNIT_TEST(test_offloads), UNIT_TEST(test_window_grows),
           UNIT_TEST(test_long_lossy_path), UNIT_TEST(test_terrible))
