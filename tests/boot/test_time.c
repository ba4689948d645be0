/*
 * Timers, sleep and clocks on the real event hardware.
 */
#include "arch/cpu.h"
#include "arch/irq.h"
#include "kernel/log.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/task.h"
#include "kernel/sync/wait_queue.h"
#include "kernel/time/timer.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/sort.h"
#include "mm/kmalloc.h"
#include "tests/boot/workers.h"
#include "tests/boot_test.h"

#define LONG_NS (20 * NS_PER_S)

static DEFINE_WAIT_QUEUE(queue, "timer test");
static atomic_uint fired;
static atomic_u64 fired_at;
static atomic_bool fired_in_softirq;

static void note_firing(struct timer *timer)
{
    (void)timer;
    atomic_store(&fired_at, clock_now_ns());
    atomic_store(&fired_in_softirq, in_interrupt() && irq_is_enabled());
    atomic_fetch_add(&fired, 1);
    wake_all(&queue);
}

BOOT_TEST(timer, one_shot)
{
    struct timer timer;

    atomic_store(&fired, 0);
    timer_init(&timer, "one shot", note_firing);
    uint64_t deadline = deadline_after_ns(2 * NS_PER_MS);
    timer_start(&timer, deadline, 0);
    EXPECT_EQ(wait_event(&queue, atomic_load(&fired) == 1, deadline_after_ns(LONG_NS)), 0);
    EXPECT(atomic_load(&fired_at) >= deadline);
    EXPECT(atomic_load(&fired_in_softirq));
    EXPECT(!timer_stop_sync(&timer));
    EXPECT_EQ(sleep_ns(5 * NS_PER_MS), 0);
    EXPECT_EQ(atomic_load(&fired), 1);
}

BOOT_TEST(timer, in_the_past)
{
    struct timer timer;

    atomic_store(&fired, 0);
    timer_init(&timer, "past", note_firing);
    timer_start(&timer, 1, 0);
    EXPECT_EQ(wait_event(&queue, atomic_load(&fired) == 1, deadline_after_ns(LONG_NS)), 0);
    timer_stop_sync(&timer);
}

BOOT_TEST(timer, periodic)
{
    struct timer timer;
    uint64_t start = clock_now_ns();

    atomic_store(&fired, 0);
    timer_init(&timer, "periodic", note_firing);
    timer_start(&timer, start + NS_PER_MS, NS_PER_MS);
    EXPECT_EQ(wait_event(&queue, atomic_load(&fired) >= 10, deadline_after_ns(LONG_NS)), 0);
    EXPECT(clock_now_ns() - start >= 10 * NS_PER_MS);
    EXPECT(timer_stop_sync(&timer));
    unsigned int count = atomic_load(&fired);
    EXPECT_EQ(sleep_ns(5 * NS_PER_MS), 0);
    EXPECT_EQ(atomic_load(&fired), count);
}

BOOT_TEST(timer, stop_before_it_fires)
{
    struct timer timer;

    atomic_store(&fired, 0);
    timer_init(&timer, "stopped", note_firing);
    timer_start(&timer, deadline_after_ns(5 * NS_PER_MS), 0);
    EXPECT(timer_is_armed(&timer));
    EXPECT(timer_stop(&timer));
    EXPECT(!timer_stop(&timer));
    EXPECT(!timer_is_armed(&timer));
    EXPECT_EQ(sleep_ns(10 * NS_PER_MS), 0);
    EXPECT_EQ(atomic_load(&fired), 0);
}

/* Timers on a stack that goes away, armed and stopped from all CPUs. */
static int start_and_stop(void *arg)
{
    uint64_t random = (uintptr_t)task_current() | 1;

    (void)arg;
    for (int i = 0; i < 300; i++) {
        struct timer timer;
        timer_init(&timer, "churn", note_firing);
        timer_start(&timer, deadline_after_ns(random_next(&random) % 300000), 0);
        if (i % 3 == 0)
            EXPECT_EQ(sleep_ns(random_next(&random) % 300000), 0);
        timer_stop_sync(&timer);
        EXPECT(!timer_is_armed(&timer));
        __builtin_memset(&timer, 0xA5, sizeof(timer));
        compiler_barrier();
    }
    return 0;
}

BOOT_TEST(timer, churn_on_all_cpus)
{
    workers_run(2 * cpu_online_count(), start_and_stop, NULL);
}

/* One timer that all CPUs arm again and again: it moves between their heaps. */
static struct timer shared_timer;

static int restart_shared(void *arg)
{
    uint64_t random = (uintptr_t)task_current() | 1;

    (void)arg;
    for (int i = 0; i < 2000; i++)
        timer_start(&shared_timer, deadline_after_ns(random_next(&random) % 50000), 0);
    return 0;
}

BOOT_TEST(timer, restarted_from_all_cpus)
{
    timer_init(&shared_timer, "shared", note_firing);
    atomic_store(&fired, 0);
    workers_run(2 * cpu_online_count(), restart_shared, NULL);
    EXPECT_EQ(wait_event(&queue, !timer_is_armed(&shared_timer), deadline_after_ns(LONG_NS)), 0);
    timer_stop_sync(&shared_timer);
    EXPECT(atomic_load(&fired) > 0);
}

#define MANY 10000

BOOT_TEST(timer, ten_thousand)
{
    struct timer *timers = kcalloc(MANY, sizeof(*timers));
    uint64_t random = 88172645463325252ULL;

    EXPECT(timers);
    atomic_store(&fired, 0);
    for (unsigned int i = 0; i < MANY; i++) {
        timer_init(&timers[i], "many", note_firing);
        timer_start(&timers[i], deadline_after_ns(random_next(&random) % (50 * NS_PER_MS)), 0);
    }
    EXPECT_EQ(wait_event(&queue, atomic_load(&fired) == MANY, deadline_after_ns(LONG_NS)), 0);
    for (unsigned int i = 0; i < MANY; i++)
        timer_stop_sync(&timers[i]);
    kfree(timers);
}

static int compare_u64(const void *a, const void *b, void *context)
{
    (void)context;
    return *(const uint64_t *)a < *(const uint64_t *)b
               ? -1
               : *(const uint64_t *)a > *(const uint64_t *)b;
}

#define SLEEPS 51

/* Reported, not asserted: the host decides. The median on an idle host is what counts. */
BOOT_TEST(time, sleep_precision)
{
    static uint64_t late[SLEEPS];

    for (unsigned int i = 0; i < SLEEPS; i++) {
        uint64_t deadline = deadline_after_ns(NS_PER_MS);
        EXPECT_EQ(sleep_until_ns(deadline), 0);
        uint64_t now = clock_now_ns();
        EXPECT(now >= deadline);
        late[i] = now - deadline;
    }
    sort(late, SLEEPS, sizeof(late[0]), compare_u64, NULL);
    log_info("test", "a sleep of 1 ms is late by %llu us (median), %llu us (worst of %d)",
             (unsigned long long)(late[SLEEPS / 2] / NS_PER_US),
             (unsigned long long)(late[SLEEPS - 1] / NS_PER_US), SLEEPS);
}

static atomic_u64 latest;

static int read_clocks(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20000; i++) {
        uint64_t seen = atomic_load(&latest);
        uint64_t now = clock_now_ns();
        EXPECT(now >= seen);
        while (seen < now && !atomic_cmpxchg(&latest, &seen, now))
            ;
    }
    return 0;
}

BOOT_TEST(time, clocks_of_all_cpus_agree)
{
    atomic_store(&latest, 0);
    workers_run(2 * cpu_online_count(), read_clocks, NULL);
}
