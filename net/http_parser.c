/*
 * A parser of HTTP/1.x responses, fed as bytes come (RFC 9112). Lines are collected, body bytes go
 * straight to the receiver. 1xx responses are passed over.
 *
 * How long the body is (RFC 9112, 6.3): none for 1xx, 204 and 304; chunked; Content-Length; else
 * until the server closes.
 */
#include "lib/ctype.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "net/http_message.h"

void http_parser_init(struct http_parser *parser,
                      int (*body)(void *context, const uint8_t *data, size_t length), void *context)
{
    memset(parser, 0, sizeof(*parser));
    parser->body = body;
    parser->context = context;
}

/* "HTTP/1.1 200 OK" */
static int parse_status_line(struct http_parser *parser)
{
    const char *line = parser->line;

    if (strncmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) || line[8] != ' ')
        return -EBADMSG;
    for (int i = 9; i < 12; i++)
        if (!is_digit(line[i]))
            return -EBADMSG;
    if (line[12] != ' ' && line[12] != '\0')
        return -EBADMSG;
    parser->status =
        (unsigned int)((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
    if (parser->status < 100)
        return -EBADMSG;
    parser->is_persistent = line[7] != '0'; /* RFC 9112, 9.3 */
    parser->state = HTTP_HEADERS;
    parser->header_count = 0;
    return 0;
}

/* The value of the header @name (in lower case), or NULL when the line is another one. */
static char *header_value(char *line, const char *name)
{
    for (; *name; line++, name++)
        if (to_lower(*line) != *name)
            return NULL;
    if (*line++ != ':')
        return NULL;
    while (*line == ' ' || *line == '\t')
        line++;
    size_t length = strlen(line);
    while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        line[--length] = '\0';
    return line;
}

static int parse_content_length(struct http_parser *parser, const char *value)
{
    uint64_t length;

    /* Digits only, no 0x; and not two that differ (RFC 9112, 6.3, 5). */
    if (value[strspn(value, "0123456789")] != '\0' || parse_u64(value, &length) ||
        (parser->has_length && parser->length != length))
        return -EBADMSG;
    parser->has_length = true;
    parser->length = length;
    return 0;
}

static bool is_chunked(const char *value)
{
    for (const char *word = "chunked"; *word; word++, value++)
        if (to_lower(*value) != *word)
            return false;
    return *value == '\0';
}

/* "keep-alive, Close": is @word (in lower case) in the list? */
static bool has_word(const char *list, const char *word)
{
    for (; *list; list++) {
        size_t length = 0;
        while (word[length] && to_lower(list[length]) == word[length])
            length++;
        if (!word[length] && strchr(" \t,", list[length])) /* its NUL too */
            return true;
        list += strcspn(list, ", \t");
        if (!*list)
            break;
    }
    return false;
}

/* Those that are only noted. */
static void note_header(struct http_parser *parser)
{
    char *value;

    if ((value = header_value(parser->line, "content-type")) != NULL)
        strlcpy(parser->content_type, value, sizeof(parser->content_type));
    else if ((value = header_value(parser->line, "connection")) != NULL)
        parser->is_persistent &= !has_word(value, "close");
    else if (parser->extra_name && (value = header_value(parser->line, parser->extra_name)) != NULL)
        strlcpy(parser->extra, value, sizeof(parser->extra));
}

static int parse_header(struct http_parser *parser)
{
    char *value;

    if (!strchr(parser->line, ':'))
        return -EBADMSG;
    if (++parser->header_count > HTTP_HEADERS_MAX)
        return -E2BIG;
    if ((value = header_value(parser->line, "content-length")) != NULL)
        return parse_content_length(parser, value);
    if ((value = header_value(parser->line, "transfer-encoding")) != NULL) {
        if (!is_chunked(value))
            return -EBADMSG; /* an encoding that we did not ask for */
        parser->is_chunked = true;
    } else if ((value = header_value(parser->line, "location")) != NULL) {
        if (strlcpy(parser->location, value, sizeof(parser->location)) >= sizeof(parser->location))
            return -E2BIG;
    } else {
        note_header(parser);
    }
    return 0;
}

/* The empty line after the headers. */
static void begin_body(struct http_parser *parser)
{
    if (parser->status < 200) { /* an interim response: the real one follows */
        parser->state = HTTP_STATUS_LINE;
        parser->has_length = parser->is_chunked = false;
        parser->location[0] = parser->content_type[0] = parser->extra[0] = '\0';
    } else if (parser->status == 204 || parser->status == 304) {
        parser->state = HTTP_DONE;
    } else if (parser->is_chunked) {
        parser->has_length = false; /* chunked wins (RFC 9112, 6.3, 3) */
        parser->state = HTTP_CHUNK_SIZE;
    } else if (parser->has_length) {
        parser->remaining = parser->length;
        parser->state = parser->remaining ? HTTP_BODY_LENGTH : HTTP_DONE;
    } else {
        parser->state = HTTP_BODY_UNTIL_CLOSE;
    }
}

/* "1a2b;extension" (RFC 9112, 7.1) */
static int parse_chunk_size(struct http_parser *parser)
{
    uint64_t size = 0;
    const char *at = parser->line;

    if (hex_digit_value(*at) < 0)
        return -EBADMSG;
    for (; hex_digit_value(*at) >= 0; at++) {
        if (size >> 60)
            return -EBADMSG;
        size = size * 16 + (uint64_t)hex_digit_value(*at);
    }
    if (*at != '\0' && *at != ';' && *at != ' ' && *at != '\t')
        return -EBADMSG;
    parser->remaining = size;
    parser->state = size ? HTTP_CHUNK_DATA : HTTP_TRAILERS;
    return 0;
}

static int end_of_line(struct http_parser *parser)
{
    bool is_empty = parser->line_length == 0;

    parser->line[parser->line_length] = '\0';
    parser->line_length = 0;
    switch (parser->state) {
    case HTTP_STATUS_LINE:
        return parse_status_line(parser);
    case HTTP_HEADERS:
        if (!is_empty)
            return parse_header(parser);
        begin_body(parser);
        return 0;
    case HTTP_CHUNK_SIZE:
        return parse_chunk_size(parser);
    case HTTP_CHUNK_END:
        parser->state = HTTP_CHUNK_SIZE;
        return is_empty ? 0 : -EBADMSG;
    case HTTP_TRAILERS:
        if (is_empty)
            parser->state = HTTP_DONE;
        return ++parser->header_count > HTTP_HEADERS_MAX ? -E2BIG : 0;
    default:
        return -EBADMSG;
    }
}

/* Collect a line. Return: bytes used, or -errno. */
static int64_t feed_line(struct http_parser *parser, const uint8_t *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (data[i] == '\n') {
            if (parser->line_length > 0 && parser->line[parser->line_length - 1] == '\r')
                parser->line_length--;
            int error = end_of_line(parser);
            return error ? error : (int64_t)i + 1;
        }
        if (data[i] == '\0')
            return -EBADMSG;
        if (parser->line_length == HTTP_LINE_MAX - 1)
            return -E2BIG;
        parser->line[parser->line_length++] = (char)data[i];
    }
    return (int64_t)length;
}

static int64_t feed_body(struct http_parser *parser, const uint8_t *data, size_t length)
{
    bool is_bounded = parser->state != HTTP_BODY_UNTIL_CLOSE;
    size_t count = is_bounded ? (size_t)MIN(parser->remaining, (uint64_t)length) : length;
    int error = parser->body(parser->context, data, count);

    if (error)
        return error;
    parser->body_bytes += count;
    if (!is_bounded)
        return (int64_t)count;
    parser->remaining -= count;
    if (parser->remaining == 0)
        parser->state = parser->state == HTTP_CHUNK_DATA ? HTTP_CHUNK_END : HTTP_DONE;
    return (int64_t)count;
}

static bool is_in_body(const struct http_parser *parser)
{
    return parser->state == HTTP_BODY_LENGTH || parser->state == HTTP_BODY_UNTIL_CLOSE ||
           parser->state == HTTP_CHUNK_DATA;
}

int http_parser_feed(struct http_parser *parser, const uint8_t *data, size_t length)
{
    while (length > 0 && parser->state != HTTP_DONE) {
        int64_t used =
            is_in_body(parser) ? feed_body(parser, data, length) : feed_line(parser, data, length);
        if (used < 0)
            return (int)used;
        data += used;
        length -= (size_t)used;
    }
    parser->has_excess |= length > 0;
    return 0;
}

int http_parser_close(struct http_parser *parser)
{
    if (parser->state == HTTP_BODY_UNTIL_CLOSE)
        parser->state = HTTP_DONE;
    return parser->state == HTTP_DONE ? 0 : -ECONNRESET;
}

const char *http_status_text(unsigned int status)
{
    static const struct {
        unsigned int status;
        const char *text;
    } texts[] = {
        { 200, "OK" },
        { 204, "No Content" },
        { 206, "Partial Content" },
        { 301, "Moved Permanently" },
        { 302, "Found" },
        { 303, "See Other" },
        { 304, "Not Modified" },
        { 307, "Temporary Redirect" },
        { 308, "Permanent Redirect" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 410, "Gone" },
        { 411, "Length Required" },
        { 412, "Precondition Failed" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 416, "Range Not Satisfiable" },
        { 417, "Expectation Failed" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "";
}
