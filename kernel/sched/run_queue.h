/*
 * Run queues: within kernel/sched only.
 */
#pragma once

#include "arch/percpu.h"
#include "kernel/sched/task.h"
#include "kernel/sync/spinlock.h"

struct run_queue {
    struct spinlock lock;     /* rank: LOCK_RANK_RUN_QUEUE */
    struct list ready;        /* in turn; guarded by lock */
    struct list eager;        /* before those: they have slept; guarded by lock */
    unsigned int ready_count; /* of both; guarded by lock; read without it for balancing and by idle
                                 CPUs */
    unsigned int eager_count; /* guarded by lock; read without it by its CPU */
    uint64_t turn_ns;         /* since when the first of the ready waits for its turn, or later;
                                 guarded by lock */
    bool is_slice_set;        /* guarded by lock: the running task's end of slice is, or is about
                                 to be, set */
    struct task *current;     /* written by its CPU with lock held */
    struct task *idle;        /* const after sched_prepare_cpu() */
    struct task *previous;    /* own CPU: who was switched from, until finish_switch() */
    struct task *misplaced;   /* own CPU: a task to be put on another CPU by finish_switch() */
    uint64_t switches;        /* statistics; own CPU */
    uint64_t steals;
    uint64_t kicks;
    uint64_t online_since_ns; /* const */
    uint64_t poll_ns;         /* how long to poll before the next halt; own CPU */
    bool is_polling;          /* atomic: idle, but sees new tasks without an interrupt */
    bool is_given_work;       /* another CPU ended the idleness; a hint, set by that CPU */
    unsigned int refused;     /* slices over in a row without a switch; own CPU */
    uint64_t last_switch_ns;  /* own CPU; read by others for the watchdog */
};

DECLARE_PER_CPU(struct run_queue, run_queue);

void run_queue_init(struct run_queue *queue, struct task *idle);

/**
 * run_queue_place() - make @task ready on the CPU that suits it best. Context: any.
 * run_queue_wake() - the same for one that has waited, which may take the CPU from who runs there
 * run_queue_start() - the same for one that the calling task has made
 */
void run_queue_place(struct task *task);
void run_queue_wake(struct task *task);
void run_queue_start(struct task *task);

/** run_queue_take_locked() - the next task that may run here; NULL when there is none. */
struct task *run_queue_take_locked(struct run_queue *queue, unsigned int cpu, uint64_t now)
    __must_hold(queue->lock);

/** run_queue_put_back_locked() - @task goes on being ready here, behind the others. */
void run_queue_put_back_locked(struct run_queue *queue, struct task *task, uint64_t now)
    __must_hold(queue->lock);

/** run_queue_give_way() - an eager task waits here: let it run, now or soon. Interrupts off. */
void run_queue_give_way(const struct run_queue *queue, uint64_t now);

/** run_queue_steal() - move a waiting task of another CPU here. Return: was there one? */
bool run_queue_steal(unsigned int here);

/** run_queue_patience() - when to look again at this CPU's queue, where somebody waits. */
uint64_t run_queue_patience(uint64_t now);

/* CPUs that halt, or are about to; whoever clears a bit owes that CPU an interrupt. */
void idle_mask_set(unsigned int cpu);
bool idle_mask_clear(unsigned int cpu); /* was it set? */
bool idle_mask_test(unsigned int cpu);
/** idle_mask_kick_one() - if any CPU idles, let it look for work to steal. */
void idle_mask_kick_one(void);

bool task_may_run_on(const struct task *task, unsigned int cpu);

/* switch.c: a new task's first steps; task.c: structures and stacks. */
__hidden void sched_task_start(void *task);
void __noreturn sched_idle_loop(void);
/** sched_switch() - run another task; @is_ready: the caller may run again. Interrupts off. */
void sched_switch(bool is_ready);
/*
 * The account of CPU time; by the CPU that @task is on.
 * task_run_pause() - the clock will be read for a switch; then either
 * task_run_stop() - of the task that leaves, and task_run_start() of the one that comes, or
 * task_run_go_on() - it was none.
 */
void task_run_pause(struct task *task);
void task_run_go_on(struct task *task);
void task_run_stop(struct task *task, uint64_t now);
void task_run_start(struct task *task, uint64_t now);
struct task *task_alloc_idle(unsigned int cpu);
void task_table_add_boot_task(struct task *task);
void task_init(struct task *task, const char *name, int (*entry)(void *arg), void *arg);
