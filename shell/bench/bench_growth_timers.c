/*
 * Benchmark of growth: what it costs to arm and stop a timer, and to let one expire, among 10
 * timers and among 100,000.
 */
#include "arch/irq.h"
#include "kernel/sync/wait_queue.h"
#include "kernel/time/timer.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "mm/kmalloc.h"
#include "shell/bench/bench.h"
#include "shell/bench/bench_random.h"

#define TIMERS_SMALL 10
#define TIMERS_LARGE 100000
#define REARMINGS    200000
#define EXPIRIES     100000
#define FAR_NS       (1000 * NS_PER_S)
#define EXPIRY_SPAN  1000 /* ns; all have passed when the last of many is armed */

static DEFINE_WAIT_QUEUE(all_expired, "bench timers");
static atomic_u64 expiries_left;

static void expire(struct timer *timer __maybe_unused)
{
    if (atomic_fetch_sub(&expiries_left, 1) == 1)
        wake_all(&all_expired);
}

/* Timeouts: nearly all timers of a kernel are stopped or armed again before they expire. */
static void measure_rearming(struct bench *bench, struct timer *timers, unsigned int count)
{
    uint64_t rearmings = bench_count(bench, REARMINGS), base = clock_now_ns() + FAR_NS;
    uint32_t random = BENCH_SEED;
    char name[32];

    for (unsigned int i = 0; i < count; i++)
        timer_start(&timers[i], base + bench_random(&random), 0);
    uint64_t start = clock_now_ns();
    for (uint64_t i = 0; i < rearmings; i++) {
        struct timer *timer = &timers[bench_random_below(&random, count)];
        timer_stop(timer);
        timer_start(timer, base + bench_random(&random), 0);
    }
    uint64_t ns = clock_now_ns() - start;
    for (unsigned int i = 0; i < count; i++)
        timer_stop(&timers[i]);
    snprintf(name, sizeof(name), "growth_timer_%u", count);
    bench_report_per(bench, name, ns, rearmings);
}

/* All are due when interrupts come on again, and are taken in order. */
static int expire_together(struct timer *timers, unsigned int count, uint32_t *random)
{
    atomic_store(&expiries_left, count);
    irqflags_t flags = irq_save();
    uint64_t base = clock_now_ns();
    for (unsigned int i = 0; i < count; i++)
        timer_start(&timers[i], base + bench_random_below(random, EXPIRY_SPAN), 0);
    irq_restore(flags);
    return wait_event(&all_expired, atomic_load(&expiries_left) == 0, DEADLINE_NEVER);
}

static int measure_expiry(struct bench *bench, struct timer *timers, unsigned int count)
{
    uint64_t rounds = MAX(bench_count(bench, EXPIRIES) / count, (uint64_t)1);
    uint32_t random = BENCH_SEED;
    char name[32];
    int error = 0;
    uint64_t start = clock_now_ns();

    for (uint64_t i = 0; i < rounds && !error; i++)
        error = expire_together(timers, count, &random);
    uint64_t ns = clock_now_ns() - start;
    for (unsigned int i = 0; i < count; i++)
        timer_stop_sync(&timers[i]);
    snprintf(name, sizeof(name), "growth_expiry_%u", count);
    if (!error)
        bench_report_per(bench, name, ns, rounds * count);
    return error;
}

static int measure_timers(struct bench *bench, unsigned int count)
{
    struct timer *timers = kcalloc(count, sizeof(*timers));

    if (!timers)
        return -ENOMEM;
    for (unsigned int i = 0; i < count; i++)
        timer_init(&timers[i], "bench", expire);
    measure_rearming(bench, timers, count);
    int error = measure_expiry(bench, timers, count);
    kfree(timers);
    return error;
}

static int growth_timers_bench(struct bench *bench)
{
    int error = measure_timers(bench, TIMERS_SMALL);

    if (!error)
        error = measure_timers(bench, (unsigned int)bench_count(bench, TIMERS_LARGE));
    if (error)
        shell_error(bench->shell, "%s", errno_text(error));
    return error;
}
BENCH(growth_timers, "a timer armed anew, and one expired, among 10 and 100,000", "",
      growth_timers_bench);
