/*
 * Spinlocks: the lock word is the number of the CPU that holds it.
 *
 * Whoever comes first when it is free gets it; there is no queue. A queue would be fair, but hand
 * the lock to a CPU that may not be running: a virtual CPU that its host has put aside takes its
 * turn milliseconds later, and everybody behind it waits that long. With 16 virtual CPUs on 2 real
 * ones, 48,000 turns at one lock took 6 to 30 s by tickets and 0.1 s like this. Locks are held for
 * less than a microsecond, so where CPUs are real there is seldom anyone waiting.
 *
 * The last thing an unlock does to the lock is to clear that word: the next holder may free the
 * memory. Whose it is, is known in release builds too: a deadlock is then a message with two names
 * in it, not a machine that stopped.
 */
#include "kernel/sync/spinlock.h"

#include "arch/clock.h"
#include "arch/cpu.h"
#include "arch/irq.h"
#include "kernel/panic.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/task.h"
#include "kernel/sync/lock_debug.h"
#include "kernel/sync/lock_statistics.h"

/* A clock reading costs more than a turn of the loop. */
#define SPINS_PER_CLOCK_READING 256

#define CALLER() ((uintptr_t)__builtin_return_address(0))

void spin_lock_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK_INIT(name, rank);
}

static uint16_t this_owner(void)
{
    return (uint16_t)(cpu_current() + 1);
}

static void __cold __noreturn report_deadlock(const struct spinlock *lock, uintptr_t caller)
{
    unsigned int owner = READ_ONCE(lock->owner_cpu);
    struct task *task = cpu_task();

    if (owner == 0)
        panic("deadlock: spinlock %s is held by others for ever, CPU %u task %s wants it at %#lx",
              lock->name, cpu_current(), task ? task->name : "-", (unsigned long)caller);
    panic("deadlock: spinlock %s is held by CPU %u since %#lx; CPU %u task %s wants it at %#lx",
          lock->name, owner - 1, (unsigned long)READ_ONCE(lock->acquired_at), cpu_current(),
          task ? task->name : "-", (unsigned long)caller);
}

/* Takes the lock if it is free. Pairs with the release in release_lock(). */
static __always_inline bool try_to_take(struct spinlock *lock)
{
    uint16_t nobody = 0;

    return __atomic_compare_exchange_n(&lock->owner_cpu, &nobody, this_owner(), false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Patience runs out when one CPU is seen to hold the lock, without a break, for too long. */
static void __noinline __cold wait_and_take(struct spinlock *lock, uintptr_t caller)
{
    uint16_t holder = READ_ONCE(lock->owner_cpu);
    uint64_t start = 0;
    unsigned int spins = 0;

    if (holder == this_owner())
        report_deadlock(lock, caller);
    for (;;) {
        uint16_t owner = READ_ONCE(lock->owner_cpu);
        if (owner == 0 && try_to_take(lock))
            break;
        if (owner != holder) {
            holder = owner;
            start = 0;
        }
        cpu_relax();
        if (++spins % SPINS_PER_CLOCK_READING != 0)
            continue;
        uint64_t now = clock_read_ns();
        if (start == 0)
            start = now;
        else if (now - start > SPINLOCK_DEADLOCK_NS)
            report_deadlock(lock, caller);
    }
    lock_note_wait(lock->name, start ? clock_read_ns() - start : 0);
    lock->acquired_at = caller;
    lock_debug_acquired(lock);
}

static __always_inline void take_lock(struct spinlock *lock, bool is_nested, uintptr_t caller)
{
    lock_debug_check(lock, is_nested, caller);
    if (unlikely(!try_to_take(lock))) {
        wait_and_take(lock, caller); /* all of the rest: a call that ends this function is cheap */
        return;
    }
    lock->acquired_at = caller;
    lock_debug_acquired(lock);
}

static __always_inline void release_lock(struct spinlock *lock)
{
    debug_assert(lock->owner_cpu == this_owner());
    lock_debug_released(lock);
    __atomic_store_n(&lock->owner_cpu, 0, __ATOMIC_RELEASE); /* pairs with try_to_take() */
}

void spin_lock(struct spinlock *lock) __no_thread_safety_analysis
{
    preempt_disable();
    take_lock(lock, false, CALLER());
}

void spin_lock_nested(struct spinlock *lock) __no_thread_safety_analysis
{
    preempt_disable();
    take_lock(lock, true, CALLER());
}

void spin_unlock(struct spinlock *lock) __no_thread_safety_analysis
{
    release_lock(lock);
    preempt_enable();
}

bool spin_trylock(struct spinlock *lock) __no_thread_safety_analysis
{
    preempt_disable();
    if (try_to_take(lock)) {
        lock->acquired_at = CALLER();
        lock_debug_acquired(lock);
        return true;
    }
    preempt_enable();
    return false;
}

irqflags_t spin_lock_irqsave(struct spinlock *lock) __no_thread_safety_analysis
{
    irqflags_t flags = irq_save();

    preempt_disable();
    take_lock(lock, false, CALLER());
    return flags;
}

void spin_unlock_irqrestore(struct spinlock *lock, irqflags_t flags) __no_thread_safety_analysis
{
    release_lock(lock);
    irq_restore(flags);
    preempt_enable(); /* last: work that was held off needs interrupts on */
}

bool spin_is_held(const struct spinlock *lock)
{
    return READ_ONCE(lock->owner_cpu) == this_owner();
}

#if CONFIG_DEBUG
void spin_assert_held(const struct spinlock *lock) __no_thread_safety_analysis
{
    if (!spin_is_held(lock))
        panic("spinlock %s must be held at %#lx", lock->name, (unsigned long)CALLER());
}
#endif
