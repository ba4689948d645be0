/*
 * Time in hardware: one counter to read, one event per CPU to set.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

/**
 * clock_read_ns() - nanoseconds since the kernel's first instruction, never going back, the same
 * on all CPUs (within what the hardware can do). Any context, from the first C function on
 * (coarse until the counter is calibrated).
 */
uint64_t clock_read_ns(void);

/** clock_source_name() - "kvmclock", "tsc", "pit" ... */
const char *clock_source_name(void);

/**
 * clock_event_set() - interrupt this CPU at @deadline_ns (absolute), or soon if that is past
 * One event per CPU: a new call replaces it; UINT64_MAX cancels. The interrupt calls
 * timer_interrupt_isr() (kernel/time/timer.c). Context: interrupts off.
 */
void clock_event_set(uint64_t deadline_ns);

/** clock_busy_wait_ns() - spin; for hardware delays of microseconds only. */
void clock_busy_wait_ns(uint64_t ns);

/** clock_wall_seconds_at_boot() - Unix time when clock_read_ns() was 0 (RTC or paravirtual). */
uint64_t clock_wall_ns_at_boot(void);
