/*
 * Memory before the page allocator: what the boot protocol's map calls RAM, and the first pages out
 * of it, for page tables, per-CPU areas and the page allocator's own tables.
 *
 * The map is used as it comes: unsorted, overlapping, of any granularity. Where two ranges
 * disagree, the one that is not usable wins. Never given out: page 0 (it stays unmapped), the
 * kernel image, the loader's information, the initrd. Below 1 MiB only what is asked for there, so
 * that the page an AP starts in is sure to be found.
 *
 * Order of use: early_memory_init() first of all; then the architecture builds the direct map from
 * early_memory_ram() with tables from early_page_alloc_phys(); from then on early_page_alloc().
 * page_init() takes what is left, and afterwards nobody may call these but the readers of what is
 * RAM: early_memory_ram() and early_memory_is_ram().
 *
 * Context: boot CPU, interrupts off.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/types.h"

struct boot_info;

#define EARLY_LOW_LIMIT 0x100000UL /* 1 MiB: a starting AP runs in real mode below this */

/* Page frame numbers are kept in 32 bits: RAM from 8 TiB on is left unused. */
#define MEMORY_LIMIT (1UL << 43)

/* Whole pages: base and length are multiples of PAGE_SIZE. */
struct memory_range {
    paddr_t base;
    uint64_t length;
};

/**
 * early_memory_init() - read the memory map, set aside what is in use already
 * @image_base, @image_length: where the kernel lies, from its first byte to the end of .bss
 */
void early_memory_init(const struct boot_info *info, paddr_t image_base, uint64_t image_length);

/** early_memory_reserve() - never give out [@base, @base + @length); rounded out to whole pages. */
void early_memory_reserve(paddr_t base, uint64_t length);

/**
 * early_page_alloc_phys() - @count contiguous pages, all of them below @limit (0: anywhere)
 *
 * The highest place that fits, but below 1 MiB only when @limit is at most EARLY_LOW_LIMIT. The
 * pages are not cleared and not touched: they may not be mapped yet.
 * Return: the physical address; 0 when there is no room.
 */
paddr_t early_page_alloc_phys(size_t count, paddr_t limit) __must_check;

/** early_page_alloc() - the same, anywhere, cleared and through the direct map; NULL if no room. */
void *early_page_alloc(size_t count) __must_check;

/** early_memory_ram() - all usable RAM, ascending, disjoint; in use or not. Return: the count. */
size_t early_memory_ram(const struct memory_range **ranges);

/** early_memory_is_ram() - is all of [@base, @base + @length) in one piece of that? Context: any.
 */
bool early_memory_is_ram(paddr_t base, uint64_t length);

/** early_memory_free() - what has not been reserved or given out, in the same form. */
size_t early_memory_free(const struct memory_range **ranges);

/** early_memory_lost_bytes() - RAM left unused: above MEMORY_LIMIT, or too many pieces to keep. */
uint64_t early_memory_lost_bytes(void);
