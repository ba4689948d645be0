/*
 * The HTTP/1.1 client: GET, with redirects, the body streamed to a receiver.
 */
#pragma once

#include "lib/compiler.h"
#include "net/http_message.h"

#define HTTP_REDIRECTS_MAX 10

/* Where a response goes. All are called in the task that called http_get(). */
struct http_receiver {
    /* Optional: the final response's status and headers are known. 0, or an error that ends it. */
    int (*headers)(void *context, const struct http_parser *response);
    /* A piece of its body. 0, or an error that ends it. */
    int (*body)(void *context, const uint8_t *data, size_t length);
    /* Optional: a redirect is followed. */
    void (*redirect)(void *context, unsigned int status, const char *url);
    void *context;
};

/**
 * http_get() - fetch @url
 * @problem: on an error a text for people, with what was being done: "web.test: no such host".
 * Return: 0 with *@status (any; the body of an error page is delivered too); -ELOOP too many
 * redirects; -EPROTONOSUPPORT a redirect to https; -EBADMSG not HTTP; -ETIMEDOUT (30 s without a
 * byte); -ECONNREFUSED, -ECONNRESET (closed midway), -ENOENT (no such host) and what sockets and
 * the receiver return; -ECANCELED. Context: task, may sleep.
 */
int __must_check http_get(const struct http_url *url, const struct http_receiver *receiver,
                          unsigned int *status, char *problem, size_t problem_size);
