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
#include "lib/atomic.h"
#include "lib/compiler.h"

#define OWNER_MAX 96 /* the first, number 0, is "other": everybody who came too late, and NULL */

DECLARE_PER_CPU(int64_t[OWNER_MAX], owner_pages);

/* Names seen so far, by address; written by owner.c, only ever filled. */
struct owner_slot {
    const char *address; /* NULL: empty; written last */
    uint16_t number;
};

#define OWNER_SLOT_BITS 8
extern struct owner_slot owner_slots[1 << OWNER_SLOT_BITS];

static inline size_t owner_slot_of(const char *address)
{
    return ((uintptr_t)address * 0x9E3779B97F4A7C15u) >> (64 - OWNER_SLOT_BITS);
}

uint16_t owner_number_slow(const char *name);

/** owner_number() - the number of the owner with that name. Context: any, page zone lock not held.
 */
static inline uint16_t owner_number(const char *name)
{
    const struct owner_slot *slot = &owner_slots[owner_slot_of(name)];

    /* pairs with the release in owner.c */
    if (name && load_acquire(&slot->address) == name)
        return slot->number;
    return owner_number_slow(name);
}

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
