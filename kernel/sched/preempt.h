/*
 * Preemption control and the checks that hang on it.
 */
#pragma once

#include <stdbool.h>

#include "arch/cpu.h"

/* Layout of the per-CPU preemption count (arch/cpu.h). */
#define PREEMPT_DISABLE 1          /* bits 0-7: spinlocks, explicit */
#define PREEMPT_SOFTIRQ (1 << 8)   /* running softirqs */
#define PREEMPT_IRQ     (1 << 16)  /* in an interrupt handler, nested */
#define PREEMPT_NMI     (1 << 24)

void preempt_disable(void);
/** preempt_enable() - a reschedule that was held off happens now. */
void preempt_enable(void);

static inline bool in_interrupt(void) /* handler, softirq or NMI */
{
    return cpu_preempt_count() >= PREEMPT_SOFTIRQ;
}

/** might_sleep() - opens every blocking function: debug builds panic if it must not block here. */
void might_sleep(void);
