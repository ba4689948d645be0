/*
 * The other CPUs: starting them and poking them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/compiler.h"

/**
 * smp_start() - start every CPU the firmware lists (INIT, SIPI), unless smp=off
 * A CPU that does not come up within its deadline is reported and left out. Each one that does
 * runs smp_cpu_entry() (kernel/sched/smp.c) on its own idle stack, interrupts off.
 * Context: task, BSP, once (INIT_SMP).
 */
void smp_start(void);

enum ipi {
    IPI_RESCHEDULE, /* handler: sched_ipi_isr() */
    IPI_CALL,       /* handler: ipi_call_isr() (kernel/irq/ipi.c) */
    IPI_COUNT
};

/** smp_send_ipi() - interrupt CPU @cpu. Context: any. Never sent to an offline CPU. */
void smp_send_ipi(unsigned int cpu, enum ipi ipi);

/**
 * smp_send_nmi() - non-maskable: reaches a CPU that spins with interrupts off
 * The receiver calls nmi_handler() (kernel/panic.c) with its interrupted registers.
 */
void smp_send_nmi(unsigned int cpu);
