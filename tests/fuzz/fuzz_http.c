/*
 * HTTP responses and URLs: arbitrary bytes, whole and in pieces; the pieces change nothing. The
 * first byte chooses the size of the pieces.
 */
#include "net/http_message.h"

#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A sum over the body, to compare. */
static int add(void *context, const uint8_t *data, size_t length)
{
    uint32_t *sum = context;

    for (size_t i = 0; i < length; i++)
        *sum = *sum * 31 + data[i];
    return 0;
}

static int feed(struct http_parser *parser, const uint8_t *data, size_t size, size_t step,
                uint32_t *sum)
{
    int error = 0;

    http_parser_init(parser, add, sum);
    for (size_t at = 0; at < size && !error && !http_parser_is_done(parser); at += step)
        error = http_parser_feed(parser, data + at, step < size - at ? step : size - at);
    return error ? error : http_parser_close(parser);
}

static void fuzz_response(const uint8_t *data, size_t size, size_t step)
{
    static struct http_parser whole, pieces;
    uint32_t sums[2] = { 0, 0 };
    int error = feed(&whole, data, size, size, &sums[0]);

    REQUIRE(feed(&pieces, data, size, step, &sums[1]) == error);
    REQUIRE(sums[0] == sums[1] && whole.body_bytes == pieces.body_bytes);
    REQUIRE(whole.status == pieces.status && strcmp(whole.location, pieces.location) == 0);
}

/* A URL that was accepted is one, and reads back as the same. */
static void check_url(const struct http_url *url)
{
    static char text[HTTP_URL_MAX];
    static struct http_url again;

    http_url_format(url, text);
    REQUIRE(url->port != 0 && url->path[0] == '/' && url->host[0]);
    REQUIRE(!strpbrk(text, " \r\n\t"));
    REQUIRE(http_url_parse(text, &again) == 0);
    REQUIRE(strcmp(again.host, url->host) == 0 && strcmp(again.path, url->path) == 0);
}

static void fuzz_url(const char *text)
{
    static struct http_url url, base, target;

    if (http_url_parse(text, &url) == 0)
        check_url(&url);
    REQUIRE(http_url_parse("http://a.test:81/d/e?q", &base) == 0);
    if (http_url_resolve(&base, text, &target) == 0)
        check_url(&target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    fuzz_response(data + 1, size - 1, data[0] % 64 + 1u);
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    fuzz_url(text);
    free(text);
    return 0;
}
