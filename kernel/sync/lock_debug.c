/*
 * Debug builds: the order of locks, checked at each acquisition (kernel/sync/lock_rank.h).
 *
 * A wrong order is reported the first time it happens, not the unlucky time two CPUs meet in it.
 * Two rules are checked for spinlocks:
 *
 *   rank   Within one context (task, softirq, interrupt) a lock's rank is above that of all held.
 *   usage  A lock that a handler takes is never taken elsewhere with that handler able to come in
 *          between: the handler would spin for ever on the CPU of the holder.
 *
 * The held lists are per CPU and only touched by their CPU. An interrupt puts the list back as it
 * found it, so its coming in the middle of an update does no harm.
 */
#include "kernel/sync/lock_debug.h"

#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/percpu.h"
#include "kernel/panic.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/task.h"

#if CONFIG_DEBUG

/* struct spinlock.usage */
#define USED_IN_IRQ      (1u << 0)
#define USED_IN_SOFTIRQ  (1u << 1)
#define TAKEN_IRQS_ON    (1u << 2) /* an interrupt could have come while it was held */
#define TAKEN_SOFTIRQ_ON (1u << 3) /* in a task with interrupts on: a softirq could have */

static DEFINE_PER_CPU(struct held_spinlocks, held_spinlocks);

static unsigned int usage_here(void)
{
    unsigned int usage = 0;

    if (in_irq_handler())
        usage |= USED_IN_IRQ;
    else if (in_interrupt())
        usage |= USED_IN_SOFTIRQ;
    if (irq_is_enabled())
        usage |= TAKEN_IRQS_ON | (in_interrupt() ? 0 : TAKEN_SOFTIRQ_ON);
    return usage;
}

static void check_usage(struct spinlock *lock, uintptr_t caller)
{
    unsigned int usage = usage_here();

    if ((READ_ONCE(lock->usage) & usage) != usage)
        __atomic_fetch_or(&lock->usage, (uint8_t)usage, __ATOMIC_RELAXED);
    usage = READ_ONCE(lock->usage);
    if ((usage & USED_IN_IRQ && usage & TAKEN_IRQS_ON) ||
        (usage & USED_IN_SOFTIRQ && usage & TAKEN_SOFTIRQ_ON))
        panic(
            "spinlock %s is taken by a handler, and elsewhere with that handler let in (usage %#x, "
            "now at %#lx): use spin_lock_irqsave()",
            lock->name, usage, (unsigned long)caller);
}

static const struct spinlock *highest_held(const struct held_spinlocks *held)
{
    const struct spinlock *highest = NULL;

    for (unsigned int i = held->levels[held->level]; i < held->count; i++) {
        if (!highest || held->locks[i]->rank >= highest->rank)
            highest = held->locks[i];
    }
    return highest;
}

void lock_debug_check(struct spinlock *lock, bool is_nested, uintptr_t caller)
{
    if (lock->rank == LOCK_RANK_NONE)
        return;
    check_usage(lock, caller);
    const struct spinlock *highest = highest_held(this_cpu_ptr(held_spinlocks));
    if (highest && (highest->rank > lock->rank || (highest->rank == lock->rank && !is_nested)))
        panic("lock order: %s (rank %u) wanted at %#lx while %s (rank %u) is held since %#lx",
              lock->name, lock->rank, (unsigned long)caller, highest->name, highest->rank,
              (unsigned long)highest->acquired_at);
}

void lock_debug_check_rank(enum lock_rank rank, const char *name)
{
    const struct spinlock *highest = highest_held(this_cpu_ptr(held_spinlocks));

    if (highest && highest->rank >= rank)
        panic("lock order: %s (rank %u) while %s (rank %u) is held since %#lx", name,
              (unsigned int)rank, highest->name, highest->rank,
              (unsigned long)highest->acquired_at);
}

void lock_debug_acquired(struct spinlock *lock)
{
    struct held_spinlocks *held = this_cpu_ptr(held_spinlocks);

    if (held->count == LOCK_HELD_MAX)
        panic("CPU %u holds %u spinlocks, the last is %s", cpu_current(), held->count, lock->name);
    held->locks[held->count] = lock;
    compiler_barrier(); /* an interrupt overwrites only what lies above count */
    WRITE_ONCE(held->count, held->count + 1);
}

void lock_debug_released(struct spinlock *lock)
{
    struct held_spinlocks *held = this_cpu_ptr(held_spinlocks);
    unsigned int i = held->count;

    while (i > held->levels[held->level] && held->locks[i - 1] != lock)
        i--;
    if (i == held->levels[held->level])
        panic("spinlock %s released in a context that did not take it", lock->name);
    for (; i < held->count; i++)
        held->locks[i - 1] = held->locks[i];
    WRITE_ONCE(held->count, held->count - 1);
}

void lock_debug_enter(void)
{
    struct held_spinlocks *held = this_cpu_ptr(held_spinlocks);

    if (held->level + 1 == LOCK_LEVEL_MAX)
        panic("interrupts nested %u deep", held->level);
    held->levels[held->level + 1] = held->count;
    held->level++;
}

void lock_debug_leave(void)
{
    struct held_spinlocks *held = this_cpu_ptr(held_spinlocks);

    if (held->count != held->levels[held->level])
        panic("an interrupt or softirq handler ended holding spinlock %s",
              held->locks[held->count - 1]->name);
    held->level--;
}

unsigned int lock_debug_held_count(void)
{
    return this_cpu_ptr(held_spinlocks)->count;
}

size_t lock_debug_held(unsigned int cpu, struct held_lock_description *descriptions, size_t max)
{
    const struct held_spinlocks *held = per_cpu_ptr(held_spinlocks, cpu);
    unsigned int count = READ_ONCE(held->count);
    size_t stored = 0;

    for (unsigned int i = 0; i < count && i < LOCK_HELD_MAX && stored < max; i++) {
        const struct spinlock *lock = READ_ONCE(held->locks[i]);
        descriptions[stored++] =
            (struct held_lock_description){ lock->name, READ_ONCE(lock->acquired_at) };
    }
    return stored;
}

/* ---- sleeping locks: in an array of their owner, which alone touches it ---------------------- */

void lock_debug_sleep_check(const void *lock, const char *name, enum lock_rank rank,
                            uintptr_t caller)
{
    const struct task *task = task_current();

    if (rank == LOCK_RANK_NONE || !task)
        return;
    for (unsigned int i = 0; i < task->held_count; i++) {
        const struct held_sleep_lock *held = &task->held[i];
        if (held->lock == lock)
            panic("%s is taken twice by its owner, again at %#lx", name, (unsigned long)caller);
        if (held->rank >= rank)
            panic("lock order: %s (rank %u) wanted at %#lx while %s (rank %u) is held", name,
                  (unsigned int)rank, (unsigned long)caller, held->name, (unsigned int)held->rank);
    }
}

void lock_debug_sleep_acquired(const void *lock, const char *name, enum lock_rank rank)
{
    struct task *task = task_current();

    if (!task)
        return;
    if (task->held_count == TASK_HELD_MAX)
        panic("task %s holds %u sleeping locks, the last is %s", task->name, task->held_count,
              name);
    task->held[task->held_count] = (struct held_sleep_lock){ lock, name, rank };
    task->held_count++;
}

void lock_debug_sleep_released(const void *lock, const char *name)
{
    struct task *task = task_current();

    if (!task)
        return;
    for (unsigned int i = task->held_count; i > 0; i--) {
        if (task->held[i - 1].lock != lock)
            continue;
        task->held[i - 1] = task->held[task->held_count - 1];
        task->held_count--;
        return;
    }
    panic("%s released by task %s, which does not hold it", name, task->name);
}

#else

size_t lock_debug_held(unsigned int cpu, struct held_lock_description *descriptions, size_t max)
{
    (void)cpu;
    (void)descriptions;
    (void)max;
    return 0;
}

#endif
