/*
 * URLs and responses: every response is fed whole, byte by byte, and in odd pieces.
 */
#include "lib/errno.h"
#include "net/http_message.h"
#include "tests/unit/unit.h"

static char body[4096];
static size_t body_length;

static int collect(void *context, const uint8_t *data, size_t length)
{
    (void)context;
    assert_true(body_length + length < sizeof(body));
    memcpy(body + body_length, data, length);
    body_length += length;
    body[body_length] = '\0';
    return 0;
}

static struct http_parser parser;

/* Feed @text in pieces of @step bytes; stop at the first error. */
static int feed(const char *text, size_t step)
{
    size_t length = strlen(text);
    int error = 0;

    http_parser_init(&parser, collect, NULL);
    body_length = 0;
    body[0] = '\0';
    for (size_t at = 0; at < length && !error; at += step)
        error = http_parser_feed(&parser, (const uint8_t *)text + at,
                                 step < length - at ? step : length - at);
    return error;
}

static const size_t steps[] = { 1, 2, 3, 7, 10000 };
#define FOR_EACH_STEP(step)                                                                        \
    for (size_t step##_i = 0, step = steps[0]; step##_i < sizeof(steps) / sizeof(steps[0]);        \
         step##_i++, step = steps[step##_i % (sizeof(steps) / sizeof(steps[0]))])

static void test_length(void **state)
{
    (void)state;
    FOR_EACH_STEP(step)
    {
        assert_int_equal(
            feed("HTTP/1.1 200 OK\r\nContent-length:  5 \r\nContent-Type: text/x\r\n\r\n"
                 "hello",
                 step),
            0);
        assert_true(http_parser_is_done(&parser));
        assert_int_equal(parser.status, 200);
        assert_string_equal(parser.content_type, "text/x");
        assert_string_equal(body, "hello");
        assert_int_equal(parser.body_bytes, 5);
    }
}

static void test_chunked(void **state)
{
    (void)state;
    FOR_EACH_STEP(step)
    {
        assert_int_equal(
            feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 3\r\n\r\n"
                 "5\r\nhello\r\n00A;x=y\r\n, world!!!\r\n0\r\nTrailer: x\r\n\r\n",
                 step),
            0);
        assert_true(http_parser_is_done(&parser));
        assert_string_equal(body, "hello, world!!!");
    }
}

static void test_until_close(void **state)
{
    (void)state;
    FOR_EACH_STEP(step)
    {
        assert_int_equal(feed("HTTP/1.0 200 OK\n\nhello", step), 0);
        assert_false(http_parser_is_done(&parser));
        assert_int_equal(http_parser_close(&parser), 0);
        assert_true(http_parser_is_done(&parser));
        assert_string_equal(body, "hello");
    }
}

static void test_closed_midway(void **state)
{
    static const char *const texts[] = {
        "", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nA: b\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello"
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(feed(texts[i], 3), 0);
        assert_int_equal(http_parser_close(&parser), -ECONNRESET);
    }
}

static void test_no_body(void **state)
{
    (void)state;
    assert_int_equal(feed("HTTP/1.1 204 No Content\r\n\r\n", 1), 0);
    assert_true(http_parser_is_done(&parser));
    assert_int_equal(feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1), 0);
    assert_true(http_parser_is_done(&parser));
    assert_int_equal(feed("HTTP/1.1 103 Early\r\nLocation: /no\r\n\r\nHTTP/1.1 404 Not Found\r\n"
                          "Content-Length: 2\r\n\r\nno",
                          1),
                     0);
    assert_int_equal(parser.status, 404);
    assert_string_equal(parser.location, "");
    assert_string_equal(body, "no");
}

static void test_not_http(void **state)
{
    static const char *const texts[] = {
        "SSH-2.0-x\r\n",
        "HTTP/2.0 200 OK\r\n",
        "HTTP/1.1 2x0 OK\r\n",
        "HTTP/1.1 20\r\n",
        "HTTP/1.1 099 x\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        FOR_EACH_STEP(step)
    assert_int_equal(feed(texts[i], step), -EBADMSG);
    http_parser_init(&parser, collect, NULL);
    assert_int_equal(http_parser_feed(&parser, (const uint8_t *)"HTTP/1.1 200\0OK\r\n", 17),
                     -EBADMSG);
}

static void test_endless_headers(void **state)
{
    int error = feed("HTTP/1.1 200 OK\r\n", 100);

    (void)state;
    for (int i = 0; i < 100000 && !error; i++)
        error = http_parser_feed(&parser, (const uint8_t *)"a: b\r\n", 6);
    assert_int_equal(error, -E2BIG);
    error = feed("HTTP/1.1 200 OK\r\n", 100);
    for (int i = 0; i < 100000 && !error; i++)
        error = http_parser_feed(&parser, (const uint8_t *)"aaaa", 4);
    assert_int_equal(error, -E2BIG);
}

static int refuse(void *context, const uint8_t *data, size_t length)
{
    (void)context;
    (void)data;
    (void)length;
    return -ENOSPC;
}

static void test_receiver_refuses(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

    (void)state;
    http_parser_init(&parser, refuse, NULL);
    assert_int_equal(http_parser_feed(&parser, (const uint8_t *)text, strlen(text)), -ENOSPC);
}

struct url_row {
    const char *text;
    int error;
    const char *host;
    unsigned int port;
    const char *path;
};

static void check_url(const struct url_row *row, int error, const struct http_url *url)
{
    if (error != row->error)
        fail_msg("%s gives %d, not %d", row->text, error, row->error);
    if (error)
        return;
    assert_string_equal(url->host, row->host);
    assert_int_equal(url->port, row->port);
    assert_string_equal(url->path, row->path);
}

static void test_urls(void **state)
{
    static const struct url_row rows[] = {
        { "http://web.test", 0, "web.test", 80, "/" },
        { "HTTP://web.test:8080/a?b#c", 0, "web.test", 8080, "/a?b" },
        { "web.test/x", 0, "web.test", 80, "/x" },
        { "10.0.0.1:81", 0, "10.0.0.1", 81, "/" },
        { "http://web.test?q", 0, "web.test", 80, "/?q" },
        { "http://web.test:/x", 0, "web.test", 80, "/x" },
        { "https://web.test/", -EPROTONOSUPPORT, NULL, 0, NULL },
        { "ftp://web.test/", -EPROTONOSUPPORT, NULL, 0, NULL },
        { "", -EINVAL, NULL, 0, NULL },
        { "http://", -EINVAL, NULL, 0, NULL },
        { "http:///x", -EINVAL, NULL, 0, NULL },
        { "http://a b/", -EINVAL, NULL, 0, NULL },
        { "http://a/\r\nX: y", -EINVAL, NULL, 0, NULL },
        { "http://user@host/", -EINVAL, NULL, 0, NULL },
        { "http://host:0/", -EINVAL, NULL, 0, NULL },
        { "http://host:65536/", -EINVAL, NULL, 0, NULL },
        { "http://host:8x/", -EINVAL, NULL, 0, NULL },
    };
    struct http_url url;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memset(&url, 0, sizeof(url));
        check_url(&rows[i], http_url_parse(rows[i].text, &url), &url);
    }
}

static void test_references(void **state)
{
    static const struct url_row rows[] = {
        { "http://b.test/x", 0, "b.test", 80, "/x" },
        { "//b.test:1/x", 0, "b.test", 1, "/x" },
        { "/x/./y/../z", 0, "a.test", 8080, "/x/z" },
        { "x", 0, "a.test", 8080, "/d/x" },
        { "../x", 0, "a.test", 8080, "/x" },
        { "../../../x?y=../z", 0, "a.test", 8080, "/x?y=../z" },
        { "?y", 0, "a.test", 8080, "/d/e?y" },
        { "./", 0, "a.test", 8080, "/d/" },
        { "..", 0, "a.test", 8080, "/" },
        { "#f", 0, "a.test", 8080, "/d/e?q=1" },
        { "https://b.test/", -EPROTONOSUPPORT, NULL, 0, NULL },
        { "", -EINVAL, NULL, 0, NULL },
    };
    struct http_url base, url;

    (void)state;
    assert_int_equal(http_url_parse("http://a.test:8080/d/e?q=1", &base), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memset(&url, 0, sizeof(url));
        check_url(&rows[i], http_url_resolve(&base, rows[i].text, &url), &url);
    }
}

/* What decides whether the connection may be used again, and the header that the caller wants. */
static void test_persistence(void **state)
{
    static const struct {
        const char *text;
        bool is_persistent, has_excess;
    } rows[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true, false },
        { "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, false },
        { "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false, false },
        { "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n", false, false },
        { "HTTP/1.1 200 OK\r\nConnection: closely, keep-alive,\r\nContent-Length: 0\r\n\r\n", true,
          false },
        { "HTTP/1.1 204 No\r\n\r\n!", true, true },
        { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", true, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        FOR_EACH_STEP(step)
        {
            assert_int_equal(feed(rows[i].text, step), 0);
            assert_true(http_parser_is_done(&parser));
            assert_int_equal(parser.is_persistent, rows[i].is_persistent);
            assert_int_equal(parser.has_excess, rows[i].has_excess);
        }
}

static void test_extra_header(void **state)
{
    static const char text[] = "HTTP/1.1 100 Wait\r\nX-Y: interim\r\n\r\n"
                               "HTTP/1.1 200 OK\r\nx-y:\t value \r\nX-Yz: no\r\n\r\n";

    (void)state;
    http_parser_init(&parser, collect, NULL);
    parser.extra_name = "x-y";
    assert_int_equal(http_parser_feed(&parser, (const uint8_t *)text, strlen(text)), 0);
    assert_string_equal(parser.extra, "value");
}

static void test_long_urls(void **state)
{
    static char text[8192];
    struct http_url base, url;

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    assert_int_equal(http_url_parse(text, &url), -ENAMETOOLONG);
    memcpy(text, "http://h/", 9);
    assert_int_equal(http_url_parse(text, &url), -ENAMETOOLONG);
    text[HTTP_PATH_MAX] = '\0';
    assert_int_equal(http_url_parse(text, &base), 0);
    char formatted[HTTP_URL_MAX];
    http_url_format(&base, formatted);
    assert_string_equal(formatted, text);
    assert_int_equal(http_url_resolve(&base, "?aaaaaaaaaaaaaaaaaaaaaaa", &url), -ENAMETOOLONG);
}

UNIT_TESTS(UNIT_TEST(test_length), UNIT_TEST(test_chunked), UNIT_TEST(test_until_close),
           UNIT_TEST(test_closed_midway), UNIT_TEST(test_no_body), UNIT_TEST(test_not_http),
           UNIT_TEST(test_endless_headers), UNIT_TEST(test_receiver_refuses), UNIT_TEST(test_urls),
           UNIT_TEST(test_references), UNIT_TEST(test_long_urls), UNIT_TEST(test_persistence),
           UNIT_TEST(test_extra_header))
