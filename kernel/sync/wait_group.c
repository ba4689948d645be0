/*
 * Wait groups.
 *
 * The count reaches zero, and zero is seen, only under the queue's lock: when a waiter sees it, the
 * last done() has let go of that lock and with it of the group.
 */
#include "kernel/sync/wait_group.h"

#include "kernel/panic.h"

void wait_group_init(struct wait_group *group, const char *name)
{
    group->count = 0;
    group->error = 0;
    wait_queue_init(&group->waiters, name);
}

void wait_group_add(struct wait_group *group, int count)
{
    __atomic_fetch_add(&group->count, count, __ATOMIC_RELAXED);
}

static void note_error(struct wait_group *group, int error)
{
    int expected = 0;

    if (error)
        __atomic_compare_exchange_n(&group->error, &expected, error, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED);
}

/* Counts down unless that would make it 0. */
static bool count_down_above_one(struct wait_group *group)
{
    int count = __atomic_load_n(&group->count, __ATOMIC_RELAXED);

    while (count > 1) {
        /* release: what this one did is seen by whoever sees 0, through the last one's exchange */
        if (__atomic_compare_exchange_n(&group->count, &count, count - 1, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
            return true;
    }
    return false;
}

void wait_group_done(struct wait_group *group, int error)
{
    note_error(group, error);
    if (count_down_above_one(group))
        return;
    irqflags_t flags = spin_lock_irqsave(&group->waiters.lock);
    int count = __atomic_sub_fetch(&group->count, 1, __ATOMIC_ACQ_REL);
    if (count < 0)
        panic("wait group %s: done once too often", group->waiters.lock.name);
    if (count == 0)
        wake_all_locked(&group->waiters);
    spin_unlock_irqrestore(&group->waiters.lock, flags);
}

static bool is_done(struct wait_group *group)
{
    irqflags_t flags = spin_lock_irqsave(&group->waiters.lock);
    bool is_zero = __atomic_load_n(&group->count, __ATOMIC_ACQUIRE) == 0;

    spin_unlock_irqrestore(&group->waiters.lock, flags);
    return is_zero;
}

int wait_group_wait(struct wait_group *group, uint64_t deadline_ns, enum wait_flags flags)
{
    int error = WAIT_EVENT_FLAGS(&group->waiters, is_done(group), deadline_ns, flags);

    return error ? error : __atomic_load_n(&group->error, __ATOMIC_RELAXED);
}
