/*
 * Page tables in portable words. An address space is a page-table root; all kernel tasks share
 * kernel_address_space(), user processes may one day have their own with the kernel half shared.
 *
 * Locks: each address space has its own; the functions take it. May be called with interrupts off.
 * Page-table pages come from page_alloc(), so a mapping may fail with -ENOMEM.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/types.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE  (1UL << PAGE_SHIFT)

enum mmu_flags {
    MMU_READ = 1u << 0,
    MMU_WRITE = 1u << 1,
    MMU_EXEC = 1u << 2,          /* MMU_WRITE | MMU_EXEC is refused with -EINVAL: W^X */
    MMU_UNCACHED = 1u << 3,      /* device registers */
    MMU_WRITE_COMBINE = 1u << 4, /* framebuffers; falls back to uncached without PAT */
    MMU_USER = 1u << 5,
};

struct address_space;

/** kernel_address_space() - the one every kernel task runs in. Never freed. */
struct address_space *kernel_address_space(void);

/**
 * mmu_map() - map [@vaddr, @vaddr + @size) to @paddr onward, using the largest pages that fit
 * All three are page-aligned. Return: 0; -EINVAL; -EEXIST when any page is mapped already;
 * -ENOMEM. On failure nothing stays mapped.
 */
int __must_check mmu_map(struct address_space *space, vaddr_t vaddr, paddr_t paddr, size_t size,
                         unsigned int flags);

/**
 * mmu_unmap() - remove the mappings of a range; absent pages are skipped
 * Does NOT flush other CPUs' TLBs: the caller batches and then calls tlb_shootdown()
 * (kernel/irq/tlb.h) before it reuses the pages or the range.
 */
void mmu_unmap(struct address_space *space, vaddr_t vaddr, size_t size);

/** mmu_protect() - change the flags of a mapped range; flush as for mmu_unmap(). 0 or -errno. */
int __must_check mmu_protect(struct address_space *space, vaddr_t vaddr, size_t size,
                             unsigned int flags);

/** mmu_translate() - 4-level walk. Return: true with *@paddr (and *@flags if not NULL) when mapped.
 */
bool mmu_translate(struct address_space *space, vaddr_t vaddr, paddr_t *paddr, unsigned int *flags);

/** mmu_flush_local() - drop this CPU's TLB entries for a range (all of it above a threshold). */
void mmu_flush_local(vaddr_t vaddr, size_t size);

/**
 * mmu_note_switch() - another task is about to run here; for machines that translate better when
 * they are told now and then. Context: interrupts off.
 */
void mmu_note_switch(uint64_t now_ns);

/*
 * The direct map: every byte of RAM is mapped cacheable, writable, never executable, at one offset.
 */
static inline void *phys_to_virt(paddr_t paddr);           /* RAM only */
static inline paddr_t direct_map_to_phys(const void *ptr); /* pointer into the direct map only */
static inline bool is_direct_map(const void *ptr);

/* The range that mm/vm.c hands out for stacks, device registers and large allocations. */
vaddr_t mmu_dynamic_range_start(void);
vaddr_t mmu_dynamic_range_end(void);

/*
 * Start of the kernel: main.c tells mm/early.h where the image lies, then has the tables built.
 */

/** mmu_kernel_image() - physical place of the kernel, from its first byte to the end of .bss. */
void mmu_kernel_image(paddr_t *base, uint64_t *size);

/**
 * mmu_init() - build the kernel's page tables from early_memory_ram() and switch to them
 * The lower half of the address space is empty afterwards. Context: BSP, once, after
 * early_memory_init(); panics when there is no memory even for this.
 */
void mmu_init(void);

/**
 * mmu_release_boot_memory() - unmap what of the image only the boot needed, and give it to
 * page_add() That is what is marked __init (kernel/init.h), the boot tests, and the architecture's
 * own first steps. Context: task, interrupts on, once, when every CPU and every init hook has done
 * its part.
 */
void mmu_release_boot_memory(void);

#include "arch/inline.h"
