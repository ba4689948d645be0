/*
 * Responses of the HTTP server: read back by the HTTP client's parser.
 */
#include "lib/errno.h"
#include "net/frame.h"
#include "net/http_message.h"
#include "net/httpd/response.h"
#include "tests/unit/unit.h"

static char wire[200000];
static size_t wire_length, sends, wire_limit;
static char body[200000];
static size_t body_length;
static struct http_parser parser;
static struct http_response response;

static int wire_send(void *context, const void *data, size_t length)
{
    (void)context;
    if (wire_length + length > wire_limit)
        return -EPIPE;
    memcpy(wire + wire_length, data, length);
    wire_length += length;
    wire[wire_length] = '\0';
    sends++;
    return 0;
}

static int wire_send_buffer(void *context, struct frame_buffer *buffer, uint8_t *data,
                            uint32_t length)
{
    assert_true(data >= buffer->data && data + length <= buffer->data + buffer->size);
    return wire_send(context, data, length);
}

static int collect(void *context, const uint8_t *data, size_t length)
{
    (void)context;
    memcpy(body + body_length, data, length);
    body_length += length;
    return 0;
}

static const struct http_sink sink = { .send = wire_send, .send_buffer = wire_send_buffer };

static void start(unsigned int status)
{
    wire_length = sends = 0;
    wire_limit = sizeof(wire) - 1;
    http_response_init(&response, &sink, NULL);
    response.is_persistent = true;
    if (status)
        http_response_start(&response, status);
}

/* Finish, and read what went over the wire: the body must be @length bytes of @text's pattern. */
static void finish(unsigned int status, const char *expected, size_t length)
{
    assert_int_equal(http_response_finish(&response), 0);
    body_length = 0;
    http_parser_init(&parser, collect, NULL);
    assert_int_equal(http_parser_feed(&parser, (const uint8_t *)wire, wire_length), 0);
    if (!http_parser_is_done(&parser))
        assert_int_equal(http_parser_close(&parser), 0);
    assert_int_equal(parser.status, status);
    assert_int_equal(body_length, length);
    assert_memory_equal(body, expected, length);
    assert_int_equal(response.body_bytes, length);
}

static char pattern[100000];

static void test_short(void **state)
{
    (void)state;
    start(200);
    http_response_field(&response, "Content-Type", "text/%s", "x");
    http_response_printf(&response, "hello, %s", "world");
    finish(200, "hello, world", 12);
    assert_int_equal(sends, 1);
    assert_non_null(strstr(wire, "\r\nContent-Length: 12\r\n"));
    assert_non_null(strstr(wire, "\r\nDate: "));
    assert_null(strstr(wire, "Connection:"));
    assert_string_equal(parser.content_type, "text/x");

    start(200);
    finish(200, "", 0);
    assert_non_null(strstr(wire, "\r\nContent-Length: 0\r\n"));
}

static void test_long(void **state)
{
    static const size_t steps[] = { 1, 100, 16383, 16384, 16385, 100000 };

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        start(200);
        for (size_t at = 0; at < sizeof(pattern); at += steps[i])
            http_response_write(&response, pattern + at,
                                steps[i] < sizeof(pattern) - at ? steps[i] : sizeof(pattern) - at);
        finish(200, pattern, sizeof(pattern));
        assert_true(parser.is_chunked && response.is_persistent);
        assert_true(http_parser_is_done(&parser));
    }
    start(200); /* whole chunks, and nothing left for the last send but its end */
    http_response_write(&response, pattern, 2 * HTTP_RESPONSE_BUFFER);
    finish(200, pattern, 2 * HTTP_RESPONSE_BUFFER);
}

static void test_http_1_0(void **state)
{
    (void)state;
    start(0);
    response.is_http_1_0 = true;
    http_response_start(&response, 200);
    http_response_write(&response, pattern, sizeof(pattern));
    finish(200, pattern, sizeof(pattern));
    assert_false(response.is_persistent || parser.is_chunked || parser.has_length);
    assert_non_null(strstr(wire, "\r\nConnection: close\r\n"));

    start(0);
    response.is_http_1_0 = true;
    http_response_start(&response, 200);
    http_response_write(&response, pattern, 10);
    finish(200, pattern, 10);
    assert_true(response.is_persistent);
    assert_non_null(strstr(wire, "\r\nConnection: keep-alive\r\n"));
}

static void test_declared(void **state)
{
    struct frame_buffer *buffer = frame_buffer_alloc(50000);

    (void)state;
    assert_non_null(buffer);
    memcpy(buffer->data, pattern, 50000);
    start(206);
    http_response_length(&response, 50010);
    http_response_write(&response, "0123456789", 10);
    http_response_write_buffer(&response, buffer, buffer->data, 50000);
    assert_int_equal(http_response_finish(&response), 0);
    assert_non_null(strstr(wire, "\r\nContent-Length: 50010\r\n"));
    assert_memory_equal(wire + wire_length - 50000, pattern, 50000);
    assert_memory_equal(wire + wire_length - 50010, "0123456789", 10);

    start(200);
    http_response_length(&response, 11);
    http_response_write(&response, "0123456789", 10);
    assert_int_equal(http_response_finish(&response), -EIO);

    start(200);
    http_response_length(&response, 9);
    http_response_write(&response, "0123456789", 10);
    assert_int_equal(http_response_finish(&response), -EOVERFLOW);
    assert_int_equal(wire_length, 0);

    start(200); /* without a length a buffer is copied */
    http_response_write_buffer(&response, buffer, buffer->data, 50000);
    frame_buffer_put(buffer);
    finish(200, pattern, 50000);
}

/* HEAD: the same fields as GET, and no body. */
static void test_head(void **state)
{
    static const size_t lengths[] = { 0, 10, 100000 };

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        static char fields[2][1000];
        for (int is_head = 0; is_head < 2; is_head++) {
            start(0);
            response.is_head = is_head;
            http_response_start(&response, 200);
            http_response_write(&response, pattern, lengths[i]);
            assert_int_equal(http_response_finish(&response), 0);
            char *end = strstr(wire, "\r\n\r\n");
            assert_non_null(end);
            if (is_head)
                assert_int_equal(end + 4 - wire, wire_length);
            end[0] = '\0';
            strcpy(fields[is_head], strstr(wire, "Server:"));
        }
        assert_string_equal(fields[0], fields[1]);
    }
    start(0);
    response.is_head = true;
    http_response_start(&response, 200);
    http_response_length(&response, UINT64_MAX);
    assert_false(http_response_wants_body(&response));
    assert_int_equal(http_response_finish(&response), 0);
    assert_non_null(strstr(wire, "\r\nContent-Length: 18446744073709551615\r\n"));
}

static void test_not_modified(void **state)
{
    (void)state;
    start(304);
    http_response_field(&response, "ETag", "\"x\"");
    http_response_write(&response, "no", 2);
    finish(304, "", 0);
    assert_null(strstr(wire, "Content-Length"));
}

static void test_errors(void **state)
{
    (void)state;
    start(0);
    assert_int_equal(http_response_finish(&response), -EINVAL);

    start(301); /* a value that would be two fields */
    http_response_field(&response, "Location", "/a\r\nX: y");
    assert_int_equal(http_response_finish(&response), -EINVAL);
    assert_int_equal(wire_length, 0);

    start(301);
    http_response_field(&response, "Location", "%03000d", 1);
    assert_int_equal(http_response_finish(&response), -E2BIG);

    start(200); /* the client goes away: the producer may stop, and is told in the end */
    wire_limit = 20000;
    http_response_write(&response, pattern, 40000);
    assert_false(http_response_wants_body(&response));
    http_response_write(&response, pattern, 40000);
    assert_int_equal(http_response_finish(&response), -EPIPE);

    start(0);
    http_response_error(&response, 405);
    assert_int_equal(http_response_finish(&response), 0);
    assert_non_null(strstr(wire, "HTTP/1.1 405 Method Not Allowed\r\n"));
    assert_non_null(strstr(wire, "\r\nAllow: GET, HEAD\r\n"));
    assert_non_null(strstr(wire, "<title>405 Method Not Allowed</title>"));
}

static void check_escape(void (*escape)(struct http_response *, const char *), const char *text,
                         const char *expected)
{
    start(200);
    escape(&response, text);
    finish(200, expected, strlen(expected));
}

static void test_escapes(void **state)
{
    char text[8];

    (void)state;
    check_escape(http_write_html, "a<b>&\"c\"", "a&lt;b&gt;&amp;&quot;c&quot;");
    check_escape(http_write_html, "\xe2\x82\xac \xc3\xa4", "\xe2\x82\xac \xc3\xa4");
    check_escape(http_write_html,
                 "\xff"
                 "a\x1b",
                 "\xef\xbf\xbd"
                 "a\xef\xbf\xbd");
    check_escape(http_write_json, "a\"\\\n\x1f", "\"a\\\"\\\\\\u000a\\u001f\"");
    /* overlong, surrogate, too large, cut */
    check_escape(http_write_json, "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    check_escape(http_write_json, "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    check_escape(http_write_json, "\xf4\x90\x80\x80",
                 "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    check_escape(http_write_json, "x\xf0\x9f\x98", "\"x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    check_escape(http_write_json, "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"");
    check_escape(http_write_url, "/a b/%\"\xe4~.html", "/a%20b/%25%22%E4~.html");
    assert_string_equal(http_escape_url(text, sizeof(text), "ab cd"), "ab%20");
}

static void fill_pattern(void)
{
    struct unit_random random = { 1 };

    unit_random_fill(&random, pattern, sizeof(pattern));
}

UNIT_TESTS_SETUP(fill_pattern, UNIT_TEST(test_short), UNIT_TEST(test_long),
                 UNIT_TEST(test_http_1_0), UNIT_TEST(test_declared), UNIT_TEST(test_head),
                 UNIT_TEST(test_not_modified), UNIT_TEST(test_errors), UNIT_TEST(test_escapes))
