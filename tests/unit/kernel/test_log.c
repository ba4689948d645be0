/*
 * The log: order, wrapping, consoles, holding, panic, and writers on several CPUs (as threads).
 */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "arch/clock.h"
#include "kernel/log.c"
#include "kernel/log_ring.c"

static uint64_t now_ns;
struct host_cpu host_cpu;

uint64_t clock_read_ns(void)
{
    return now_ns;
}

void host_irq_enabled(void)
{
}

static size_t pages_left; /* how many there are for the log */

void *page_alloc(size_t count, unsigned int flags, const char *owner)
{
    (void)owner;
    assert_int_equal(count, 1);
    assert_int_equal(flags, PAGE_ZERO);
    return pages_left > 0 && pages_left-- ? calloc(1, PAGE_SIZE) : NULL;
}

void page_free(void *page)
{
    pages_left++;
    free(page);
}

static char shown[65536];
static size_t shown_length;
static unsigned int shown_in_panic;

static void show(struct log_console *console, enum log_level level, const char *text, size_t length)
{
    (void)console;
    (void)level;
    if (shown_length + length < sizeof(shown)) {
        memcpy(shown + shown_length, text, length);
        shown_length += length;
        shown[shown_length] = '\0';
    }
}

static void show_panic(struct log_console *console, enum log_level level, const char *text,
                       size_t length)
{
    shown_in_panic++;
    show(console, level, text, length);
}

static struct log_console console = { .name = "test", .write = show, .write_panic = show_panic };

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOG_RING_PAGES_MAX; i++) {
        free(log_records.pages[i]);
        free(log_text.pages[i]);
    }
    pages_left = SIZE_MAX / 2;
    /* As at power-on. */
    memset(boot_records, 0, sizeof(boot_records));
    log_records = (struct log_ring)LOG_RING_INIT(7, 1, boot_records);
    log_text = (struct log_ring)LOG_RING_INIT(12, 4, boot_text);
    grow_soon = NULL;
    atomic_store(&panicking, false);
    atomic_store(&flushing, false);
    atomic_store(&holds, 0);
    consoles = NULL;
    shown_level = LOG_INFO;
    shown[0] = '\0';
    shown_length = 0;
    shown_in_panic = 0;
    now_ns = 0;
    host_cpu = (struct host_cpu){ 0 };
    return 0;
}

static void expect_next(uint64_t *cursor, const char *expected)
{
    char line[LOG_LINE_MAX];

    assert_int_equal(log_read(cursor, line, sizeof(line)), strlen(expected));
    assert_string_equal(line, expected);
}

static void test_lines_in_order(void **state)
{
    char line[LOG_LINE_MAX];
    uint64_t cursor = 0;
    (void)state;

    now_ns = 1234567890;
    log_info("one", "number %d", 1);
    now_ns = 61000001000;
    log_warning("two", "watch out");
    log_error("three", "bad\nbytes\033[2J");
    expect_next(&cursor, "[    1.234567 0] one: number 1");
    expect_next(&cursor, "[   61.000001 0] WARNING two: watch out");
    expect_next(&cursor, "[   61.000001 0] ERROR three: bad?bytes?[2J");
    assert_int_equal(log_read(&cursor, line, sizeof(line)), 0);
    log_info("four", "more");
    expect_next(&cursor, "[   61.000001 0] four: more");
}

static void test_small_buffer_and_long_line(void **state)
{
    char text[2000];
    char line[LOG_LINE_MAX];
    uint64_t cursor = 0;
    (void)state;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_info("long", "%s", text);
    assert_int_equal(log_read(&cursor, line, 10), 9);
    assert_string_equal(line, "[    0.00");
    cursor = 0;
    assert_in_range(log_read(&cursor, line, sizeof(line)), 450, LOG_LINE_MAX - 1);
}

static void test_the_ring_keeps_the_last_lines(void **state)
{
    char expected[64];
    uint64_t cursor = 0;
    (void)state;

    for (int i = 0; i < 3 * RECORD_COUNT; i++)
        log_info("ring", "%d", i);
    snprintf(expected, sizeof(expected), "[    0.000000 0] ring: %d", 2 * RECORD_COUNT);
    expect_next(&cursor, expected);
    cursor = log_tail(2);
    snprintf(expected, sizeof(expected), "[    0.000000 0] ring: %d", 3 * RECORD_COUNT - 2);
    expect_next(&cursor, expected);
}

static void test_the_text_is_bounded_too(void **state)
{
    char line[LOG_LINE_MAX];
    uint64_t cursor = 0;
    size_t lines = 0;
    size_t bytes = 0;
    size_t length;
    (void)state;

    for (int i = 0; i < 2 * RECORD_COUNT; i++)
        log_info("ring", "%0400d", i);
    while ((length = log_read(&cursor, line, sizeof(line))) > 0) {
        assert_int_equal(length, 17 + 6 + 400);
        assert_memory_equal(line, "[    0.000000 0] ring: 00000", 28);
        lines++;
        bytes += length;
    }
    assert_in_range(lines, 1200, TEXT_SIZE / 400);
    assert_true(bytes > 500 * 1024);
    snprintf(shown, sizeof(shown), "%0400d", 2 * RECORD_COUNT - 1);
    assert_string_equal(line + 23, shown);
}

static void test_console_gets_everything_since_boot(void **state)
{
    (void)state;
    log_info("one", "a");
    log_debug("two", "not kept: log=info");
    log_console_register(&console);
    log_info("three", "c");
    assert_string_equal(shown, "[    0.000000 0] one: a\n[    0.000000 0] three: c\n");
}

static void test_level(void **state)
{
    uint64_t cursor = 0;
    (void)state;
    assert_int_equal(set_level("loud"), -EINVAL);
    assert_int_equal(set_level("warning"), 0);
    log_console_register(&console);
    log_info("one", "a");
    log_warning("two", "b");
    assert_string_equal(shown, "[    0.000000 0] WARNING two: b\n");
    expect_next(&cursor, "[    0.000000 0] one: a");
    assert_int_equal(set_level("debug"), 0);
    log_debug("three", "c");
    assert_non_null(strstr(shown, "debug three: c"));
}

static void test_hold(void **state)
{
    (void)state;
    log_console_register(&console);
    log_console_hold();
    log_console_hold();
    log_info("one", "hidden");
    log_console_release();
    log_info("two", "hidden");
    log_console_release();
    assert_string_equal(shown, "");
    log_info("three", "seen");
    assert_string_equal(shown, "[    0.000000 0] three: seen\n");
    uint64_t cursor = 0;
    expect_next(&cursor, "[    0.000000 0] one: hidden");
}

static void test_panic_goes_through_holds_and_locks(void **state)
{
    (void)state;
    log_console_register(&console);
    log_console_hold();
    atomic_store(&flushing, true); /* whoever had it is stopped */
    log_panic_mode();
    log_error("panic", "the end");
    assert_string_equal(shown, "[    0.000000 0] ERROR panic: the end\n");
    assert_int_equal(shown_in_panic, 1);
}

static void test_a_line_in_the_making(void **state)
{
    char line[LOG_LINE_MAX];
    uint64_t cursor = 0;
    (void)state;

    /* A writer that was stopped between reserving and finishing. */
    uint64_t number = log_ring_take(&log_records, 1).position;
    log_info("two", "b");
    assert_int_equal(log_read(&cursor, line, sizeof(line)), 0);
    assert_int_equal(cursor, number);
    log_panic_mode(); /* nobody will finish it now */
    expect_next(&cursor, "[    0.000000 0] two: b");
}

static void test_nmi_leaves_the_console_to_the_next(void **state)
{
    (void)state;
    log_console_register(&console);
    host_cpu.preempt_count = PREEMPT_NMI;
    log_info("one", "a");
    assert_string_equal(shown, "");
    host_cpu.preempt_count = 0;
    log_info("two", "b");
    assert_string_equal(shown, "[    0.000000 0] one: a\n[    0.000000 0] two: b\n");
}

static void test_a_writer_that_was_lapped_leaves_the_newer_line(void **state)
{
    (void)state;
    for (unsigned int i = 0; i <= RECORD_COUNT; i++)
        log_info("new", "%u", i);
    uint64_t now = log_records.state;
    log_records.state -= RECORD_COUNT + 1; /* as one that was stopped for a whole round has it */
    log_info("late", "line");
    log_records.state = now;

    char line[LOG_LINE_MAX];
    uint64_t cursor = RECORD_COUNT;
    assert_true(log_read(&cursor, line, sizeof(line)) > 0);
    assert_string_equal(line, "[    0.000000 0] new: 4096");
}

/* ---- growing ------------------------------------------------------------------------------- */

/* The lines that there are: consecutive, with these numbers as their text. */
static void expect_lines(int first, int end)
{
    uint64_t cursor = 0;
    char expected[LOG_LINE_MAX];
    char line[LOG_LINE_MAX];

    for (int i = first; i < end; i++) {
        snprintf(expected, sizeof(expected), "[    0.000000 0] grow: %0100d", i);
        expect_next(&cursor, expected);
    }
    assert_int_equal(log_read(&cursor, line, sizeof(line)), 0);
}

static void write_numbers(int first, int end)
{
    for (int i = first; i < end; i++)
        log_info("grow", "%0100d", i);
}

static void test_growing_loses_nothing(void **state)
{
    size_t pages = pages_left;

    (void)state;
    write_numbers(0, 50);
    assert_int_equal(log_settle(log_grow), 0);
    assert_int_equal(pages - pages_left, 1 + 4);
    memset(boot_records, 0xFF, sizeof(boot_records));
    memset(boot_text, 0xFF, sizeof(boot_text));
    expect_lines(0, 50);
    write_numbers(50, 4000);
    expect_lines(0, 4000);
    assert_int_equal(pages - pages_left, (1 + 4) * 32);
    write_numbers(4000, 9000);
    expect_lines(9000 - RECORD_COUNT, 9000);
    assert_int_equal(pages - pages_left, (1 + 4) * 32);
}

static void test_much_before_settling(void **state)
{
    (void)state;
    write_numbers(0, 7000);
    assert_int_equal(log_settle(log_grow), 0);
    expect_lines(7000 - RECORD_COUNT, 7000);
    write_numbers(7000, 7100);
    expect_lines(7100 - RECORD_COUNT, 7100);
}

/* Nobody could see to it in time: the current lap stays, and what follows has more room. */
static void test_growing_late(void **state)
{
    (void)state;
    assert_int_equal(log_settle(NULL), 0);
    write_numbers(0, 300);
    expect_lines(300 - 128, 300);
    log_grow();
    expect_lines(256, 300);
    write_numbers(300, 400);
    expect_lines(256, 400);
    log_grow();
    write_numbers(400, 600);
    expect_lines(256, 600);
}

/* At the very end of a lap all of it stays. */
static void test_growing_at_the_end_of_a_lap(void **state)
{
    (void)state;
    assert_int_equal(log_settle(NULL), 0);
    for (int i = 0; i < 128; i++)
        log_info("n", "%d", i);
    log_grow();
    uint64_t cursor = 0;
    expect_next(&cursor, "[    0.000000 0] n: 0");
}

static void test_growing_without_memory(void **state)
{
    (void)state;
    pages_left = 4;
    assert_int_equal(log_settle(NULL), -ENOMEM);
    assert_int_equal(pages_left, 3); /* the records have theirs; the boot ends here */
    set_up(NULL);
    pages_left = 5;
    assert_int_equal(log_settle(log_grow), 0);
    write_numbers(0, 1000);
    expect_lines(1000 - 128, 1000);
    pages_left = 1000;
    write_numbers(1000, 1001);
    assert_true(pages_left < 1000);
    expect_lines(928, 1001); /* whose text is in the lap of 16 KiB that it was in */
}

/* ---- several CPUs -------------------------------------------------------------------------- */

#define THREADS          4
#define LINES_PER_THREAD 20000
#define LINES_PER_ROUND  500

/* A thread, unlike a CPU with interrupts off, may be stopped for long in the middle of a line.
 * Nobody goes round the ring before all have come so far. */
static pthread_barrier_t round_end;

static void *write_lines(void *arg)
{
    uintptr_t thread = (uintptr_t)arg;

    for (unsigned int i = 0; i < LINES_PER_THREAD; i++) {
        char fill[64];
        memset(fill, 'a' + (int)thread, i % 60);
        fill[i % 60] = '\0';
        log_info("w", "%u %u %s.", (unsigned int)thread, i, fill);
        if (i % LINES_PER_ROUND == LINES_PER_ROUND - 1)
            pthread_barrier_wait(&round_end);
    }
    return NULL;
}

/* Every line that is read is whole, and each writer's lines come in its order. */
static void check_line(const char *line, unsigned int last[THREADS])
{
    unsigned int thread, number, at;

    assert_int_equal(sscanf(line, "[    0.000000 0] w: %u %u %n", &thread, &number, &at), 2);
    assert_true(thread < THREADS && number < LINES_PER_THREAD);
    const char *fill = line + at;
    assert_int_equal(strspn(fill, (char[]){ (char)('a' + thread), 0 }), number % 60);
    assert_string_equal(fill + number % 60, ".");
    assert_true(last[thread] == UINT32_MAX || number > last[thread]);
    last[thread] = number;
}

static void test_writers_and_a_reader_at_once(void **state)
{
    unsigned int last[THREADS] = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX };
    pthread_t threads[THREADS];
    char line[LOG_LINE_MAX];
    uint64_t cursor = 0;
    size_t read = 0;
    (void)state;

    assert_int_equal(pthread_barrier_init(&round_end, NULL, THREADS), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, write_lines, (void *)i);
    while (log_ring_end(&log_records).position < THREADS * LINES_PER_THREAD) {
        if (log_read(&cursor, line, sizeof(line)) > 0) {
            check_line(line, last);
            read++;
        }
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    while (log_read(&cursor, line, sizeof(line)) > 0) {
        check_line(line, last);
        read++;
    }
    pthread_barrier_destroy(&round_end);
    assert_int_equal(cursor, THREADS * LINES_PER_THREAD);
    assert_true(read >= RECORD_COUNT / 2);
}

#define LOG_TEST(function) cmocka_unit_test_setup(function, set_up)

UNIT_TESTS(LOG_TEST(test_lines_in_order), LOG_TEST(test_small_buffer_and_long_line),
           LOG_TEST(test_the_ring_keeps_the_last_lines), LOG_TEST(test_the_text_is_bounded_too),
           LOG_TEST(test_console_gets_everything_since_boot), LOG_TEST(test_level),
           LOG_TEST(test_hold), LOG_TEST(test_panic_goes_through_holds_and_locks),
           LOG_TEST(test_a_line_in_the_making), LOG_TEST(test_nmi_leaves_the_console_to_the_next),
           LOG_TEST(test_a_writer_that_was_lapped_leaves_the_newer_line),
           LOG_TEST(test_growing_loses_nothing), LOG_TEST(test_much_before_settling),
           LOG_TEST(test_growing_late), LOG_TEST(test_growing_at_the_end_of_a_lap),
           LOG_TEST(test_growing_without_memory), LOG_TEST(test_writers_and_a_reader_at_once))
