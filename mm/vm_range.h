/*
 * Which part of the dynamic range is whose: under mm/vm.c, which says what is mapped there.
 *
 *     free -> used -> pending (unmapped, but TLBs may have it) -> free
 *
 * A range ends with a page that is never mapped; the one of its predecessor guards its beginning.
 * A used range belongs to its user, a pending one to who claimed it: its members below the list
 * node need no lock.
 *
 * Context of all: any. Lock: range_lock (LOCK_RANK_VM_RANGE).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "arch/mmu.h"
#include "lib/list.h"
#include "lib/rbtree.h"
#include "lib/types.h"

enum range_state {
    RANGE_FREE,
    RANGE_PAGES,
    RANGE_DEVICE,
    RANGE_FIRMWARE,
    RANGE_PENDING
};

struct vm_range {
    struct rb_node address_node; /* in by_address, always */
    struct rb_node size_node;    /* in by_size: free ranges */
    struct list_node node;       /* in a list of its owner's (mm/vm.c) */
    vaddr_t start;
    size_t size; /* with the guard page at the end */
    enum range_state state;
    uint32_t chunks; /* the runs of pages mapped here, chained by their struct page; 0: none */
    size_t pages;    /* how many pages they have */
    paddr_t paddr;   /* FIRMWARE: what is mapped, from its first page on */
};

/** vm_range_reserve() - @size bytes of addresses, whole pages with the guard. NULL: no room. */
struct vm_range *vm_range_reserve(size_t size, enum range_state state);

/**
 * vm_range_claim() - the used range of that state that begins at @address; it is pending from then
 * on What is none ends in a panic that names @function and its @caller.
 */
struct vm_range *vm_range_claim(vaddr_t address, enum range_state state, const char *function,
                                uintptr_t caller);

/** vm_range_give() - these are free again; what was mapped there is in no TLB. Empties the list. */
void vm_range_give(struct list *ranges);

/** vm_range_count() - used and pending ranges, and their bytes of addresses. */
void vm_range_count(size_t *ranges, size_t *bytes);

/* Without the guard page. */
static inline size_t vm_range_mapped_size(const struct vm_range *range)
{
    return range->size - PAGE_SIZE;
}
