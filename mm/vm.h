/*
 * Kernel virtual ranges outside the direct map: stacks with guard pages, device registers, large
 * allocations that need not be contiguous.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "arch/mmu.h"
#include "lib/compiler.h"
#include "lib/types.h"

/** vm_alloc() - @size bytes of zeroed pages with an unmapped guard page on both sides; NULL. Task.
 */
void *vm_alloc(size_t size, unsigned int mmu_flags, const char *owner);
/** vm_free() - what vm_alloc() returned; flushes TLBs in batches. Context: task, interrupts on. */
void vm_free(void *address);

/**
 * vm_purge() - make the addresses and pages of freed ranges available
 * Context: interrupts on, no spinlock held. Return: how many ranges there were.
 */
size_t vm_purge(void);

/**
 * vm_map_device() - registers at physical @base, @size bytes, uncached (or MMU_WRITE_COMBINE)
 * Neither need be page-aligned. NULL when there is no room. Works from INIT_MEMORY on.
 */
void *vm_map_device(paddr_t base, size_t size, unsigned int mmu_flags);
void vm_unmap_device(void *address);

/** vm_map_firmware() - read-only cacheable view of a firmware table, wherever it lies. */
const void *vm_map_firmware(paddr_t base, size_t size);

/** virt_to_phys() - 4-level walk for any mapped kernel address; false when unmapped. */
bool virt_to_phys(const void *address, paddr_t *paddr);
