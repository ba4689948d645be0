/*
 * Spinlocks: the lock word is the number of the CPU that holds it. Here is what happens when
 * somebody does; the rest is in spinlock_fast.h.
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
#include "kernel/sync/spinlock_fast.h"

/* A clock reading costs more than a turn of the loop. */
#define SPINS_PER_CLOCK_READING 256

#define CALLER() ((uintptr_t)__builtin_return_address(0))

void spin_lock_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK_INIT(name, rank);
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

/* Patience runs out when one CPU is seen to hold the lock, without a break, for too long. */
void spin_lock_contended(struct spinlock *lock)
{
    uintptr_t caller = CALLER();
    uint16_t holder = READ_ONCE(lock->owner_cpu);
    uint64_t start = 0;
    unsigned int spins = 0;

    if (holder == spinlock_this_owner())
        report_deadlock(lock, caller);
    for (;;) {
        uint16_t owner = READ_ONCE(lock->owner_cpu);
        if (owner == 0 && spinlock_try(lock))
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
}

bool spin_is_held(const struct spinlock *lock)
{
    return READ_ONCE(lock->owner_cpu) == spinlock_this_owner();
}

#if CONFIG_DEBUG
void spin_assert_held(const struct spinlock *lock) __no_thread_safety_analysis
{
    if (!spin_is_held(lock))
        panic("spinlock %s must be held at %#lx", lock->name, (unsigned long)CALLER());
}
#endif
