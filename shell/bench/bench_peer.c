/*
 * The other side of the network benchmarks.
 */
#include "shell/bench/bench_peer.h"

#include "lib/errno.h"

int bench_peer(struct bench *bench, struct socket_address *peer)
{
    if (bench->argc != 1) {
        shell_error(bench->shell, "wanted: the HOST where bench/linux/peer runs");
        return -EINVAL;
    }
    int error = net_resolve(bench->argv[0], &peer->ip, deadline_after_ns(PEER_WAIT_NS));
    if (error)
        shell_error(bench->shell, "%s: %s", bench->argv[0], errno_text(error));
    return error;
}

int bench_peer_connect(const struct socket_address *peer, uint16_t port, struct socket **socket)
{
    struct socket_address address = { .ip = peer->ip, .port = port };
    int error = socket_create(SOCKET_TCP, socket);

    if (error)
        return error;
    error = socket_connect(*socket, &address, deadline_after_ns(PEER_WAIT_NS));
    if (!error)
        error = socket_set_option(*socket, SOCKET_OPTION_NODELAY, 1);
    if (error)
        socket_abort(*socket);
    return error;
}

int bench_peer_failed(struct bench *bench, int error)
{
    if (error)
        shell_error(bench->shell, "the peer: %s", errno_text(error));
    return error;
}
