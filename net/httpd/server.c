/*
 * Accepting connections, counting them, and ending them all.
 */
#include "net/httpd/server.h"

#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "mm/kmalloc.h"
#include "net/httpd/server_internal.h"
#include "net/socket.h"

#define BACKLOG     256
#define REFUSED_MAX 32 /* connections above the bound that are told why; others are just closed */

/* ---- counters ---- */

static atomic_u64 counters[HTTPD_COUNTER_COUNT];

void httpd_count(enum httpd_counter counter, int64_t amount)
{
    atomic_fetch_add_relaxed(&counters[counter], (uint64_t)amount);
}

uint64_t httpd_counter(enum httpd_counter counter)
{
    return atomic_load_relaxed(&counters[counter]);
}

/* ---- connections ---- */

static void enter(struct httpd_connection *connection)
{
    struct httpd *server = connection->server;

    mutex_lock(&server->lock);
    list_push_back(&server->connections, &connection->node);
    connection->is_refused = ++server->connection_count > HTTPD_CONNECTIONS_MAX;
    mutex_unlock(&server->lock);
    wait_group_add(&server->running, 1);
    httpd_count(connection->is_refused ? HTTPD_CONNECTIONS_REFUSED : HTTPD_CONNECTIONS_ACCEPTED, 1);
    httpd_count(HTTPD_CONNECTIONS_OPEN, 1);
}

static void leave(struct httpd_connection *connection)
{
    struct httpd *server = connection->server;

    mutex_lock(&server->lock);
    list_remove(&connection->node);
    server->connection_count--;
    mutex_unlock(&server->lock);
    socket_close(connection->socket);
    kfree(connection);
    httpd_count(HTTPD_CONNECTIONS_OPEN, -1);
    wait_group_done(&server->running, 0);
}

static int connection_task(void *arg)
{
    struct httpd_connection *connection = arg;

    httpd_serve(connection);
    leave(connection);
    return 0;
}

static bool has_room(struct httpd *server)
{
    mutex_lock(&server->lock);
    bool result = server->connection_count < HTTPD_CONNECTIONS_MAX + REFUSED_MAX;
    mutex_unlock(&server->lock);
    return result;
}

static void refuse_silently(struct socket *socket)
{
    httpd_count(HTTPD_CONNECTIONS_REFUSED, 1);
    socket_abort(socket);
}

static void begin(struct httpd *server, struct socket *socket)
{
    struct httpd_connection *connection = has_room(server) ? kmalloc(sizeof(*connection)) : NULL;

    if (!connection) {
        refuse_silently(socket);
        return;
    }
    connection->server = server;
    connection->socket = socket;
    connection->fill = 0;
    int error = socket_set_option(socket, SOCKET_OPTION_NODELAY, 1);
    (void)error; /* it would only be slower */
    enter(connection);
    if (task_create("httpd-client", connection_task, connection, NULL))
        leave(connection);
}

static int acceptor_task(void *arg)
{
    struct httpd *server = arg;

    for (;;) {
        struct socket *socket;
        int error = socket_accept(server->listener, &socket, DEADLINE_NEVER);

        if (error)
            return error;
        begin(server, socket);
    }
}

/* ---- the server ---- */

static int listen_on(struct httpd *server)
{
    struct socket_address local = { .port = server->config.port };
    int error = socket_create(SOCKET_TCP, &server->listener);

    if (error)
        return error;
    error = socket_bind(server->listener, &local);
    if (!error)
        error = socket_listen(server->listener, BACKLOG);
    if (error)
        socket_close(server->listener);
    return error;
}

int httpd_start(const struct httpd_config *config, struct httpd **result)
{
    struct httpd *server = kzalloc(sizeof(*server));
    int error;

    if (!server)
        return -ENOMEM;
    server->config = *config;
    mutex_init(&server->lock, "httpd", LOCK_RANK_SHELL);
    list_init(&server->connections);
    wait_group_init(&server->running, "httpd");
    error = listen_on(server);
    if (error)
        goto free_server;
    error = task_create("httpd", acceptor_task, server, &server->acceptor);
    if (error)
        goto close_listener;
    *result = server;
    return 0;

close_listener:
    socket_close(server->listener);
free_server:
    kfree(server);
    return error;
}

int httpd_wait(struct httpd *server)
{
    int status;
    int error = task_join(task_get(server->acceptor), &status, DEADLINE_NEVER);

    if (error)
        task_put(server->acceptor);
    return error ? error : status;
}

/* Get every connection's task out of its socket, and wait for it. */
static void end_connections(struct httpd *server)
{
    struct httpd_connection *connection;

    mutex_lock(&server->lock);
    list_for_each_entry(connection, &server->connections, node) {
        int error = socket_shutdown(connection->socket, SOCKET_SHUTDOWN_BOTH);
        (void)error; /* it has ended by itself */
    }
    mutex_unlock(&server->lock);
    int error = wait_group_wait(&server->running, DEADLINE_NEVER, WAIT_UNCANCELLABLE);
    (void)error; /* connections report none */
}

void httpd_stop(struct httpd *server)
{
    int status;

    atomic_store(&server->is_stopping, true);
    task_cancel(server->acceptor);
    while (task_join(server->acceptor, &status, DEADLINE_NEVER) == -ECANCELED)
        task_clear_cancel(task_current());
    end_connections(server);
    socket_close(server->listener);
    kfree(server);
}
