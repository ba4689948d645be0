/*
 * HTTP/1.1 requests on paper (RFC 9112): where a head ends, what it says, and which file it means.
 * Pure functions over bytes that anybody may have sent, for host tests and fuzzing.
 *
 * A head is collected whole, in bounds, and parsed where it lies: the strings of a request point
 * into it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

#define HTTP_REQUEST_LINE_MAX   8192  /* longer: 414 */
#define HTTP_REQUEST_HEAD_MAX   16384 /* longer: 431 */
#define HTTP_REQUEST_FIELDS_MAX 100   /* more: 431 */
#define HTTP_REQUEST_BODY_MAX   65536 /* longer: 413; nobody reads it, it is only passed over */

/* How far http_head_scan() has looked; {0} for a new request. */
struct http_head_scan {
    size_t line;           /* where the line that has not ended yet begins */
    bool has_request_line; /* empty lines before it do not count (RFC 9112, 2.2) */
};

/**
 * http_head_scan() - is the head whole that begins at @data, @length bytes of which have come?
 * Return: its length, the empty line included; 0 not yet; -ENAMETOOLONG when its first line is too
 * long, -E2BIG when all of it is.
 */
int64_t http_head_scan(struct http_head_scan *scan, const char *data, size_t length);

struct http_request {
    bool is_head;       /* HEAD; else GET */
    bool is_http_1_0;   /* the client knows no chunks, and no connection that goes on unasked */
    bool is_persistent; /* the client would send another request on this connection */
    char *path;         /* decoded and plain: "/", "/a/b", "/a/"; no ".", "..", "//" or NUL in it */
    const char *query;  /* behind '?', as it came; "" when there is none */
    uint64_t body_bytes;

    /* Fields as they came; NULL: not there. */
    const char *host;
    const char *range;
    const char *if_range;
    const char *if_match;
    const char *if_none_match;
    const char *if_modified_since;
    const char *if_unmodified_since;
};

/**
 * http_request_parse() - understand a head that http_head_scan() found
 * @head: is cut up; one byte behind its @length bytes is the function's too.
 * Return: 0, or the status to answer with: 400, 405 (not GET or HEAD), 411 (a chunked body), 413,
 * 417, 431, 501 (a method or a coding of bodies that nobody knows), 505. The connection ends then.
 */
unsigned int __must_check http_request_parse(char *head, size_t length,
                                             struct http_request *request);

/**
 * http_target_parse() - the request-target (RFC 9112, 3.2) as path and query, where it lies
 * Return: 0, or 400: neither "/..." nor "http://...", a bad %XX, a control character, a "#", or
 * ".." beyond the root.
 */
unsigned int __must_check http_target_parse(char *target, struct http_request *request);
