/*
 * What a task has to its credit: time that it slept and has not run since, a slice at most.
 *
 * A task that has enough of it when it becomes ready is eager: it goes before those that compute
 * (run_queue.c). Running uses the credit up. It is made by sleeping alone, so nobody gains CPU by
 * splitting up into many tasks or by having others compute for him:
 *
 *   - a new task is given half of what its creator has, so that a command which a shell starts is
 * as quick as the shell, and no credit comes out of nothing;
 *   - who has waited for the end of a task has no more than that one has left.
 *
 * banked_ns is written by who makes or wakes the task, which then does not run, and by the CPU on
 * which it runs, with preemption off.
 */
#pragma once

#include "kernel/sched/preempt.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task.h"
#include "lib/compiler.h"

static inline bool credit_is_enough(const struct task *task)
{
    return task->banked_ns >= SCHED_WAKE_NS;
}

/* It wakes, on no CPU. */
static inline void credit_add_sleep(struct task *task, uint64_t now)
{
    task->banked_ns = MIN_T(uint64_t, task->banked_ns + (now - task->off_since_ns), SCHED_SLICE_NS);
}

/* It leaves its CPU. */
static inline void credit_use(struct task *task, uint64_t now)
{
    task->banked_ns -= MIN(task->banked_ns, now - task->run_since_ns);
    task->off_since_ns = now;
}

/* Preemption off. What @creator has used in this turn is taken off when it leaves its CPU. */
static inline void credit_share(struct task *creator, struct task *task, uint64_t now)
{
    uint64_t used = MIN(creator->banked_ns, now - creator->run_since_ns);

    task->banked_ns = (creator->banked_ns - used) / 2;
    creator->banked_ns -= task->banked_ns;
}

/* The calling task slept while @task ran, which has ended; it may be on its way off another CPU. */
static inline void credit_limit(const struct task *task)
{
    struct task *current = task_current();

    preempt_disable();
    current->banked_ns = MIN(current->banked_ns, READ_ONCE(task->banked_ns));
    preempt_enable();
}

/* How long its turn is. */
static inline uint64_t credit_slice(const struct task *task)
{
    return CLAMP(task->banked_ns, (uint64_t)SCHED_WAKE_NS, (uint64_t)SCHED_SLICE_NS);
}
