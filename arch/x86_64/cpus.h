/*
 * The table of CPUs: which there are, how far each has come, and where its per-CPU area is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/compiler.h"

/** cpus_init() - number the CPUs of the MADT, the BSP first. INIT_CORE, needs the LAPIC. */
void cpus_init(void);

uint32_t cpu_apic_id(unsigned int cpu);

/** cpu_area_create() - memory for CPU @cpu's per-CPU variables, with their initial values. */
int __must_check cpu_area_create(unsigned int cpu);

/** cpu_area() - its base: what GS of that CPU is loaded with. */
uintptr_t cpu_area(unsigned int cpu);

/** cpu_set_online() - the CPU is about to enter the scheduler; itself. */
void cpu_set_online(unsigned int cpu);
