/*
 * iperf: TCP throughput with iperf (version 2) on the other side, or with another nos.
 *
 * The server drops what it receives, as frames, without copying; the client sends zeros out of one
 * counted buffer. Each connection of the server has a task of its own. What is in the list of
 * streams is shut down when the command ends, and the command waits for all of them.
 */
#include "kernel/sched/task.h"
#include "kernel/sync/mutex.h"
#include "kernel/sync/wait_group.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/command.h"
#include "net/socket.h"
#include "shell/command.h"

#define IPERF_PORT     5001
#define BACKLOG        1024
#define CONNECT_NS     (10 * NS_PER_S)
#define IDLE_NS        (60 * NS_PER_S)
#define DEFAULT_TIME   10 /* seconds that a client sends */
#define SEND_SIZE      65536
#define PROGRESS_BYTES (8u << 20)

struct arguments {
    const char *host; /* NULL: serve */
    uint16_t port;
    uint64_t seconds;
    uint64_t bytes; /* 0: as many as fit into the time */
};

static void print_result(struct shell *shell, uint64_t bytes, uint64_t ns)
{
    uint64_t ms = MAX_T(uint64_t, ns / NS_PER_MS, 1);

    shell_printf(shell, "%llu bytes in %llu.%03llu s, %llu Mbit/s\n", (unsigned long long)bytes,
                 (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000),
                 (unsigned long long)(bytes / ms * 8 / 1000));
}

/* ---- the server ---- */

struct server {
    struct socket *listener;
    struct mutex lock;
    struct list streams __guarded_by(lock);
    struct wait_group running;
    atomic_u64 bytes;
    atomic_u64 connections, broken;
    uint64_t first_ns;  /* when the first connection came; the accepting task's */
    atomic_u64 last_ns; /* when the last data came */
};

struct stream {
    struct list_node node;
    struct server *server;
    struct socket *socket;
};

/* Take frames until the peer ends. 0 or -errno. */
static int drain(struct stream *stream)
{
    for (;;) {
        struct frame *frame;
        int error = socket_receive_frame(stream->socket, deadline_after_ns(IDLE_NS), &frame);

        if (error || !frame)
            return error;
        atomic_fetch_add_relaxed(&stream->server->bytes, frame->length);
        atomic_store(&stream->server->last_ns, clock_now_ns());
        frame_free(frame);
    }
}

static void end_stream(struct stream *stream)
{
    mutex_lock(&stream->server->lock);
    list_remove(&stream->node);
    mutex_unlock(&stream->server->lock);
    socket_close(stream->socket);
}

static int stream_task(void *arg)
{
    struct stream *stream = arg;
    struct server *server = stream->server;

    if (drain(stream))
        atomic_fetch_add_relaxed(&server->broken, 1);
    end_stream(stream);
    kfree(stream);
    wait_group_done(&server->running, 0);
    return 0;
}

static int begin_stream(struct server *server, struct socket *socket)
{
    struct stream *stream = kzalloc(sizeof(*stream));

    if (!stream) {
        socket_abort(socket);
        return -ENOMEM;
    }
    stream->server = server;
    stream->socket = socket;
    mutex_lock(&server->lock);
    list_push_back(&server->streams, &stream->node);
    mutex_unlock(&server->lock);
    wait_group_add(&server->running, 1);
    atomic_fetch_add_relaxed(&server->connections, 1);
    int error = task_create("iperf-stream", stream_task, stream, NULL);
    if (error) {
        end_stream(stream);
        kfree(stream);
        wait_group_done(&server->running, 0);
    }
    return error;
}

static int acceptor_task(void *arg)
{
    struct server *server = arg;

    for (;;) {
        struct socket *socket;
        int error = socket_accept(server->listener, &socket, DEADLINE_NEVER);

        if (error)
            return error;
        if (!server->first_ns)
            server->first_ns = clock_now_ns();
        error = begin_stream(server, socket);
        if (error)
            return error;
    }
}

/* Get every stream's task out of its socket, and wait for it. */
static void end_streams(struct server *server)
{
    struct stream *stream;

    mutex_lock(&server->lock);
    list_for_each_entry(stream, &server->streams, node) {
        int error = socket_shutdown(stream->socket, SOCKET_SHUTDOWN_BOTH);
        (void)error; /* it has ended by itself */
    }
    mutex_unlock(&server->lock);
    int error = wait_group_wait(&server->running, DEADLINE_NEVER, WAIT_UNCANCELLABLE);
    (void)error; /* streams report none */
}

/* Serve until a line is typed; where nobody types, until the command is cancelled. */
static int serve_until_typed(struct shell *shell, struct server *server)
{
    struct task *acceptor;
    char text[16];
    int status, error = task_create("iperf-accept", acceptor_task, server, &acceptor);

    if (error)
        return error;
    int length = shell_read(shell, text, sizeof(text), DEADLINE_NEVER);
    error = length < 0 ? length : 0;
    if (length == 0) {
        error = task_join(acceptor, &status, DEADLINE_NEVER);
        if (!error)
            return status;
    }
    task_cancel(acceptor);
    while (task_join(acceptor, &status, DEADLINE_NEVER) == -ECANCELED)
        task_clear_cancel(task_current());
    return error;
}

static void print_totals(struct shell *shell, struct server *server)
{
    uint64_t last_ns = atomic_load(&server->last_ns);

    shell_printf(shell, "%llu connections, %llu of them broken\n",
                 (unsigned long long)atomic_load(&server->connections),
                 (unsigned long long)atomic_load(&server->broken));
    print_result(shell, atomic_load(&server->bytes),
                 last_ns > server->first_ns ? last_ns - server->first_ns : 0);
}

static int serve(struct shell *shell, uint16_t port)
{
    struct socket_address local = { .port = port };
    struct server server = { 0 };
    int error = socket_create(SOCKET_TCP, &server.listener);

    if (error)
        return error;
    mutex_init(&server.lock, "iperf", LOCK_RANK_SHELL);
    list_init(&server.streams);
    wait_group_init(&server.running, "iperf");
    error = socket_bind(server.listener, &local);
    if (!error)
        error = socket_listen(server.listener, BACKLOG);
    if (!error) {
        shell_printf(shell, "listening on port %u; Enter ends\n", port);
        error = serve_until_typed(shell, &server);
        end_streams(&server);
        print_totals(shell, &server);
    }
    socket_close(server.listener);
    return error;
}

/* ---- the client ---- */

static int send_zeros(struct shell *shell, struct socket *socket, const struct arguments *arguments,
                      uint64_t *sent)
{
    uint64_t end_ns = deadline_after_ns(arguments->seconds * NS_PER_S);
    struct frame_buffer *buffer = frame_buffer_alloc(SEND_SIZE);
    int error = 0;

    if (!buffer)
        return -ENOMEM;
    memset(buffer->data, 0, SEND_SIZE);
    while (!error && (arguments->bytes ? *sent < arguments->bytes : clock_now_ns() < end_ns)) {
        uint32_t length = SEND_SIZE;

        if (arguments->bytes)
            length = (uint32_t)MIN_T(uint64_t, length, arguments->bytes - *sent);
        error =
            socket_send_buffer(socket, buffer, buffer->data, length, deadline_after_ns(IDLE_NS));
        if (!error)
            *sent += length;
        if (*sent % PROGRESS_BYTES < SEND_SIZE)
            shell_progress(shell, "%llu MiB", (unsigned long long)(*sent >> 20));
    }
    frame_buffer_put(buffer);
    shell_progress(shell, "%s", "");
    return error;
}

/* The peer closes when it has everything: what is counted has arrived. */
static int await_end(struct socket *socket)
{
    uint8_t byte[64];
    size_t received = 1;
    int error = socket_shutdown(socket, SOCKET_SHUTDOWN_WRITE);

    while (!error && received > 0)
        error = socket_receive(socket, byte, sizeof(byte), deadline_after_ns(IDLE_NS), &received);
    return error;
}

static int run_client(struct shell *shell, const struct arguments *arguments,
                      const struct socket_address *peer)
{
    struct socket *socket;
    uint64_t sent = 0;
    int error = socket_create(SOCKET_TCP, &socket);

    if (error)
        return error;
    error = socket_connect(socket, peer, deadline_after_ns(CONNECT_NS));
    uint64_t start_ns = clock_now_ns();
    if (!error)
        error = send_zeros(shell, socket, arguments, &sent);
    if (!error)
        error = await_end(socket);
    socket_close(socket);
    if (!error)
        print_result(shell, sent, clock_now_ns() - start_ns);
    return error;
}

/* ---- the command ---- */

static int parse_value(struct arguments *arguments, char option, const char *value)
{
    switch (option) {
    case 'c':
        arguments->host = value;
        return 0;
    case 'p':
        return parse_u16(value, &arguments->port) || !arguments->port ? -EINVAL : 0;
    case 't':
        return parse_u64(value, &arguments->seconds);
    case 'n':
        return parse_size(value, &arguments->bytes);
    default:
        return -EINVAL;
    }
}

static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    bool is_server = false;

    for (int i = 1; i < argc; i++) {
        int error = -EINVAL;

        if (strcmp(argv[i], "-s") == 0) {
            is_server = true;
            error = 0;
        } else if (argv[i][0] == '-' && argv[i][1] && !argv[i][2] && i + 1 < argc) {
            error = parse_value(arguments, argv[i][1], argv[i + 1]);
            i++;
        }
        if (error)
            return -EINVAL;
    }
    return is_server == (arguments->host == NULL) ? 0 : -EINVAL;
}

static int iperf_command(struct shell *shell, int argc, char **argv)
{
    struct arguments arguments = { .port = IPERF_PORT, .seconds = DEFAULT_TIME };
    struct socket_address peer;
    int error = parse_arguments(argc, argv, &arguments);

    if (error)
        return error;
    peer.port = arguments.port;
    if (arguments.host && command_resolve(shell, arguments.host, &peer.ip))
        return -EADDRNOTAVAIL;
    error = arguments.host ? run_client(shell, &arguments, &peer) : serve(shell, arguments.port);
    if (error && error != -ECANCELED)
        shell_error(shell, "%s: %s", arguments.host ? arguments.host : "server", errno_text(error));
    return error == -EINVAL ? -EADDRNOTAVAIL : error;
}
SHELL_COMMAND(iperf, "iperf -s [-p PORT] | iperf -c HOST [-p PORT] [-t SECONDS | -n BYTES]",
              "measure TCP throughput, with iperf version 2 as the peer", iperf_command,
              CMD_NORMAL);
