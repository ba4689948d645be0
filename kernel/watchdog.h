/*
 * Between the watchdog and those who see NMIs first.
 */
#pragma once

#include <stdbool.h>

struct cpu_registers;

/**
 * watchdog_nmi() - was this NMI the watchdog's alarm for a CPU that is not watched by others?
 * Looks at what the CPU did, @registers, and panics when it is stuck. Context: NMI.
 */
bool watchdog_nmi(const struct cpu_registers *registers);
