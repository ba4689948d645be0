/*
 * Mutexes (see the header).
 *
 * owner is 0, or a task, or a task with the contended bit. It goes from 0 to a task by compare and
 * exchange by anybody; the bit is set and the owner handed over only with the lock of the waiters'
 * queue held. The unlock's compare and exchange (task to 0) fails when the bit is there, so it
 * cannot miss a waiter that has set it; a waiter that finds owner 0 under the lock takes it instead
 * of waiting.
 */
#include "kernel/sync/mutex.h"

#include "arch/irq.h"
#include "kernel/panic.h"
#include "kernel/sched/task.h"
#include "kernel/sync/lock_debug.h"
#include "lib/atomic.h"
#include "lib/errno.h"

#define CALLER() ((uintptr_t)__builtin_return_address(0))

void mutex_init(struct mutex *mutex, const char *name, enum lock_rank rank)
{
    *mutex = (struct mutex){ .rank = rank };
    wait_queue_init(&mutex->waiters, name);
}

static uintptr_t this_owner(void)
{
    return (uintptr_t)task_current();
}

static bool try_take(struct mutex *mutex)
{
    uintptr_t expected = 0;

    return __atomic_compare_exchange_n(&mutex->owner, &expected, this_owner(), false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void note_acquired(struct mutex *mutex, uintptr_t caller)
{
    mutex->acquired_at = caller;
    lock_debug_sleep_acquired(mutex, mutex->waiters.lock.name, mutex->rank);
}

/* Takes the mutex if it is free, else puts @entry in the queue. Return: taken? */
static bool take_or_enqueue(struct mutex *mutex, struct wait_entry *entry)
{
    bool is_taken = false;

    irqflags_t flags = spin_lock_irqsave(&mutex->waiters.lock);
    uintptr_t owner = __atomic_load_n(&mutex->owner, __ATOMIC_RELAXED);
    for (;;) {
        is_taken = owner == 0;
        uintptr_t wanted = is_taken ? this_owner() : owner | MUTEX_CONTENDED;
        if (__atomic_compare_exchange_n(&mutex->owner, &owner, wanted, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            break;
    }
    if (!is_taken)
        list_push_back(&mutex->waiters.waiters, &entry->node);
    spin_unlock_irqrestore(&mutex->waiters.lock, flags);
    return is_taken;
}

/*
 * The wait ended by deadline or cancel; the mutex may have been handed to us all the same.
 * In either case the lock makes sure that the unlocker is done with @entry.
 */
static bool leave_queue(struct mutex *mutex, struct wait_entry *entry)
{
    irqflags_t flags = spin_lock_irqsave(&mutex->waiters.lock);

    list_remove(&entry->node);
    if (!entry->is_woken && list_is_empty(&mutex->waiters.waiters))
        __atomic_fetch_and(&mutex->owner, ~(uintptr_t)MUTEX_CONTENDED, __ATOMIC_RELAXED);
    spin_unlock_irqrestore(&mutex->waiters.lock, flags);
    return entry->is_woken;
}

static int lock_contended(struct mutex *mutex, uint64_t deadline_ns, enum wait_flags flags)
{
    struct wait_entry entry = { .task = task_current(), .node = LIST_NODE_INIT(entry.node) };

    if (take_or_enqueue(mutex, &entry))
        return 0;
    int error = wait_woken(mutex->waiters.lock.name, &entry.is_woken, deadline_ns, flags);
    return leave_queue(mutex, &entry) ? 0 : error;
}

void mutex_lock(struct mutex *mutex) __no_thread_safety_analysis
{
    might_sleep();
    lock_debug_sleep_check(mutex, mutex->waiters.lock.name, mutex->rank, CALLER());
    if (!try_take(mutex) && lock_contended(mutex, DEADLINE_NEVER, WAIT_UNCANCELLABLE) != 0)
        panic("mutex %s: an endless wait ended", mutex->waiters.lock.name);
    note_acquired(mutex, CALLER());
}

int mutex_lock_deadline(struct mutex *mutex, uint64_t deadline_ns) __no_thread_safety_analysis
{
    might_sleep();
    lock_debug_sleep_check(mutex, mutex->waiters.lock.name, mutex->rank, CALLER());
    int error = try_take(mutex) ? 0 : lock_contended(mutex, deadline_ns, WAIT_CANCELLABLE);
    if (!error)
        note_acquired(mutex, CALLER());
    return error;
}

bool mutex_trylock(struct mutex *mutex) __no_thread_safety_analysis
{
    if (!try_take(mutex))
        return false;
    note_acquired(mutex, CALLER());
    return true;
}

static void hand_over(struct mutex *mutex)
{
    irqflags_t flags = spin_lock_irqsave(&mutex->waiters.lock);
    struct wait_entry *entry =
        list_entry(list_pop_front(&mutex->waiters.waiters), struct wait_entry, node);

    if (!entry) { /* the last waiter gave up meanwhile */
        __atomic_store_n(&mutex->owner, 0, __ATOMIC_RELEASE);
    } else {
        uintptr_t contended = list_is_empty(&mutex->waiters.waiters) ? 0 : MUTEX_CONTENDED;
        __atomic_store_n(&mutex->owner, (uintptr_t)entry->task | contended, __ATOMIC_RELEASE);
        store_release(&entry->is_woken, true); /* pairs with the acquire in wait_woken() */
        task_wake(entry->task);
    }
    spin_unlock_irqrestore(&mutex->waiters.lock, flags);
}

void mutex_unlock(struct mutex *mutex) __no_thread_safety_analysis
{
    uintptr_t expected = this_owner();

    lock_debug_sleep_released(mutex, mutex->waiters.lock.name);
    if (__atomic_compare_exchange_n(&mutex->owner, &expected, 0, false, __ATOMIC_RELEASE,
                                    __ATOMIC_RELAXED))
        return;
    if ((expected & ~(uintptr_t)MUTEX_CONTENDED) != this_owner())
        panic("mutex %s unlocked at %#lx by a task that does not own it", mutex->waiters.lock.name,
              (unsigned long)CALLER());
    hand_over(mutex);
}

void mutex_assert_held(const struct mutex *mutex) __no_thread_safety_analysis
{
    uintptr_t owner = __atomic_load_n(&mutex->owner, __ATOMIC_RELAXED);

    if (CONFIG_DEBUG && (owner & ~(uintptr_t)MUTEX_CONTENDED) != this_owner())
        panic("mutex %s must be held at %#lx", mutex->waiters.lock.name, (unsigned long)CALLER());
}
