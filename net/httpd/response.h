/*
 * HTTP/1.1 responses, written as a stream: status, fields, then the body in pieces of any size.
 *
 *     http_response_start(response, 200);
 *     http_response_field(response, "Content-Type", "text/plain");
 *     http_response_printf(response, "%u tasks\n", task_count());
 *     error = http_response_finish(response);
 *
 * Nothing is sent before the buffer is full or the response ends. So a short body gets its
 * Content-Length by itself; a long one whose length nobody declared goes out in chunks, and to a
 * client of HTTP/1.0 until the connection closes. The first error is kept, what is written after it
 * is dropped, and http_response_finish() tells.
 *
 * Knows no sockets: where the bytes go is a function, so that all of this runs in host tests.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

struct frame_buffer;

#define HTTP_RESPONSE_HEAD_MAX 2048
#define HTTP_RESPONSE_BUFFER   16384
#define HTTP_RESPONSE_TAIL     16 /* the end of a chunk, and the last chunk */

struct http_sink {
    /* All of it, or an error that ends the response. */
    int (*send)(void *context, const void *data, size_t length);
    /* The same with counted memory, of which a reference is taken instead of a copy. */
    int (*send_buffer)(void *context, struct frame_buffer *buffer, uint8_t *data, uint32_t length);
};

enum http_framing {
    HTTP_FRAMING_OPEN,   /* not decided: nothing has been sent */
    HTTP_FRAMING_LENGTH, /* Content-Length */
    HTTP_FRAMING_CHUNKS,
    HTTP_FRAMING_CLOSE, /* the body ends with the connection */
    HTTP_FRAMING_NONE,  /* no body is sent: HEAD, 304 */
};

struct http_response {
    const struct http_sink *sink;
    void *context;
    bool is_head;       /* the request was HEAD: the same, without the body */
    bool is_http_1_0;   /* the client's version */
    bool is_persistent; /* the connection goes on; in the end perhaps no longer */

    unsigned int status; /* 0: not started */
    uint64_t body_bytes; /* sent */
    bool has_length;     /* declared */
    uint64_t length;     /* as declared */
    uint64_t remaining;  /* of it, to be written yet */
    int error;
    enum http_framing framing;
    size_t head_length; /* text that stands at the start of the buffer */
    size_t body_length; /* bytes behind HTTP_RESPONSE_HEAD_MAX */
    char buffer[HTTP_RESPONSE_HEAD_MAX + HTTP_RESPONSE_BUFFER + HTTP_RESPONSE_TAIL];
};

/** http_response_init() - ready for one response; is_head, is_http_1_0, is_persistent are to be
 * set. */
void http_response_init(struct http_response *response, const struct http_sink *sink,
                        void *context);

/** http_response_start() - the status line, with Date and Server. Once. */
void http_response_start(struct http_response *response, unsigned int status);

/** http_response_field() - before the body; a value with control characters is an error. */
void http_response_field(struct http_response *response, const char *name, const char *format, ...)
    __printf_format(3, 4);

/** http_response_length() - what comes is @length bytes, neither more nor less. Before the body. */
void http_response_length(struct http_response *response, uint64_t length);

void http_response_write(struct http_response *response, const void *data, size_t length);
void http_response_printf(struct http_response *response, const char *format, ...)
    __printf_format(2, 3);
/** http_response_write_buffer() - without a copy; for large bodies of declared length. */
void http_response_write_buffer(struct http_response *response, struct frame_buffer *buffer,
                                uint8_t *data, uint32_t length);

/** http_response_wants_body() - false: whatever is written is dropped; a producer may stop. */
bool http_response_wants_body(const struct http_response *response);

/**
 * http_response_finish() - the end of the body
 * Return: 0 all was handed to the sink; the first error: the connection is of no further use.
 */
int __must_check http_response_finish(struct http_response *response);

/** http_response_error() - start a response, and write a small page that says what is wrong. */
void http_response_error(struct http_response *response, unsigned int status);

/* Text as parts of a page: bytes that mean something there are replaced, those that are no UTF-8
 * too. */

/** http_write_html() - as text, or as a value between double quotes. */
void http_write_html(struct http_response *response, const char *text);
/** http_write_json() - as a string, with its quotes. */
void http_write_json(struct http_response *response, const char *text);
/** http_write_url() - as a path: everything but letters, digits and -._~/ by percent codes. */
void http_write_url(struct http_response *response, const char *path);
/** http_escape_url() - the same into a buffer, cut to fit and terminated. Return: @text. */
const char *http_escape_url(char *text, size_t size, const char *path);
