/*
 * Text in HTML, JSON and URLs. What comes in may be any bytes, names of files above all.
 */
#include "lib/ctype.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "net/httpd/response.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* The length of the character of UTF-8 (RFC 3629) at @text, which is terminated; 0: it is none. */
static size_t utf8_length(const unsigned char *text)
{
    static const struct {
        unsigned char first, last; /* of the first byte */
        unsigned char low, high;   /* bounds of the second: no overlong form, no surrogate */
        size_t length;
    } forms[] = {
        { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 }, { 0xE1, 0xEC, 0x80, 0xBF, 3 },
        { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 }, { 0xF0, 0xF0, 0x90, 0xBF, 4 },
        { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
    };

    if (*text < 0x80)
        return 1;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        if (*text < forms[i].first || *text > forms[i].last)
            continue;
        if (text[1] < forms[i].low || text[1] > forms[i].high)
            return 0;
        for (size_t at = 2; at < forms[i].length; at++)
            if (text[at] < 0x80 || text[at] > 0xBF)
                return 0;
        return forms[i].length;
    }
    return 0;
}

/* Write @text; @replace gives what stands for an ASCII character, or NULL: itself. */
static void write_escaped(struct http_response *response, const char *text,
                          const char *(*replace)(char c, char buffer[8]))
{
    char buffer[8];

    while (*text) {
        size_t length = utf8_length((const unsigned char *)text);
        const char *other = length == 1 ? replace(*text, buffer) : NULL;

        if (length == 0)
            other = REPLACEMENT;
        if (other)
            http_response_write(response, other, strlen(other));
        else
            http_response_write(response, text, length);
        text += length ? length : 1;
    }
}

static const char *replace_html(char c, char buffer[8])
{
    (void)buffer;
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    default:
        return (unsigned char)c < ' ' && c != '\t' && c != '\n' ? REPLACEMENT : NULL;
    }
}

void http_write_html(struct http_response *response, const char *text)
{
    write_escaped(response, text, replace_html);
}

static const char *replace_json(char c, char buffer[8])
{
    static const char digits[] = "0123456789abcdef";

    if (c == '"')
        return "\\\"";
    if (c == '\\')
        return "\\\\";
    if ((unsigned char)c >= ' ')
        return NULL;
    strlcpy(buffer, "\\u00", 8);
    buffer[4] = digits[c >> 4];
    buffer[5] = digits[c & 15];
    buffer[6] = '\0';
    return buffer;
}

void http_write_json(struct http_response *response, const char *text)
{
    http_response_write(response, "\"", 1);
    write_escaped(response, text, replace_json);
    http_response_write(response, "\"", 1);
}

/* What stands for one byte of a path, in @text. */
static size_t escape_byte(char text[4], char byte)
{
    bool is_plain = is_alnum(byte) || strchr("-._~/", byte);

    return scnprintf(text, 4, is_plain ? "%c" : "%%%02X", (unsigned char)byte);
}

void http_write_url(struct http_response *response, const char *path)
{
    char text[4];

    for (; *path; path++)
        http_response_write(response, text, escape_byte(text, *path));
}

const char *http_escape_url(char *text, size_t size, const char *path)
{
    size_t length = 0;

    for (; *path && length + 4 <= size; path++)
        length += escape_byte(text + length, *path);
    text[length] = '\0';
    return text;
}
