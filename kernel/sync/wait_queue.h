/*
 * The one primitive under everything that blocks: a queue of waiting tasks, a deadline, a cancel.
 *
 *     int error = wait_event(&queue->readers, queue_has_data(queue), deadline);
 *
 * The waker changes the condition first, then calls wake_one() or wake_all(). A waiting task is on
 * no run queue. Wakes may come from any context.
 *
 * Cancel: task_cancel() (Ctrl-C, kill, poweroff) makes every wait of that task, the current and all
 * later ones, return -ECANCELED until task_clear_cancel(). Waits that must not be cut short (a
 * file-system write in the middle, with its own deadline) use wait_event_uncancellable().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/sched/preempt.h"
#include "kernel/sync/spinlock.h"
#include "kernel/time/clock.h"
#include "lib/compiler.h"
#include "lib/list.h"

struct task;

struct wait_queue {
    struct spinlock lock; /* rank: LOCK_RANK_WAIT_QUEUE */
    struct list waiters __guarded_by(lock);
};

struct wait_entry {
    struct list_node node; /* guarded by the queue's lock */
    struct task *task;     /* const from wait_prepare() on */
    bool is_queued;        /* prepared, and a wait_finish() must follow; own task only */
    bool is_woken;         /* written with the queue's lock held; read by its task without */
    bool is_served;        /* a wait_commit() has returned for this wake; own task only */
    uint8_t kind;          /* free for the owner of the queue (rwlock: reader or writer) */
};

#define WAIT_QUEUE_INIT(variable, name)                                                            \
    {                                                                                              \
        .lock = SPINLOCK_INIT(name, LOCK_RANK_WAIT_QUEUE), .waiters = LIST_INIT(variable.waiters)  \
    }
#define DEFINE_WAIT_QUEUE(variable, name)                                                          \
    struct wait_queue variable = WAIT_QUEUE_INIT(variable, name)

void wait_queue_init(struct wait_queue *queue, const char *name);

/**
 * wake_one() - wake the longest waiter. Context: any. Return: was there one?
 *
 * A wake that reaches a task which did not need it any more (it found its condition by itself, or
 * gave up) is passed on to the next waiter: one wake per new item is enough.
 */
bool wake_one(struct wait_queue *queue);
/** wake_all() - wake every waiter. Context: any. Return: how many. */
unsigned int wake_all(struct wait_queue *queue);
/** wake_all_locked() - the same for a caller that keeps its state under @queue->lock. */
unsigned int wake_all_locked(struct wait_queue *queue) __must_hold(queue->lock);
bool wait_queue_is_empty(struct wait_queue *queue);

enum wait_flags {
    WAIT_CANCELLABLE = 0,
    WAIT_UNCANCELLABLE = 1u << 0
};

/*
 * The three steps under wait_event(), for callers that drop a lock of their own between:
 *
 *     struct wait_entry entry = { 0 };
 *     wait_prepare(&queue, &entry);           a wake from now on is not lost
 *     look at the condition, drop own locks
 *     error = wait_commit(&queue, &entry, deadline, flags);
 *     wait_finish(&queue, &entry);            always, before the entry goes out of scope
 */
void wait_prepare(struct wait_queue *queue, struct wait_entry *entry);
/**
 * wait_commit() - sleep until woken, @deadline_ns (absolute) or cancel
 * Context: task, may sleep, no spinlock held.
 * Return: 0 woken since wait_prepare(), which must precede the next commit (the condition may
 * have been taken by another: look again); -ETIMEDOUT; -ECANCELED.
 */
int __must_check wait_commit(struct wait_queue *queue, struct wait_entry *entry,
                             uint64_t deadline_ns, enum wait_flags flags);
void wait_finish(struct wait_queue *queue, struct wait_entry *entry);

/* The condition is looked at first without being queued, which is all that most calls need. */
#define WAIT_EVENT_FLAGS(queue, condition, deadline_ns, flags)                                     \
    ({                                                                                             \
        struct wait_entry wait_entry_ = { 0 };                                                     \
        const uint64_t wait_deadline_ = (deadline_ns);                                             \
        int wait_error_ = 0;                                                                       \
        might_sleep();                                                                             \
        for (;;) {                                                                                 \
            if (condition) {                                                                       \
                wait_error_ = 0;                                                                   \
                break;                                                                             \
            }                                                                                      \
            if (wait_error_)                                                                       \
                break;                                                                             \
            if (!wait_entry_.is_queued || wait_entry_.is_woken)                                    \
                wait_prepare((queue), &wait_entry_);                                               \
            else                                                                                   \
                wait_error_ = wait_commit((queue), &wait_entry_, wait_deadline_, (flags));         \
        }                                                                                          \
        wait_finish((queue), &wait_entry_);                                                        \
        wait_error_;                                                                               \
    })

/**
 * wait_event() - sleep until @condition holds
 * Return: 0; -ETIMEDOUT at @deadline_ns (absolute; DEADLINE_NEVER for none); -ECANCELED.
 * @condition is evaluated several times, without locks unless it takes them. A condition that holds
 * wins over deadline and cancel.
 */
#define wait_event(queue, condition, deadline_ns)                                                  \
    WAIT_EVENT_FLAGS(queue, condition, deadline_ns, WAIT_CANCELLABLE)
#define wait_event_uncancellable(queue, condition, deadline_ns)                                    \
    WAIT_EVENT_FLAGS(queue, condition, deadline_ns, WAIT_UNCANCELLABLE)

/** sleep_until_ns()/sleep_ns() - 0, or -ECANCELED. Context: task. */
int sleep_until_ns(uint64_t deadline_ns);
int sleep_ns(uint64_t duration_ns);

/**
 * wait_woken() - the core of every wait: park until @is_woken, @deadline_ns or cancel
 * @is_woken: set by the waker with release order before its task_wake(); NULL for a mere sleep.
 * Return: as wait_commit(). Context: task; for the primitives of kernel/sync only.
 */
int __must_check wait_woken(const char *name, const bool *is_woken, uint64_t deadline_ns,
                            enum wait_flags flags);
