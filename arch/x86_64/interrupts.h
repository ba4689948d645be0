/*
 * Vectors of this machine's interrupts, and who is behind them.
 */
#pragma once

#include "arch/irq.h"
#include "arch/percpu.h"

DECLARE_PER_CPU(struct irq_counters, interrupt_counters);

/** interrupts_cpu_init() - the running AP's local APIC, as the BSP's was set up. */
void interrupts_cpu_init(void);
