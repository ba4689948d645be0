/*
 * Virtual ranges, for the rest of mm/.
 */
#pragma once

#include <stddef.h>

struct vm_statistics {
    size_t ranges;         /* used or pending */
    size_t bytes;          /* of addresses, guard pages included */
    size_t pending_ranges; /* freed, waiting for a TLB shoot-down */
    size_t pending_pages;
};

void vm_statistics(struct vm_statistics *result);

/** vm_init() - the heap is there: descriptions come from it now. Return: 0 or -ENOMEM. */
int vm_init(void);
