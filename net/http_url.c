/*
 * URLs of the http scheme (RFC 3986, RFC 9110 4.2.1): parsing, and resolving redirects.
 */
#include "lib/ctype.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "net/http_message.h"

#define HTTP_PORT 80

static bool starts_with_ignoring_case(const char *text, const char *prefix)
{
    for (; *prefix; text++, prefix++)
        if (to_lower(*text) != *prefix)
            return false;
    return true;
}

/* Characters that would end the request line, or hide in it, are not let through. */
static bool is_clean(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text == 0x7f)
            return false;
    return true;
}

static int set_path(struct http_url *url, const char *text)
{
    const char *fragment = strchr(text, '#');
    size_t length = fragment ? (size_t)(fragment - text) : strlen(text);
    bool needs_slash = length == 0 || text[0] == '?';

    if (length + 2 > sizeof(url->path))
        return -ENAMETOOLONG;
    if (needs_slash)
        url->path[0] = '/';
    memcpy(url->path + needs_slash, text, length);
    url->path[length + needs_slash] = '\0';
    return 0;
}

/* A name or an IPv4 address. No user names: passwords do not belong into a URL. */
static bool is_host(const char *text)
{
    size_t length = strlen(text);

    for (size_t i = 0; i < length; i++)
        if (!is_alpha(text[i]) && !is_digit(text[i]) && !strchr("-._", text[i]))
            return false;
    return length > 0 && length < HTTP_HOST_MAX;
}

static int set_authority(struct http_url *url, const char *text, size_t length)
{
    char authority[HTTP_HOST_MAX + 8];
    uint16_t port = HTTP_PORT;

    if (length >= sizeof(authority))
        return -ENAMETOOLONG;
    memcpy(authority, text, length);
    authority[length] = '\0';
    char *colon = strrchr(authority, ':');
    if (colon) {
        *colon = '\0';
        if (colon[1] && (parse_u16(colon + 1, &port) || port == 0))
            return -EINVAL;
    }
    if (!is_host(authority))
        return -EINVAL;
    strlcpy(url->host, authority, sizeof(url->host));
    url->port = port;
    return 0;
}

/* What follows "//". */
static int parse_after_scheme(const char *text, struct http_url *url)
{
    size_t length = 0;

    while (text[length] && !strchr("/?#", text[length]))
        length++;
    int error = set_authority(url, text, length);
    return error ? error : set_path(url, text + length);
}

/* "ftp:" yes; "host:8080/x" no: a port follows. */
static bool has_scheme(const char *text)
{
    const char *at = text;

    if (!is_alpha(*at))
        return false;
    while (is_alpha(*at) || is_digit(*at) || *at == '+' || *at == '-' || *at == '.')
        at++;
    return *at == ':' && !is_digit(at[1]);
}

int http_url_parse(const char *text, struct http_url *url)
{
    if (!is_clean(text) || text[0] == '\0')
        return -EINVAL;
    if (starts_with_ignoring_case(text, "http://"))
        return parse_after_scheme(text + 7, url);
    if (has_scheme(text))
        return starts_with_ignoring_case(text, "http:") ? -EINVAL : -EPROTONOSUPPORT;
    return parse_after_scheme(text, url);
}

/* "a/b/../c/./d" loses its dots (RFC 3986, 5.2.4), in place; the query stays. */
static void remove_dot_segments(char *path)
{
    char *query = strchr(path, '?');
    char *end = query ? query : path + strlen(path);
    char *out = path;

    for (char *in = path; in < end;) {
        char *next = in + 1;
        while (next < end && *next != '/')
            next++;
        size_t length = (size_t)(next - in);
        bool is_dot = length == 2 && in[1] == '.';
        bool is_up = length == 3 && in[1] == '.' && in[2] == '.';
        if (is_up)
            while (out > path && *--out != '/')
                ;
        if (is_dot || is_up) {
            if (next == end)
                *out++ = '/';
        } else {
            memmove(out, in, length);
            out += length;
        }
        in = next;
    }
    if (out == path)
        *out++ = '/';
    memmove(out, end, strlen(end) + 1);
}

/* A relative reference replaces what follows the last slash of the base, whose copy @url is. */
static int resolve_relative(const char *location, struct http_url *url)
{
    size_t length = strcspn(location, "#");
    size_t keep = length ? strcspn(url->path, "?") : strlen(url->path);

    if (length && location[0] != '?')
        while (keep > 0 && url->path[keep - 1] != '/')
            keep--;
    if (keep + length >= sizeof(url->path))
        return -ENAMETOOLONG;
    memcpy(url->path + keep, location, length);
    url->path[keep + length] = '\0';
    return 0;
}

int http_url_resolve(const struct http_url *base, const char *location, struct http_url *url)
{
    int error;

    if (!is_clean(location) || location[0] == '\0')
        return -EINVAL;
    if (starts_with_ignoring_case(location, "http://") || has_scheme(location))
        return http_url_parse(location, url);
    if (location[0] == '/' && location[1] == '/')
        return parse_after_scheme(location + 2, url);
    *url = *base;
    error = location[0] == '/' ? set_path(url, location) : resolve_relative(location, url);
    if (!error)
        remove_dot_segments(url->path);
    return error;
}

void http_url_format(const struct http_url *url, char text[HTTP_URL_MAX])
{
    if (url->port == HTTP_PORT)
        snprintf(text, HTTP_URL_MAX, "http://%s%s", url->host, url->path);
    else
        snprintf(text, HTTP_URL_MAX, "http://%s:%u%s", url->host, url->port, url->path);
}
