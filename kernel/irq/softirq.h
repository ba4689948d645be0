/*
 * Softirqs: work handed over by interrupt handlers, run on the same CPU right after the interrupt
 * with interrupts on and preemption off; under load continued in the per-CPU "softirq" task so that
 * other tasks get their turn. Must not sleep.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/compiler.h"

enum softirq {
    SOFTIRQ_TIMER,
    SOFTIRQ_NET_RX,
    SOFTIRQ_NET_TX,
    SOFTIRQ_BLOCK,
    SOFTIRQ_LOG,
    SOFTIRQ_TEST, /* boot tests */
    SOFTIRQ_COUNT
};

/** softirq_register() - set the handler of @softirq; once each, at init. */
void softirq_register(enum softirq softirq, const char *name, void (*handler)(void));

/**
 * softirq_raise() - run it soon on this CPU. Context: any.
 * From a task with preemption and interrupts on it has run when this returns; a spinlock held puts
 * it off until the lock is released.
 */
void softirq_raise(enum softirq softirq);

/** softirq_run_pending() - for preempt.c and irq_exit(). Interrupts off, not in a handler. */
void softirq_run_pending(void);

/** softirq_start_cpu() - make the softirq task of CPU @cpu, which is online. Context: task. */
int __must_check softirq_start_cpu(unsigned int cpu);

struct softirq_statistics {
    const char *name; /* NULL: not registered */
    uint64_t runs;
};
/** softirq_statistics() - of one softirq on one CPU. Context: any. */
void softirq_statistics(enum softirq softirq, unsigned int cpu,
                        struct softirq_statistics *statistics);
