/*
 * Wait queues.
 *
 * No wake is lost, because of this order:
 *
 *     waiter                                   waker
 *     1. entry on the queue (queue lock)       a. changes the condition
 *     2. looks at the condition                b. takes the first entry off (queue lock),
 *     3. parks                                    sets is_woken, task_wake()
 *
 * If b comes before 1, the queue's lock orders a before 2: the waiter sees the condition. If b
 * comes after 1, task_wake() either finds the task parked, or leaves a token that makes 3 return at
 * once (kernel/sched/park.c).
 *
 * The waker touches the entry, the task and the queue only while it holds the queue's lock, and a
 * waiter that ever was on the queue takes that lock in wait_finish(). So when a wait is over,
 * nobody still uses the entry, and whoever owns the queue may free it.
 *
 * A wake that hits a waiter after its last wait_commit() did not serve it: it had found the
 * condition itself, or given up. wait_finish() passes such a wake on, else an item put down for the
 * next waiter would lie there unseen.
 */
#include "kernel/sync/wait_queue.h"

#include "arch/irq.h"
#include "kernel/sched/task.h"
#include "lib/atomic.h"
#include "lib/errno.h"

void wait_queue_init(struct wait_queue *queue, const char *name)
{
    spin_lock_init(&queue->lock, name, LOCK_RANK_WAIT_QUEUE);
    list_init(&queue->waiters);
}

static bool wake_first_locked(struct wait_queue *queue) __must_hold(queue->lock)
{
    struct wait_entry *entry = list_entry(list_pop_front(&queue->waiters), struct wait_entry, node);

    if (!entry)
        return false;
    store_release(&entry->is_woken, true); /* pairs with the acquire in wait_woken() */
    task_wake(entry->task);
    return true;
}

bool wake_one(struct wait_queue *queue)
{
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    bool is_woken = wake_first_locked(queue);

    spin_unlock_irqrestore(&queue->lock, flags);
    return is_woken;
}

unsigned int wake_all_locked(struct wait_queue *queue)
{
    unsigned int count = 0;

    spin_assert_held(&queue->lock);
    while (wake_first_locked(queue))
        count++;
    return count;
}

unsigned int wake_all(struct wait_queue *queue)
{
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    unsigned int count = wake_all_locked(queue);

    spin_unlock_irqrestore(&queue->lock, flags);
    return count;
}

bool wait_queue_is_empty(struct wait_queue *queue)
{
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    bool is_empty = list_is_empty(&queue->waiters);

    spin_unlock_irqrestore(&queue->lock, flags);
    return is_empty;
}

void wait_prepare(struct wait_queue *queue, struct wait_entry *entry)
{
    irqflags_t flags = spin_lock_irqsave(&queue->lock);

    if (!entry->is_queued) {
        entry->task = task_current();
        list_node_init(&entry->node);
        entry->is_queued = true;
    }
    entry->is_woken = false;
    entry->is_served = false;
    if (!list_node_is_linked(&entry->node))
        list_push_back(&queue->waiters, &entry->node);
    spin_unlock_irqrestore(&queue->lock, flags);
}

int wait_woken(const char *name, const bool *is_woken, uint64_t deadline_ns, enum wait_flags flags)
{
    struct task *task = task_current();
    bool is_timed = false;
    int result;

    might_sleep();
    for (;;) {
        result = 0;
        if (is_woken && load_acquire(is_woken)) /* pairs with the release of the waker */
            break;
        result = -ECANCELED;
        if (!(flags & WAIT_UNCANCELLABLE) && load_acquire(&task->is_cancelled))
            break;
        result = -ETIMEDOUT;
        if (deadline_ns != DEADLINE_NEVER && clock_now_ns() >= deadline_ns)
            break;
        if (deadline_ns != DEADLINE_NEVER && !is_timed) {
            timer_start(&task->wait_timer, deadline_ns, 0);
            is_timed = true;
        }
        task_park(name);
    }
    /* The callback may still be under way on another CPU: at worst it leaves a token, and one
     * task_park() returns early. */
    if (is_timed)
        timer_stop(&task->wait_timer);
    return result;
}

int wait_commit(struct wait_queue *queue, struct wait_entry *entry, uint64_t deadline_ns,
                enum wait_flags flags)
{
    int error = wait_woken(queue->lock.name, &entry->is_woken, deadline_ns, flags);

    entry->is_served = error == 0;
    return error;
}

void wait_finish(struct wait_queue *queue, struct wait_entry *entry)
{
    if (!entry->is_queued)
        return;
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    list_remove(&entry->node);
    if (entry->is_woken && !entry->is_served)
        wake_first_locked(queue);
    spin_unlock_irqrestore(&queue->lock, flags);
    entry->is_queued = false;
}

int sleep_until_ns(uint64_t deadline_ns)
{
    int error = wait_woken("sleep", NULL, deadline_ns, WAIT_CANCELLABLE);

    return error == -ETIMEDOUT ? 0 : error;
}

int sleep_ns(uint64_t duration_ns)
{
    return sleep_until_ns(deadline_after_ns(duration_ns));
}
