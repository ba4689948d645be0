/*
 * The HTTP server on paper: heads, targets, conditions, ranges, dates.
 */
#include "lib/errno.h"
#include "net/httpd/condition.h"
#include "net/httpd/request.h"
#include "tests/unit/unit.h"

static char head[HTTP_REQUEST_HEAD_MAX + 1];
static struct http_request request;

/* Scan @text as it would come in pieces of @step bytes, then parse it: the status. */
static unsigned int parse_in_steps(const char *text, size_t step)
{
    struct http_head_scan scan = { 0 };
    size_t length = strlen(text), come = 0;
    int64_t found = 0;

    assert_true(length < sizeof(head));
    while (come < length && !found) {
        size_t count = step < length - come ? step : length - come;
        memcpy(head + come, text + come, count);
        come += count;
        found = http_head_scan(&scan, head, come);
    }
    assert_int_equal(found, length);
    return http_request_parse(head, length, &request);
}

static unsigned int parse(const char *text)
{
    unsigned int status = parse_in_steps(text, 1);

    assert_int_equal(parse_in_steps(text, 7), status);
    assert_int_equal(parse_in_steps(text, 10000), status);
    return status;
}

static void test_simple(void **state)
{
    (void)state;
    assert_int_equal(parse("GET /a/b?c=d HTTP/1.1\r\nHost: nos\r\nRange:  bytes=0-1 \r\n\r\n"), 0);
    assert_string_equal(request.path, "/a/b");
    assert_string_equal(request.query, "c=d");
    assert_string_equal(request.host, "nos");
    assert_string_equal(request.range, "bytes=0-1");
    assert_true(request.is_persistent);
    assert_false(request.is_head);
    assert_int_equal(parse("\r\n\nHEAD / HTTP/1.0\n\n"), 0);
    assert_true(request.is_head && request.is_http_1_0 && !request.is_persistent);
    assert_int_equal(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), 0);
    assert_true(request.is_persistent);
    assert_int_equal(parse("GET / HTTP/1.1\r\nHost:\r\nConnection: x, Close\r\n\r\n"), 0);
    assert_false(request.is_persistent);
    assert_int_equal(parse("GET / HTTP/1.7\r\nHost: [::1]:80\r\nContent-Length: 5\r\n\r\n"), 0);
    assert_int_equal(request.body_bytes, 5);
}

static const struct {
    unsigned int status;
    const char *text;
} refused[] = {
    { 400, "GET /\r\n\r\n" },
    { 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n" },
    { 400, "GET / http/1.1\r\nHost: a\r\n\r\n" },
    { 400, "GET / HTTP/1.11\r\nHost: a\r\n\r\n" },
    { 400, "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 400, "GET / HTTP/1.1\r\n\r\n" },
    { 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n" },
    { 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n" },
    { 400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n" },
    { 400, "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n" },
    { 400, "GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n" },
    { 400, "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n" },
    { 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\x0b\r\n\r\n" },
    { 400, "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n" },
    { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n" },
    { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n" },
    { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n" },
    { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n" },
    { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" },
    { 400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 400, "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 400, "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 400, "GET /%0 HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 400, "GET /%gg HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 400, "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 400, "GET /a%0Ab HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 400, "GET /.. HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 400, "GET /a/../.. HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 400, "GET /%2e%2e/x HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 400, "GET /a/..%2f../x HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 405, "POST / HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 405, "DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 405, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 405, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 411, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n" },
    { 413, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n" },
    { 413, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n" },
    { 417, "GET / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n" },
    { 501, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 501, "get / HTTP/1.1\r\nHost: a\r\n\r\n" },
    { 501, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n" },
    { 505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n" },
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        unsigned int status = parse(refused[i].text);
        if (status != refused[i].status)
            fail_msg("%u, not %u: %s", status, refused[i].status, refused[i].text);
    }
}

static void test_nul_and_fields(void **state)
{
    static const char nul[] = "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n";
    char text[4000] = "GET / HTTP/1.1\r\nHost: a\r\n";

    (void)state;
    memcpy(head, nul, sizeof(nul) - 1);
    assert_int_equal(http_request_parse(head, sizeof(nul) - 1, &request), 400);
    for (int i = 1; i < HTTP_REQUEST_FIELDS_MAX; i++)
        strcat(text, "A: b\r\n");
    strcat(text, "\r\n");
    assert_int_equal(parse(text), 0);
    strcpy(text + strlen(text) - 2, "A: b\r\n\r\n");
    assert_int_equal(parse(text), 431);
}

static void test_bounds(void **state)
{
    static char data[HTTP_REQUEST_HEAD_MAX + 10];
    struct http_head_scan scan = { 0 };

    (void)state;
    memset(data, 'a', sizeof(data));
    assert_int_equal(http_head_scan(&scan, data, HTTP_REQUEST_LINE_MAX), 0);
    assert_int_equal(http_head_scan(&scan, data, HTTP_REQUEST_LINE_MAX + 1), -ENAMETOOLONG);
    data[HTTP_REQUEST_LINE_MAX + 1] = '\n';
    scan = (struct http_head_scan){ 0 };
    assert_int_equal(http_head_scan(&scan, data, sizeof(data)), -ENAMETOOLONG);
    data[10] = '\n';
    scan = (struct http_head_scan){ 0 };
    assert_int_equal(http_head_scan(&scan, data, HTTP_REQUEST_HEAD_MAX - 1), 0);
    assert_int_equal(http_head_scan(&scan, data, HTTP_REQUEST_HEAD_MAX), -E2BIG);
    memset(data, '\n', sizeof(data)); /* empty lines without end are no request either */
    scan = (struct http_head_scan){ 0 };
    assert_int_equal(http_head_scan(&scan, data, HTTP_REQUEST_HEAD_MAX), -E2BIG);
}

static void test_targets(void **state)
{
    static const struct {
        const char *target, *path, *query;
    } targets[] = {
        { "/", "/", "" },
        { "//", "/", "" },
        { "/a//b/", "/a/b/", "" },
        { "/./a/./b/.", "/a/b/", "" },
        { "/a/..", "/", "" },
        { "/a/b/../c", "/a/c", "" },
        { "/a/b/..", "/a/", "" },
        { "/a/%2e%2E/b", "/b", "" },
        { "/...", "/...", "" },
        { "/..a/.b", "/..a/.b", "" },
        { "/a%20b%2fc", "/a b/c", "" },
        { "/%e2%82%ac?x=%00", "/\xe2\x82\xac", "x=%00" },
        { "/?", "/", "" },
        { "/a?b?c/..", "/a", "b?c/.." },
        { "http://nos:80/a", "/a", "" },
        { "HTTP://nos", "/", "" },
        { "http://nos?q", "/", "q" },
        { "/%25%32%65%25%32%65", "/%2e%2e", "" }, /* decoded once */
    };
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        strcpy(text, targets[i].target);
        assert_int_equal(http_target_parse(text, &request), 0);
        assert_string_equal(request.path, targets[i].path);
        assert_string_equal(request.query, targets[i].query);
    }
}

/* ---- dates ---- */

#define NOW 1795000000u /* November 2026 */

static void test_dates(void **state)
{
    static const char *const bad[] = {
        "",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1969 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "784111777",
    };
    char text[HTTP_DATE_SIZE];
    uint64_t seconds = 0;

    (void)state;
    http_date_format(784111777, text);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_int_equal(http_date_parse(text, NOW, &seconds), 0);
    assert_int_equal(seconds, 784111777);
    assert_int_equal(http_date_parse("Sunday, 06-Nov-94 08:49:37 GMT", NOW, &seconds), 0);
    assert_int_equal(seconds, 784111777);
    assert_int_equal(http_date_parse("Sun Nov  6 08:49:37 1994", NOW, &seconds), 0);
    assert_int_equal(seconds, 784111777);
    assert_int_equal(http_date_parse("Friday, 06-Nov-26 08:49:37 GMT", NOW, &seconds), 0);
    http_date_format(seconds, text);
    assert_string_equal(text, "Fri, 06 Nov 2026 08:49:37 GMT");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(http_date_parse(bad[i], NOW, &seconds), -EINVAL);
    http_date_format(UINT64_MAX / 1000000000, text);
    http_date_format(UINT64_MAX, text); /* whatever it says, it fits */
    assert_int_equal(strlen(text), HTTP_DATE_SIZE - 1);
}

/* ---- conditions and ranges ---- */

static const struct http_validators file = { .modified = 784111777, .etag = "\"a-1\"" };
#define SAME   "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER  "Sun, 06 Nov 1994 08:49:38 GMT"

static unsigned int condition(const char *fields)
{
    char text[512];

    snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
    assert_int_equal(parse(text), 0);
    return http_condition(&request, &file, NOW);
}

static void test_conditions(void **state)
{
    (void)state;
    assert_int_equal(condition(""), 200);
    assert_int_equal(condition("If-Modified-Since: " SAME "\r\n"), 304);
    assert_int_equal(condition("If-Modified-Since: " AFTER "\r\n"), 304);
    assert_int_equal(condition("If-Modified-Since: " BEFORE "\r\n"), 200);
    assert_int_equal(condition("If-Modified-Since: yesterday\r\n"), 200);
    assert_int_equal(condition("If-Unmodified-Since: " SAME "\r\n"), 200);
    assert_int_equal(condition("If-Unmodified-Since: " BEFORE "\r\n"), 412);
    assert_int_equal(condition("If-None-Match: \"a-1\"\r\n"), 304);
    assert_int_equal(condition("If-None-Match: \"b\", W/\"a-1\"\r\n"), 304);
    assert_int_equal(condition("If-None-Match: \"b\"\r\n"), 200);
    assert_int_equal(condition("If-None-Match: *\r\n"), 304);
    assert_int_equal(condition("If-None-Match: \"b\"\r\nIf-Modified-Since: " SAME "\r\n"), 200);
    assert_int_equal(condition("If-Match: \"b\"\r\n"), 412);
    assert_int_equal(condition("If-Match: \"b\", \"a-1\"\r\n"), 200);
    assert_int_equal(condition("If-Match: *\r\n"), 200);
    assert_int_equal(condition("If-Match: W/\"a-1\"\r\n"), 412);
}

static void test_ranges(void **state)
{
    static const struct {
        const char *fields;
        uint64_t size;
        unsigned int status;
        uint64_t first, length;
    } ranges[] = {
        { "", 10, 200, 0, 0 },
        { "Range: bytes=0-0\r\n", 10, 206, 0, 1 },
        { "Range: bytes=2-4\r\n", 10, 206, 2, 3 },
        { "Range: Bytes=2-\r\n", 10, 206, 2, 8 },
        { "Range: bytes=2-99999999999999999999999\r\n", 10, 206, 2, 8 },
        { "Range: bytes=-3\r\n", 10, 206, 7, 3 },
        { "Range: bytes=-30\r\n", 10, 206, 0, 10 },
        { "Range: bytes=10-\r\n", 10, 416, 0, 0 },
        { "Range: bytes=99999999999999999999999-\r\n", 10, 416, 0, 0 },
        { "Range: bytes=0-\r\n", 0, 416, 0, 0 },
        { "Range: bytes=-1\r\n", 0, 200, 0, 0 },
        { "Range: bytes=-0\r\n", 10, 416, 0, 0 },
        { "Range: bytes=4-2\r\n", 10, 200, 0, 0 },
        { "Range: bytes=1-2,4-5\r\n", 10, 200, 0, 0 },
        { "Range: bytes=-\r\n", 10, 200, 0, 0 },
        { "Range: bytes=\r\n", 10, 200, 0, 0 },
        { "Range: bytes=a-b\r\n", 10, 200, 0, 0 },
        { "Range: lines=1-2\r\n", 10, 200, 0, 0 },
        { "Range: bytes=1-2\r\nIf-Range: \"a-1\"\r\n", 10, 206, 1, 2 },
        { "Range: bytes=1-2\r\nIf-Range: \"b\"\r\n", 10, 200, 0, 0 },
        { "Range: bytes=1-2\r\nIf-Range: " SAME "\r\n", 10, 206, 1, 2 },
        { "Range: bytes=1-2\r\nIf-Range: " AFTER "\r\n", 10, 200, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        struct http_range range = { 0 };
        condition(ranges[i].fields);
        assert_int_equal(http_range(&request, &file, ranges[i].size, &range), ranges[i].status);
        assert_int_equal(range.first, ranges[i].first);
        assert_int_equal(range.length, ranges[i].length);
    }
}

UNIT_TESTS(UNIT_TEST(test_simple), UNIT_TEST(test_refused), UNIT_TEST(test_nul_and_fields),
           UNIT_TEST(test_bounds), UNIT_TEST(test_targets), UNIT_TEST(test_dates),
           UNIT_TEST(test_conditions), UNIT_TEST(test_ranges))
