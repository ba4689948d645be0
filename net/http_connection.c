/*
 * The HTTP client's connection: opened for a host and port, kept for the next request to the same.
 */
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "net/http_internal.h"

#define CONNECT_TIMEOUT_NS (20 * NS_PER_S)
#define RESOLVE_TIMEOUT_NS (15 * NS_PER_S)

int http_fail(struct http_client *client, int error, const char *what)
{
    if (error != -ECANCELED && client->problem[0] == '\0')
        snprintf(client->problem, client->problem_size, "%s", what);
    return error;
}

int http_fail_host(struct http_client *client, int error, const char *what)
{
    char text[HTTP_HOST_MAX + 96];

    snprintf(text, sizeof(text), "%s: %s", client->url.host, what);
    return http_fail(client, error, text);
}

uint64_t http_deadline(const struct http_client *client, uint64_t ns)
{
    uint64_t deadline_ns = deadline_after_ns(ns);

    return client->request->deadline_ns ? MIN(deadline_ns, client->request->deadline_ns)
                                        : deadline_ns;
}

static int resolve(struct http_client *client, struct socket_address *address)
{
    int error =
        net_resolve(client->url.host, &address->ip, http_deadline(client, RESOLVE_TIMEOUT_NS));

    address->port = client->url.port;
    return error ? http_fail_host(client, error, net_resolve_problem(error)) : 0;
}

static int open_connection(struct http_client *client)
{
    struct socket_address address;
    char where[SOCKET_ADDRESS_TEXT_SIZE], text[160];
    struct socket *socket;
    int error = resolve(client, &address);

    if (error)
        return error;
    error = socket_create(SOCKET_TCP, &socket);
    if (error)
        return http_fail(client, error, errno_text(error));
    error = socket_connect(socket, &address, http_deadline(client, CONNECT_TIMEOUT_NS));
    if (error) {
        socket_close(socket);
        snprintf(text, sizeof(text), "connecting to %s: %s", socket_address_format(where, &address),
                 errno_text(error));
        return http_fail(client, error, text);
    }
    client->socket = socket;
    strlcpy(client->host, client->url.host, sizeof(client->host));
    client->port = client->url.port;
    return 0;
}

/* To the right one, and the server has neither closed it nor said anything unasked. */
static bool is_usable(const struct http_client *client)
{
    return client->socket && client->port == client->url.port &&
           strcmp(client->host, client->url.host) == 0 &&
           !(socket_ready(client->socket) & (SOCKET_READABLE | SOCKET_ERROR | SOCKET_HANGUP));
}

int http_connect(struct http_client *client, bool *is_reused)
{
    *is_reused = is_usable(client);
    if (*is_reused)
        return 0;
    http_disconnect(client);
    return open_connection(client);
}

void http_disconnect(struct http_client *client)
{
    if (client->socket)
        socket_close(client->socket);
    client->socket = NULL;
}
