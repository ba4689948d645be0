/*
 * Readers-writer locks (see the header).
 *
 * While RWLOCK_CONTENDED is clear, state changes by compare and exchange alone. With the bit set,
 * nobody gets in except by being let in: newcomers queue, and the unlock that leaves the lock free
 * lets in the first of the queue, or all readers up to the first writer. The bit is changed with
 * the queue's lock held. Waits are uncancellable, so waiters leave only by being let in.
 */
#include "kernel/sync/rwlock.h"

#include "kernel/panic.h"
#include "kernel/sched/task.h"
#include "kernel/sync/lock_debug.h"
#include "lib/atomic.h"

#define CALLER() ((uintptr_t)__builtin_return_address(0))

enum {
    KIND_READER,
    KIND_WRITER
}; /* struct wait_entry.kind */

void rwlock_init(struct rwlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct rwlock){ .rank = rank };
    wait_queue_init(&lock->waiters, name);
}

/* What state becomes when one more of @kind gets in; the same state when it may not. */
static uint32_t admit(uint32_t state, uint8_t kind)
{
    if (kind == KIND_WRITER)
        return state & ~RWLOCK_CONTENDED ? state : state | RWLOCK_WRITER;
    return state & RWLOCK_WRITER ? state : state + RWLOCK_READER;
}

static bool try_take(struct rwlock *lock, uint8_t kind)
{
    uint32_t state = __atomic_load_n(&lock->state, __ATOMIC_RELAXED);

    while (!(state & RWLOCK_CONTENDED)) {
        uint32_t wanted = admit(state, kind);
        if (wanted == state)
            return false;
        if (__atomic_compare_exchange_n(&lock->state, &state, wanted, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return true;
    }
    return false;
}

/* Return: taken after all? Else @entry is in the queue and the contended bit is set. */
static bool take_or_enqueue(struct rwlock *lock, struct wait_entry *entry)
{
    irqflags_t flags = spin_lock_irqsave(&lock->waiters.lock);
    uint32_t state = __atomic_load_n(&lock->state, __ATOMIC_RELAXED);
    uint32_t wanted;

    do {
        wanted = state & RWLOCK_CONTENDED ? state : admit(state, entry->kind);
        if (wanted == state)
            wanted = state | RWLOCK_CONTENDED;
    } while (!__atomic_compare_exchange_n(&lock->state, &state, wanted, false, __ATOMIC_ACQUIRE,
                                          __ATOMIC_RELAXED));
    bool is_taken = !(wanted & RWLOCK_CONTENDED);
    if (!is_taken)
        list_push_back(&lock->waiters.waiters, &entry->node);
    spin_unlock_irqrestore(&lock->waiters.lock, flags);
    return is_taken;
}

static void let_in(struct wait_entry *entry)
{
    list_remove(&entry->node);
    store_release(&entry->is_woken, true); /* pairs with the acquire in wait_woken() */
    task_wake(entry->task);
}

/* The lock became free, or readers left while somebody queued: let in whoever can come. */
static void admit_waiters(struct rwlock *lock)
{
    irqflags_t flags = spin_lock_irqsave(&lock->waiters.lock);

    for (;;) {
        struct wait_entry *entry =
            list_entry(list_front(&lock->waiters.waiters), struct wait_entry, node);
        if (!entry) {
            __atomic_fetch_and(&lock->state, ~RWLOCK_CONTENDED, __ATOMIC_RELAXED);
            break;
        }
        /* Others can only leave meanwhile, not get in: the bit is set. A reader that leaves after
         * this look finds the lock free itself, and comes here. */
        uint32_t state = __atomic_load_n(&lock->state, __ATOMIC_ACQUIRE);
        uint32_t wanted = admit(state, entry->kind);
        if (wanted == state)
            break;
        __atomic_fetch_add(&lock->state, wanted - state, __ATOMIC_RELAXED);
        let_in(entry);
    }
    spin_unlock_irqrestore(&lock->waiters.lock, flags);
}

static void take(struct rwlock *lock, uint8_t kind, uintptr_t caller)
{
    const char *name = lock->waiters.lock.name;
    struct wait_entry entry = { .task = task_current(),
                                .node = LIST_NODE_INIT(entry.node),
                                .kind = kind };

    might_sleep();
    lock_debug_sleep_check(lock, name, lock->rank, caller);
    if (!try_take(lock, kind) && !take_or_enqueue(lock, &entry)) {
        if (wait_woken(name, &entry.is_woken, DEADLINE_NEVER, WAIT_UNCANCELLABLE) != 0)
            panic("rwlock %s: an endless wait ended", name);
        /* Whoever let us in may still be at the entry, which goes out of scope. */
        irqflags_t flags = spin_lock_irqsave(&lock->waiters.lock);
        spin_unlock_irqrestore(&lock->waiters.lock, flags);
    }
    lock_debug_sleep_acquired(lock, name, lock->rank);
}

static void give_back(struct rwlock *lock, uint32_t share)
{
    lock_debug_sleep_released(lock, lock->waiters.lock.name);
    uint32_t state = __atomic_sub_fetch(&lock->state, share, __ATOMIC_RELEASE);
    if (state == RWLOCK_CONTENDED)
        admit_waiters(lock);
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
