/*
 * Instance metadata: words that come after boot, the text around them, and how often a source is
 * asked.
 */
#include "arch/host/host.h"
#include "kernel/log.h"
#include "kernel/metadata.h"
#include "kernel/parameter.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "tests/unit/unit.h"

/* ---- what was logged since forget_logged() -------------------------------------------------- */

static uint64_t log_cursor;

static void forget_logged(void)
{
    static char old[65536];

    while (log_read(&log_cursor, old, sizeof(old)) > 0)
        ;
}

static const char *logged(void)
{
    static char lines[65536];
    uint64_t cursor = log_cursor;
    size_t length = 0, part;

    while (length < sizeof(lines) - 1024 &&
           (part = log_read(&cursor, lines + length, sizeof(lines) - length)) > 0)
        length += part;
    lines[length] = '\0';
    return lines;
}

static bool was_logged(const char *text)
{
    return strstr(logged(), text) != NULL;
}

/* ---- parameters that note what happens to them ----------------------------------------------- */

static char seen[4096];

static void note(const char *what, const char *value)
{
    snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s%s ", what, value);
}

static int set_first(const char *value)
{
    note("first=", value);
    return strcmp(value, "bad") == 0 ? -EINVAL : 0;
}
static int start_first(void)
{
    note("start-first", "");
    return 0;
}

static int set_second(const char *value)
{
    note("second=", value);
    return 0;
}
static int start_second(void)
{
    note("start-second", "");
    return -EBUSY;
}

static int set_early(const char *value)
{
    note("early=", value);
    return 0;
}

PARAMETER_LATE(second, "second", "TEXT", "starts last", set_second, PARAMETER_STAGE_COMMANDS,
               start_second);
PARAMETER_LATE(first, "first", "GOOD", "starts first", set_first, PARAMETER_STAGE_NETWORK,
               start_first);
PARAMETER(early, "early", "TEXT", "of the command line alone", set_early);

/* ---- the text -------------------------------------------------------------------------------- */

static const struct metadata_source marked = { .name = "marked", .has_mark = true };
static const struct metadata_source plain = { .name = "plain" };

static void apply(const struct metadata_source *source, const char *bytes, size_t length)
{
    struct metadata_text text = { .bytes = malloc(length + 1), .length = length };

    memcpy(text.bytes, bytes, length);
    seen[0] = '\0';
    forget_logged();
    metadata_apply(source, &text);
    free(text.bytes);
}

static void expect(const struct metadata_source *source, const char *text, const char *effect,
                   const char *complaint)
{
    apply(source, text, strlen(text));
    assert_string_equal(seen, effect);
    if (!was_logged(complaint))
        fail_msg("no \"%s\" in: %s", complaint, logged());
}

static void test_lines(void **state)
{
    (void)state;
    expect(&marked, "#nos\nfirst=1\n", "first=1 start-first ", "marked has set first=");
    expect(&marked, "#nos first=9\nfirst=1", "first=1 start-first ", "");
    expect(&marked, "#nos\r\n# a comment\r\n  # first=2\r\n\r\n\tfirst=3 \r\n",
           "first=3 start-first ", "");
    expect(&plain, "first=\"a b; c\" second=\"\\\"\"",
           "first=a b; c second=\" start-first start-second ", "");
    expect(&plain, "second=x\nfirst=y", "second=x first=y start-first start-second ",
           "plain: second=: ");
    expect(&plain, "#nos\nfirst=y\n", "first=y start-first ", "");
    expect(&plain, "first=1\nfirst=2", "first=1 first=2 start-first ", "");
}

static void test_refused(void **state)
{
    (void)state;
    expect(&marked, "first=1", "", "the first line is not \"#nos\": ignored");
    expect(&marked, "", "", "the first line is not");
    expect(&marked, "#nosy\nfirst=1", "", "the first line is not");
    expect(&marked, "#cloud-config\nusers: []\n", "", "the first line is not");
    expect(&marked, "#nos\n", "", "nothing to set");
    expect(&plain, "early=1", "", "early cannot be set from there");
    expect(&plain, "unknown=1 first=2", "first=2 start-first ", "unknown cannot be set");
    expect(&plain, "first=bad", "first=bad ",
           "bad value for first= (ignored), expected first=GOOD");
    expect(&plain, "first", "", "bad value for first=");
    expect(&plain, "first=\"1\nsecond=2", "second=2 start-second ", "quote without its end");
    apply(&plain, "first=1\0second=2", 16);
    assert_string_equal(seen, "");
    assert_true(was_logged("16 bytes that are no text"));
    expect(&plain, "first=1\033[2J", "", "no text");
    expect(&plain, "\177ELF first=1", "", "no text");
}

/* A long hostile name is cut; values, which may be secrets, are never shown. */
static void test_log(void **state)
{
    char text[METADATA_TEXT_MAX];

    (void)state;
    memset(text, 'n', sizeof(text));
    apply(&plain, text, sizeof(text));
    assert_true(strlen(logged()) < 200);
    expect(&plain, "early=secret first=bad", "first=bad ", "early");
    assert_false(was_logged("secret"));
    assert_false(was_logged("=bad"));
}

static void test_command_line_wins(void **state)
{
    char line[] = "first=boot second";

    (void)state;
    parameters_parse(line);
    expect(&plain, "first=late second=late", "", "first= is on the command line, which wins");
    assert_true(was_logged("second= is on the command line"));
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int answers[16];
static unsigned int asked;

static int scripted_read(struct metadata_text *text)
{
    uint64_t now = clock_now_ns();

    assert_true(text->deadline_ns > now && text->deadline_ns <= now + 5 * NS_PER_S);
    if (answers[asked] == 0)
        text->length = 7;
    else
        snprintf(text->problem, sizeof(text->problem), "trouble %u", asked + 1);
    return answers[asked++];
}

static int unready(struct metadata_text *text)
{
    assert_true(text->deadline_ns <= clock_now_ns() + 120 * NS_PER_S);
    strcpy(text->problem, "no way");
    return -ETIMEDOUT;
}

static const struct metadata_source scripted = { .name = "scripted", .read = scripted_read };

static int result;
static uint64_t took_ns;

static int run_read(void *arg)
{
    struct metadata_text text = { .length = 0 };
    uint64_t start = clock_now_ns();

    result = metadata_read(arg, &text);
    took_ns = clock_now_ns() - start;
    return 0;
}

static void ask(const struct metadata_source *source, int first, int then)
{
    for (unsigned int i = 0; i < 16; i++)
        answers[i] = i == 0 ? first : then;
    asked = 0;
    forget_logged();
    host_kernel_start();
    host_run(run_read, (void *)source);
}

static void test_tries(void **state)
{
    static const struct metadata_source never = { .name = "never",
                                                  .prepare = unready,
                                                  .read = scripted_read };

    (void)state;
    ask(&scripted, 0, 0);
    assert_int_equal(result, 0);
    assert_int_equal(asked, 1);
    assert_string_equal(logged(), "");
    ask(&scripted, -EAGAIN, 0);
    assert_int_equal(result, 0);
    assert_int_equal(asked, 2);
    assert_true(was_logged("scripted: trouble 1: will ask again"));
    ask(&scripted, -EAGAIN, -EAGAIN);
    assert_int_equal(result, -ETIMEDOUT);
    assert_int_equal(asked, 5);
    assert_true(took_ns >= 15 * NS_PER_S && took_ns < 16 * NS_PER_S); /* 1 + 2 + 4 + 8 */
    assert_true(was_logged("scripted: trouble 5: given up"));
    ask(&scripted, -EAGAIN, -ENOENT);
    assert_int_equal(result, -ENOENT);
    assert_true(was_logged("scripted: trouble 2: nothing to set"));
    ask(&scripted, -EPROTO, 0);
    assert_int_equal(asked, 1);
    assert_true(was_logged("scripted: trouble 1: given up"));
    ask(&never, 0, 0);
    assert_int_equal(asked, 0);
    assert_true(was_logged("never: no way: given up"));
}

UNIT_TESTS(UNIT_TEST(test_lines), UNIT_TEST(test_refused), UNIT_TEST(test_log),
           UNIT_TEST(test_tries), UNIT_TEST(test_command_line_wins))
