// SPDX-License-Identifier: MIT
/* Tasks: switching, creating, sleeping. */
#include "module.h"

#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/semaphore.h>
#include <linux/slab.h>
#include <linux/sort.h>

#define SWITCHES        100000
#define SWITCHES_ACROSS 20000
#define CREATIONS       3000 /* nos makes 20,000 in less time */
#define SLEEPS          1000

struct ping_pong {
    struct semaphore ping, pong;
    struct completion done;
    u64 turns;
};

static int ponging(void *arg)
{
    struct ping_pong *pair = arg;

    for (u64 i = 0; i < pair->turns; i++) {
        down(&pair->ping);
        up(&pair->pong);
    }
    complete(&pair->done);
    return 0;
}

static int pinging(void *arg)
{
    struct ping_pong *pair = arg;

    for (u64 i = 0; i < pair->turns; i++) {
        up(&pair->ping);
        down(&pair->pong);
    }
    complete(&pair->done);
    return 0;
}

/* Each turn of the pair is two switches. */
static void measure_switch(const char *name, unsigned int cpu_a, unsigned int cpu_b, u64 turns)
{
    struct ping_pong pair = { .turns = turns };
    struct task_struct *a, *b;
    u64 start;

    sema_init(&pair.ping, 0);
    sema_init(&pair.pong, 0);
    init_completion(&pair.done);
    b = kthread_create(ponging, &pair, "bench-pong");
    a = kthread_create(pinging, &pair, "bench-ping");
    if (IS_ERR(a) || IS_ERR(b))
        return;
    kthread_bind(a, cpu_a);
    kthread_bind(b, cpu_b);
    start = ktime_get_ns();
    wake_up_process(b);
    wake_up_process(a);
    wait_for_completion(&pair.done);
    wait_for_completion(&pair.done);
    module_report_per(name, ktime_get_ns() - start, 2 * turns);
}

void bench_switch(void)
{
    measure_switch("switch_same_cpu", module_cpu(0), module_cpu(0), module_count(SWITCHES));
    if (num_online_cpus() > 1)
        measure_switch("switch_across_cpus", module_cpu(0), module_cpu(1),
                       module_count(SWITCHES_ACROSS));
}

static int nothing(void *arg)
{
    return 0;
}

/* kthread_stop() waits for the thread to end, as a join does. */
void bench_create(void)
{
    u64 count = module_count(CREATIONS), start = ktime_get_ns();

    for (u64 i = 0; i < count; i++) {
        struct task_struct *task = kthread_run(nothing, NULL, "bench");
        if (IS_ERR(task))
            return;
        kthread_stop(task);
    }
    module_report_per("task_create_join", ktime_get_ns() - start, count);
}

static int compare(const void *a, const void *b)
{
    u64 x = *(const u64 *)a, y = *(const u64 *)b;

    return x < y ? -1 : x > y;
}

void bench_sleep(void)
{
    u64 count = module_count(SLEEPS);
    u64 *late = kcalloc(count, sizeof(*late), GFP_KERNEL);

    if (!late)
        return;
    for (u64 i = 0; i < count; i++) {
        ktime_t deadline = ktime_add_ns(ktime_get(), NSEC_PER_MSEC);
        set_current_state(TASK_UNINTERRUPTIBLE);
        schedule_hrtimeout(&deadline, HRTIMER_MODE_ABS);
        late[i] = ktime_get_ns() - ktime_to_ns(deadline);
    }
    sort(late, count, sizeof(*late), compare, NULL);
    module_report("sleep_1ms_late_median", late[count / 2], "ns");
    module_report("sleep_1ms_late_p99", late[count * 99 / 100], "ns");
    kfree(late);
}
