/*
 * The framing of responses (RFC 9112, 6). One buffer holds the head, or the line that begins a
 * chunk, at its start, and body bytes from HTTP_RESPONSE_HEAD_MAX on; when it is sent the head is
 * moved up against the body, so that both leave in one piece.
 */
#include "net/httpd/response.h"

#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "net/http_message.h"
#include "net/httpd/condition.h"

void http_response_init(struct http_response *response, const struct http_sink *sink, void *context)
{
    memset(response, 0, offsetof(struct http_response, buffer));
    response->sink = sink;
    response->context = context;
}

static void fail(struct http_response *response, int error)
{
    if (!response->error)
        response->error = error;
}

/* ---- the head ---- */

static void head_printf(struct http_response *response, const char *format, ...)
    __printf_format(2, 3);

static void head_printf_va(struct http_response *response, const char *format, va_list arguments)
    __printf_format(2, 0);

static void head_printf_va(struct http_response *response, const char *format, va_list arguments)
{
    size_t room = HTTP_RESPONSE_HEAD_MAX - response->head_length;
    int length = vsnprintf(response->buffer + response->head_length, room, format, arguments);

    if (length < 0 || (size_t)length >= room)
        fail(response, -E2BIG);
    else
        response->head_length += (size_t)length;
}

static void head_printf(struct http_response *response, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    head_printf_va(response, format, arguments);
    va_end(arguments);
}

void http_response_start(struct http_response *response, unsigned int status)
{
    char date[HTTP_DATE_SIZE];

    http_date_format(clock_wall_ns() / NS_PER_S, date);
    response->status = status;
    if (status == 304)
        response->framing = HTTP_FRAMING_NONE;
    head_printf(response, "HTTP/1.1 %u %s\r\nDate: %s\r\nServer: nos\r\n", status,
                http_status_text(status), date);
}

void http_response_field(struct http_response *response, const char *name, const char *format, ...)
{
    va_list arguments;

    head_printf(response, "%s: ", name);
    size_t value = response->head_length;
    va_start(arguments, format);
    head_printf_va(response, format, arguments);
    va_end(arguments);
    for (; value < response->head_length; value++)
        if ((unsigned char)response->buffer[value] < ' ')
            fail(response, -EINVAL);
    head_printf(response, "\r\n");
}

void http_response_length(struct http_response *response, uint64_t length)
{
    response->has_length = true;
    response->length = response->remaining = length;
}

/* How does the body end? */
static void decide_framing(struct http_response *response, bool is_last)
{
    if (is_last && !response->has_length) {
        response->has_length = true;
        response->length = response->body_length;
    }
    if (response->has_length) {
        response->framing = HTTP_FRAMING_LENGTH;
        head_printf(response, "Content-Length: %llu\r\n", (unsigned long long)response->length);
    } else if (!response->is_http_1_0) {
        response->framing = HTTP_FRAMING_CHUNKS;
        head_printf(response, "Transfer-Encoding: chunked\r\n");
    } else {
        response->framing = HTTP_FRAMING_CLOSE;
        response->is_persistent = false;
    }
    if (response->is_head)
        response->framing = HTTP_FRAMING_NONE;
}

/* The head is about to be sent. */
static void complete_head(struct http_response *response, bool is_last)
{
    if (response->framing == HTTP_FRAMING_OPEN)
        decide_framing(response, is_last);
    if (!response->is_persistent)
        head_printf(response, "Connection: close\r\n");
    else if (response->is_http_1_0)
        head_printf(response, "Connection: keep-alive\r\n");
    head_printf(response, "\r\n");
}

/* ---- the body ---- */

/* Of a declared length that much has been written; more is a mistake of the producer. */
static void count_declared(struct http_response *response, size_t length)
{
    if (!response->has_length)
        return;
    if (length > response->remaining)
        fail(response, -EOVERFLOW);
    else
        response->remaining -= length;
}

/* Put what surrounds a chunk around the buffered bytes; return the length of what comes after. */
static size_t frame_chunk(struct http_response *response, char *after, bool is_last)
{
    size_t length = 0;

    if (response->body_length > 0) {
        head_printf(response, "%zx\r\n", response->body_length);
        length += scnprintf(after, HTTP_RESPONSE_TAIL, "\r\n");
    }
    if (is_last)
        length += scnprintf(after + length, HTTP_RESPONSE_TAIL - length, "0\r\n\r\n");
    return length;
}

/* Send the head that is due and the bytes that are buffered. */
static void flush(struct http_response *response, bool is_last)
{
    char *body = response->buffer + HTTP_RESPONSE_HEAD_MAX;
    size_t after = 0;

    if (response->head_length > 0)
        complete_head(response, is_last);
    if (response->framing == HTTP_FRAMING_NONE)
        response->body_length = 0;
    if (response->framing == HTTP_FRAMING_CHUNKS)
        after = frame_chunk(response, body + response->body_length, is_last);
    char *start = body - response->head_length;
    memmove(start, response->buffer, response->head_length);
    size_t length = response->head_length + response->body_length + after;
    if (!response->error && length > 0)
        fail(response, response->sink->send(response->context, start, length));
    if (!response->error)
        response->body_bytes += response->body_length;
    response->head_length = response->body_length = 0;
}

bool http_response_wants_body(const struct http_response *response)
{
    return !response->error && response->framing != HTTP_FRAMING_NONE &&
           !(response->is_head && response->has_length);
}

void http_response_write(struct http_response *response, const void *data, size_t length)
{
    const char *from = data;

    if (!http_response_wants_body(response))
        return;
    count_declared(response, length);
    while (length > 0 && http_response_wants_body(response)) {
        size_t count = MIN(length, HTTP_RESPONSE_BUFFER - response->body_length);

        memcpy(response->buffer + HTTP_RESPONSE_HEAD_MAX + response->body_length, from, count);
        response->body_length += count;
        from += count;
        length -= count;
        if (response->body_length == HTTP_RESPONSE_BUFFER)
            flush(response, false);
    }
}

static void write_text(void *context, const char *text, size_t length)
{
    http_response_write(context, text, length);
}

void http_response_printf(struct http_response *response, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    format_to(write_text, response, format, arguments);
    va_end(arguments);
}

void http_response_write_buffer(struct http_response *response, struct frame_buffer *buffer,
                                uint8_t *data, uint32_t length)
{
    if (!response->has_length || !response->sink->send_buffer) {
        http_response_write(response, data, length);
        return;
    }
    if (!http_response_wants_body(response))
        return;
    flush(response, false);
    count_declared(response, length);
    if (!response->error)
        fail(response, response->sink->send_buffer(response->context, buffer, data, length));
    if (!response->error)
        response->body_bytes += length;
}

int http_response_finish(struct http_response *response)
{
    if (response->status == 0)
        fail(response, -EINVAL);
    if (response->remaining > 0 && http_response_wants_body(response))
        fail(response, -EIO); /* the client waits for bytes that nobody has */
    flush(response, true);
    return response->error;
}

void http_response_error(struct http_response *response, unsigned int status)
{
    const char *text = http_status_text(status);

    http_response_start(response, status);
    if (status == 405)
        http_response_field(response, "Allow", "GET, HEAD");
    if (status == 503)
        http_response_field(response, "Retry-After", "5");
    http_response_field(response, "Content-Type", "text/html; charset=utf-8");
    http_response_printf(
        response,
        "<!doctype html>\n<html lang=en><meta name=viewport "
        "content=\"width=device-width\">\n<title>%u %s</title>\n<body "
        "style=\"font:16px/1.5 system-ui,sans-serif;margin:3em auto;max-width:40em;"
        "padding:0 1em;color-scheme:light dark\">\n<h1>%u %s</h1>\n",
        status, text, status, text);
}
