/*
 * The head of a request (RFC 9112, 2 to 5): request line, fields, and what they say about the body
 * and the connection.
 */
#include "net/httpd/request.h"

#include "lib/ctype.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/string.h"

/* ---- where it ends ---- */

int64_t http_head_scan(struct http_head_scan *scan, const char *data, size_t length)
{
    const char *end;

    while (scan->line < length && (end = memchr(data + scan->line, '\n', length - scan->line))) {
        size_t next = (size_t)(end - data) + 1;
        size_t line_length = next - 1 - scan->line;
        bool is_empty = line_length == 0 || (line_length == 1 && data[scan->line] == '\r');

        if (!scan->has_request_line && line_length > HTTP_REQUEST_LINE_MAX)
            return -ENAMETOOLONG;
        if (next > HTTP_REQUEST_HEAD_MAX)
            return -E2BIG;
        if (is_empty && scan->has_request_line)
            return (int64_t)next;
        scan->has_request_line |= !is_empty;
        scan->line = next;
    }
    if (!scan->has_request_line && length - scan->line > HTTP_REQUEST_LINE_MAX)
        return -ENAMETOOLONG;
    return length >= HTTP_REQUEST_HEAD_MAX ? -E2BIG : 0;
}

/* ---- its lines ---- */

/* The next line, terminated, and *@cursor behind it. */
static char *take_line(char **cursor)
{
    char *line = *cursor, *end = strchr(line, '\n');

    if (!end)
        return NULL;
    *cursor = end + 1;
    if (end > line && end[-1] == '\r')
        end--;
    *end = '\0';
    return line;
}

/* RFC 9110, 5.6.2 */
static bool is_token_character(char c)
{
    return is_alnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(const char *text)
{
    const char *at = text;

    while (is_token_character(*at))
        at++;
    return at > text && *at == '\0';
}

static unsigned int parse_method(const char *method, struct http_request *request)
{
    static const char *const refused[] = { "POST",    "PUT",   "DELETE", "PATCH",
                                           "OPTIONS", "TRACE", "CONNECT" };

    request->is_head = strcmp(method, "HEAD") == 0;
    if (request->is_head || strcmp(method, "GET") == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        if (strcmp(method, refused[i]) == 0)
            return 405;
    return is_token(method) ? 501 : 400;
}

/* "HTTP/1.1". What is not even that may be a client of HTTP/0.9 or no client at all. */
static unsigned int parse_version(const char *version, struct http_request *request)
{
    if (strncmp(version, "HTTP/", 5) != 0 || !is_digit(version[5]) || version[6] != '.' ||
        !is_digit(version[7]) || version[8] != '\0')
        return 400;
    request->is_http_1_0 = version[7] == '0';
    request->is_persistent = !request->is_http_1_0;
    return version[5] == '1' ? 0 : 505;
}

static unsigned int parse_request_line(char *line, struct http_request *request)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    unsigned int status;

    if (!version)
        return 400;
    *target++ = '\0';
    *version++ = '\0';
    status = parse_version(version, request);
    if (!status)
        status = parse_method(line, request);
    return status ? status : http_target_parse(target, request);
}

/* ---- its fields ---- */

/* Is @word, in lower case, one of the comma-separated words of @list? */
static bool list_has(const char *list, const char *word)
{
    size_t length = strlen(word);

    while (*list) {
        list += strspn(list, ", \t");
        size_t item = strcspn(list, ",");
        size_t bare = item;
        while (bare > 0 && (list[bare - 1] == ' ' || list[bare - 1] == '\t'))
            bare--;
        if (bare == length && strncasecmp(list, word, length) == 0)
            return true;
        list += item;
    }
    return false;
}

/* What the fields said that a request does not keep. */
struct framing {
    bool has_length;
    bool has_coding;
    unsigned int status;
};

static void take_length(struct http_request *request, struct framing *framing, const char *value)
{
    uint64_t length = 0;
    size_t digits = strspn(value, "0123456789");
    int error = digits > 0 && value[digits] == '\0' ? parse_u64(value, &length) : -EINVAL;

    if (error == -ERANGE)
        framing->status = 413;
    else if (error || (framing->has_length && length != request->body_bytes))
        framing->status = 400; /* and not two that differ (RFC 9112, 6.3) */
    framing->has_length = true;
    request->body_bytes = length;
}

static void take_coding(struct framing *framing, const char *value)
{
    framing->has_coding = true;
    framing->status = strcasecmp(value, "chunked") == 0 ? 411 : 501;
}

static void take_connection(struct http_request *request, const char *value)
{
    if (list_has(value, "close"))
        request->is_persistent = false;
    else if (request->is_http_1_0 && list_has(value, "keep-alive"))
        request->is_persistent = true;
}

static void take_expectation(struct http_request *request, struct framing *framing,
                             const char *value)
{
    if (strcasecmp(value, "100-continue") != 0)
        framing->status = 417;
    else
        request->is_persistent = false; /* it gets its answer at once, and its body is not read */
}

/* Visible characters of a host and port; brackets are those of IPv6. */
static bool is_host(const char *value)
{
    for (; *value; value++)
        if (!is_alnum(*value) && !strchr("-._~%!$&'()*+,;=:[]", *value))
            return false;
    return true;
}

static void take_host(struct http_request *request, struct framing *framing, const char *value)
{
    if (request->host || !is_host(value))
        framing->status = 400;
    request->host = value;
}

/* The fields that are only kept; of several the first. */
static const struct kept_field {
    const char *name;
    size_t offset;
} kept_fields[] = {
    { "range", offsetof(struct http_request, range) },
    { "if-range", offsetof(struct http_request, if_range) },
    { "if-match", offsetof(struct http_request, if_match) },
    { "if-none-match", offsetof(struct http_request, if_none_match) },
    { "if-modified-since", offsetof(struct http_request, if_modified_since) },
    { "if-unmodified-since", offsetof(struct http_request, if_unmodified_since) },
};

static void keep_field(struct http_request *request, const char *name, const char *value)
{
    for (size_t i = 0; i < ARRAY_SIZE(kept_fields); i++) {
        const char **kept = (const char **)((char *)request + kept_fields[i].offset);

        if (strcasecmp(name, kept_fields[i].name) == 0 && !*kept)
            *kept = value;
    }
}

static void take_field(struct http_request *request, struct framing *framing, const char *name,
                       const char *value)
{
    if (strcasecmp(name, "host") == 0)
        take_host(request, framing, value);
    else if (strcasecmp(name, "content-length") == 0)
        take_length(request, framing, value);
    else if (strcasecmp(name, "transfer-encoding") == 0)
        take_coding(framing, value);
    else if (strcasecmp(name, "connection") == 0)
        take_connection(request, value);
    else if (strcasecmp(name, "expect") == 0)
        take_expectation(request, framing, value);
    else
        keep_field(request, name, value);
}

/* "Name: value", blanks around the value dropped. No blank before the colon, no folded line. */
static bool split_field(char *line, char **value)
{
    char *colon = strchr(line, ':');

    if (!colon)
        return false;
    *colon = '\0';
    *value = colon + 1 + strspn(colon + 1, " \t");
    size_t length = strlen(*value);
    while (length > 0 && ((*value)[length - 1] == ' ' || (*value)[length - 1] == '\t'))
        (*value)[--length] = '\0';
    for (const char *at = *value; *at; at++)
        if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7F)
            return false;
    return is_token(line);
}

static unsigned int parse_fields(char *cursor, struct http_request *request)
{
    struct framing framing = { 0 };
    unsigned int count = 0;
    char *line, *value;

    while (!framing.status && (line = take_line(&cursor)) != NULL && *line) {
        if (++count > HTTP_REQUEST_FIELDS_MAX)
            return 431;
        if (!split_field(line, &value))
            return 400;
        take_field(request, &framing, line, value);
    }
    if (framing.has_length && framing.has_coding)
        return 400; /* one of them is there to deceive somebody (RFC 9112, 6.3) */
    if (framing.status)
        return framing.status;
    if (!request->host && !request->is_http_1_0)
        return 400;
    return request->body_bytes > HTTP_REQUEST_BODY_MAX ? 413 : 0;
}

unsigned int http_request_parse(char *head, size_t length, struct http_request *request)
{
    char *cursor = head, *line;

    memset(request, 0, sizeof(*request));
    head[length] = '\0';
    if (memchr(head, '\0', length))
        return 400;
    do {
        line = take_line(&cursor);
    } while (line && !*line);
    if (!line)
        return 400;
    unsigned int status = parse_request_line(line, request);
    unsigned int field_status = status == 400 ? 0 : parse_fields(cursor, request);
    return status ? status : field_status;
}
