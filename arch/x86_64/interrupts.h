/*
 * Vectors of this machine's interrupts, and who is behind them.
 */
#pragma once

#include "arch/irq.h"
#include "arch/percpu.h"

DECLARE_PER_CPU(struct irq_counters, interrupt_counters);

/** interrupts_cpu_init() - the running AP's local APIC, as the BSP's was set up. */
void interrupts_cpu_init(void);

/**
 * interrupts_route_nmi() - take I/O APIC line @gsi: its edges are NMIs to the boot CPU from now on
 * Return: 0; -ENODEV: no such line; -EBUSY: it has a user.
 */
int __must_check interrupts_route_nmi(unsigned int gsi);
