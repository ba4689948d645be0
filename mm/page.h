/*
 * Physical page frames: a buddy allocator over all RAM with per-CPU caches of single pages.
 *
 * Pages are returned through the direct map, mapped and writable. Out of memory is an answer
 * (NULL), never a panic. Context of all: any, never sleeps.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/mmu.h"
#include "lib/compiler.h"
#include "lib/types.h"

enum page_flags {
    PAGE_ZERO = 1u << 0,  /* cleared */
    PAGE_DMA32 = 1u << 1, /* below 4 GiB */
};

/** page_alloc() - @count contiguous pages, not only powers of two. @owner: who, for memusage. */
void *page_alloc(size_t count, unsigned int flags, const char *owner);
/** page_free() - give back what page_alloc() returned; the count is known. NULL is ignored. */
void page_free(void *pages);

/**
 * page_add() - pages that were in use before there was an allocator are free from now on
 * @paddr, @bytes: whole pages; what is not RAM, or not known as such, stays as it is
 * Return: how many bytes there are more. Context: any.
 */
size_t page_add(paddr_t paddr, size_t bytes);

paddr_t page_to_phys(const void *page); /* = direct_map_to_phys() */

struct page_statistics {
    size_t total_pages;  /* all RAM the map calls usable */
    size_t free_pages;   /* in the buddy lists and per-CPU caches */
    size_t kernel_pages; /* image, page tables and early data */
};
void page_statistics(struct page_statistics *statistics);

/** page_memory_is_low() - should caches shrink before anybody has to go without? Context: any. */
bool page_memory_is_low(void);
