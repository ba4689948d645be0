/*
 * Readers-writer locks (see the header).
 *
 * state changes by compare and exchange. A newcomer gets in while nobody waits, or when the lock is
 * wholly free and nobody has been woken in vain yet. The unlock that leaves the lock free wakes the
 * first waiter to try for itself; when that finds it taken again it sets RWLOCK_HANDOFF, and then
 * the next such unlock lets in the first waiter, or all readers up to the first writer, directly.
 * Both bits are set with the queue's lock held. Waits are uncancellable, so waiters leave the queue
 * only by getting in.
 */
#include "kernel/sync/rwlock.h"

#include "kernel/panic.h"
#include "kernel/sched/task.h"
#include "kernel/sync/lock_debug.h"
#include "kernel/sync/lock_statistics.h"
#include "lib/atomic.h"

#define CALLER() ((uintptr_t)__builtin_return_address(0))
#define FLAGS    (RWLOCK_CONTENDED | RWLOCK_HANDOFF)

/* struct wait_entry.kind: what is wanted, and that it has been given. */
enum {
    KIND_READER,
    KIND_WRITER,
    KIND_MASK = 1,
    KIND_ADMITTED = 2
};

void rwlock_init(struct rwlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct rwlock){ .rank = rank };
    wait_queue_init(&lock->waiters, name);
}

/* What state becomes when one more of @kind gets in; the same state when it may not. */
static uint32_t admit(uint32_t state, uint8_t kind)
{
    if ((kind & KIND_MASK) == KIND_WRITER)
        return state & ~FLAGS ? state : state | RWLOCK_WRITER;
    return state & RWLOCK_WRITER ? state : state + RWLOCK_READER;
}

static bool try_take(struct rwlock *lock, uint8_t kind)
{
    uint32_t state = __atomic_load_n(&lock->state, __ATOMIC_RELAXED);

    while (!(state & FLAGS) || state == RWLOCK_CONTENDED) {
        uint32_t wanted = admit(state, kind);
        if (wanted == state)
            return false;
        if (__atomic_compare_exchange_n(&lock->state, &state, wanted, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return true;
    }
    return false;
}

static struct wait_entry *first_waiter_locked(struct rwlock *lock) __must_hold(lock->waiters.lock)
{
    return list_entry(list_front(&lock->waiters.waiters), struct wait_entry, node);
}

static void wake_locked(struct wait_entry *entry)
{
    if (entry->is_woken)
        return;
    store_release(&entry->is_woken, true); /* pairs with the acquire in wait_woken() */
    task_wake(entry->task);
}

static void clear_flags_if_empty_locked(struct rwlock *lock) __must_hold(lock->waiters.lock)
{
    if (list_is_empty(&lock->waiters.waiters))
        __atomic_fetch_and(&lock->state, ~FLAGS, __ATOMIC_RELAXED);
}

/* Lets in the first waiters directly, as many as can be there together. */
static void hand_over_locked(struct rwlock *lock) __must_hold(lock->waiters.lock)
{
    struct wait_entry *entry;

    while ((entry = first_waiter_locked(lock)) != NULL) {
        /* Others can only leave meanwhile: RWLOCK_HANDOFF keeps newcomers out. */
        uint32_t state = __atomic_load_n(&lock->state, __ATOMIC_ACQUIRE);
        uint32_t wanted = admit(state, entry->kind);
        if (wanted == state)
            break;
        __atomic_fetch_add(&lock->state, wanted - state, __ATOMIC_RELAXED);
        list_remove(&entry->node);
        entry->kind |= KIND_ADMITTED;
        entry->is_woken = false;
        wake_locked(entry);
    }
    __atomic_fetch_and(&lock->state, ~RWLOCK_HANDOFF, __ATOMIC_RELAXED);
    clear_flags_if_empty_locked(lock);
}

/* The lock became free while somebody waited. */
static void release_to_waiters(struct rwlock *lock)
{
    irqflags_t flags = spin_lock_irqsave(&lock->waiters.lock);
    uint32_t state = __atomic_load_n(&lock->state, __ATOMIC_RELAXED);
    struct wait_entry *first = first_waiter_locked(lock);

    if (state & RWLOCK_HANDOFF)
        hand_over_locked(lock);
    else if (first)
        wake_locked(first);
    spin_unlock_irqrestore(&lock->waiters.lock, flags);
}

/* Gets in, ahead of the queue when the lock is free; else sees to it that an unlock finds @entry.
 */
static bool take_or_stay_locked(struct rwlock *lock, struct wait_entry *entry, uint32_t flags)
    __must_hold(lock->waiters.lock)
{
    bool is_queued = list_node_is_linked(&entry->node);
    bool is_first = first_waiter_locked(lock) == entry;
    uint32_t state = __atomic_load_n(&lock->state, __ATOMIC_RELAXED);
    bool is_taken;
    uint32_t wanted;

    do {
        wanted = is_first || !(state & FLAGS) || state == RWLOCK_CONTENDED
                     ? admit(state, entry->kind)
                     : state;
        is_taken = wanted != state;
        if (!is_taken)
            wanted = state | flags;
    } while (!__atomic_compare_exchange_n(&lock->state, &state, wanted, false, __ATOMIC_ACQUIRE,
                                          __ATOMIC_RELAXED));
    if (!is_taken && !is_queued)
        list_push_back(&lock->waiters.waiters, &entry->node);
    return is_taken;
}

/* Off the queue and in. Readers go in together: the next one may try, too. */
static void leave_queue_locked(struct rwlock *lock, struct wait_entry *entry)
    __must_hold(lock->waiters.lock)
{
    list_remove(&entry->node);
    struct wait_entry *first = first_waiter_locked(lock);
    if (first && first->kind == KIND_READER && entry->kind == KIND_READER)
        wake_locked(first);
    clear_flags_if_empty_locked(lock);
}

static void wait_to_get_in(struct rwlock *lock, uint8_t kind)
{
    struct wait_entry entry = { .task = task_current(),
                                .node = LIST_NODE_INIT(entry.node),
                                .kind = kind };
    uint32_t state_flags = RWLOCK_CONTENDED;
    uint64_t start = clock_now_ns();

    for (;;) {
        /* Also makes sure, after a wait, that the waker is done with the entry. */
        irqflags_t flags = spin_lock_irqsave(&lock->waiters.lock);
        bool is_in = entry.kind & KIND_ADMITTED;
        if (!is_in && take_or_stay_locked(lock, &entry, state_flags)) {
            leave_queue_locked(lock, &entry);
            is_in = true;
        }
        entry.is_woken = false;
        spin_unlock_irqrestore(&lock->waiters.lock, flags);
        if (is_in)
            break;
        if (wait_woken(lock->waiters.lock.name, &entry.is_woken, DEADLINE_NEVER,
                       WAIT_UNCANCELLABLE) != 0)
            panic("rwlock %s: an endless wait ended", lock->waiters.lock.name);
        state_flags = RWLOCK_CONTENDED | RWLOCK_HANDOFF;
    }
    lock_note_wait(lock->waiters.lock.name, clock_now_ns() - start);
}

static void take(struct rwlock *lock, uint8_t kind, uintptr_t caller)
{
    might_sleep();
    lock_debug_sleep_check(lock, lock->waiters.lock.name, lock->rank, caller);
    if (!try_take(lock, kind))
        wait_to_get_in(lock, kind);
    lock_debug_sleep_acquired(lock, lock->waiters.lock.name, lock->rank);
}

static void give_back(struct rwlock *lock, uint32_t share)
{
    lock_debug_sleep_released(lock, lock->waiters.lock.name);
    uint32_t state = __atomic_sub_fetch(&lock->state, share, __ATOMIC_RELEASE);
    if (state && !(state & ~FLAGS))
        release_to_waiters(lock);
}

void rwlock_read_lock(struct rwlock *lock) __no_thread_safety_analysis
{
    take(lock, KIND_READER, CALLER());
}

void rwlock_read_unlock(struct rwlock *lock) __no_thread_safety_analysis
{
    debug_assert(READ_ONCE(lock->state) >= RWLOCK_READER);
    give_back(lock, RWLOCK_READER);
}

void rwlock_write_lock(struct rwlock *lock) __no_thread_safety_analysis
{
    take(lock, KIND_WRITER, CALLER());
}

void rwlock_write_unlock(struct rwlock *lock) __no_thread_safety_analysis
{
    debug_assert(READ_ONCE(lock->state) & RWLOCK_WRITER);
    give_back(lock, RWLOCK_WRITER);
}
