/*
 * The HTTP client: requests and redirects. See http.h; messages are http_parser.c's, connections
 * http_connection.c's.
 *
 * A connection is kept when the response was read to its end, by length or chunks, and the server
 * did not say "Connection: close". A server may close a kept one at any moment (RFC 9112, 9.5):
 * a request that got no byte on it is sent again on a new one, once. All requests that are sent
 * here may be repeated without harm.
 */
#include "net/http.h"

#include "kernel/time/clock.h"
#include "kernel/version.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/http_internal.h"

#define IDLE_TIMEOUT_NS  (30 * NS_PER_S)
#define DRAIN_TIMEOUT_NS (1 * NS_PER_S) /* for a redirect's page, so as to keep the connection */
#define DRAIN_MAX        65536
#define RECEIVE_SIZE     65536
#define REQUEST_SIZE     (HTTP_PATH_MAX + HTTP_HOST_MAX + 1024)

/* ---- the request ----------------------------------------------------------------------------- */

static int send_request(struct http_client *client)
{
    const struct http_request *request = client->request;
    const struct http_url *url = &client->url;
    char *text = kmalloc(REQUEST_SIZE);
    char port[8] = "";

    if (!text)
        return http_fail(client, -ENOMEM, errno_text(-ENOMEM));
    if (url->port != 80)
        snprintf(port, sizeof(port), ":%u", url->port);
    int length = snprintf(text, REQUEST_SIZE,
                          "%s %s HTTP/1.1\r\nHost: %s%s\r\nUser-Agent: nos/%s\r\n"
                          "Accept: */*\r\n%s\r\n",
                          request->method ? request->method : "GET", url->path, url->host, port,
                          kernel_version, request->headers ? request->headers : "");
    int error = length < REQUEST_SIZE ? socket_send(client->socket, text, (size_t)length,
                                                    http_deadline(client, IDLE_TIMEOUT_NS), NULL)
                                      : -EMSGSIZE;
    kfree(text);
    return error ? http_fail_host(client, error, errno_text(error)) : 0;
}

/* ---- the response ---------------------------------------------------------------------------- */

static bool is_redirect(const struct http_client *client)
{
    const struct http_parser *parser = &client->parser;

    return http_parser_has_headers(parser) && !client->request->keeps_redirects &&
           http_status_is_redirect(parser->status) && parser->location[0];
}

/* The parser's body callback: a redirect's page is not for the receiver. */
static int deliver(void *context, const uint8_t *data, size_t length)
{
    struct http_client *client = context;
    const struct http_receiver *receiver = client->receiver;

    if (is_redirect(client))
        return 0;
    if (!client->is_announced) {
        client->is_announced = true;
        int error = receiver->headers ? receiver->headers(receiver->context, &client->parser) : 0;
        if (error)
            return error;
    }
    return length ? receiver->body(receiver->context, data, length) : 0;
}

static int explain_parser(struct http_client *client, int error)
{
    if (error == -EBADMSG)
        return http_fail_host(client, error, "the answer is not HTTP");
    if (error == -E2BIG)
        return http_fail_host(client, error, "the answer's headers are beyond all measure");
    return error; /* the receiver's */
}

static int explain_timeout(struct http_client *client)
{
    return http_fail_host(client, -ETIMEDOUT,
                          client->request->deadline_ns ? "no whole answer in time"
                                                       : "nothing came for 30 seconds");
}

/* One read from the connection. Return: 0 go on, or -errno. */
static int receive_some(struct http_client *client, uint8_t *buffer, uint64_t timeout_ns)
{
    size_t length;
    int error = socket_receive(client->socket, buffer, RECEIVE_SIZE,
                               http_deadline(client, timeout_ns), &length);

    if (error == -ETIMEDOUT)
        return explain_timeout(client);
    if (error)
        return http_fail_host(client, error, errno_text(error));
    client->has_answer |= length > 0;
    if (length > 0)
        return explain_parser(client, http_parser_feed(&client->parser, buffer, length));
    error = http_parser_close(&client->parser);
    if (error)
        return http_fail_host(client, error, "the server closed the connection midway");
    client->parser.is_persistent = false;
    return 0;
}

/*
 * A redirect's page is read only to keep the connection: a short one that comes at once. Whatever
 * is wrong with it does not matter.
 */
static void drain(struct http_client *client, uint8_t *buffer)
{
    const struct http_parser *parser = &client->parser;
    int error = 0;

    while (!error && !http_parser_is_done(parser) && parser->is_persistent &&
           parser->state != HTTP_BODY_UNTIL_CLOSE && parser->body_bytes < DRAIN_MAX &&
           (!parser->has_length || parser->length < DRAIN_MAX))
        error = receive_some(client, buffer, DRAIN_TIMEOUT_NS);
    client->problem[0] = '\0';
}

static int receive_response(struct http_client *client)
{
    uint8_t *buffer = kmalloc(RECEIVE_SIZE);
    int error = 0;

    if (!buffer)
        return http_fail(client, -ENOMEM, errno_text(-ENOMEM));
    http_parser_init(&client->parser, deliver, client);
    client->parser.extra_name = client->request->extra_header;
    while (!error && !http_parser_is_done(&client->parser) && !is_redirect(client))
        error = receive_some(client, buffer, IDLE_TIMEOUT_NS);
    if (!error && is_redirect(client))
        drain(client, buffer);
    if (!error)
        error = deliver(client, NULL, 0); /* an empty body has headers too */
    kfree(buffer);
    return error;
}

/* ---- one exchange, and where it leads -------------------------------------------------------- */

static int exchange(struct http_client *client)
{
    int error = send_request(client);

    return error ? error : receive_response(client);
}

static bool can_keep_connection(const struct http_parser *parser)
{
    return http_parser_is_done(parser) && parser->is_persistent && !parser->has_excess;
}

/* Closed under our feet? */
static bool was_stale(const struct http_client *client, int error)
{
    return !client->has_answer && (error == -ECONNRESET || error == -EPIPE);
}

static int fetch_once(struct http_client *client)
{
    bool is_reused;
    int error;

    do {
        error = http_connect(client, &is_reused);
        if (error)
            return error;
        client->problem[0] = '\0';
        client->has_answer = false;
        error = exchange(client);
        if (error || !can_keep_connection(&client->parser))
            http_disconnect(client);
    } while (is_reused && was_stale(client, error));
    return error;
}

/* @target and @text: room for the work. */
static int go_to_location(struct http_client *client, struct http_url *target, char *text)
{
    int error = http_url_resolve(&client->url, client->parser.location, target);

    if (error == -EPROTONOSUPPORT)
        return http_fail(client, error, "the server redirects to https, which nos does not speak");
    if (error)
        return http_fail(client, error, "the server redirects to something that is not a URL");
    client->url = *target;
    http_url_format(target, text);
    if (client->receiver->redirect)
        client->receiver->redirect(client->receiver->context, client->parser.status, text);
    return 0;
}

static int follow_redirect(struct http_client *client)
{
    struct http_url *target = kmalloc(sizeof(*target));
    char *text = kmalloc(HTTP_URL_MAX);
    int error = target && text ? go_to_location(client, target, text) : -ENOMEM;

    kfree(target);
    kfree(text);
    return error;
}

int http_fetch(struct http_client *client, const struct http_url *url,
               const struct http_request *request, const struct http_receiver *receiver,
               unsigned int *status, char *problem, size_t problem_size)
{
    int error = 0;

    problem[0] = '\0';
    client->request = request;
    client->receiver = receiver;
    client->url = *url;
    client->is_announced = false;
    client->problem = problem;
    client->problem_size = problem_size;
    for (int hop = 0;; hop++) {
        error = fetch_once(client);
        if (error || !is_redirect(client))
            break;
        if (hop == HTTP_REDIRECTS_MAX) {
            error = http_fail(client, -ELOOP, "too many redirects");
            break;
        }
        error = follow_redirect(client);
        if (error)
            break;
    }
    *status = client->parser.status;
    return error;
}

/* ---- clients --------------------------------------------------------------------------------- */

struct http_client *http_client_create(void)
{
    return kzalloc(sizeof(struct http_client));
}

void http_client_destroy(struct http_client *client)
{
    if (client)
        http_disconnect(client);
    kfree(client);
}

int http_get(const struct http_url *url, const struct http_receiver *receiver, unsigned int *status,
             char *problem, size_t problem_size)
{
    static const struct http_request get;
    struct http_client *client = http_client_create();
    int error;

    problem[0] = '\0';
    if (!client)
        return -ENOMEM;
    error = http_fetch(client, url, &get, receiver, status, problem, problem_size);
    http_client_destroy(client);
    return error;
}
