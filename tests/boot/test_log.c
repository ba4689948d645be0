/*
 * The log under several CPUs and interrupts at once.
 */
#include "tests/boot_test.h"

#include "kernel/log.h"
#include "kernel/sched/task.h"
#include "kernel/time/timer.h"
#include "lib/parse.h"
#include "lib/printf.h"
#include "lib/string.h"

#define WRITERS 4
#define LINES   300

static int write_lines(void *arg)
{
    for (unsigned int i = 0; i < LINES; i++)
        log_info("test_log", "%u %u end", (unsigned int)(uintptr_t)arg, i);
    return 0;
}

static void write_from_softirq(struct timer *timer)
{
    (void)timer;
    log_info("test_log", "softirq end");
}

/*
 * The log keeps as many lines as are written here, and as many again: it grows when it is half
 * full, as soon as some CPU comes to it, and four writers that do not wait for that may be faster.
 */
static void make_room(unsigned int lines)
{
    uint64_t deadline = deadline_after_ns(10 * NS_PER_S);

    for (unsigned int i = 0; i < lines; i++) {
        log_info("test_log", "%u room", i);
        while (log_wants_more() && clock_now_ns() < deadline)
            (void)sleep_ns(100 * NS_PER_US);
    }
    EXPECT(!log_wants_more());
}

/* The lines of each writer are all there, whole and in its order. */
static unsigned int count_lines(uint64_t cursor, unsigned int writer)
{
    char line[LOG_LINE_MAX];
    char expected[64];
    unsigned int next = 0;

    while (log_read(&cursor, line, sizeof(line)) > 0) {
        snprintf(expected, sizeof(expected), "test_log: %u %u end", writer, next);
        const char *found = strstr(line, "test_log:");
        if (found && strcmp(found, expected) == 0)
            next++;
    }
    return next;
}

BOOT_TEST(log, many_writers)
{
    struct task *tasks[WRITERS];
    struct timer timer;

    log_console_hold();
    make_room(WRITERS * LINES + 100); /* the softirq's, and others' */
    uint64_t cursor = log_tail(0);
    timer_init(&timer, "test_log", write_from_softirq);
    timer_start(&timer, clock_now_ns(), 100 * NS_PER_US);
    for (uintptr_t i = 0; i < WRITERS; i++)
        EXPECT_EQ(task_create("test_log", write_lines, (void *)i, &tasks[i]), 0);
    for (size_t i = 0; i < WRITERS; i++)
        EXPECT_EQ(task_join(tasks[i], NULL, deadline_after_ns(10 * NS_PER_S)), 0);
    timer_stop_sync(&timer);
    log_console_release();
    for (unsigned int i = 0; i < WRITERS; i++)
        EXPECT_EQ(count_lines(cursor, i), LINES);
}
