/*
 * Tasks: kernel threads, preemptive, on per-CPU run queues.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/context.h"
#include "arch/cpu.h"
#include "kernel/sync/spinlock.h"
#include "kernel/sync/wait_queue.h"
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

#define TASK_NAME_MAX   32
#define TASK_STACK_SIZE (16 * 1024) /* plus a guard page below */

struct task {
    struct context context;              /* valid while not running */
    struct list_node run_node;           /* guarded by the run queue's lock */
    enum task_state state;               /* guarded by lock */
    struct spinlock lock;                /* rank: LOCK_RANK_TASK */
    unsigned int cpu;                    /* run queue it is or was last on; guarded by lock */
    uint64_t affinity[CPU_MAX / 64];     /* CPUs it may run on; guarded by lock */
    bool is_on_cpu;                      /* atomic: its registers are not saved yet */
    bool is_cancelled;                   /* atomic, sticky: see wait_queue.h */
    bool is_idle;                        /* const: the per-CPU idle task */
    uint32_t pid;                        /* const; > 0 */
    int exit_status;                     /* valid once TASK_DEAD */
    unsigned int references;             /* atomic */
    struct address_space *address_space; /* const; kernel_address_space() for all of today's */
    uintptr_t stack_base;                /* const; TASK_STACK_SIZE bytes */
    uintptr_t stack_canary;              /* const; copied to the CPU at the switch */
    uint64_t run_ns;                     /* CPU time; written by its CPU */
    uint64_t switches;                   /* times put on a CPU */
    uint64_t created_ns;                 /* const */
    uint64_t slice_end_ns;               /* written by its CPU */
    const char *wait_name;               /* what it waits for: the queue's name; for ps */
    struct wait_queue exited;            /* those in task_join() */
    struct rb_node pid_node;             /* guarded by the task table's lock */
    struct list held_mutexes;            /* own task only; debug builds */
    int (*entry)(void *arg);             /* const */
    void *arg;                           /* const */
    char name[TASK_NAME_MAX];            /* const */
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

/** task_set_affinity() - bind to the CPUs set in the mask; moves the task if it must. */
int __must_check task_set_affinity(struct task *task, const uint64_t mask[CPU_MAX / 64]);

/**
 * task_for_each() - call @visit for every task, in pid order, until it returns false
 * Context: any; @visit is called with the task table's spinlock held and must not sleep.
 */
void task_for_each(bool (*visit)(struct task *task, void *arg), void *arg);

unsigned int task_count(void);

/* Under the wait queue (kernel/sync/wait_queue.c) and the scheduler only. */
void task_wake(struct task *task); /* make a TASK_WAITING task ready; any context */
