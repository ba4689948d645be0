/*
 * Mutex: spins for a moment, then sleeps; waiters in FIFO order, owner known. Context of all: task,
 * may sleep.
 *
 * Taking and giving back a mutex that nobody else wants is one atomic instruction each. While its
 * owner runs, one task of those who want it spins, for no longer than it would take to sleep and be
 * woken; the others sleep. With others waiting, the unlock wakes the longest waiter, and a task
 * that is running already may take the mutex while that one is on its way; but only once: a waiter
 * that was woken in vain is handed the mutex by the next unlock, and so is one that spinners have
 * overtaken MUTEX_OVERTAKINGS times. So nobody starves, and the mutex does not stand still during
 * each wake-up.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/sync/wait_queue.h"

struct __capability("mutex") mutex
{
    uintptr_t owner;           /* struct task, with the two bits below; atomic */
    struct wait_queue waiters; /* the bits are set with its lock held */
    enum lock_rank rank;       /* const after init */
    uintptr_t acquired_at;     /* written by the owner */
    bool has_spinner;          /* atomic: one task at a time spins */
    uint8_t overtaken;         /* times that the first waiter was not woken because of a spinner;
                                  written with the queue's lock held, read without */
};

#define MUTEX_CONTENDED 1u /* there are waiters: the unlock must go through the queue */
#define MUTEX_HANDOFF   2u /* the first of them was woken in vain: the unlock makes it the owner */
#define MUTEX_FLAGS     (MUTEX_CONTENDED | MUTEX_HANDOFF)

#define MUTEX_OVERTAKINGS 32

#define MUTEX_INIT(variable, name_, rank_)                                                         \
    {                                                                                              \
        .waiters = WAIT_QUEUE_INIT(variable.waiters, name_), .rank = (rank_)                       \
    }
#define DEFINE_MUTEX(variable, name_, rank_)                                                       \
    struct mutex variable = MUTEX_INIT(variable, name_, rank_)

void mutex_init(struct mutex *mutex, const char *name, enum lock_rank rank);
/** mutex_lock() - wait as long as it takes; not cancellable: holders are short. */
void mutex_lock(struct mutex *mutex) __acquires(mutex);
/** mutex_lock_deadline() - 0, -ETIMEDOUT or -ECANCELED. */
int __must_check mutex_lock_deadline(struct mutex *mutex, uint64_t deadline_ns)
    __try_acquires(0, mutex);
bool mutex_trylock(struct mutex *mutex) __try_acquires(true, mutex);
void mutex_unlock(struct mutex *mutex) __releases(mutex);
/** mutex_assert_held() - panics unless the calling task owns it; nothing in release builds. */
void mutex_assert_held(const struct mutex *mutex) __asserts_held(mutex);
