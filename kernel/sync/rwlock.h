/*
 * Readers-writer lock that sleeps; writers are not starved: a waiting writer holds off new readers.
 * Context of all: task, may sleep. Not recursive.
 */
#pragma once

#include "kernel/sync/wait_queue.h"

struct __capability("rwlock") rwlock {
    struct spinlock lock; /* rank: LOCK_RANK_WAIT_QUEUE - 1 family, see docs/LOCKING.md */
    int readers __guarded_by(lock); /* -1: a writer holds it */
    unsigned int writers_waiting __guarded_by(lock);
    struct wait_queue read_waiters;
    struct wait_queue write_waiters;
    enum lock_rank rank; /* const after init */
};

void rwlock_init(struct rwlock *lock, const char *name, enum lock_rank rank);
void rwlock_read_lock(struct rwlock *lock) __acquires_shared(lock);
void rwlock_read_unlock(struct rwlock *lock) __releases_shared(lock);
void rwlock_write_lock(struct rwlock *lock) __acquires(lock);
void rwlock_write_unlock(struct rwlock *lock) __releases(lock);
