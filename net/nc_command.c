/*
 * nc: bytes between the session, or files (nc ... < FILE > FILE), and a TCP connection or UDP peer.
 *
 * Two tasks: the command's own reads the network and writes the session; a second one reads what is
 * typed and sends it, so that neither direction waits for the other.
 */
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/command.h"
#include "net/socket.h"
#include "shell/command.h"

#define CONNECT_NS    (30 * NS_PER_S)
#define NC_BUFFER     32768 /* in each direction */
#define NC_DATAGRAM   1024  /* of a file, over UDP */
#define TYPED_POLL_NS (200 * NS_PER_MS)

struct nc {
    struct shell *shell;
    char *typed; /* NC_BUFFER bytes, the typing task's */
    struct socket *socket;
    bool is_udp;
    atomic_bool is_over;        /* the network side has ended: the typing task stops */
    struct socket_address peer; /* UDP, listening: who spoke last */
    atomic_bool has_peer;
};

static int send_typed(struct nc *nc, const char *text, size_t length)
{
    if (!nc->is_udp)
        return socket_send(nc->socket, text, length, DEADLINE_NEVER, NULL);
    return atomic_load(&nc->has_peer) ? socket_send_to(nc->socket, text, length, &nc->peer) : 0;
}

/* The end of what there is to send, or @error of its file: then nothing is waited for. */
static int end_of_input(struct nc *nc, int error)
{
    int shutdown_error = 0;

    if (error == -ECANCELED)
        return error;
    if (error || !nc->is_udp)
        shutdown_error =
            socket_shutdown(nc->socket, error ? SOCKET_SHUTDOWN_BOTH : SOCKET_SHUTDOWN_WRITE);
    return error ? error : shutdown_error;
}

static int typing_task(void *arg)
{
    struct nc *nc = arg;
    size_t size = nc->is_udp ? NC_DATAGRAM : NC_BUFFER;
    int error = 0;

    while (!error && !atomic_load(&nc->is_over)) {
        int length = shell_read(nc->shell, nc->typed, size, deadline_after_ns(TYPED_POLL_NS));

        if (length == -ETIMEDOUT)
            continue;
        if (length <= 0) /* Ctrl-D, or the file's end */
            return end_of_input(nc, length);
        error = send_typed(nc, nc->typed, (size_t)length);
    }
    return error;
}

static int receive_all(struct nc *nc, char *buffer)
{
    for (;;) {
        struct socket_address peer;
        size_t received;
        int error =
            socket_receive_from(nc->socket, buffer, NC_BUFFER, DEADLINE_NEVER, &received, &peer);

        if (error || (received == 0 && !nc->is_udp))
            return error;
        if (nc->is_udp) {
            nc->peer = peer;
            atomic_store(&nc->has_peer, true);
        }
        shell_write(nc->shell, buffer, received);
    }
}

static void stop_typing(struct nc *nc, struct task *typing)
{
    atomic_store(&nc->is_over, true);
    task_cancel(typing);
}

/*
 * Until the peer has said all, and a file that is sent has an end: what a person would have typed
 * yet is not waited for.
 */
static int converse(struct nc *nc)
{
    char *buffer = kmalloc(2 * NC_BUFFER);
    struct task *typing;
    int error, status = 0;

    if (!buffer)
        return -ENOMEM;
    nc->typed = buffer + NC_BUFFER;
    error = task_create("nc", typing_task, nc, &typing);
    if (!error) {
        error = receive_all(nc, buffer);
        if (error || !shell_reads_file(nc->shell))
            stop_typing(nc, typing);
        while (task_join(typing, &status, DEADLINE_NEVER) == -ECANCELED) {
            task_clear_cancel(task_current());
            stop_typing(nc, typing);
        }
    }
    kfree(buffer);
    return error || status == -ECANCELED ? error : status;
}

/* Wait for one connection, and make it the socket. */
static int accept_one(struct nc *nc)
{
    struct socket *connection;
    int error = socket_listen(nc->socket, 1);

    if (!error)
        error = socket_accept(nc->socket, &connection, DEADLINE_NEVER);
    if (error)
        return error;
    socket_close(nc->socket);
    nc->socket = connection;
    return 0;
}

static int nc_listen(struct nc *nc, uint16_t port)
{
    struct socket_address local = { .ip = { .family = IP_NONE }, .port = port };
    int error = socket_bind(nc->socket, &local);

    if (!error && !nc->is_udp)
        error = accept_one(nc);
    return error ? error : converse(nc);
}

static int nc_connect(struct nc *nc, const struct socket_address *peer)
{
    int error = socket_connect(nc->socket, peer, deadline_after_ns(CONNECT_NS));

    if (error)
        return error;
    nc->peer = *peer;
    atomic_store(&nc->has_peer, true);
    return converse(nc);
}

static int nc_run(struct shell *shell, const char *host, uint16_t port, bool is_udp)
{
    struct nc nc = { .shell = shell, .is_udp = is_udp };
    struct socket_address peer = { .port = port };
    int error = host ? command_resolve(shell, host, &peer.ip) : 0;

    if (error)
        return error;
    error = socket_create(is_udp ? SOCKET_UDP : SOCKET_TCP, &nc.socket);
    if (error)
        return error;
    error = host ? nc_connect(&nc, &peer) : nc_listen(&nc, port);
    socket_close(nc.socket);
    if (error && error != -ECANCELED && host)
        shell_error(shell, "%s: %s", host, errno_text(error));
    else if (error && error != -ECANCELED)
        shell_error(shell, "%s", errno_text(error));
    return error;
}

static int nc_command(struct shell *shell, int argc, char **argv)
{
    bool is_listening = false, is_udp = false;
    uint16_t port;
    int i = 1;

    for (; i < argc && argv[i][0] == '-'; i++) {
        for (const char *letter = argv[i] + 1; *letter; letter++) {
            if (*letter == 'l')
                is_listening = true;
            else if (*letter == 'u')
                is_udp = true;
            else
                return -EINVAL;
        }
    }
    if (argc - i != (is_listening ? 1 : 2))
        return -EINVAL;
    if (parse_u16(argv[argc - 1], &port) || port == 0) {
        shell_error(shell, "'%s' is not a port from 1 to 65535", argv[argc - 1]);
        return -EINVAL;
    }
    return nc_run(shell, is_listening ? NULL : argv[i], port, is_udp);
}
SHELL_COMMAND(nc, "nc [-u] HOST PORT | nc [-u] -l PORT",
              "connect to a port, or wait for a connection, and pass bytes both ways\n"
              "Files travel by nc ... < FILE and nc ... > FILE.",
              nc_command, CMD_NORMAL);
