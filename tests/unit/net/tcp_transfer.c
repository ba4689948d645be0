/*
 * One transfer of so many bytes from A to B; see tcp_transfer.h.
 */
#include "tests/unit/net/tcp_transfer.h"

#include "arch/host/host.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "net/socket.h"

struct transfer {
    size_t length;
    uint64_t seed;
    const struct wire_conditions *conditions;
    enum tcp_congestion_kind congestion;
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
    assert_int_equal(socket_set_option(socket, SOCKET_OPTION_CONGESTION, transfer->congestion), 0);
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

uint64_t transfer_by(enum tcp_congestion_kind congestion, uint64_t seed, size_t length,
                     const struct wire_conditions *conditions)
{
    struct transfer transfer = {
        .length = length, .seed = seed, .conditions = conditions, .congestion = congestion
    };

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

uint64_t transfer_once(uint64_t seed, size_t length, const struct wire_conditions *conditions)
{
    return transfer_by(TCP_CONGESTION_CUBIC, seed, length, conditions);
}
