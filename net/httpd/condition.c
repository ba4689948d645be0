/*
 * Conditions (RFC 9110, 13.2.2 gives their order) and byte ranges (14.1.2).
 */
#include "net/httpd/condition.h"

#include "lib/ctype.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "net/httpd/request.h"

/* Is @etag in a list such as `W/"a", "b"`? Weakly: W/ makes no difference. */
static bool etag_is_listed(const char *list, const char *etag)
{
    size_t length = strlen(etag);

    if (strcmp(list, "*") == 0)
        return true;
    while (*list) {
        list += strspn(list, ", \t");
        if (strncmp(list, "W/", 2) == 0)
            list += 2;
        if (length > 0 && strncmp(list, etag, length) == 0)
            return true;
        if (*list != '"')
            return false;
        list++;
        list += strcspn(list, "\"");
        list += *list == '"';
    }
    return false;
}

/* Is the date in @text that of the file, or a later one? */
static bool is_unmodified_since(const char *text, uint64_t modified, uint64_t now)
{
    uint64_t date;

    return http_date_parse(text, now, &date) == 0 && modified != 0 && modified <= date;
}

/* A date that is none, or a file without one: the condition is as if it were not there. */
static bool is_modified_since(const char *text, uint64_t modified, uint64_t now)
{
    uint64_t date;

    return http_date_parse(text, now, &date) == 0 && modified > date;
}

unsigned int http_condition(const struct http_request *request,
                            const struct http_validators *validators, uint64_t now)
{
    if (request->if_match) {
        /* Strong: a weak tag is never the same (8.8.3.2). */
        if (strncmp(request->if_match, "W/", 2) == 0 ||
            !etag_is_listed(request->if_match, validators->etag))
            return 412;
    } else if (request->if_unmodified_since &&
               is_modified_since(request->if_unmodified_since, validators->modified, now)) {
        return 412;
    }
    if (request->if_none_match)
        return etag_is_listed(request->if_none_match, validators->etag) ? 304 : 200;
    if (request->if_modified_since &&
        is_unmodified_since(request->if_modified_since, validators->modified, now))
        return 304;
    return 200;
}

/* Digits, at least one; more than fit are as many as fit. NULL: none. */
static const char *parse_digits(const char *at, uint64_t *value)
{
    if (!is_digit(*at))
        return NULL;
    for (*value = 0; is_digit(*at); at++) {
        uint64_t digit = (uint64_t)(*at - '0');

        *value = *value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *value * 10 + digit;
    }
    return at;
}

/* "-500": the last 500 bytes */
static unsigned int parse_suffix(const char *at, uint64_t size, struct http_range *range)
{
    uint64_t length;
    const char *end = parse_digits(at, &length);

    if (!end || *end)
        return 200;
    if (length == 0)
        return 416;
    if (size == 0)
        return 200; /* it can be satisfied, but not written down */
    range->length = MIN(length, size);
    range->first = size - range->length;
    return 206;
}

/* "0-499", "500-" */
static unsigned int parse_from(const char *at, uint64_t size, struct http_range *range)
{
    uint64_t first, last = UINT64_MAX;

    at = parse_digits(at, &first);
    if (!at || *at++ != '-')
        return 200;
    if (*at)
        at = parse_digits(at, &last);
    if (!at || *at || last < first)
        return 200;
    if (first >= size)
        return 416;
    range->first = first;
    range->length = MIN(last, size - 1) - first + 1;
    return 206;
}

/* Does If-Range mean this version of the file? Only what is exactly the same will do (13.1.5). */
static bool is_same_version(const char *text, const struct http_validators *validators)
{
    char date[HTTP_DATE_SIZE];

    if (text[0] == '"')
        return validators->etag[0] && strcmp(text, validators->etag) == 0;
    http_date_format(validators->modified, date);
    return validators->modified != 0 && strcmp(text, date) == 0;
}

unsigned int http_range(const struct http_request *request,
                        const struct http_validators *validators, uint64_t size,
                        struct http_range *range)
{
    const char *at = request->range;

    if (!at || request->is_head || strncasecmp(at, "bytes=", 6) != 0)
        return 200;
    if (request->if_range && !is_same_version(request->if_range, validators))
        return 200;
    at += 6;
    return *at == '-' ? parse_suffix(at + 1, size, range) : parse_from(at, size, range);
}
