/*
 * The HTTP server: sockets, connections and their bounds. What is served is another's: a handler
 * gets each request that is one, and writes the response (net/httpd/response.h).
 *
 * A connection has a task of its own. Every wait in it has a deadline, so that a client who says
 * nothing, or a byte a minute, or does not read what it asked for, holds a task for a bounded time;
 * the number of connections is bounded, and who comes when all are taken is told so (503).
 */
#pragma once

#include <stdint.h>

#include "kernel/time/clock.h"
#include "lib/compiler.h"
#include "net/httpd/request.h"
#include "net/httpd/response.h"

#define HTTPD_CONNECTIONS_MAX 128
#define HTTPD_IDLE_NS         (15 * NS_PER_S) /* a connection between two requests */
#define HTTPD_REQUEST_NS      (10 * NS_PER_S) /* from the first byte of a request to its last */
#define HTTPD_SEND_NS         (30 * NS_PER_S) /* until the client has taken the next 64 KiB */

struct httpd; /* a server that runs */

struct httpd_config {
    uint16_t port;
    /**
     * handle: answer @request, which is a GET or HEAD
     * Must start the response and need not finish it. Context: a task of the connection's own, many
     * at once; may sleep.
     */
    void (*handle)(void *context, const struct http_request *request,
                   struct http_response *response);
    void *context;
};

/**
 * httpd_start() - listen, and serve from now on
 * @config: copied. Return: 0; -EADDRINUSE; -ENOMEM. Context: task, as the following.
 */
int __must_check httpd_start(const struct httpd_config *config, struct httpd **result);

/** httpd_wait() - until the server fails by itself: its error; or -ECANCELED, and it still runs. */
int __must_check httpd_wait(struct httpd *server);

/** httpd_stop() - end it and its connections, also in the middle of a response, and free it. */
void httpd_stop(struct httpd *server);

/* Of all servers since boot. */
enum httpd_counter {
    HTTPD_CONNECTIONS_ACCEPTED,
    HTTPD_CONNECTIONS_REFUSED, /* 503, or not even that */
    HTTPD_CONNECTIONS_OPEN,    /* now */
    HTTPD_REQUESTS,            /* answered with any status */
    HTTPD_REQUESTS_2XX,
    HTTPD_REQUESTS_3XX,
    HTTPD_REQUESTS_4XX,
    HTTPD_REQUESTS_5XX,
    HTTPD_BODY_BYTES,
    HTTPD_RESPONSES_BROKEN, /* the client went away, or did not read */
    HTTPD_COUNTER_COUNT
};
uint64_t httpd_counter(enum httpd_counter counter);
