/*
 * Ticket spinlocks.
 *
 * `next` is where a CPU draws its number, `serving` the number that may enter; both live in one
 * 32-bit word so that drawing and looking is one instruction. Only the holder writes `serving`.
 * The last thing an unlock does to the lock is that store: the next holder may free the memory.
 *
 * The owner is kept in release builds too: a deadlock is then a message with two names in it, not a
 * machine that stopped.
 */
#include "kernel/sync/spinlock.h"

#include "arch/clock.h"
#include "arch/cpu.h"
#include "arch/irq.h"
#include "kernel/panic.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/task.h"
#include "kernel/sync/lock_debug.h"

#define TICKET_NEXT 0x10000u /* one in the `next` half */

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
        panic("deadlock: spinlock %s is held by nobody (tickets %#x), CPU %u task %s wants it at %#lx",
              lock->name, READ_ONCE(lock->tickets), cpu_current(), task ? task->name : "-",
              (unsigned long)caller);
    panic("deadlock: spinlock %s is held by CPU %u since %#lx; CPU %u task %s wants it at %#lx",
          lock->name, owner - 1, (unsigned long)READ_ONCE(lock->acquired_at), cpu_current(),
          task ? task->name : "-", (unsigned long)caller);
}

static void __noinline wait_for_ticket(struct spinlock *lock, uint16_t ticket, uintptr_t caller)
{
    uint64_t start = 0;
    unsigned int spins = 0;

    if (READ_ONCE(lock->owner_cpu) == this_owner())
        report_deadlock(lock, caller);
    /* pairs with the release in release_lock() */
    while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket) {
        cpu_relax();
        if (++spins % SPINS_PER_CLOCK_READING != 0)
            continue;
        uint64_t now = clock_read_ns();
        if (start == 0)
            start = now;
        else if (now - start > SPINLOCK_DEADLOCK_NS)
            report_deadlock(lock, caller);
    }
}

static __always_inline void take_lock(struct spinlock *lock, bool is_nested, uintptr_t caller)
{
    lock_debug_check(lock, is_nested, caller);
    uint32_t tickets = __atomic_fetch_add(&lock->tickets, TICKET_NEXT, __ATOMIC_ACQUIRE);
    uint16_t ticket = (uint16_t)(tickets >> 16);
    if (unlikely((uint16_t)tickets != ticket))
        wait_for_ticket(lock, ticket, caller);
    WRITE_ONCE(lock->owner_cpu, this_owner());
    lock->acquired_at = caller;
    lock_debug_acquired(lock);
}

static __always_inline void release_lock(struct spinlock *lock)
{
    debug_assert(lock->owner_cpu == this_owner());
    lock_debug_released(lock);
    WRITE_ONCE(lock->owner_cpu, 0);
    /* pairs with the acquire of the next holder, in take_lock() or wait_for_ticket() */
    __atomic_store_n(&lock->serving, (uint16_t)(lock->serving + 1), __ATOMIC_RELEASE);
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
    uint32_t tickets = __atomic_load_n(&lock->tickets, __ATOMIC_RELAXED);
    if ((uint16_t)tickets == (uint16_t)(tickets >> 16) &&
        __atomic_compare_exchange_n(&lock->tickets, &tickets, tickets + TICKET_NEXT, false,
                                    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        WRITE_ONCE(lock->owner_cpu, this_owner());
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
