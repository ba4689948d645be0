/*
 * The HTTP client against scripted servers: requests, kept connections, redirects, deadlines.
 */
// links: net/loopback.c net/arp.c tests/unit/net/wire.c tests/unit/net/http_server.c
#include "arch/host/host.h"
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "net/http.h"
#include "net/tcp.h"
#include "tests/unit/net/http_server.h"
#include "tests/unit/net/wire.h"

#define PAGE(text) "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" text
#define TO(where)  "HTTP/1.1 302 Found\r\nLocation: " where "\r\nContent-Length: 5\r\n\r\nmoved"

static struct http_server server;
static char page[65536], extra[128], problem[384];
static size_t page_length;
static unsigned int status;

static int on_headers(void *context, const struct http_parser *response)
{
    (void)context;
    page_length = 0;
    page[0] = '\0';
    strcpy(extra, response->extra);
    return 0;
}

static int on_body(void *context, const uint8_t *data, size_t length)
{
    (void)context;
    assert_true(page_length + length < sizeof(page));
    memcpy(page + page_length, data, length);
    page_length += length;
    page[page_length] = '\0';
    return 0;
}

static int fetch(struct http_client *client, const char *where, const struct http_request *request)
{
    static const struct http_receiver receiver = { .headers = on_headers, .body = on_body };
    static const struct http_request get;
    static struct http_url url;

    page[0] = extra[0] = '\0';
    assert_int_equal(http_url_parse(where, &url), 0);
    return http_fetch(client, &url, request ? request : &get, &receiver, &status, problem,
                      sizeof(problem));
}

/* Run @body with a client, over a server that follows @steps. */
static void (*the_body)(struct http_client *client);

static int run(void *arg)
{
    static const struct wire_conditions calm;
    struct task *task;

    wire_start(1, &calm);
    task = http_server_start(&server, arg);
    struct http_client *client = http_client_create();
    the_body(client);
    http_client_destroy(client);
    http_server_stop(task);
    host_advance_ns(400 * NS_PER_S); /* TIME-WAIT */
    wire_stop();
    return 0;
}

static void with_server(const struct http_step *steps, void (*body)(struct http_client *client))
{
    wire_prepare();
    the_body = body;
    host_run(run, (void *)steps);
    assert_int_equal(tcp_connection_count(), 0);
}

/* ---- what is sent ---------------------------------------------------------------------------- */

static void ask_specially(struct http_client *client)
{
    static const struct http_request put = { .method = "PUT",
                                             .headers = "X-Token: 5\r\nX-More: 6\r\n",
                                             .extra_header = "x-answer" };

    assert_int_equal(fetch(client, "127.0.0.1/a?b", &put), 0);
    assert_int_equal(status, 200);
    assert_string_equal(page, "four");
    assert_string_equal(extra, "is this");
    assert_ptr_equal(strstr(server.asked[0], "PUT /a?b HTTP/1.1\r\nHost: 127.0.0.1\r\n"),
                     server.asked[0]);
    assert_non_null(strstr(server.asked[0], "\r\nX-Token: 5\r\nX-More: 6\r\n\r\n"));
    assert_int_equal(fetch(client, "127.0.0.1", NULL), 0);
    assert_string_equal(extra, "");
}

static void test_requests(void **state)
{
    static const struct http_step steps[] = {
        { "HTTP/1.1 200 OK\r\nX-Answer:  is this \r\nContent-Length: 4\r\n\r\nfour", .padding = 0 },
        { PAGE("more"), .padding = 0 },
        { 0 },
    };

    (void)state;
    with_server(steps, ask_specially);
}

/* ---- the connection is kept ------------------------------------------------------------------ */

static void ask_four_times(struct http_client *client)
{
    static const char *const pages[] = { "one1", "two2", "three", "four" };

    for (int i = 0; i < 4; i++) {
        assert_int_equal(fetch(client, "127.0.0.1/x", NULL), 0);
        assert_string_equal(page, pages[i]);
    }
}

static void test_kept_connection(void **state)
{
    static const struct http_step steps[] = {
        { PAGE("one1"), .padding = 0 },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntwo2\r\n0\r\n\r\n", 0, 0 },
        { "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nthree", 0, 0 },
        { PAGE("four"), .padding = 0 },
        { 0 },
    };

    (void)state;
    with_server(steps, ask_four_times);
    assert_int_equal(server.requests, 4);
    assert_int_equal(server.connections, 1);
}

/* Each of these answers ends its connection, and the next request has another. */
static void test_ended_connection(void **state)
{
    static const struct http_step steps[] = {
        { "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 4\r\n\r\none1", 0, 0 },
        { "HTTP/1.1 200 OK\r\n\r\ntwo2", HTTP_STEP_CLOSES, 0 },
        { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nthree", 0, 0 },
        { PAGE("four") "and excess", .padding = 0 },
        { 0 },
    };

    (void)state;
    with_server(steps, ask_four_times);
    assert_int_equal(server.requests, 4);
    assert_int_equal(server.connections, 4);
}

/* The server closes after its answer, without having said so: at once, or as the next one comes. */
static void test_stale_connection(void **state)
{
    static const struct http_step steps[] = {
        { PAGE("one1"), HTTP_STEP_CLOSES, 0 },
        { PAGE("two2"), .padding = 0 },
        { NULL, HTTP_STEP_RESETS, 0 },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthree", 0, 0 },
        { NULL, HTTP_STEP_CLOSES, 0 },
        { PAGE("four"), .padding = 0 },
        { 0 },
    };

    (void)state;
    with_server(steps, ask_four_times);
    assert_int_equal(server.requests, 6);
    assert_int_equal(server.connections, 4);
}

static void ask_a_closer(struct http_client *client)
{
    assert_int_equal(fetch(client, "127.0.0.1/x", NULL), -ECONNRESET);
    assert_non_null(strstr(problem, "midway"));
}

/* But a new connection is not tried again. */
static void test_closed_without_answer(void **state)
{
    static const struct http_step steps[] = { { NULL, HTTP_STEP_CLOSES, 0 }, { 0 } };

    (void)state;
    with_server(steps, ask_a_closer);
    assert_int_equal(server.requests, 1);
}

/* ---- redirects ------------------------------------------------------------------------------- */

static void follow(struct http_client *client)
{
    assert_int_equal(fetch(client, "127.0.0.1/start", NULL), 0);
    assert_string_equal(page, "here");
    assert_int_equal(status, 200);
}

static void test_redirect_on_one_connection(void **state)
{
    static const struct http_step steps[] = {
        { TO("/a"), .padding = 0 },
        { TO("http://127.0.0.1:80/b"), .padding = 0 },
        { PAGE("here"), .padding = 0 },
        { 0 },
    };

    (void)state;
    with_server(steps, follow);
    assert_int_equal(server.requests, 3);
    assert_int_equal(server.connections, 1);
    assert_non_null(strstr(server.asked[1], "GET /a HTTP"));
    assert_non_null(strstr(server.asked[2], "GET /b HTTP"));
}

/* A redirect's page that is long, or does not come whole, is not waited for. */
static void test_redirect_with_bad_page(void **state)
{
    static const struct http_step steps[] = {
        { "HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 1000000\r\n\r\n", 0, 1000000 },
        { "HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 100\r\n\r\nx", HTTP_STEP_HANGS,
          0 },
        { "HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 100\r\n\r\nx", HTTP_STEP_CLOSES,
          0 },
        { "HTTP/1.1 302 Found\r\nLocation: /a\r\n\r\n", HTTP_STEP_HANGS, 100 },
        { PAGE("here"), .padding = 0 },
        { 0 },
    };

    (void)state;
    with_server(steps, follow);
    assert_int_equal(server.connections, 5);
}

static void do_not_follow(struct http_client *client)
{
    static const struct http_request stay = { .keeps_redirects = true };

    assert_int_equal(fetch(client, "127.0.0.1/start", &stay), 0);
    assert_int_equal(status, 302);
    assert_string_equal(page, "moved");
}

static void test_redirect_not_followed(void **state)
{
    static const struct http_step steps[] = { { TO("/a"), .padding = 0 }, { 0 } };

    (void)state;
    with_server(steps, do_not_follow);
    assert_int_equal(server.requests, 1);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static void ask_in_time(struct http_client *client)
{
    struct http_request request = { .deadline_ns = deadline_after_ns(5 * NS_PER_S) };
    uint64_t start = clock_now_ns();

    assert_int_equal(fetch(client, "127.0.0.1/", &request), -ETIMEDOUT);
    assert_string_equal(problem, "127.0.0.1: no whole answer in time");
    assert_true(clock_now_ns() - start <= 6 * NS_PER_S);
}

static void test_deadline(void **state)
{
    static const struct http_step silent[] = { { NULL, HTTP_STEP_HANGS, 0 }, { 0 } };
    static const struct http_step cut[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx", HTTP_STEP_HANGS, 0 }, { 0 }
    };

    (void)state;
    with_server(silent, ask_in_time);
    with_server(cut, ask_in_time);
}

UNIT_TESTS(UNIT_TEST(test_requests), UNIT_TEST(test_kept_connection),
           UNIT_TEST(test_ended_connection), UNIT_TEST(test_stale_connection),
           UNIT_TEST(test_closed_without_answer), UNIT_TEST(test_redirect_on_one_connection),
           UNIT_TEST(test_redirect_with_bad_page), UNIT_TEST(test_redirect_not_followed),
           UNIT_TEST(test_deadline))
