// SPDX-License-Identifier: MIT
/* Locks: taken and given back by one task, and by four at once. */
#include "module.h"

#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

#define LOCKINGS        2000000
#define CONTENDERS      4
#define CONTENDER_TURNS 250000 /* of each */

static DEFINE_MUTEX(bench_mutex);
static DEFINE_SPINLOCK(bench_spinlock);
static DECLARE_COMPLETION(contended);

static void lock_mutex(u64 count)
{
    for (u64 i = 0; i < count; i++) {
        mutex_lock(&bench_mutex);
        mutex_unlock(&bench_mutex);
    }
}

void bench_lock(void)
{
    u64 count = module_count(LOCKINGS), start = ktime_get_ns();

    lock_mutex(count);
    module_report_per("mutex_uncontended", ktime_get_ns() - start, count);
    start = ktime_get_ns();
    for (u64 i = 0; i < count; i++) {
        spin_lock(&bench_spinlock);
        spin_unlock(&bench_spinlock);
    }
    module_report_per("spinlock_uncontended", ktime_get_ns() - start, count);
}

static int contender(void *arg)
{
    lock_mutex(module_count(CONTENDER_TURNS));
    complete(&contended);
    return 0;
}

void bench_contend(void)
{
    u64 start = ktime_get_ns();

    for (unsigned int i = 0; i < CONTENDERS; i++) {
        struct task_struct *task = kthread_create(contender, NULL, "bench-mutex");
        if (IS_ERR(task)) {
            complete(&contended);
            continue;
        }
        kthread_bind(task, module_cpu(i));
        wake_up_process(task);
    }
    for (unsigned int i = 0; i < CONTENDERS; i++)
        wait_for_completion(&contended);
    module_report_per("mutex_contended_4", ktime_get_ns() - start,
                      CONTENDERS * module_count(CONTENDER_TURNS));
}
