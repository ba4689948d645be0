/*
 * The two numbers under arch/percpu.h: how far a CPU's copy of the per-CPU section lies from the
 * section itself. Provided by arch/x86_64 (GS-relative) and arch/host (0).
 */
#pragma once

#include <stdint.h>

/* On the host a C identifier, so that the linker gives the section its bounds and the address
 * sanitizer puts nothing between the variables. */
#if __STDC_HOSTED__
#define PERCPU_SECTION "percpu"
#else
#define PERCPU_SECTION ".percpu"
#endif

/** percpu_offset() - offset of the running CPU's copy. Context: any. */
static inline uintptr_t percpu_offset(void);

/** percpu_offset_of() - offset of CPU @cpu's copy; @cpu < cpu_possible_count(). Context: any. */
uintptr_t percpu_offset_of(unsigned int cpu);

#include "arch/inline.h"
