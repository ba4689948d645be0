/*
 * Seqlock: one writer at a time (the caller serialises writers), readers never block it and retry.
 *
 *     do { seq = seqlock_read_begin(&s); copy = shared; } while (seqlock_read_retry(&s, seq));
 *
 * Context: any. A writer that an interrupt reader may hit on the same CPU disables interrupts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "arch/cpu.h"

struct seqlock {
    uint32_t sequence; /* odd while a write is under way; atomic */
};

static inline uint32_t seqlock_read_begin(const struct seqlock *lock)
{
    uint32_t sequence;
    while ((sequence = __atomic_load_n(&lock->sequence, __ATOMIC_ACQUIRE)) & 1)
        cpu_relax();
    return sequence;
}

static inline bool seqlock_read_retry(const struct seqlock *lock, uint32_t sequence)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&lock->sequence, __ATOMIC_RELAXED) != sequence;
}

static inline void seqlock_write_begin(struct seqlock *lock)
{
    __atomic_store_n(&lock->sequence, lock->sequence + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void seqlock_write_end(struct seqlock *lock)
{
    __atomic_store_n(&lock->sequence, lock->sequence + 1, __ATOMIC_RELEASE);
}
