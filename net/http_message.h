/*
 * HTTP/1.1 on paper (RFC 9110, RFC 9112): URLs, and a parser of responses that is fed bytes as they
 * come. Pure functions, for host tests and fuzzing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

#define HTTP_HOST_MAX    256
#define HTTP_PATH_MAX    2048
#define HTTP_URL_MAX     2400
#define HTTP_LINE_MAX    8192 /* a header line; a longer one is an error */
#define HTTP_HEADERS_MAX 256

struct http_url {
    char host[HTTP_HOST_MAX];
    uint16_t port;
    char path[HTTP_PATH_MAX]; /* with query, without fragment; at least "/" */
};

/**
 * http_url_parse() - "http://host[:port][/path]"; the scheme may be left out
 * Return: 0; -EPROTONOSUPPORT for https and other schemes; -EINVAL; -ENAMETOOLONG.
 */
int __must_check http_url_parse(const char *text, struct http_url *url);

/** http_url_resolve() - where a Location header leads to, seen from @base (RFC 3986, 5). As above.
 */
int __must_check http_url_resolve(const struct http_url *base, const char *location,
                                  struct http_url *url);

/** http_url_format() - as text, at most HTTP_URL_MAX bytes with the NUL. */
void http_url_format(const struct http_url *url, char text[HTTP_URL_MAX]);

enum http_parse_state {
    HTTP_STATUS_LINE,
    HTTP_HEADERS,
    HTTP_BODY_LENGTH,
    HTTP_BODY_UNTIL_CLOSE,
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK_DATA,
    HTTP_CHUNK_END,
    HTTP_TRAILERS,
    HTTP_DONE,
};

struct http_parser {
    /* What came so far; valid from HTTP_BODY_* on. */
    unsigned int status;
    bool has_length;
    uint64_t length; /* Content-Length */
    bool is_chunked;
    char location[HTTP_URL_MAX];
    char content_type[128];
    bool is_persistent;     /* the server keeps the connection for another request */
    bool has_excess;        /* bytes came behind the response that nobody asked for */
    const char *extra_name; /* the caller's, after init: a header's name in lower case, or NULL */
    char extra[128];        /* ... and its value, cut; "" without it */
    uint64_t body_bytes;    /* given to @body */

    /* Receives the body. 0, or an error that http_parser_feed() returns. */
    int (*body)(void *context, const uint8_t *data, size_t length);
    void *context;

    enum http_parse_state state;
    uint64_t remaining; /* of the body or the chunk */
    unsigned int header_count;
    size_t line_length;
    char line[HTTP_LINE_MAX];
};

void http_parser_init(struct http_parser *parser,
                      int (*body)(void *context, const uint8_t *data, size_t length),
                      void *context);

/**
 * http_parser_feed() - the next bytes of the connection
 * Return: 0; -EBADMSG not HTTP; -E2BIG headers beyond all measure; what @body returned.
 */
int __must_check http_parser_feed(struct http_parser *parser, const uint8_t *data, size_t length);

/** http_parser_close() - the server closed. 0 when that ends the body, else -ECONNRESET. */
int __must_check http_parser_close(struct http_parser *parser);

static inline bool http_parser_is_done(const struct http_parser *parser)
{
    return parser->state == HTTP_DONE;
}

/** http_parser_has_headers() - are status and header fields known? */
static inline bool http_parser_has_headers(const struct http_parser *parser)
{
    return parser->state > HTTP_HEADERS;
}

/** http_status_is_redirect() - one of those whose Location a GET follows. */
static inline bool http_status_is_redirect(unsigned int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/** http_status_text() - "Not Found"; "" for unknown codes. */
const char *http_status_text(unsigned int status);
