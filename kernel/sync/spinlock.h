/*
 * Spinlock: held by one CPU, in no order among those who wait. Holding one disables preemption; one
 * that an interrupt handler or softirq also takes is always taken by spin_lock_irqsave(). Never
 * sleep while holding one.
 *
 * A lock that spins for SPINLOCK_DEADLOCK_NS names both holders and panics. Debug builds check at
 * each acquisition: the rank (lock_rank.h), and that a lock used by handlers is never taken where a
 * handler could interrupt its holder.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/sync/lock_rank.h"
#include "lib/compiler.h"
#include "lib/types.h"

#define SPINLOCK_DEADLOCK_NS 8000000000ULL /* emulated CPUs may lose the host's for a second */

struct __capability("spinlock") spinlock
{
    uint16_t owner_cpu;    /* CPU number + 1; 0 when free; atomic */
    uint8_t rank;          /* enum lock_rank; const after init */
    uint8_t usage;         /* contexts it was taken in; debug builds; atomic */
    const char *name;      /* const after init */
    uintptr_t acquired_at; /* caller's address; written by the holder */
};

#define SPINLOCK_INIT(name_, rank_)                                                                \
    {                                                                                              \
        .rank = (rank_), .name = (name_)                                                           \
    }
#define DEFINE_SPINLOCK(variable, name_, rank_)                                                    \
    struct spinlock variable = SPINLOCK_INIT(name_, rank_)

void spin_lock_init(struct spinlock *lock, const char *name, enum lock_rank rank);

/* Inline in the kernel's release builds, where spinlock_fast.h defines them. Host programs have
 * locks of their own. */
#if CONFIG_DEBUG || defined(CONFIG_HOST)
#define SPINLOCK_API
#else
#define SPINLOCK_IS_INLINE
#define SPINLOCK_API static __always_inline
#endif

SPINLOCK_API void spin_lock(struct spinlock *lock) __acquires(lock);
SPINLOCK_API void spin_unlock(struct spinlock *lock) __releases(lock);
SPINLOCK_API bool spin_trylock(struct spinlock *lock) __try_acquires(true, lock);

/** spin_lock_nested() - take a second lock of the same rank; the caller orders them by address. */
SPINLOCK_API void spin_lock_nested(struct spinlock *lock) __acquires(lock);

SPINLOCK_API irqflags_t spin_lock_irqsave(struct spinlock *lock) __acquires(lock);
SPINLOCK_API void spin_unlock_irqrestore(struct spinlock *lock, irqflags_t flags) __releases(lock);

/** spin_lock_contended() - the rest of spin_lock(), when somebody holds it; not called by others.
 */
void __cold spin_lock_contended(struct spinlock *lock);

/** spin_is_held() - does this CPU hold it? */
bool spin_is_held(const struct spinlock *lock);

/** spin_assert_held() - opens every _locked function; nothing in release builds. */
#if CONFIG_DEBUG
void spin_assert_held(const struct spinlock *lock) __asserts_held(lock);
#else
static inline void spin_assert_held(const struct spinlock *lock) __asserts_held(lock)
{
    (void)lock;
}
#endif

#ifdef SPINLOCK_IS_INLINE
#include "kernel/sync/spinlock_fast.h"
#endif
