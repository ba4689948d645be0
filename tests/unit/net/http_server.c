/*
 * The scripted server; see http_server.h.
 */
#include "tests/unit/net/http_server.h"

#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "kernel/version.h"
#include "net/socket.h"

const char kernel_version[] = "test";

/* One request, up to its empty line. Return: its length; 0 when the client has gone. */
static size_t read_request(struct socket *connection, char *text, size_t size)
{
    size_t length = 0, got;

    text[0] = '\0';
    while (length < size - 1 && !strstr(text, "\r\n\r\n")) {
        if (socket_receive(connection, text + length, size - 1 - length, DEADLINE_NEVER, &got) ||
            got == 0)
            return 0;
        length += got;
        text[length] = '\0';
    }
    return length;
}

static void answer(struct socket *connection, const struct http_step *step)
{
    char block[1000];
    int error = 0;

    if (step->answer)
        error = socket_send(connection, step->answer, strlen(step->answer), DEADLINE_NEVER, NULL);
    memset(block, 'x', sizeof(block));
    for (size_t left = step->padding; left && !error;) {
        size_t part = left < sizeof(block) ? left : sizeof(block);

        error = socket_send(connection, block, part, DEADLINE_NEVER, NULL);
        left -= part;
    }
}

static void wait_for_end(struct socket *connection)
{
    char block[256];
    size_t got;

    while (socket_receive(connection, block, sizeof(block), DEADLINE_NEVER, &got) == 0 && got)
        ;
}

/* The steps of one connection. Return: how many requests came on it. */
static unsigned int serve_connection(struct http_server *server, struct socket *connection)
{
    unsigned int before = server->requests;

    for (;;) {
        unsigned int number = server->requests;
        const struct http_step *step = &server->steps[number];

        if (!read_request(connection, server->asked[number], sizeof(server->asked[number])))
            break;
        server->requests++;
        if (!step->answer && step->end == HTTP_STEP_KEEPS)
            break; /* the script is over */
        answer(connection, step);
        if (step->end == HTTP_STEP_HANGS)
            wait_for_end(connection);
        if (step->end == HTTP_STEP_RESETS) {
            socket_abort(connection);
            return server->requests - before;
        }
        if (step->end != HTTP_STEP_KEEPS)
            break;
    }
    socket_close(connection);
    return server->requests - before;
}

static int serve(void *arg)
{
    struct http_server *server = arg;
    struct socket_address local = { .port = 80 };
    struct socket *listener, *connection;

    assert_int_equal(socket_create(SOCKET_TCP, &listener), 0);
    assert_int_equal(socket_bind(listener, &local), 0);
    assert_int_equal(socket_listen(listener, 8), 0);
    while (socket_accept(listener, &connection, DEADLINE_NEVER) == 0)
        server->connections += serve_connection(server, connection) > 0;
    socket_close(listener);
    return 0;
}

struct task *http_server_start(struct http_server *server, const struct http_step *steps)
{
    struct task *task;

    memset(server, 0, sizeof(*server));
    server->steps = steps;
    assert_int_equal(task_create("server", serve, server, &task), 0);
    task_yield();
    return task;
}

void http_server_stop(struct task *task)
{
    int status;

    task_cancel(task);
    assert_int_equal(task_join(task, &status, DEADLINE_NEVER), 0);
}
