/*
 * Mutexes (see the header).
 *
 * owner is a task or 0, with two bits. Anybody may take the mutex by compare and exchange while it
 * is 0. The bits are set when the mutex is owned and there are waiters; the fast unlock (from the
 * bare task to 0) fails when one is there and goes through the queue. A waiter that finds the
 * mutex free under the lock of the queue takes it instead of waiting.
 *
 * A mutex that is free has no bit, even if there are waiters. Then one task is on its way that sees
 * to them, so that the unlocks of others in between need not:
 * - a waiter that was woken to try: it looks at the queue with its lock held, and takes the mutex,
 *   or sets the bits, or wakes the next waiter when it gives up;
 * - a spinner, which overtakes the waiters: it takes the mutex and sets the bit for them, or gives
 *   up and looks at the queue as a waiter does.
 *
 * has_spinner is cleared before the spinner looks at the queue, and read by the unlock with the
 * lock of the queue held: either the spinner comes after the unlock and sees the mutex free, or the
 * unlock sees that there is no spinner any more, and wakes a waiter.
 *
 * One spinner, and for a moment only, because CPUs may be virtual: two who spin are two of the
 * host's CPUs that the owner may not get. Hand-over in order at every unlock was here first. With 8
 * CPUs on 2 cores it took 25 s for 16,000 locks: each had to wait until the host let the next
 * owner's CPU run.
 */
#include "kernel/sync/mutex.h"

#include "arch/irq.h"
#include "kernel/panic.h"
#include "kernel/sched/sched.h"
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

static uintptr_t owner_of(const struct mutex *mutex)
{
    return __atomic_load_n(&mutex->owner, __ATOMIC_RELAXED);
}

/* Pairs with the release of whoever made it free. */
static __always_inline bool try_take(struct mutex *mutex)
{
    uintptr_t nobody = 0;

    return __atomic_compare_exchange_n(&mutex->owner, &nobody, this_owner(), false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void note_acquired(struct mutex *mutex, uintptr_t caller)
{
    mutex->acquired_at = caller;
    lock_debug_sleep_acquired(mutex, mutex->waiters.lock.name, mutex->rank);
}

/* ---- spinning -------------------------------------------------------------------------------- */

/* About what it costs to sleep and to be woken, where CPUs are virtual. */
#define SPIN_NS (20 * NS_PER_US)

/*
 * The clock is looked at once a turn, and not again when the mutex has been taken: whoever has it
 * keeps others waiting, and under an emulator a look at the clock takes as long as ten locks.
 */
struct spin {
    const struct task *owner;  /* seen last */
    unsigned int cpu;          /* that runs it, or CPU_MAX */
    uint64_t start_ns, now_ns; /* of the first turn and the last; 0: there was none */
};

static struct spin spin_begin(void)
{
    return (struct spin){ .cpu = CPU_MAX };
}

static bool is_spin_over(struct spin *spin, uint64_t deadline_ns)
{
    spin->now_ns = clock_now_ns();
    if (!spin->start_ns)
        spin->start_ns = spin->now_ns;
    return spin->now_ns - spin->start_ns >= SPIN_NS || spin->now_ns >= deadline_ns;
}

/* One turn, the mutex being owned by @owner: false when it had better be given up. */
static bool spin_on(struct spin *spin, uintptr_t owner, uint64_t deadline_ns)
{
    const struct task *task = (const struct task *)(owner & ~(uintptr_t)MUTEX_FLAGS);

    if (task != spin->owner) {
        spin->owner = task;
        spin->cpu = sched_cpu_running(task);
    }
    if (!sched_cpu_runs(spin->cpu, task) || sched_is_cpu_wanted() ||
        is_spin_over(spin, deadline_ns))
        return false;
    cpu_relax();
    return true;
}

/* Tries for as long as it is likely to be worth while. Return: taken? */
static bool spin_for_mutex(struct mutex *mutex, struct spin *spin, uint64_t deadline_ns)
{
    bool is_taken = false, goes_on = true;

    if (__atomic_exchange_n(&mutex->has_spinner, true, __ATOMIC_RELAXED))
        return false;
    while (!is_taken && goes_on) {
        uintptr_t owner = owner_of(mutex);
        if (owner == 0)
            is_taken = try_take(mutex);
        else
            goes_on = !(owner & MUTEX_HANDOFF) && spin_on(spin, owner, deadline_ns);
    }
    __atomic_store_n(&mutex->has_spinner, false, __ATOMIC_SEQ_CST);
    if (is_taken && READ_ONCE(mutex->overtaken) > 0)
        __atomic_fetch_or(&mutex->owner, MUTEX_CONTENDED, __ATOMIC_RELAXED);
    return is_taken;
}

/* The next unlock will make us the owner: better it finds us awake. */
static void spin_for_handoff(const struct mutex *mutex, const struct wait_entry *entry,
                             uint64_t deadline_ns)
{
    struct spin spin = spin_begin();

    while (!READ_ONCE(entry->is_woken) && spin_on(&spin, owner_of(mutex), deadline_ns))
        ;
}

/* ---- waiting --------------------------------------------------------------------------------- */

static struct wait_entry *first_waiter_locked(struct mutex *mutex) __must_hold(mutex->waiters.lock)
{
    return list_entry(list_front(&mutex->waiters.waiters), struct wait_entry, node);
}

/* @entry leaves the queue, if it is there: must the unlock still look at it? */
static uintptr_t contended_without_locked(struct mutex *mutex, struct wait_entry *entry)
    __must_hold(mutex->waiters.lock)
{
    if (first_waiter_locked(mutex) == entry)
        WRITE_ONCE(mutex->overtaken, 0);
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
    uintptr_t owner = owner_of(mutex);
    uintptr_t wanted;

    do {
        wanted = owner == 0 ? this_owner() : owner | flags;
    } while (!__atomic_compare_exchange_n(&mutex->owner, &owner, wanted, false, __ATOMIC_ACQUIRE,
                                          __ATOMIC_RELAXED));
    if (owner == 0 && contended_without_locked(mutex, entry) != 0)
        __atomic_fetch_or(&mutex->owner, MUTEX_CONTENDED, __ATOMIC_RELAXED);
    else if (owner != 0 && !list_node_is_linked(&entry->node))
        list_push_back(&mutex->waiters.waiters, &entry->node);
    return owner == 0;
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
    struct wait_entry *first = first_waiter_locked(mutex);

    if (first && !first->is_woken)
        wake_locked(first, WAKE_TO_RETRY);
}

/* @entry gives up. If it had been woken to try, somebody else must see to the others. */
static void leave_queue_locked(struct mutex *mutex, struct wait_entry *entry)
    __must_hold(mutex->waiters.lock)
{
    uintptr_t contended = contended_without_locked(mutex, entry);
    uintptr_t owner = owner_of(mutex);
    uintptr_t wanted;

    do {
        wanted = owner;
        if (owner != 0)
            wanted = contended ? owner | MUTEX_CONTENDED : owner & ~(uintptr_t)MUTEX_FLAGS;
    } while (!__atomic_compare_exchange_n(&mutex->owner, &owner, wanted, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    if (owner == 0)
        wake_first_locked(mutex);
}

static int wait_for_mutex(struct mutex *mutex, uint64_t deadline_ns, enum wait_flags wait_flags)
{
    struct wait_entry entry = { .task = task_current(), .node = LIST_NODE_INIT(entry.node) };
    uintptr_t owner_flags = MUTEX_CONTENDED;
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
        if (is_owner || error)
            return is_owner ? 0 : error;
        if (owner_flags & MUTEX_HANDOFF)
            spin_for_handoff(mutex, &entry, deadline_ns);
        error = wait_woken(mutex->waiters.lock.name, &entry.is_woken, deadline_ns, wait_flags);
        owner_flags = MUTEX_CONTENDED | MUTEX_HANDOFF;
    }
}

static int lock_contended(struct mutex *mutex, uint64_t deadline_ns, enum wait_flags wait_flags)
{
    struct spin spin = spin_begin();
    int error;

    if (spin_for_mutex(mutex, &spin, deadline_ns)) {
        lock_note_wait(mutex->waiters.lock.name, spin.now_ns - spin.start_ns);
        return 0;
    }
    uint64_t start = spin.start_ns ? spin.start_ns : clock_now_ns();
    error = wait_for_mutex(mutex, deadline_ns, wait_flags);
    lock_note_wait(mutex->waiters.lock.name, clock_now_ns() - start);
    return error;
}

/* The rest of mutex_lock(), apart, so that the short way needs no registers saved. */
static void __noinline lock_slowly(struct mutex *mutex, uintptr_t caller)
{
    if (lock_contended(mutex, DEADLINE_NEVER, WAIT_UNCANCELLABLE) != 0)
        panic("mutex %s: an endless wait ended", mutex->waiters.lock.name);
    note_acquired(mutex, caller);
}

void mutex_lock(struct mutex *mutex) __no_thread_safety_analysis
{
    might_sleep();
    lock_debug_sleep_check(mutex, mutex->waiters.lock.name, mutex->rank, CALLER());
    if (unlikely(!try_take(mutex))) {
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

/* A spinner will take the mutex next: may the first waiter sleep on? */
static bool may_be_overtaken_locked(struct mutex *mutex) __must_hold(mutex->waiters.lock)
{
    if (mutex->overtaken == MUTEX_OVERTAKINGS || !READ_ONCE(mutex->has_spinner))
        return false;
    WRITE_ONCE(mutex->overtaken, mutex->overtaken + 1);
    return true;
}

static void unlock_contended(struct mutex *mutex)
{
    irqflags_t flags = spin_lock_irqsave(&mutex->waiters.lock);
    struct wait_entry *first = first_waiter_locked(mutex);

    if (first && (owner_of(mutex) & MUTEX_HANDOFF)) {
        uintptr_t contended = contended_without_locked(mutex, first);
        __atomic_store_n(&mutex->owner, (uintptr_t)first->task | contended, __ATOMIC_RELEASE);
        wake_locked(first, WAKE_AS_OWNER);
    } else {
        bool is_overtaken = first && may_be_overtaken_locked(mutex);
        __atomic_store_n(&mutex->owner, 0, __ATOMIC_RELEASE);
        if (!is_overtaken)
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
