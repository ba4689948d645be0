/*
 * One connection: requests as they come, each answered before the next is looked at, so that a
 * client may send several at once (pipelining).
 */
#include "lib/errno.h"
#include "lib/string.h"
#include "net/httpd/server_internal.h"
#include "net/socket.h"

/* What is dropped for the sake of a client that still sends when it has been answered. */
#define LINGER_NS        (2 * NS_PER_S)
#define LINGER_BYTES_MAX (256 * 1024)
#define REFUSED_NS       (2 * NS_PER_S)

static int sink_send(void *context, const void *data, size_t length)
{
    struct httpd_connection *connection = context;

    return socket_send(connection->socket, data, length, deadline_after_ns(HTTPD_SEND_NS), NULL);
}

static int sink_send_buffer(void *context, struct frame_buffer *buffer, uint8_t *data,
                            uint32_t length)
{
    struct httpd_connection *connection = context;

    return socket_send_buffer(connection->socket, buffer, data, length,
                              deadline_after_ns(HTTPD_SEND_NS));
}

static const struct http_sink socket_sink = { .send = sink_send, .send_buffer = sink_send_buffer };

static int receive_more(struct httpd_connection *connection, uint64_t deadline_ns)
{
    size_t received;
    int error = socket_receive(connection->socket, connection->input + connection->fill,
                               HTTP_REQUEST_HEAD_MAX - connection->fill, deadline_ns, &received);

    if (!error && received == 0)
        return -ENODATA; /* the client has said all */
    connection->fill += received;
    return error;
}

/* The head of the next request: its length, or what is in the way. */
static int64_t receive_head(struct httpd_connection *connection)
{
    uint64_t deadline_ns = deadline_after_ns(connection->is_refused ? REFUSED_NS : HTTPD_IDLE_NS);
    bool has_begun = false;

    connection->scan = (struct http_head_scan){ 0 };
    for (;;) {
        int64_t length = http_head_scan(&connection->scan, connection->input, connection->fill);

        if (length)
            return length;
        if (connection->fill > 0 && !has_begun) {
            has_begun = true;
            deadline_ns = MIN(deadline_ns, deadline_after_ns(HTTPD_REQUEST_NS));
        }
        int error = receive_more(connection, deadline_ns);
        if (error)
            return error;
    }
}

static void drop_input(struct httpd_connection *connection, size_t length)
{
    connection->fill -= length;
    memmove(connection->input, connection->input + length, connection->fill);
}

/* Nobody wants the body of a GET, but the next request is behind it. */
static int skip_body(struct httpd_connection *connection)
{
    uint64_t deadline_ns = deadline_after_ns(HTTPD_REQUEST_NS);
    uint64_t left = connection->request.body_bytes;

    for (;;) {
        size_t count = (size_t)MIN(left, (uint64_t)connection->fill);

        drop_input(connection, count);
        left -= count;
        if (left == 0)
            return 0;
        int error = receive_more(connection, deadline_ns);
        if (error)
            return error;
    }
}

static void count_response(const struct http_response *response)
{
    httpd_count(HTTPD_REQUESTS, 1);
    httpd_count(HTTPD_BODY_BYTES, (int64_t)response->body_bytes);
    if (response->error)
        httpd_count(HTTPD_RESPONSES_BROKEN, 1);
    if (response->status >= 200 && response->status < 600)
        httpd_count(HTTPD_REQUESTS_2XX + response->status / 100 - 2, 1);
}

/* Answer with an error that ends the connection. */
static void refuse(struct httpd_connection *connection, unsigned int status)
{
    struct http_response *response = &connection->response;

    http_response_init(response, &socket_sink, connection);
    response->is_head = connection->request.is_head;
    http_response_error(response, status);
    int error = http_response_finish(response);
    (void)error; /* the connection ends anyhow */
    count_response(response);
}

/* No whole head has come. */
static void answer_no_head(struct httpd_connection *connection, int64_t error)
{
    connection->request = (struct http_request){ 0 };
    if (error == -ENAMETOOLONG)
        refuse(connection, 414);
    else if (error == -E2BIG)
        refuse(connection, 431);
    else if (connection->is_refused && error == -ETIMEDOUT)
        refuse(connection, 503);
    else if (error == -ETIMEDOUT && connection->fill > 0)
        refuse(connection, 408);
    else if (error == -ENODATA && connection->fill > 0)
        refuse(connection, 400);
}

/* Return: may another request follow? */
static bool answer(struct httpd_connection *connection)
{
    const struct httpd_config *config = &connection->server->config;
    struct http_response *response = &connection->response;
    const struct http_request *request = &connection->request;

    http_response_init(response, &socket_sink, connection);
    response->is_head = request->is_head;
    response->is_http_1_0 = request->is_http_1_0;
    response->is_persistent = request->is_persistent;
    config->handle(config->context, request, response);
    int error = http_response_finish(response);
    count_response(response);
    return !error && response->is_persistent;
}

/* One request. Return: may another follow? */
static bool serve_one(struct httpd_connection *connection)
{
    int64_t length = receive_head(connection);

    if (length < 0) {
        answer_no_head(connection, length);
        return false;
    }
    char next = connection->input[length]; /* the parser's for its terminator */
    unsigned int status =
        http_request_parse(connection->input, (size_t)length, &connection->request);
    if (connection->is_refused)
        status = 503;
    if (status) {
        refuse(connection, status);
        return false;
    }
    bool goes_on = answer(connection);
    connection->input[length] = next;
    drop_input(connection, (size_t)length);
    return goes_on && skip_body(connection) == 0;
}

/*
 * To close a socket with unread data resets the connection, and a reset may overtake the response
 * on the client's side (RFC 9112, 9.6): say that this was all, and hear the client out for a while.
 */
static void linger(struct httpd_connection *connection)
{
    uint64_t deadline_ns = deadline_after_ns(LINGER_NS);
    size_t received = 1, total = 0;
    int error = socket_shutdown(connection->socket, SOCKET_SHUTDOWN_WRITE);

    while (!error && received > 0 && total < LINGER_BYTES_MAX) {
        error = socket_receive(connection->socket, connection->input, HTTP_REQUEST_HEAD_MAX,
                               deadline_ns, &received);
        total += received;
    }
}

void httpd_serve(struct httpd_connection *connection)
{
    while (serve_one(connection) && !atomic_load(&connection->server->is_stopping))
        ;
    linger(connection);
}
