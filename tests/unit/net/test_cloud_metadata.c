/*
 * The metadata sources of clouds against scripted servers at 169.254.169.254, honest and not.
 */
// links: net/loopback.c net/arp.c tests/unit/net/wire.c tests/unit/net/http_server.c
// links: net/cloud_metadata.c
#include "arch/host/host.h"
#include "kernel/metadata.h"
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "net/ip_address.h"
#include "net/tcp.h"
#include "tests/unit/net/http_server.h"
#include "tests/unit/net/wire.h"

#define SERVER   IPV4(169, 254, 169, 254)
#define FLAVOR   "Metadata-Flavor: Google\r\n"
#define OK(body) "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" body
#define TOKEN    "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nTOKEN/+="
#define STOP                                                                                       \
    {                                                                                              \
        NULL, HTTP_STEP_KEEPS, 0                                                                   \
    }
#define SAY(text)                                                                                  \
    {                                                                                              \
        text, HTTP_STEP_KEEPS, 0                                                                   \
    }

static struct http_server server;
static struct metadata_text text;
static char bytes[METADATA_TEXT_MAX + 1];
static const struct http_step *the_steps;
static int result;
static uint64_t took_ns;

static int run(void *arg)
{
    const struct metadata_source *source = arg;
    static const struct wire_conditions calm;
    struct task *task = NULL;

    wire_start(1, &calm);
    assert_int_equal(interface_set_ipv4(wire_netdev_a(), SERVER, 16), 0);
    if (the_steps)
        task = http_server_start(&server, the_steps);
    memset(&text, 0, sizeof(text));
    memset(bytes, 0, sizeof(bytes));
    text.bytes = bytes;
    uint64_t start = clock_now_ns();
    text.deadline_ns = start + 5 * NS_PER_S;
    result = source->read(&text);
    took_ns = clock_now_ns() - start;
    if (task)
        http_server_stop(task);
    host_advance_ns(400 * NS_PER_S); /* TIME-WAIT */
    wire_stop();
    return 0;
}

static void read_from(const char *name, const struct http_step *steps)
{
    const struct metadata_source *source = metadata_find_source(name);

    assert_non_null(source);
    wire_prepare();
    the_steps = steps;
    host_run(run, (void *)source);
    assert_int_equal(tcp_connection_count(), 0);
    assert_true(took_ns <= 6 * NS_PER_S);
    if (result)
        assert_true(text.problem[0] != '\0');
}

/* ---- Google ---------------------------------------------------------------------------------- */

static void test_gce(void **state)
{
    static const struct http_step steps[] = {
        SAY("HTTP/1.1 200 OK\r\nmetadata-flavor: Google\r\nContent-Length: 8\r\n\r\nrun=help"), STOP
    };

    (void)state;
    read_from("gce", steps);
    assert_int_equal(result, 0);
    assert_int_equal(text.length, 8);
    assert_string_equal(text.bytes, "run=help");
    assert_ptr_equal(server.asked[0],
                     strstr(server.asked[0],
                            "GET /computeMetadata/v1/instance/attributes/nos HTTP/1.1\r\n"
                            "Host: 169.254.169.254\r\n"));
    assert_non_null(strstr(server.asked[0], "\r\nMetadata-Flavor: Google\r\n"));
}

struct row {
    struct http_step step;
    int result;
    const char *problem;
};

/* What the one server at 169.254.169.254 may answer, and what that comes to. */
static void check_rows(const char *source, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct http_step steps[] = { rows[i].step, STOP };

        read_from(source, steps);
        if (result != rows[i].result || !strstr(text.problem, rows[i].problem))
            fail_msg("row %zu: %d, \"%s\"", i, result, text.problem);
    }
}

static void test_gce_otherwise(void **state)
{
    static const struct row rows[] = {
        { SAY("HTTP/1.1 404 Not Found\r\n" FLAVOR "Content-Length: 4\r\n\r\noops"), -ENOENT,
          "the attribute nos: the server answers 404 Not Found" },
        { SAY("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), -EPROTO, "is not believed" },
        { SAY(OK("run=help")), -EPROTO, "is not believed" },
        { SAY("HTTP/1.1 200 OK\r\nMetadata-Flavor: google\r\nContent-Length: 0\r\n\r\n"), -EPROTO,
          "is not believed" },
        { SAY("HTTP/1.1 503 No\r\n" FLAVOR "Content-Length: 0\r\n\r\n"), -EAGAIN, "503" },
        { SAY("HTTP/1.1 403 No\r\n" FLAVOR "Content-Length: 0\r\n\r\n"), -EPROTO, "403" },
        { SAY("HTTP/1.1 302 Found\r\n" FLAVOR "Location: http://10.1.0.1/\r\n"
              "Content-Length: 0\r\n\r\n"),
          -EPROTO, "302" },
        { { "HTTP/1.1 200 OK\r\n" FLAVOR "\r\n", HTTP_STEP_CLOSES, METADATA_TEXT_MAX + 1 },
          -EFBIG,
          "more than 16384 bytes" },
        { { "HTTP/1.1 200 OK\r\n" FLAVOR "Content-Length: 99\r\n\r\nrun=", HTTP_STEP_CLOSES, 0 },
          -EAGAIN,
          "closed the connection midway" },
        { { "HTTP/1.1 200 OK\r\n" FLAVOR "Content-Length: 99\r\n\r\nrun=", HTTP_STEP_HANGS, 0 },
          -EAGAIN,
          "no whole answer in time" },
        { { NULL, HTTP_STEP_HANGS, 0 }, -EAGAIN, "no whole answer in time" },
        { { NULL, HTTP_STEP_CLOSES, 0 }, -EAGAIN, "midway" },
        { { NULL, HTTP_STEP_RESETS, 0 }, -EAGAIN, "reset" },
        { SAY("\177ELF\1\2\3\n"), -EBADMSG, "not HTTP" },
    };

    (void)state;
    check_rows("gce", rows, sizeof(rows) / sizeof(rows[0]));
    read_from("gce", NULL);
    assert_int_equal(result, -EAGAIN);
    assert_non_null(strstr(text.problem, "refused"));
}

/* Exactly as much as there may be. */
static void test_longest_text(void **state)
{
    static const struct http_step steps[] = {
        { "HTTP/1.1 200 OK\r\n" FLAVOR "\r\n", HTTP_STEP_CLOSES, METADATA_TEXT_MAX }, STOP
    };

    (void)state;
    read_from("gce", steps);
    assert_int_equal(result, 0);
    assert_int_equal(text.length, METADATA_TEXT_MAX);
}

/* ---- EC2 ------------------------------------------------------------------------------------- */

static void test_ec2(void **state)
{
    static const struct http_step steps[] = { SAY(TOKEN), SAY(OK("#nos\nr=1")), STOP };

    (void)state;
    read_from("ec2", steps);
    assert_int_equal(result, 0);
    assert_string_equal(text.bytes, "#nos\nr=1");
    assert_int_equal(server.requests, 2);
    assert_int_equal(server.connections, 1);
    assert_ptr_equal(server.asked[0],
                     strstr(server.asked[0], "PUT /latest/api/token HTTP/1.1\r\n"));
    assert_non_null(strstr(server.asked[0], "\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n"));
    assert_ptr_equal(server.asked[1],
                     strstr(server.asked[1], "GET /latest/user-data HTTP/1.1\r\n"));
    assert_non_null(strstr(server.asked[1], "\r\nX-aws-ec2-metadata-token: TOKEN/+=\r\n"));
}

/* A server that knows no tokens is asked without; only 404 and 405 say that. */
static void test_ec2_without_token(void **state)
{
    static const struct http_step steps[][3] = {
        { SAY("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), SAY(OK("#nos\nr=1")), STOP },
        { SAY("HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n"), SAY(OK("#nos\nr=1")), STOP },
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        read_from("ec2", steps[i]);
        assert_int_equal(result, 0);
        assert_string_equal(text.bytes, "#nos\nr=1");
        assert_null(strstr(server.asked[1], "X-aws"));
    }
}

static void test_ec2_token_otherwise(void **state)
{
    static const struct row rows[] = {
        { SAY("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), -EPROTO, "a token" },
        { SAY("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"), -EPROTO, "400" },
        { SAY("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), -EAGAIN, "500" },
        { SAY("HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"), -EPROTO, "301" },
        { SAY(OK("a\r\nX: 1\n")), -EPROTO, "no token" },
        { SAY("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), -EPROTO, "no token" },
        { { "HTTP/1.1 200 OK\r\n\r\n", HTTP_STEP_CLOSES, 257 }, -EPROTO, "no token" },
        { { "HTTP/1.1 200 OK\r\n\r\n", HTTP_STEP_CLOSES, 1000000 }, -EFBIG, "more than" },
        { { NULL, HTTP_STEP_HANGS, 0 }, -EAGAIN, "in time" },
    };

    (void)state;
    check_rows("ec2", rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_ec2_without_user_data(void **state)
{
    static const struct http_step steps[] = {
        SAY(TOKEN), SAY("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), STOP
    };

    (void)state;
    read_from("ec2", steps);
    assert_int_equal(result, -ENOENT);
    assert_non_null(strstr(text.problem, "the user data"));
}

UNIT_TESTS(UNIT_TEST(test_gce), UNIT_TEST(test_gce_otherwise), UNIT_TEST(test_longest_text),
           UNIT_TEST(test_ec2), UNIT_TEST(test_ec2_without_token),
           UNIT_TEST(test_ec2_token_otherwise), UNIT_TEST(test_ec2_without_user_data))
