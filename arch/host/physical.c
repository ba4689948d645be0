/*
 * Where physical memory lies in the address space of a host program (arch/host/inline.h).
 */
#include "arch/mmu.h"

uintptr_t host_physical_base;
uintptr_t host_physical_size = UINTPTR_MAX;
