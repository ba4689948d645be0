/*
 * The HTTP client: connections, requests, redirects. See http.h; messages are http_parser.c's.
 *
 * One request per connection ("Connection: close"): nothing is gained by keeping it for one GET,
 * and the server's close says that all is well.
 */
#include "net/http.h"

#include "kernel/time/clock.h"
#include "kernel/version.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/socket.h"

#define CONNECT_TIMEOUT_NS (20 * NS_PER_S)
#define IDLE_TIMEOUT_NS    (30 * NS_PER_S)
#define RESOLVE_TIMEOUT_NS (15 * NS_PER_S)
#define RECEIVE_SIZE       65536
#define REQUEST_SIZE       (HTTP_PATH_MAX + HTTP_HOST_MAX + 256)

struct http_fetch {
    const struct http_receiver *receiver;
    struct http_url url;
    struct http_parser parser;
    bool is_announced; /* headers() was called */
    char *problem;
    size_t problem_size;
};

/* Say what went wrong, once: where it is known best. */
static int fail(struct http_fetch *fetch, int error, const char *what)
{
    if (error != -ECANCELED && fetch->problem[0] == '\0')
        snprintf(fetch->problem, fetch->problem_size, "%s", what);
    return error;
}

static int fail_host(struct http_fetch *fetch, int error, const char *what)
{
    char text[HTTP_HOST_MAX + 96];

    snprintf(text, sizeof(text), "%s: %s", fetch->url.host, what);
    return fail(fetch, error, text);
}

static int resolve(struct http_fetch *fetch, struct socket_address *address)
{
    int error = net_resolve(fetch->url.host, &address->ip, deadline_after_ns(RESOLVE_TIMEOUT_NS));

    address->port = fetch->url.port;
    switch (error) {
    case 0:
        return 0;
    case -ENOENT:
        return fail_host(fetch, error, "no such host");
    case -ENODATA:
        return fail_host(fetch, error, "has no IPv4 address");
    case -ENETDOWN:
        return fail_host(fetch, error, "no name server is known to ask");
    case -EINVAL:
        return fail_host(fetch, error, "not a host name");
    default:
        return fail_host(fetch, error, errno_text(error));
    }
}

static int open_connection(struct http_fetch *fetch, struct socket **socket)
{
    struct socket_address address;
    char where[SOCKET_ADDRESS_TEXT_SIZE], text[160];
    int error = resolve(fetch, &address);

    if (error)
        return error;
    error = socket_create(SOCKET_TCP, socket);
    if (error)
        return fail(fetch, error, errno_text(error));
    error = socket_connect(*socket, &address, deadline_after_ns(CONNECT_TIMEOUT_NS));
    if (error) {
        socket_close(*socket);
        snprintf(text, sizeof(text), "connecting to %s: %s", socket_address_format(where, &address),
                 errno_text(error));
        return fail(fetch, error, text);
    }
    return 0;
}

static int send_request(struct http_fetch *fetch, struct socket *socket)
{
    const struct http_url *url = &fetch->url;
    char *request = kmalloc(REQUEST_SIZE);
    char port[8] = "";

    if (!request)
        return fail(fetch, -ENOMEM, errno_text(-ENOMEM));
    if (url->port != 80)
        snprintf(port, sizeof(port), ":%u", url->port);
    int length = snprintf(request, REQUEST_SIZE,
                          "GET %s HTTP/1.1\r\nHost: %s%s\r\nUser-Agent: nos/%s\r\n"
                          "Accept: */*\r\nConnection: close\r\n\r\n",
                          url->path, url->host, port, kernel_version);
    int error =
        socket_send(socket, request, (size_t)length, deadline_after_ns(IDLE_TIMEOUT_NS), NULL);
    kfree(request);
    return error ? fail_host(fetch, error, errno_text(error)) : 0;
}

static bool is_redirect(const struct http_parser *parser)
{
    return http_status_is_redirect(parser->status) && parser->location[0];
}

/* The parser's body callback: a redirect's page is not for the receiver. */
static int deliver(void *context, const uint8_t *data, size_t length)
{
    struct http_fetch *fetch = context;

    if (is_redirect(&fetch->parser))
        return 0;
    if (!fetch->is_announced) {
        fetch->is_announced = true;
        int error = fetch->receiver->headers
                        ? fetch->receiver->headers(fetch->receiver->context, &fetch->parser)
                        : 0;
        if (error)
            return error;
    }
    return length ? fetch->receiver->body(fetch->receiver->context, data, length) : 0;
}

static int explain_parser(struct http_fetch *fetch, int error)
{
    if (error == -EBADMSG)
        return fail_host(fetch, error, "the answer is not HTTP");
    if (error == -E2BIG)
        return fail_host(fetch, error, "the answer's headers are beyond all measure");
    return error; /* the receiver's */
}

/* One read from the connection. Return: 0 go on, or -errno. */
static int receive_some(struct http_fetch *fetch, struct socket *socket, uint8_t *buffer)
{
    size_t length;
    int error =
        socket_receive(socket, buffer, RECEIVE_SIZE, deadline_after_ns(IDLE_TIMEOUT_NS), &length);

    if (error == -ETIMEDOUT)
        return fail_host(fetch, error, "nothing came for 30 seconds");
    if (error)
        return fail_host(fetch, error, errno_text(error));
    if (length > 0)
        return explain_parser(fetch, http_parser_feed(&fetch->parser, buffer, length));
    error = http_parser_close(&fetch->parser);
    if (error)
        return fail_host(fetch, error, "the server closed the connection midway");
    return 0;
}

static int receive_response(struct http_fetch *fetch, struct socket *socket)
{
    uint8_t *buffer = kmalloc(RECEIVE_SIZE);
    int error = 0;

    if (!buffer)
        return fail(fetch, -ENOMEM, errno_text(-ENOMEM));
    http_parser_init(&fetch->parser, deliver, fetch);
    while (!error && !http_parser_is_done(&fetch->parser)) {
        error = receive_some(fetch, socket, buffer);
        if (!error && http_parser_has_headers(&fetch->parser) && is_redirect(&fetch->parser))
            break; /* its page is of no interest */
    }
    if (!error)
        error = deliver(fetch, NULL, 0); /* an empty body has headers too */
    kfree(buffer);
    return error;
}

static int fetch_once(struct http_fetch *fetch)
{
    struct socket *socket;
    int error = open_connection(fetch, &socket);

    if (error)
        return error;
    error = send_request(fetch, socket);
    if (!error)
        error = receive_response(fetch, socket);
    socket_close(socket);
    return error;
}

static int follow_redirect(struct http_fetch *fetch)
{
    struct http_url *target = kmalloc(sizeof(*target));
    char *text = kmalloc(HTTP_URL_MAX);
    int error =
        target && text ? http_url_resolve(&fetch->url, fetch->parser.location, target) : -ENOMEM;

    if (error == -EPROTONOSUPPORT)
        error = fail(fetch, error, "the server redirects to https, which nos does not speak");
    else if (error)
        error = fail(fetch, error, "the server redirects to something that is not a URL");
    if (!error) {
        fetch->url = *target;
        http_url_format(target, text);
        if (fetch->receiver->redirect)
            fetch->receiver->redirect(fetch->receiver->context, fetch->parser.status, text);
    }
    kfree(target);
    kfree(text);
    return error;
}

int http_get(const struct http_url *url, const struct http_receiver *receiver, unsigned int *status,
             char *problem, size_t problem_size)
{
    struct http_fetch *fetch = kzalloc(sizeof(*fetch));
    int error = 0;

    problem[0] = '\0';
    if (!fetch)
        return -ENOMEM;
    fetch->receiver = receiver;
    fetch->url = *url;
    fetch->problem = problem;
    fetch->problem_size = problem_size;
    for (int hop = 0;; hop++) {
        error = fetch_once(fetch);
        if (error || !is_redirect(&fetch->parser))
            break;
        if (hop == HTTP_REDIRECTS_MAX) {
            error = fail(fetch, -ELOOP, "too many redirects");
            break;
        }
        error = follow_redirect(fetch);
        if (error)
            break;
    }
    *status = fetch->parser.status;
    kfree(fetch);
    return error;
}
