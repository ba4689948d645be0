/*
 * Softirqs: work handed over by interrupt handlers, run on the same CPU right after the interrupt
 * with interrupts on and preemption off; under load continued in the per-CPU "softirq" task so that
 * other tasks get their turn. Must not sleep.
 */
#pragma once

#include "lib/registry.h"

enum softirq {
    SOFTIRQ_TIMER,
    SOFTIRQ_NET_RX,
    SOFTIRQ_NET_TX,
    SOFTIRQ_BLOCK,
    SOFTIRQ_COUNT
};

/** softirq_register() - set the handler of @softirq; once each, at init. */
void softirq_register(enum softirq softirq, const char *name, void (*handler)(void));

/** softirq_raise() - run it soon on this CPU. Context: any. */
void softirq_raise(enum softirq softirq);
