/*
 * Timers: one-shot or periodic, nanosecond resolution, in a per-CPU heap; the earliest sets the
 * CPU's one hardware event. Callbacks run in softirq context on the CPU that armed the timer:
 * preemption off, interrupts on, must not sleep.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/time/clock.h"
#include "lib/compiler.h"

struct timer {
    void (*callback)(struct timer *timer); /* const after timer_init() */
    const char *name;                      /* const; for diagnosis */
    uint64_t deadline_ns;                  /* guarded by its CPU's timer lock, as all below */
    uint64_t period_ns;                    /* 0: one-shot */
    unsigned int heap_index;               /* position + 1 in the heap; 0: not armed */
    unsigned int cpu;
    bool is_running;
};

void timer_init(struct timer *timer, const char *name, void (*callback)(struct timer *));

/**
 * timer_start() - (re)arm at absolute @deadline_ns, then every @period_ns if not 0
 * Context: any, also from the timer's own callback. Never fails (the heap grows by task_create and
 * kmalloc-free design: it is intrusive).
 */
void timer_start(struct timer *timer, uint64_t deadline_ns, uint64_t period_ns);

/** timer_stop() - disarm. Return: was it armed? The callback may still be running. Context: any. */
bool timer_stop(struct timer *timer);

/** timer_stop_sync() - disarm and wait for a running callback. Context: task, or any context that
 * holds no lock the callback takes and is not the callback itself. */
bool timer_stop_sync(struct timer *timer);

/** timer_interrupt_isr() - called by the architecture when the event set by clock_event_set() fires. */
void timer_interrupt_isr(void);
