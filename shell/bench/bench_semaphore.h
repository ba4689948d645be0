/*
 * A counting semaphore, as the benchmarks of task switches hand turns from one to the other.
 */
#pragma once

#include "kernel/sync/wait_queue.h"
#include "lib/atomic.h"

struct semaphore {
    struct wait_queue waiters;
    atomic_uint count;
};

static inline void semaphore_init(struct semaphore *semaphore)
{
    wait_queue_init(&semaphore->waiters, "bench semaphore");
    atomic_store_relaxed(&semaphore->count, 0);
}

static inline void semaphore_up(struct semaphore *semaphore)
{
    atomic_fetch_add(&semaphore->count, 1);
    wake_one(&semaphore->waiters);
}

static inline bool semaphore_try_down(struct semaphore *semaphore)
{
    unsigned int count = atomic_load_relaxed(&semaphore->count);

    return count > 0 && atomic_cmpxchg(&semaphore->count, &count, count - 1);
}

/** semaphore_down() - 0 or -ECANCELED. */
static inline int __must_check semaphore_down(struct semaphore *semaphore)
{
    return wait_event(&semaphore->waiters, semaphore_try_down(semaphore), DEADLINE_NEVER);
}
