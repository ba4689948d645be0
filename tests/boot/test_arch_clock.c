/*
 * The clock: it agrees with its reference and with itself on all CPUs.
 */
#include "arch/clock.h"
#include "arch/cpu.h"
#include "arch/x86_64/clock_internal.h"
#include "arch/x86_64/rtc.h"
#include "kernel/irq/ipi.h"
#include "kernel/sched/task.h"
#include "kernel/sync/wait_queue.h"
#include "kernel/time/clock.h"
#include "lib/atomic.h"
#include "tests/boot_test.h"

#define PATIENCE_NS (5 * NS_PER_S)

struct race {
    atomic_u64 latest;
    atomic_uint went_back;
    atomic_uint readings;
    uint64_t end_ns;
};

static int race_task(void *arg)
{
    struct race *race = arg;
    uint64_t now;

    do {
        uint64_t before = atomic_load(&race->latest);
        now = clock_read_ns();
        if (now < before)
            atomic_fetch_add(&race->went_back, 1);
        while (before < now && !atomic_cmpxchg(&race->latest, &before, now))
            ;
        atomic_fetch_add(&race->readings, 1);
    } while (now < race->end_ns);
    return 0;
}

BOOT_TEST(arch_clock, never_goes_back_across_cpus)
{
    struct race race = { .end_ns = deadline_after_ns(100 * NS_PER_MS) };
    static struct task *tasks[CPU_MAX];
    unsigned int cpu;

    for_each_online_cpu(cpu)
        EXPECT_EQ(task_create_on(cpu, "clock race", race_task, &race, &tasks[cpu]), 0);
    for_each_online_cpu(cpu) {
        int status;
        EXPECT_EQ(task_join(tasks[cpu], &status, deadline_after_ns(PATIENCE_NS)), 0);
    }
    EXPECT_EQ(atomic_load(&race.went_back), 0);
    EXPECT(atomic_load(&race.readings) > 100);
}

/* Measured again, the TSC has the frequency that the clock goes by, within 0.5 %. */
BOOT_TEST(arch_clock, tsc_calibration_is_repeatable)
{
    uint64_t hz = pit_reference.start(&pit_reference) ? tsc_calibrate(&pit_reference) : 0;
    uint64_t known = clock_tsc_hz();

    if (hz == 0 || known == 0)
        return; /* no PIT, or a clock that is not the TSC's */
    EXPECT(hz > known - known / 200 && hz < known + known / 200);
}

BOOT_TEST(arch_clock, event_comes_and_not_too_early)
{
    for (unsigned int i = 0; i < 20; i++) {
        uint64_t start = clock_now_ns();

        EXPECT_EQ(sleep_ns(NS_PER_MS), 0);
        EXPECT(clock_now_ns() - start >= NS_PER_MS);
    }
}

BOOT_TEST(arch_clock, busy_wait_waits)
{
    uint64_t start = clock_now_ns();

    clock_busy_wait_ns(300 * NS_PER_US);
    EXPECT(clock_now_ns() - start >= 300 * NS_PER_US);
}

/* The RTC read now is what the clock has made of the one read at boot, to two seconds. */
BOOT_TEST(arch_clock, wall_clock_follows_the_rtc)
{
    uint64_t rtc = rtc_read_ns();
    uint64_t wall = clock_wall_ns_at_boot() + clock_now_ns();

    if (rtc == 0)
        return; /* rtc=off */
    EXPECT(rtc > 1600000000 * NS_PER_S);
    EXPECT(wall + 2 * NS_PER_S > rtc && wall < rtc + 2 * NS_PER_S);
}
