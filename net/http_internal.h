/*
 * The HTTP client's inside: net/http.c asks and follows, net/http_connection.c connects.
 */
#pragma once

#include "net/http.h"
#include "net/socket.h"

struct http_client {
    /* The connection: http_connection.c's. */
    struct socket *socket; /* NULL: none */
    char host[HTTP_HOST_MAX];
    uint16_t port;

    /* The request under way: */
    const struct http_request *request;
    const struct http_receiver *receiver;
    struct http_url url;
    struct http_parser parser;
    bool is_announced; /* receiver->headers() was called */
    bool has_answer;   /* a byte has come */
    char *problem;
    size_t problem_size;
};

/** http_fail() - say what went wrong, once: where it is known best. Return: @error. */
int http_fail(struct http_client *client, int error, const char *what);
/** http_fail_host() - the same, with the host in front. */
int http_fail_host(struct http_client *client, int error, const char *what);
/** http_deadline() - of a step that may take @ns, within the request's own. */
uint64_t http_deadline(const struct http_client *client, uint64_t ns);

/**
 * http_connect() - see to a connection to client->url's host and port
 * *@is_reused: it was there, and the server may have closed it just now.
 */
int __must_check http_connect(struct http_client *client, bool *is_reused);
/** http_disconnect() - close it, if there is one. */
void http_disconnect(struct http_client *client);
