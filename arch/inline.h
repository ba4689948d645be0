/*
 * The half of the contract that must cost no call: `static inline` functions declared in the
 * headers beside this one and defined by the machine. The build names the machine's header:
 * -DARCH_INLINE='"arch/x86_64/inline.h"' for the kernel, "arch/host/inline.h" for host programs.
 * That header includes only compiler headers and lib/, and defines every function declared
 * `static inline` in arch/percpu_base.h, cpu.h, irq.h, mmu.h and io.h.
 */
#pragma once

#include ARCH_INLINE
