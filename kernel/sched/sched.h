/*
 * The scheduler as interrupts, timers and start-up see it. Tasks themselves: kernel/sched/task.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/time/clock.h"
#include "lib/compiler.h"

struct task;

/* How long a task may run while others of its CPU wait. */
#define SCHED_SLICE_NS (5 * NS_PER_MS)

/* How long a task runs at least before one that has slept may take the CPU from it. */
#define SCHED_WAKE_NS (200 * NS_PER_US)

/* How long a ready task waits for its CPU before an idle one is woken to take it. */
#define SCHED_BALANCE_NS (100 * NS_PER_US)

/** sched_early_init() - the code that runs is a task from now on (no heap needed; INIT_ARCH). */
void sched_early_init(void);

/** sched_init() - tasks can be made and switched on this CPU from now on. Context: boot task. */
int __must_check sched_init(void);

/** sched_boot_task_done() - the boot is over; its task frees what others leave behind from now on.
 */
void __noreturn sched_boot_task_done(void);

/** sched_is_running() - has sched_init() been? Context: any. */
bool sched_is_running(void);

/**
 * sched_prepare_cpu() - make run queue and idle task of CPU @cpu, before it is started
 * @stack_base, @stack_size: out: the idle task's stack, on which smp_cpu_entry() is to run.
 * Context: task. Return: 0 or -ENOMEM.
 */
int __must_check sched_prepare_cpu(unsigned int cpu, uintptr_t *stack_base, size_t *stack_size);

/** smp_cpu_entry() - where a started CPU enters the scheduler, on its idle stack, interrupts off.
 */
void __noreturn smp_cpu_entry(void);

/** sched_ipi_isr() - handler of IPI_RESCHEDULE. */
void sched_ipi_isr(void);

/** sched_slice_expired() - the slice set by timer_slice_set() is over. Interrupts off. */
void sched_slice_expired(uint64_t now);

/**
 * sched_set_lockup_hook() - @hook is called on a CPU whose task has not let others run for long
 * (SCHED_LOCKUP_SLICES, each a slice long at least), once each time. Context of the hook:
 * interrupt.
 */
#define SCHED_LOCKUP_SLICES 800
void sched_set_lockup_hook(void (*hook)(void));

/** sched_preempt() - switch if another task should run. Interrupts off, preemption count 0. */
void sched_preempt(void);

struct sched_statistics {
    uint64_t switches; /* of tasks, idle included */
    uint64_t steals;   /* tasks taken from another CPU's queue */
    uint64_t kicks;    /* reschedule interrupts received */
    uint64_t idle_ns;  /* time in the idle task, up to this moment */
    uint64_t last_switch_ns;
    uint64_t online_since_ns;
    unsigned int ready;   /* tasks waiting in the queue */
    struct task *current; /* may change at any moment: for identification only */
};

/** sched_statistics() - of an online CPU. Context: any. */
void sched_statistics(unsigned int cpu, struct sched_statistics *statistics);

/** sched_cpu_is_idle() - has this CPU nothing to run, at this moment? Context: any. */
bool sched_cpu_is_idle(unsigned int cpu);

/*
 * For those who would rather spin for a moment than sleep until @task has done something. @task is
 * compared, not looked into: it may have ended long ago. Context: any.
 *
 * sched_cpu_running() - the CPU that runs @task at this moment, or CPU_MAX
 * sched_cpu_runs() - does CPU @cpu, which may be CPU_MAX, run it still?
 * sched_is_cpu_wanted() - does another task wait for the calling CPU?
 */
unsigned int sched_cpu_running(const struct task *task);
bool sched_cpu_runs(unsigned int cpu, const struct task *task);
bool sched_is_cpu_wanted(void);
