/*
 * Timers: one-shot or periodic, nanosecond resolution, in a per-CPU heap; the earliest sets the
 * CPU's one hardware event. Callbacks run in softirq context on the CPU that armed the timer:
 * preemption off, interrupts on, must not sleep.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/time/clock.h"
#include "kernel/time/timer_heap.h"
#include "lib/compiler.h"

struct cpu_registers;

struct timer {
    void (*callback)(struct timer *timer); /* const after timer_init() */
    const char *name;                      /* const while armed; for diagnosis */
    struct timer_heap_node node;           /* key: the deadline; guarded by its CPU's timer lock */
    uint64_t period_ns;                    /* 0: one-shot; guarded by its CPU's timer lock */
    unsigned int cpu;                      /* written with the locks of both CPUs held; atomic */
};

#define TIMER_INIT(name_, callback_)                                                               \
    {                                                                                              \
        .callback = (callback_), .name = (name_)                                                   \
    }

void timer_init(struct timer *timer, const char *name, void (*callback)(struct timer *));

/**
 * timer_start() - (re)arm at absolute @deadline_ns, then every @period_ns if not 0
 * DEADLINE_NEVER disarms. Context: any, also from the timer's own callback. Never fails: the heap
 * is intrusive.
 */
void timer_start(struct timer *timer, uint64_t deadline_ns, uint64_t period_ns);

/** timer_stop() - disarm. Return: was it armed? The callback may still be running. Context: any. */
bool timer_stop(struct timer *timer);

/**
 * timer_stop_sync() - disarm and wait for a running callback
 * Context: any that holds no lock the callback takes and is not the callback itself.
 */
bool timer_stop_sync(struct timer *timer);

/** timer_is_armed() - a hint: it may have changed when this returns. */
bool timer_is_armed(const struct timer *timer);

/** timer_armed_count() - timers armed on all CPUs. Context: any. */
size_t timer_armed_count(void);

/**
 * timer_interrupt_isr() - called by the architecture when the event set by clock_event_set() fires
 * @registers: of the interrupted code; NULL where there are none (host).
 */
void timer_interrupt_isr(const struct cpu_registers *registers);

/**
 * timer_sample_start() - for kernel/profile: look at what this CPU runs, again and again
 * @sample: called from the timer's interrupt every @period_ns, with the interrupted registers. A
 * call that comes late, because interrupts were off, is not made up for.
 * timer_sample_stop() - no call is made on this CPU after it returns. Context of both: interrupts
 * off.
 */
void timer_sample_start(void (*sample)(const struct cpu_registers *registers), uint64_t period_ns);
void timer_sample_stop(void);

/*
 * For kernel/sched only. The end of the running task's time slice shares this CPU's event with the
 * timers; sched_slice_expired() (kernel/sched/sched.h) is called then. DEADLINE_NEVER: none.
 * timer_slice_set_by() sets it unless it is set for an earlier time.
 * timer_event_update() sets the event again after another CPU has armed a timer here. Context of
 * both: interrupts off.
 */
void timer_slice_set(uint64_t deadline_ns);
void timer_slice_set_by(uint64_t deadline_ns);
bool timer_slice_is_set(void);
void timer_event_update(void);

/** timer_system_init() - once, before the first timer_start(). */
void timer_system_init(void);
