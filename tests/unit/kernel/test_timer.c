/*
 * The heap of timers against a sorted list, and timers in virtual time.
 */
#include "kernel/time/timer.h"

#include "arch/host/host.h"
#include "kernel/sched/task.h"
#include "kernel/time/timer_heap.h"
#include "tests/unit/unit.h"

/* ---- the heap -------------------------------------------------------------------------------- */

#define NODES 500

static uint64_t smallest(const struct timer_heap_node *nodes)
{
    uint64_t result = UINT64_MAX;

    for (size_t i = 0; i < NODES; i++) {
        if (timer_heap_contains(&nodes[i]) && nodes[i].key < result)
            result = nodes[i].key;
    }
    return result;
}

static void test_heap_against_scan(void **state)
{
    static struct timer_heap_node nodes[NODES];
    struct timer_heap heap = { 0 };
    struct unit_random random = { 1 };
    size_t inside = 0;

    (void)state;
    for (unsigned int step = 0; step < 20000; step++) {
        struct timer_heap_node *node = &nodes[unit_random_below(&random, NODES)];
        if (unit_random_below(&random, 4) == 0 && heap.root)
            node = timer_heap_first(&heap);
        if (timer_heap_contains(node)) {
            timer_heap_remove(&heap, node);
            inside--;
        } else {
            node->key = unit_random_below(&random, 100);
            timer_heap_insert(&heap, node);
            inside++;
        }
        assert_int_equal(heap.count, inside);
        if (step % 16 == 0)
            assert_int_equal(heap.root ? heap.root->key : UINT64_MAX, smallest(nodes));
    }
}

static void test_heap_sorts(void **state)
{
    static struct timer_heap_node nodes[100000];
    struct timer_heap heap = { 0 };
    struct unit_random random = { 2 };
    uint64_t last = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
        nodes[i].key = unit_random_u64(&random);
        timer_heap_insert(&heap, &nodes[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
        struct timer_heap_node *first = timer_heap_first(&heap);
        assert_true(first->key >= last);
        last = first->key;
        timer_heap_remove(&heap, first);
    }
    assert_null(timer_heap_first(&heap));
}

/* ---- timers ---------------------------------------------------------------------------------- */

static uint64_t fired_at[64];
static unsigned int fired;

static void note_time(struct timer *timer)
{
    (void)timer;
    if (fired < ARRAY_SIZE(fired_at))
        fired_at[fired] = clock_now_ns();
    fired++;
}

static void test_fires_at_its_time(void **state)
{
    struct timer timers[3];
    uint64_t start;

    (void)state;
    host_kernel_start();
    start = clock_now_ns();
    fired = 0;
    for (size_t i = 0; i < 3; i++) {
        timer_init(&timers[i], "test", note_time);
        timer_start(&timers[i], start + (3 - i) * NS_PER_S, 0);
    }
    assert_int_equal(timer_armed_count(), 3);
    host_advance_ns(10 * NS_PER_S);
    assert_int_equal(fired, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(fired_at[i], start + (i + 1) * NS_PER_S);
    assert_int_equal(timer_armed_count(), 0);
}

static void test_restart_moves_it(void **state)
{
    struct timer timer = TIMER_INIT("test", note_time);
    uint64_t start;

    (void)state;
    host_kernel_start();
    start = clock_now_ns();
    fired = 0;
    timer_start(&timer, start + 5 * NS_PER_S, 0);
    timer_start(&timer, start + 2 * NS_PER_S, 0);
    host_advance_ns(10 * NS_PER_S);
    assert_int_equal(fired, 1);
    assert_int_equal(fired_at[0], start + 2 * NS_PER_S);
    timer_start(&timer, DEADLINE_NEVER, 0);
    assert_false(timer_is_armed(&timer));
}

static void test_period(void **state)
{
    struct timer timer = TIMER_INIT("test", note_time);
    uint64_t start;

    (void)state;
    host_kernel_start();
    start = clock_now_ns();
    fired = 0;
    timer_start(&timer, start + NS_PER_MS, 10 * NS_PER_MS);
    host_advance_ns(100 * NS_PER_MS);
    assert_int_equal(fired, 10);
    for (size_t i = 0; i < fired; i++)
        assert_int_equal(fired_at[i], start + NS_PER_MS + i * 10 * NS_PER_MS);
    assert_true(timer_stop_sync(&timer));
    host_advance_ns(NS_PER_S);
    assert_int_equal(fired, 10);
}

/* The callback of a timer may arm it again, stop another, and free its own memory. */
static struct timer *freed_timer;

static void free_itself(struct timer *timer)
{
    assert_ptr_equal(timer, freed_timer);
    free(timer);
    fired++;
}

static void rearm_until_three(struct timer *timer)
{
    if (++fired < 3)
        timer_start(timer, clock_now_ns() + NS_PER_MS, 0);
}

static void test_what_callbacks_may_do(void **state)
{
    struct timer timer = TIMER_INIT("again", rearm_until_three);

    (void)state;
    host_kernel_start();
    fired = 0;
    freed_timer = malloc(sizeof(*freed_timer));
    timer_init(freed_timer, "free", free_itself);
    timer_start(freed_timer, clock_now_ns() + NS_PER_MS, 0);
    host_advance_ns(NS_PER_S);
    assert_int_equal(fired, 1);
    fired = 0;
    timer_start(&timer, clock_now_ns() + NS_PER_MS, 0);
    host_advance_ns(NS_PER_S);
    assert_int_equal(fired, 3);
}

static void test_hundred_thousand(void **state)
{
    static struct timer timers[100000];
    struct unit_random random = { 3 };

    (void)state;
    host_kernel_start();
    fired = 0;
    for (size_t i = 0; i < ARRAY_SIZE(timers); i++) {
        timer_init(&timers[i], "many", note_time);
        timer_start(&timers[i], clock_now_ns() + unit_random_below(&random, NS_PER_S), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(timers); i += 2)
        assert_true(timer_stop(&timers[i]));
    host_advance_ns(NS_PER_S);
    assert_int_equal(fired, ARRAY_SIZE(timers) / 2);
}

/* ---- wall clock and calendar ----------------------------------------------------------------- */

static void test_wall_clock(void **state)
{
    (void)state;
    host_kernel_start();
    uint64_t wall = clock_wall_ns();
    host_advance_ns(NS_PER_S);
    assert_int_equal(clock_wall_ns(), wall + NS_PER_S);
    clock_wall_set(5 * NS_PER_S);
    assert_int_equal(clock_wall_ns(), 5 * NS_PER_S);
    host_advance_ns(NS_PER_S);
    assert_int_equal(clock_wall_ns(), 6 * NS_PER_S);
}

static void test_calendar_days(void **state)
{
    static const struct {
        uint64_t unix_seconds;
        struct calendar_time time;
    } rows[] = {
        { 0, { 1970, 1, 1, 0, 0, 0, 4 } },
        { 86399, { 1970, 1, 1, 23, 59, 59, 4 } },
        { 951782400, { 2000, 2, 29, 0, 0, 0, 2 } },
        { 1709164800, { 2024, 2, 29, 0, 0, 0, 4 } },
        { 1735689599, { 2024, 12, 31, 23, 59, 59, 2 } },
        { 4107542400, { 2100, 3, 1, 0, 0, 0, 1 } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct calendar_time time;
        calendar_from_unix(rows[i].unix_seconds, &time);
        assert_memory_equal(&time, &rows[i].time, sizeof(time));
        assert_int_equal(calendar_to_unix(&time), rows[i].unix_seconds);
    }
}

static void test_calendar_both_ways(void **state)
{
    struct unit_random random = { 4 };

    (void)state;
    for (unsigned int i = 0; i < 100000; i++) {
        uint64_t seconds = unit_random_below(&random, 400000000000ULL);
        struct calendar_time time;
        calendar_from_unix(seconds, &time);
        assert_int_equal(calendar_to_unix(&time), seconds);
        assert_true(time.month >= 1 && time.month <= 12 && time.day >= 1 && time.day <= 31);
        assert_int_equal(time.weekday, (seconds / 86400 + 4) % 7);
    }
}

UNIT_TESTS(UNIT_TEST(test_heap_against_scan), UNIT_TEST(test_heap_sorts),
           UNIT_TEST(test_fires_at_its_time), UNIT_TEST(test_restart_moves_it),
           UNIT_TEST(test_period), UNIT_TEST(test_what_callbacks_may_do),
           UNIT_TEST(test_hundred_thousand), UNIT_TEST(test_wall_clock),
           UNIT_TEST(test_calendar_days), UNIT_TEST(test_calendar_both_ways))
