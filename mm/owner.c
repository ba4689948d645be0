/*
 * Owners: names to small numbers that fit in a struct page.
 *
 * The same name is nearly always the same string constant, so it is looked up by its address, in a
 * table that only grows and is read without a lock. Only a new address is compared as text.
 */
#include "mm/owner.h"

#include "arch/cpu.h"
#include "kernel/sync/spinlock.h"
#include "lib/atomic.h"
#include "lib/string.h"

DEFINE_PER_CPU(int64_t[OWNER_MAX], owner_pages);

static DEFINE_SPINLOCK(owner_lock, "page owners", LOCK_RANK_SLAB);
struct owner_slot owner_slots[1 << OWNER_SLOT_BITS]; /* written under owner_lock */
static const char *names[OWNER_MAX] = { "other" };
static uint16_t name_count __guarded_global(owner_lock) = 1;

/* The slot of @address, or the empty one where it belongs; NULL when the table is full. */
static struct owner_slot *find_slot(const char *address)
{
    size_t index = owner_slot_of(address);

    for (size_t i = 0; i < ARRAY_SIZE(owner_slots); i++) {
        struct owner_slot *slot = &owner_slots[(index + i) % ARRAY_SIZE(owner_slots)];
        const char *key = load_acquire(&slot->address); /* pairs with the release in intern() */

        if (key == address || !key)
            return slot;
    }
    return NULL;
}

static uint16_t number_of_text_locked(const char *name) __must_hold(owner_lock)
{
    for (uint16_t i = 0; i < name_count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    if (name_count == OWNER_MAX)
        return 0;
    store_release(&names[name_count], name); /* pairs with the acquire in owner_name() */
    return name_count++;
}

static uint16_t intern(const char *name)
{
    irqflags_t flags = spin_lock_irqsave(&owner_lock);
    uint16_t number = number_of_text_locked(name);
    struct owner_slot *slot = find_slot(name);

    if (slot && !slot->address) {
        slot->number = number;
        store_release(&slot->address, name); /* pairs with find_slot() and owner_number() */
    }
    spin_unlock_irqrestore(&owner_lock, flags);
    return number;
}

uint16_t owner_number_slow(const char *name)
{
    const struct owner_slot *slot;

    if (!name)
        return 0;
    slot = find_slot(name);
    return slot && slot->address ? slot->number : intern(name);
}

const char *owner_name(uint16_t number)
{
    return number < OWNER_MAX ? load_acquire(&names[number]) : NULL;
}

size_t owner_total(uint16_t number)
{
    int64_t total = 0;

    for (unsigned int cpu = 0; cpu < cpu_possible_count(); cpu++)
        if (cpu == 0 || cpu_is_online(cpu))
            total += READ_ONCE((*per_cpu_ptr(owner_pages, cpu))[number]);
    return total > 0 ? (size_t)total : 0;
}
