/*
 * What clients of the HTTP server send: heads whole and in pieces, paths, ranges, conditions; and
 * what is answered to them, escaped. The first byte chooses the size of the pieces.
 */
#include "lib/errno.h"
#include "net/http_message.h"
#include "net/httpd/condition.h"
#include "net/httpd/request.h"
#include "net/httpd/response.h"

#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)
#define NOW 1795000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t scan(const char *data, size_t size, size_t step)
{
    struct http_head_scan scan = { 0 };
    int64_t result = 0;

    for (size_t come = 0; come < size && !result;) {
        come += step < size - come ? step : size - come;
        result = http_head_scan(&scan, data, come);
    }
    return result;
}

/* A path that was accepted is plain: nothing in it leads up, or to another name than it shows. */
static void check_path(const char *path)
{
    REQUIRE(path[0] == '/');
    REQUIRE(!strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../"));
    size_t length = strlen(path);
    REQUIRE(length < 2 || strcmp(path + length - 2, "/.") != 0);
    REQUIRE(length < 3 || strcmp(path + length - 3, "/..") != 0);
    for (; *path; path++)
        REQUIRE((unsigned char)*path >= ' ' && *path != 0x7F);
}

static void check_conditions(const struct http_request *request)
{
    const struct http_validators file = { .modified = 784111777, .etag = "\"a-1\"" };
    struct http_range range;

    unsigned int status = http_condition(request, &file, NOW);
    REQUIRE(status == 200 || status == 304 || status == 412);
    for (uint64_t size = 0; size < 3000; size = size * 3 + 1) {
        status = http_range(request, &file, size, &range);
        REQUIRE(status == 200 || status == 206 || status == 416);
        if (status == 206)
            REQUIRE(range.length > 0 && range.first < size && range.length <= size - range.first);
    }
}

/* ---- the answer: read back by the client's parser ---- */

static char wire[1 << 18];
static size_t wire_length;

static int wire_send(void *context, const void *data, size_t length)
{
    (void)context;
    REQUIRE(wire_length + length <= sizeof(wire));
    memcpy(wire + wire_length, data, length);
    wire_length += length;
    return 0;
}

static int drop(void *context, const uint8_t *data, size_t length)
{
    (void)context;
    (void)data;
    (void)length;
    return 0;
}

static void check_answer(const struct http_request *request)
{
    static const struct http_sink sink = { .send = wire_send };
    static struct http_response response;
    static struct http_parser parser;
    char location[400];

    wire_length = 0;
    http_response_init(&response, &sink, NULL);
    response.is_http_1_0 = request->is_http_1_0;
    response.is_persistent = request->is_persistent;
    http_response_start(&response, 200);
    http_response_field(&response, "Location", "%s",
                        http_escape_url(location, sizeof(location), request->path));
    http_write_html(&response, request->path);
    http_write_json(&response, request->query);
    http_write_url(&response, request->path);
    REQUIRE(http_response_finish(&response) == 0);
    http_parser_init(&parser, drop, NULL);
    REQUIRE(http_parser_feed(&parser, (const uint8_t *)wire, wire_length) == 0);
    REQUIRE(http_parser_is_done(&parser) || http_parser_close(&parser) == 0);
    REQUIRE(parser.body_bytes == response.body_bytes);
}

static void fuzz_request(const char *data, size_t size, size_t step)
{
    struct http_request request;
    int64_t length = scan(data, size, size);

    if (length >= 0) /* how too much is noticed depends on how it comes */
        REQUIRE(scan(data, size, step) == length);
    if (length <= 0)
        return;
    REQUIRE((size_t)length <= size && length <= HTTP_REQUEST_HEAD_MAX);
    char *head = malloc((size_t)length + 1);
    memcpy(head, data, (size_t)length);
    if (http_request_parse(head, (size_t)length, &request) == 0) {
        REQUIRE(request.body_bytes <= HTTP_REQUEST_BODY_MAX);
        check_path(request.path);
        check_conditions(&request);
        check_answer(&request);
    }
    free(head);
}

static void fuzz_target_and_date(const uint8_t *data, size_t size)
{
    struct http_request request = { 0 };
    char date[HTTP_DATE_SIZE];
    uint64_t seconds, again;
    char *text = malloc(size + 1);

    memcpy(text, data, size);
    text[size] = '\0';
    if (http_date_parse(text, NOW, &seconds) == 0) {
        http_date_format(seconds, date);
        REQUIRE(http_date_parse(date, NOW, &again) == 0 && again == seconds);
    }
    if (http_target_parse(text, &request) == 0)
        check_path(request.path);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    fuzz_request((const char *)data + 1, size - 1, data[0] % 64 + 1u);
    fuzz_target_and_date(data, size);
    return 0;
}
