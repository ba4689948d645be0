/*
 * What kind of thing a file is, for the Content-Type field.
 */
#include "lib/string.h"
#include "shell/httpd/site.h"

#define TEXT "text/plain; charset=utf-8"

static const struct {
    const char *end; /* of the name, behind the last dot */
    const char *type;
} types[] = {
    { "c", TEXT },
    { "cfg", TEXT },
    { "conf", TEXT },
    { "css", "text/css; charset=utf-8" },
    { "csv", "text/csv; charset=utf-8" },
    { "gif", "image/gif" },
    { "gz", "application/gzip" },
    { "h", TEXT },
    { "htm", "text/html; charset=utf-8" },
    { "html", "text/html; charset=utf-8" },
    { "ico", "image/x-icon" },
    { "jpeg", "image/jpeg" },
    { "jpg", "image/jpeg" },
    { "js", "text/javascript; charset=utf-8" },
    { "json", "application/json" },
    { "log", TEXT },
    { "md", "text/markdown; charset=utf-8" },
    { "mp3", "audio/mpeg" },
    { "mp4", "video/mp4" },
    { "ogg", "audio/ogg" },
    { "pdf", "application/pdf" },
    { "png", "image/png" },
    { "svg", "image/svg+xml" },
    { "tar", "application/x-tar" },
    { "ttf", "font/ttf" },
    { "txt", TEXT },
    { "wasm", "application/wasm" },
    { "wav", "audio/wav" },
    { "webm", "video/webm" },
    { "webp", "image/webp" },
    { "woff2", "font/woff2" },
    { "xml", "application/xml" },
    { "zip", "application/zip" },
};

/* No byte that a text would not have. */
static bool is_text(const uint8_t *start, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (start[i] < ' ' && !(start[i] >= '\t' && start[i] <= '\r') && start[i] != 0x1B)
            return false;
    return true;
}

const char *httpd_content_type(const char *name, const uint8_t *start, size_t length)
{
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < ARRAY_SIZE(types); i++)
        if (strcasecmp(dot + 1, types[i].end) == 0)
            return types[i].type;
    return is_text(start, length) ? TEXT : "application/octet-stream";
}
