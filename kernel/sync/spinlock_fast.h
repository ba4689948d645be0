/*
 * The bodies of the spinlock functions when nobody is in the way: inline in release builds, where
 * kernel/sync/spinlock.h includes them; compiled once, by spinlock.c, in debug builds, whose checks
 * would make every caller large. Comes after spinlock.h, not in its place.
 *
 * Most locks are free when they are taken, and then a lock and its unlock are 12 instructions of
 * x86-64, half of them for two things that are worth it: a preemption that is not late, and
 * a deadlock that names who holds what.
 */
#pragma once

#include "arch/cpu.h"
#include "arch/irq.h"
#include "kernel/panic.h"
#include "kernel/sched/preempt.h"
#include "kernel/sync/lock_debug.h"

#ifdef SPINLOCK_IS_INLINE
#define SPINLOCK_CALLER() cpu_code_address()
#else
#define SPINLOCK_CALLER() ((uintptr_t)__builtin_return_address(0))
#endif

static __always_inline uint16_t spinlock_this_owner(void)
{
    return (uint16_t)(cpu_current() + 1);
}

/* Takes the lock if it is free. Pairs with the release in spinlock_release(). */
static __always_inline bool spinlock_try(struct spinlock *lock)
{
    uint16_t nobody = 0;

    return __atomic_compare_exchange_n(&lock->owner_cpu, &nobody, spinlock_this_owner(), false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static __always_inline void spinlock_take(struct spinlock *lock, bool is_nested, uintptr_t caller)
{
    lock_debug_check(lock, is_nested, caller);
    if (unlikely(!spinlock_try(lock)))
        spin_lock_contended(lock);
    lock->acquired_at = caller;
    lock_debug_acquired(lock);
}

static __always_inline void spinlock_release(struct spinlock *lock)
{
    debug_assert(lock->owner_cpu == spinlock_this_owner());
    lock_debug_released(lock);
    __atomic_store_n(&lock->owner_cpu, 0, __ATOMIC_RELEASE); /* pairs with spinlock_try() */
}

SPINLOCK_API void spin_lock(struct spinlock *lock) __no_thread_safety_analysis
{
    preempt_disable();
    spinlock_take(lock, false, SPINLOCK_CALLER());
}

SPINLOCK_API void spin_lock_nested(struct spinlock *lock) __no_thread_safety_analysis
{
    preempt_disable();
    spinlock_take(lock, true, SPINLOCK_CALLER());
}

SPINLOCK_API void spin_unlock(struct spinlock *lock) __no_thread_safety_analysis
{
    spinlock_release(lock);
    preempt_enable();
}

SPINLOCK_API bool spin_trylock(struct spinlock *lock) __no_thread_safety_analysis
{
    preempt_disable();
    if (spinlock_try(lock)) {
        lock->acquired_at = SPINLOCK_CALLER();
        lock_debug_acquired(lock);
        return true;
    }
    preempt_enable();
    return false;
}

SPINLOCK_API irqflags_t spin_lock_irqsave(struct spinlock *lock) __no_thread_safety_analysis
{
    irqflags_t flags = irq_save();

    preempt_disable();
    spinlock_take(lock, false, SPINLOCK_CALLER());
    return flags;
}

SPINLOCK_API void spin_unlock_irqrestore(struct spinlock *lock,
                                         irqflags_t flags) __no_thread_safety_analysis
{
    spinlock_release(lock);
    irq_restore(flags);
    preempt_enable(); /* last: work that was held off needs interrupts on */
}
