/*
 * The HTTP/1.1 client: requests without a body, redirects followed, the answer's body streamed to a
 * receiver. Requests of one client to the same host and port share a connection where the server
 * lets them.
 */
#pragma once

#include "lib/compiler.h"
#include "net/http_message.h"

#define HTTP_REDIRECTS_MAX 10

/* Where a response goes. All are called in the task that called http_fetch(). */
struct http_receiver {
    /* Optional: the final response's status and headers are known. 0, or an error that ends it. */
    int (*headers)(void *context, const struct http_parser *response);
    /* A piece of its body. 0, or an error that ends it. */
    int (*body)(void *context, const uint8_t *data, size_t length);
    /* Optional: a redirect is followed. */
    void (*redirect)(void *context, unsigned int status, const char *url);
    void *context;
};

/* What is asked for. Zeros are a plain GET. */
struct http_request {
    const char *method;       /* NULL: "GET" */
    const char *headers;      /* more of them, each with its "\r\n"; NULL: none */
    const char *extra_header; /* in lower case: its value is response->extra; NULL: none */
    bool keeps_redirects;     /* do not follow them: they are responses like others */
    uint64_t deadline_ns;     /* of the whole, absolute; 0: the timeouts of each step alone */
};

struct http_client;

/** http_client_create() - NULL when out of memory. One task at a time may use it. */
struct http_client *http_client_create(void);
/** http_client_destroy() - closes the connection. NULL is ignored. */
void http_client_destroy(struct http_client *client);

/**
 * http_fetch() - ask for @url
 * @problem: on an error a text for people, with what was being done: "web.test: no such host".
 * Return: 0 with *@status (any; the body of an error page is delivered too); -ELOOP too many
 * redirects; -EPROTONOSUPPORT a redirect to https; -EBADMSG not HTTP; -ETIMEDOUT (30 s without a
 * byte, or the request's deadline); -ECONNREFUSED, -ECONNRESET (closed midway), -ENOENT (no such
 * host) and what sockets and the receiver return; -ECANCELED. Context: task, may sleep.
 */
int __must_check http_fetch(struct http_client *client, const struct http_url *url,
                            const struct http_request *request,
                            const struct http_receiver *receiver, unsigned int *status,
                            char *problem, size_t problem_size);

/** http_get() - a GET by a client of its own. */
int __must_check http_get(const struct http_url *url, const struct http_receiver *receiver,
                          unsigned int *status, char *problem, size_t problem_size);
