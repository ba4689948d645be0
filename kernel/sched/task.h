/*
 * Tasks: kernel threads, preemptive, on per-CPU run queues.
 *
 * Life: task_create() makes a task ready; a CPU picks it (RUNNING); it may be put back (READY) or
 * wait off every queue (WAITING) until somebody calls task_wake(); task_exit() makes it DEAD, and
 * when the last reference is gone its structure and stack go to a cache for the next one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/context.h"
#include "arch/cpu.h"
#include "kernel/sync/spinlock.h"
#include "kernel/sync/wait_queue.h"
#include "kernel/time/timer.h"
#include "lib/compiler.h"
#include "lib/list.h"
#include "lib/rbtree.h"

struct address_space;

enum task_state {
    TASK_READY,   /* on a run queue */
    TASK_RUNNING, /* on a CPU */
    TASK_WAITING, /* on no run queue; somebody will wake it */
    TASK_DEAD,    /* ended, not yet joined or reaped */
};

/* What stands between a task that wants to wait and those who wake it: see kernel/sched/park.c. */
enum task_park {
    PARK_NONE,   /* running or ready, and nobody has called task_wake() lately */
    PARK_TOKEN,  /* somebody has: the next wait returns at once */
    PARK_PARKED, /* waiting; whoever changes this makes the task ready */
};

#define TASK_NAME_MAX 32
#ifdef ARCH_TASK_STACK_SIZE
#define TASK_STACK_SIZE ARCH_TASK_STACK_SIZE /* host: instrumented code needs more */
#else
#define TASK_STACK_SIZE (16 * 1024) /* plus a guard page below */
#endif

#define TASK_AFFINITY_WORDS (CPU_MAX / 64)

/* A mutex or rwlock that a task holds; debug builds only, for the check of ranks. */
#define TASK_HELD_MAX 12 /* a rename over a file in use holds ten */
struct held_sleep_lock {
    const void *lock;
    const char *name;
    enum lock_rank rank;
};

struct task {
    struct context context;    /* valid while not running */
    struct list_node run_node; /* guarded by the run queue's lock */
    enum task_state state;     /* atomic; written by who moves the task; DEAD is final */
    uint8_t park;              /* enum task_park; atomic */
    bool is_on_cpu;            /* atomic: its registers are not saved yet */
    bool is_cancelled;         /* atomic, sticky: see wait_queue.h */
    bool is_idle;              /* const: the per-CPU idle task */
    bool is_eager;             /* put on the queue of the eager; guarded by the run queue's lock */
    unsigned int cpu;          /* run queue it is or was last on; atomic, see park.c */
    uint64_t affinity[TASK_AFFINITY_WORDS]; /* CPUs it may run on; atomic words; see affinity.c */
    uint32_t pid;                           /* const; > 0 */
    int exit_status;                        /* valid once TASK_DEAD */
    unsigned int references;                /* atomic */
    struct address_space *address_space;    /* const; kernel_address_space() for all of today's */
    uintptr_t stack_base;                   /* const; TASK_STACK_SIZE bytes */
    uintptr_t stack_canary;                 /* const; copied to the CPU at the switch */
    uint64_t run_clock;                     /* CPU time, see task.c; written by its CPU */
    uint64_t run_since_ns;                  /* when it was put on its CPU; own CPU only */
    uint64_t off_since_ns;                  /* when it left its CPU last; written by that CPU */
    uint64_t banked_ns;                     /* slept and not yet run, see credit.h */
    uint64_t slice_ns;                      /* of its turn; written when it is picked */
    uint64_t switches;                      /* times put on a CPU; written by its CPU */
    uint64_t created_ns;                    /* const */
    const char *wait_name;                  /* what it waits for: the queue's name; for ps */
    struct timer wait_timer;                /* deadline of the wait under way */
    struct wait_queue exited;               /* those in task_join() */
    struct rb_node pid_node;                /* guarded by the task table's lock */
    struct held_sleep_lock held[TASK_HELD_MAX]; /* own task only; debug builds */
    unsigned int held_count;                    /* own task only */
    int (*entry)(void *arg);                    /* const */
    void *arg;                                  /* const */
    char name[TASK_NAME_MAX];                   /* const */
};

/**
 * task_create() - make a task and let it run, on the least loaded CPU
 * @result: a counted reference for task_join()/task_put(), or NULL to let it reap itself.
 * Context: task. Return: 0 or -ENOMEM (also when the pid space is used up).
 */
int __must_check task_create(const char *name, int (*entry)(void *arg), void *arg,
                             struct task **result);
/** task_create_on() - the same, bound to one CPU. -EINVAL when that CPU is not online. */
int __must_check task_create_on(unsigned int cpu, const char *name, int (*entry)(void *arg),
                                void *arg, struct task **result);

/** task_exit() - end the calling task; also what returning from entry does. */
void __noreturn task_exit(int status);

/**
 * task_join() - wait for @task to end, take its status, and drop the caller's reference
 * Return: 0; -ETIMEDOUT or -ECANCELED (the reference is kept then). Context: task.
 */
int __must_check task_join(struct task *task, int *status, uint64_t deadline_ns);

struct task *task_get(struct task *task);
void task_put(struct task *task);
/** task_find() - counted reference to the task with that pid, or NULL. Context: any. */
struct task *task_find(uint32_t pid);

/** task_next() - counted reference to the task with the smallest pid above @pid, or NULL. Any. */
struct task *task_next(uint32_t pid);

/** task_cancel() - see wait_queue.h. Context: any. */
void task_cancel(struct task *task);
/** task_is_cancelled() - for loops that compute rather than wait: the calling task's flag. */
bool task_is_cancelled(void);
/** task_clear_cancel() - the shell, after the command has ended. */
void task_clear_cancel(struct task *task);

static inline struct task *task_current(void)
{
    return cpu_task();
}

/** task_yield() - let the others of this CPU run. */
void task_yield(void);

/**
 * task_set_affinity() - bind to the CPUs set in the mask; moves the task if it must
 * When it returns, the task is on no CPU outside the mask. Context: task, may sleep.
 * Return: 0; -EINVAL when no CPU of the mask is online.
 */
int __must_check task_set_affinity(struct task *task, const uint64_t mask[TASK_AFFINITY_WORDS]);

/**
 * task_for_each() - call @visit for every task, in pid order, until it returns false
 * Context: any; @visit is called with the task table's spinlock held and must not sleep.
 */
void task_for_each(bool (*visit)(struct task *task, void *arg), void *arg);

unsigned int task_count(void);

/** task_kept_count() - ended tasks whose memory is kept for new ones: 32 on each CPU, at most, and
 * none when memory runs short. Context: any; approximate. */
unsigned int task_kept_count(void);

/** task_run_ns() - CPU time it has used, up to this moment. Context: any. */
uint64_t task_run_ns(const struct task *task);

/** task_state_name() - "ready", "running", ... */
const char *task_state_name(enum task_state state);

/*
 * Under the wait queue (kernel/sync/) and the scheduler only.
 *
 * task_park() - give up the CPU until task_wake(), which may have come already: then it returns at
 * once. It may return without cause too; the caller looks again at what it waits for.
 * @name: what it waits for, a constant or living as long as the wait. Context: task.
 *
 * task_wake() - end the current or next task_park() of @task. Context: any.
 */
void task_park(const char *name);
void task_wake(struct task *task);
