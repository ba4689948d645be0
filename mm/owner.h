/*
 * Who has how many pages. An owner is a name, as passed to page_alloc(); equal names are one owner.
 *
 * The counts are per CPU and so may be negative on one: a page allocated here is freed there.
 * Only their sum means something.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "arch/percpu.h"
#include "lib/compiler.h"

#define OWNER_MAX 96 /* the first, number 0, is "other": everybody who came too late, and NULL */

DECLARE_PER_CPU(int64_t[OWNER_MAX], owner_pages);

/** owner_number() - the number of the owner with that name. Context: any, page zone lock not held.
 */
uint16_t owner_number(const char *name);

/** owner_name() - NULL for a number that is not in use. */
const char *owner_name(uint16_t number);

/** owner_add() - count @pages for an owner. Context: interrupts off, or preemption and no matter.
 */
static inline void owner_add(uint16_t number, int64_t pages)
{
    (*this_cpu_ptr(owner_pages))[number] += pages;
}

/** owner_total() - pages it has now, over all CPUs. Context: any. */
size_t owner_total(uint16_t number);
