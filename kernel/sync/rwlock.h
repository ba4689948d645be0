/*
 * Readers-writer lock that sleeps; waiters in FIFO order: a waiting writer holds off new readers,
 * and readers that wait behind it go in together when it is done. Context of all: task, may sleep.
 * Not recursive.
 *
 * Without waiters, taking and giving back are one atomic instruction each. As with mutexes, a lock
 * that is wholly free may be taken by a running task while the first waiter is being woken, once.
 */
#pragma once

#include <stdint.h>

#include "kernel/sync/wait_queue.h"

struct __capability("rwlock") rwlock
{
    uint32_t state;            /* readers times RWLOCK_READER, and the bits below; atomic */
    struct wait_queue waiters; /* its lock is held where the first two bits are set */
    enum lock_rank rank;       /* const after init */
};

#define RWLOCK_CONTENDED 1u /* there are waiters */
#define RWLOCK_HANDOFF   2u /* the first of them was woken in vain: nobody comes before it now */
#define RWLOCK_WRITER    4u /* a writer holds it */
#define RWLOCK_READER    8u /* one reader more */

#define RWLOCK_INIT(variable, name_, rank_)                                                        \
    {                                                                                              \
        .waiters = WAIT_QUEUE_INIT(variable.waiters, name_), .rank = (rank_)                       \
    }
#define DEFINE_RWLOCK(variable, name_, rank_)                                                      \
    struct rwlock variable = RWLOCK_INIT(variable, name_, rank_)

void rwlock_init(struct rwlock *lock, const char *name, enum lock_rank rank);
void rwlock_read_lock(struct rwlock *lock) __acquires_shared(lock);
void rwlock_read_unlock(struct rwlock *lock) __releases_shared(lock);
void rwlock_write_lock(struct rwlock *lock) __acquires(lock);
void rwlock_write_unlock(struct rwlock *lock) __releases(lock);
