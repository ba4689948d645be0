/*
 * Preemption control and the checks that hang on it.
 *
 * Each CPU counts why its task may not be taken off it. What is held off meanwhile (a reschedule,
 * softirqs) is noted per CPU and made up for by the preempt_enable() that reaches zero, or by
 * irq_exit().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "arch/cpu.h"
#include "lib/compiler.h"

/* Layout of the per-CPU preemption count (arch/cpu.h). */
#define PREEMPT_DISABLE 1         /* bits 0-7: spinlocks, explicit */
#define PREEMPT_SOFTIRQ (1 << 8)  /* running softirqs */
#define PREEMPT_IRQ     (1 << 16) /* in an interrupt handler, nested */
#define PREEMPT_NMI     (1 << 24)

/* Flags of this CPU (cpu_pending_set()), written by itself only. */
#define PREEMPT_RESCHEDULE 1 /* another task should run */
#define PREEMPT_RAISED     2 /* softirqs are raised and no softirq task has taken them over */
#define PREEMPT_IS_KICKED  4 /* an interrupt to this very CPU is on its way: see preempt.c */
#define PREEMPT_WORK       (PREEMPT_RESCHEDULE | PREEMPT_RAISED)

/** preempt_run_pending() - do what was held off, unless the context still forbids it. */
void preempt_run_pending(void);

static inline void preempt_disable(void)
{
    cpu_preempt_count_add(PREEMPT_DISABLE);
    compiler_barrier();
}

/*
 * preempt_enable() - a reschedule that was held off happens now
 *
 * A task that is moved to another CPU between the two lines looks at that CPU's flags, or at those
 * of the one it left: either way what it was responsible for was done by the switch that moved it.
 */
static inline void preempt_enable(void)
{
    compiler_barrier();
    cpu_preempt_count_add(-PREEMPT_DISABLE);
    if (unlikely(cpu_pending_test(PREEMPT_WORK)))
        preempt_run_pending();
}

static inline bool in_interrupt(void) /* handler, softirq or NMI */
{
    return cpu_preempt_count() >= PREEMPT_SOFTIRQ;
}

static inline bool in_irq_handler(void) /* handler or NMI, not softirq */
{
    return cpu_preempt_count() >= PREEMPT_IRQ;
}

/** might_sleep() - opens every blocking function: debug builds panic if it must not block here. */
#if CONFIG_DEBUG
void might_sleep(void);
#else
static inline void might_sleep(void)
{
}
#endif
