/*
 * Vectors of this machine's interrupts, and who is behind them.
 */
#pragma once

#include <stdint.h>

#include "arch/percpu.h"

/* What came in, by kind; only its own CPU writes, anyone reads. */
struct interrupt_counters {
    uint64_t device;
    uint64_t timer;
    uint64_t reschedule;
    uint64_t call;
    uint64_t nmi;
    uint64_t spurious; /* vector 0xFF, the PIC's, and vectors with nobody behind them */
    uint64_t apic_error;
};
DECLARE_PER_CPU(struct interrupt_counters, interrupt_counters);

/** interrupts_cpu_init() - the running AP's local APIC, as the BSP's was set up. */
void interrupts_cpu_init(void);
