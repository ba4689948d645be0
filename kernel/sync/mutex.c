/*
 * Mutexes (see the header).
 *
 * owner is a task or 0, with two bits. Anybody may take the mutex by compare and exchange while the
 * task is 0 and MUTEX_HANDOFF is clear. The bits are set only with the lock of the waiters' queue
 * held; the fast unlock (from the bare task to 0) fails when one is there, so it cannot miss a
 * waiter that has set it, and a waiter that finds the mutex free under the lock takes it instead of
 * waiting.
 *
 * Hand-over in order at every unlock was here first. With 8 CPUs on 2 cores it took 25 s for 16,000
 * locks: each had to wait until the host let the next owner's CPU run.
 */
#include "kernel/sync/mutex.h"

#include "arch/irq.h"
#include "kernel/panic.h"
#include "kernel/sched/task.h"
#include "kernel/sync/lock_debug.h"
#include "kernel/sync/lock_statistics.h"
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

/* How a waiter's wait ended; struct wait_entry.kind. */
enum {
    WAKE_TO_RETRY,
    WAKE_AS_OWNER
};

static bool is_free(uintptr_t owner)
{
    return (owner & ~(uintptr_t)MUTEX_CONTENDED) == 0;
}

/* As nearly always: free, and nobody waits. */
static __always_inline bool take_free(struct mutex *mutex)
{
    uintptr_t nobody = 0;

    return __atomic_compare_exchange_n(&mutex->owner, &nobody, this_owner(), false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static bool try_take(struct mutex *mutex)
{
    uintptr_t owner = __atomic_load_n(&mutex->owner, __ATOMIC_RELAXED);

    while (is_free(owner)) {
        if (__atomic_compare_exchange_n(&mutex->owner, &owner, this_owner() | owner, false,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return true;
    }
    return false;
}

static void note_acquired(struct mutex *mutex, uintptr_t caller)
{
    mutex->acquired_at = caller;
    lock_debug_sleep_acquired(mutex, mutex->waiters.lock.name, mutex->rank);
}

/* The bit that says whether the unlock must look at the queue, when @entry is no longer on it. */
static uintptr_t contended_without_locked(const struct mutex *mutex, struct wait_entry *entry)
    __must_hold(mutex->waiters.lock)
{
    list_remove(&entry->node);
    return list_is_empty(&mutex->waiters.waiters) ? 0 : MUTEX_CONTENDED;
}

/*
 * Takes the mutex if it is free, else makes sure that its unlock sees @entry on the queue.
 * @flags: what to set then. Return: taken?
 */
static bool take_or_stay_locked(struct mutex *mutex, struct wait_entry *entry, uintptr_t flags)
    __must_hold(mutex->waiters.lock)
{
    uintptr_t owner = __atomic_load_n(&mutex->owner, __ATOMIC_RELAXED);
    uintptr_t wanted;
    bool is_taken;

    do {
        is_taken = is_free(owner);
        wanted = is_taken ? this_owner() | MUTEX_CONTENDED : owner | flags;
    } while (!__atomic_compare_exchange_n(&mutex->owner, &owner, wanted, false, __ATOMIC_ACQUIRE,
                                          __ATOMIC_RELAXED));
    if (is_taken && contended_without_locked(mutex, entry) == 0)
        __atomic_fetch_and(&mutex->owner, ~(uintptr_t)MUTEX_FLAGS, __ATOMIC_RELAXED);
    else if (!is_taken && !list_node_is_linked(&entry->node))
        list_push_back(&mutex->waiters.waiters, &entry->node);
    return is_taken;
}

static void wake_locked(struct wait_entry *entry, uint8_t kind)
{
    entry->kind = kind;
    store_release(&entry->is_woken, true); /* pairs with the acquire in wait_woken() */
    task_wake(entry->task);
}

/* Wakes the first waiter to try for a mutex that is free, unless that is under way. */
static void wake_first_locked(struct mutex *mutex) __must_hold(mutex->waiters.lock)
{
    struct wait_entry *first =
        list_entry(list_front(&mutex->waiters.waiters), struct wait_entry, node);

    if (first && !first->is_woken)
        wake_locked(first, WAKE_TO_RETRY);
}

/* @entry gives up. If it had been woken to try, the next one must. */
static void leave_queue_locked(struct mutex *mutex, struct wait_entry *entry)
    __must_hold(mutex->waiters.lock)
{
    if (contended_without_locked(mutex, entry) == 0)
        __atomic_fetch_and(&mutex->owner, ~(uintptr_t)MUTEX_FLAGS, __ATOMIC_RELAXED);
    else if (is_free(__atomic_load_n(&mutex->owner, __ATOMIC_RELAXED)))
        wake_first_locked(mutex);
}

static int lock_contended(struct mutex *mutex, uint64_t deadline_ns, enum wait_flags wait_flags)
{
    struct wait_entry entry = { .task = task_current(), .node = LIST_NODE_INIT(entry.node) };
    uintptr_t owner_flags = MUTEX_CONTENDED;
    uint64_t start = clock_now_ns();
    int error = 0;

    for (;;) {
        /* Also makes sure, after a wait, that the waker is done with the entry. */
        irqflags_t flags = spin_lock_irqsave(&mutex->waiters.lock);
        bool is_owner = entry.is_woken && entry.kind == WAKE_AS_OWNER;
        if (!is_owner && !error)
            is_owner = take_or_stay_locked(mutex, &entry, owner_flags);
        else if (!is_owner)
            leave_queue_locked(mutex, &entry);
        entry.is_woken = false;
        spin_unlock_irqrestore(&mutex->waiters.lock, flags);
        if (is_owner || error) {
            lock_note_wait(mutex->waiters.lock.name, clock_now_ns() - start);
            return is_owner ? 0 : error;
        }
        error = wait_woken(mutex->waiters.lock.name, &entry.is_woken, deadline_ns, wait_flags);
        owner_flags = MUTEX_CONTENDED | MUTEX_HANDOFF;
    }
}

/* The rest of mutex_lock(), apart, so that the short way needs no registers saved. */
static void __noinline lock_slowly(struct mutex *mutex, uintptr_t caller)
{
    if (!try_take(mutex) && lock_contended(mutex, DEADLINE_NEVER, WAIT_UNCANCELLABLE) != 0)
        panic("mutex %s: an endless wait ended", mutex->waiters.lock.name);
    note_acquired(mutex, caller);
}

void mutex_lock(struct mutex *mutex) __no_thread_safety_analysis
{
    might_sleep();
    lock_debug_sleep_check(mutex, mutex->waiters.lock.name, mutex->rank, CALLER());
    if (unlikely(!take_free(mutex))) {
        lock_slowly(mutex, CALLER());
        return;
    }
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

static void unlock_contended(struct mutex *mutex)
{
    irqflags_t flags = spin_lock_irqsave(&mutex->waiters.lock);
    uintptr_t owner = __atomic_load_n(&mutex->owner, __ATOMIC_RELAXED);
    struct wait_entry *first =
        list_entry(list_front(&mutex->waiters.waiters), struct wait_entry, node);

    if (!first) { /* the last waiter gave up meanwhile */
        __atomic_store_n(&mutex->owner, 0, __ATOMIC_RELEASE);
    } else if (owner & MUTEX_HANDOFF) {
        uintptr_t contended = contended_without_locked(mutex, first);
        __atomic_store_n(&mutex->owner, (uintptr_t)first->task | contended, __ATOMIC_RELEASE);
        wake_locked(first, WAKE_AS_OWNER);
    } else {
        __atomic_store_n(&mutex->owner, MUTEX_CONTENDED, __ATOMIC_RELEASE);
        wake_first_locked(mutex);
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
    if ((expected & ~(uintptr_t)MUTEX_FLAGS) != this_owner())
        panic("mutex %s unlocked at %#lx by a task that does not own it", mutex->waiters.lock.name,
              (unsigned long)CALLER());
    unlock_contended(mutex);
}

void mutex_assert_held(const struct mutex *mutex) __no_thread_safety_analysis
{
    uintptr_t owner = __atomic_load_n(&mutex->owner, __ATOMIC_RELAXED);

    if (CONFIG_DEBUG && (owner & ~(uintptr_t)MUTEX_FLAGS) != this_owner())
        panic("mutex %s must be held at %#lx", mutex->waiters.lock.name, (unsigned long)CALLER());
}
