/*
 * From a request-target to a path: percent codes are decoded first, then "." and ".." are resolved,
 * so that no spelling of ".." is left that a file system could see.
 */
#include "lib/ctype.h"
#include "lib/string.h"
#include "net/httpd/request.h"

#define BAD_REQUEST 400

/* "http://host:port/path" as a client sends it to a proxy: the part from the path on. */
static char *skip_authority(char *target)
{
    if (target[0] == '/')
        return target;
    if (strncasecmp(target, "http://", 7) != 0 || target[7] == '/' || !target[7])
        return NULL;
    target += 7;
    target += strcspn(target, "/?");
    if (*target != '/')
        *--target = '/'; /* "http://host?query": over the last letter of the host */
    return target;
}

static bool decode(char *path)
{
    char *to = path;

    for (const char *from = path; *from; from++) {
        unsigned char byte = (unsigned char)*from;

        if (byte == '%') {
            int high = hex_digit_value(from[1]);
            int low = high < 0 ? -1 : hex_digit_value(from[2]);

            if (low < 0)
                return false;
            byte = (unsigned char)(high * 16 + low);
            from += 2;
        }
        if (byte < ' ' || byte == 0x7F)
            return false;
        *to++ = (char)byte;
    }
    *to = '\0';
    return true;
}

/* Drop the last name of the @length bytes that begin with '/': what is left ends with '/'. */
static size_t parent_length(const char *path, size_t length)
{
    for (length--; path[length - 1] != '/';)
        length--;
    return length;
}

/* "//", "." and ".." go; a path that ends with one of them names a directory: "/a/.." is "/". */
static bool make_plain(char *path)
{
    size_t length = 1; /* of what is plain already; it ends with '/' whenever a name begins */

    for (const char *from = path + 1; *from;) {
        size_t name = strcspn(from, "/");
        bool is_last = from[name] == '\0';

        if (name == 2 && from[0] == '.' && from[1] == '.') {
            if (length == 1)
                return false;
            length = parent_length(path, length);
        } else if (name > 0 && !(name == 1 && from[0] == '.')) {
            memmove(path + length, from, name);
            length += name;
            if (!is_last)
                path[length++] = '/';
        }
        from += name + !is_last;
    }
    path[length] = '\0';
    return true;
}

unsigned int http_target_parse(char *target, struct http_request *request)
{
    char *path = skip_authority(target);

    if (!path || strchr(path, '#'))
        return BAD_REQUEST;
    char *query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    if (!decode(path) || !make_plain(path))
        return BAD_REQUEST;
    request->path = path;
    request->query = query ? query : "";
    return 0;
}
