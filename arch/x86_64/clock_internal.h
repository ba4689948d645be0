/*
 * Between the files of the clock: tsc.c and kvmclock_source.c count, pit.c and hpet.c are what the
 * TSC is measured against, clock_event.c interrupts, clock.c chooses.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "arch/x86_64/clock_scale.h"
#include "lib/compiler.h"

/** clock_start() - time begins at @cycles of the TSC; coarse until calibrated. BSP, first of all.
 */
void clock_start(uint64_t cycles);

/** clock_cpu_init() - clock and event of the running AP. Interrupts off. */
void clock_cpu_init(void);

/** clock_event_cpu_init() - the running CPU's timer. The BSP's call calibrates it. */
void clock_event_cpu_init(void);

/** clock_tsc_hz() - cycles of the TSC per second; 0 as long as unknown. */
uint64_t clock_tsc_hz(void);

/** clock_must_be_read_every_ns() - a clock that wraps must be; UINT64_MAX for one that does not. */
uint64_t clock_must_be_read_every_ns(void);

/*
 * Something that counts at a known frequency while we watch, to measure the TSC against.
 */
struct clock_reference {
    const char *name;
    uint64_t frequency; /* Hz */
    uint64_t mask;      /* how far it counts before it wraps */
    bool is_counting_down;
    /* start() makes it count; false when there is none, after a bounded look. May be called again.
     */
    bool (*start)(struct clock_reference *reference);
    uint64_t (*read)(void);
};
extern struct clock_reference pit_reference;
extern struct clock_reference hpet_reference;
extern struct clock_reference lapic_reference;

/**
 * tsc_calibrate() - measure the TSC against @reference
 * Return: cycles per second; 0 when the reference does not count or its rounds do not agree.
 */
uint64_t tsc_calibrate(struct clock_reference *reference);

/** tsc_hz_from_cpuid() - what the CPU or hypervisor says of itself; 0 if nothing. */
uint64_t tsc_hz_from_cpuid(void);

/** pit_stop_interrupts() - those that firmware let channel 0 make, on ISA line 0. Context: any. */
void pit_stop_interrupts(void);

/** pit_clock_read_ns() - time since the first call by PIT channel 2, wrapping every 55 ms. */
uint64_t pit_clock_read_ns(void);

/* kvmclock_source.c */
bool kvmclock_start(void);       /* BSP: is there one? */
void kvmclock_cpu_init(void);    /* each further CPU */
uint64_t kvmclock_read_ns(void); /* since the hypervisor's own origin */
uint64_t kvmclock_tsc_hz(void);  /* as it says */
uint64_t kvmclock_wall_ns(void); /* Unix time at that origin; 0 if not told */
