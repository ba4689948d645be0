// SPDX-License-Identifier: MIT
/*
 * Growth: what a switch, a new task and a timer cost among few and among many, and what work costs
 * that is shared over 1 to 8 CPUs.
 */
#include "module.h"

#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/semaphore.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <net/checksum.h>

static void report(const char *what, unsigned int size, u64 ns, u64 count)
{
    char name[40];

    snprintf(name, sizeof(name), "growth_%s_%u", what, size);
    module_report_per(name, ns, count);
}

/* ---- a ring of tasks, which pass a turn on ---- */

#define RING_SMALL 10
#define RING_LARGE 10000
#define HOPS       100000
#define CREATIONS  500

struct seat {
    struct semaphore turn;
    struct seat *next;
};

static struct seat *seats;
static u64 ring_rounds, ring_end_ns;
static bool is_given_up;
static atomic_t seated;
static DECLARE_COMPLETION(all_left);

static int take_seat(void *arg)
{
    struct seat *seat = arg;
    bool is_last = seat->next == seats;

    for (u64 round = 0; round < ring_rounds && !is_given_up; round++) {
        down(&seat->turn);
        if (is_last && round + 1 == ring_rounds)
            ring_end_ns = ktime_get_ns();
        else
            up(&seat->next->turn);
    }
    if (atomic_dec_and_test(&seated))
        complete(&all_left);
    return 0;
}

static int nothing(void *arg)
{
    return 0;
}

static void measure_creation(unsigned int others)
{
    u64 count = module_count(CREATIONS), start = ktime_get_ns();

    for (u64 i = 0; i < count; i++) {
        struct task_struct *task = kthread_run(nothing, NULL, "bench");
        if (IS_ERR(task))
            return;
        kthread_stop(task);
    }
    report("create", others, ktime_get_ns() - start, count);
}

static unsigned int fill_seats(unsigned int count)
{
    unsigned int filled;

    for (filled = 0; filled < count; filled++) {
        struct task_struct *task;

        sema_init(&seats[filled].turn, 0);
        seats[filled].next = &seats[(filled + 1) % count];
        task = kthread_create(take_seat, &seats[filled], "bench-ring");
        if (IS_ERR(task))
            break;
        atomic_inc(&seated);
        kthread_bind(task, module_cpu(0));
        wake_up_process(task);
    }
    return filled;
}

static void measure_ring(unsigned int count)
{
    unsigned int filled;
    u64 start;

    seats = kvcalloc(count, sizeof(*seats), GFP_KERNEL);
    if (!seats)
        return;
    ring_rounds = max(module_count(HOPS) / count, 1ULL);
    atomic_set(&seated, 1); /* ours, until all have sat down */
    reinit_completion(&all_left);
    filled = fill_seats(count);
    is_given_up = filled < count;
    if (!is_given_up)
        measure_creation(count);
    start = ktime_get_ns();
    for (unsigned int i = 0; i < (is_given_up ? filled : 1); i++)
        up(&seats[i].turn);
    if (!atomic_dec_and_test(&seated))
        wait_for_completion(&all_left);
    if (!is_given_up)
        report("switch", count, ring_end_ns - start, ring_rounds * count);
    kvfree(seats);
}

void bench_growth_tasks(void)
{
    measure_ring(RING_SMALL);
    measure_ring(module_count(RING_LARGE));
}

/* ---- timers ---- */

#define TIMERS_SMALL 10
#define TIMERS_LARGE 100000
#define REARMINGS    200000
#define EXPIRIES     100000
#define FAR_NS       (1000 * NSEC_PER_SEC)
#define EXPIRY_SPAN  1000 /* ns; all have passed when the last of many is armed */
#define SEED         2463534242u

static atomic_t expiries_left;
static DECLARE_COMPLETION(all_expired);

static u32 xorshift(u32 *state)
{
    u32 x = *state;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

static u32 xorshift_below(u32 *state, u32 bound)
{
    return (u64)xorshift(state) * bound >> 32;
}

static enum hrtimer_restart expire(struct hrtimer *timer)
{
    if (atomic_dec_and_test(&expiries_left))
        complete(&all_expired);
    return HRTIMER_NORESTART;
}

static void measure_rearming(struct hrtimer *timers, unsigned int count)
{
    u64 rearmings = module_count(REARMINGS), base = ktime_get_ns() + FAR_NS, start, ns;
    u32 random = SEED;

    for (unsigned int i = 0; i < count; i++)
        hrtimer_start(&timers[i], ns_to_ktime(base + xorshift(&random)), HRTIMER_MODE_ABS);
    start = ktime_get_ns();
    for (u64 i = 0; i < rearmings; i++) {
        struct hrtimer *timer = &timers[xorshift_below(&random, count)];
        hrtimer_try_to_cancel(timer);
        hrtimer_start(timer, ns_to_ktime(base + xorshift(&random)), HRTIMER_MODE_ABS);
    }
    ns = ktime_get_ns() - start;
    for (unsigned int i = 0; i < count; i++)
        hrtimer_cancel(&timers[i]);
    report("timer", count, ns, rearmings);
}

/* All are due when interrupts come on again, and are taken in order. */
static void expire_together(struct hrtimer *timers, unsigned int count, u32 *random)
{
    unsigned long flags;
    u64 base;

    atomic_set(&expiries_left, count);
    reinit_completion(&all_expired);
    local_irq_save(flags);
    base = ktime_get_ns();
    for (unsigned int i = 0; i < count; i++)
        hrtimer_start(&timers[i], ns_to_ktime(base + xorshift_below(random, EXPIRY_SPAN)),
                      HRTIMER_MODE_ABS);
    local_irq_restore(flags);
    wait_for_completion(&all_expired);
}

static void measure_expiry(struct hrtimer *timers, unsigned int count)
{
    u64 rounds = max(module_count(EXPIRIES) / count, 1ULL), start = ktime_get_ns();
    u32 random = SEED;

    for (u64 i = 0; i < rounds; i++)
        expire_together(timers, count, &random);
    report("expiry", count, ktime_get_ns() - start, rounds * count);
    for (unsigned int i = 0; i < count; i++)
        hrtimer_cancel(&timers[i]);
}

static void measure_timers(unsigned int count)
{
    struct hrtimer *timers = kvcalloc(count, sizeof(*timers), GFP_KERNEL);

    if (!timers)
        return;
    for (unsigned int i = 0; i < count; i++) {
        hrtimer_init(&timers[i], CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
        timers[i].function = expire;
    }
    measure_rearming(timers, count);
    measure_expiry(timers, count);
    kvfree(timers);
}

void bench_growth_timers(void)
{
    measure_timers(TIMERS_SMALL);
    measure_timers(module_count(TIMERS_LARGE));
}

/* ---- work shared over CPUs ---- */

#define WORK      400000 /* pieces, over all CPUs */
#define WORK_SIZE 256
#define CPUS_MAX  8

static volatile u32 sink;
static u64 share;
static atomic_t working;
static DECLARE_COMPLETION(all_worked);

static int work(void *arg)
{
    for (u64 i = 0; i < share; i++) {
        u8 *piece = kmalloc(WORK_SIZE, GFP_KERNEL);
        if (!piece)
            break;
        memset(piece, (int)i, WORK_SIZE);
        sink = (__force u32)csum_partial(piece, WORK_SIZE, 0);
        kfree(piece);
    }
    if (atomic_dec_and_test(&working))
        complete(&all_worked);
    return 0;
}

void bench_growth_cpus(void)
{
    unsigned int most = min(num_online_cpus(), (unsigned int)CPUS_MAX);

    for (unsigned int cpus = 1; cpus <= most; cpus *= 2) {
        u64 start;

        share = module_count(WORK) / cpus;
        atomic_set(&working, cpus);
        reinit_completion(&all_worked);
        start = ktime_get_ns();
        for (unsigned int i = 0; i < cpus; i++) {
            struct task_struct *task = kthread_create(work, NULL, "bench-work");
            if (IS_ERR(task))
                return;
            kthread_bind(task, module_cpu(i));
            wake_up_process(task);
        }
        wait_for_completion(&all_worked);
        report("cpus", cpus, ktime_get_ns() - start, share * cpus);
    }
}
