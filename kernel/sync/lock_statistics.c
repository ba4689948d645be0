/*
 * Counts of waits, by lock name: a fixed table without a lock of its own. Names are constants, so
 * their addresses identify them; locks of one kind (one per connection, say) share an entry.
 */
#include "kernel/sync/lock_statistics.h"

#include "lib/atomic.h"

#define ENTRIES 128 /* a power of two; when it is full, further names are not counted */

struct entry {
    const char *name; /* atomic; set once */
    atomic_u64 waits;
    atomic_u64 waited_ns;
    atomic_u64 longest_ns;
};

static struct entry entries[ENTRIES];

static struct entry *entry_of(const char *name)
{
    size_t start = ((uintptr_t)name >> 3) * 0x9E3779B97F4A7C15u >> 32;

    for (size_t i = 0; i < ENTRIES; i++) {
        struct entry *entry = &entries[(start + i) % ENTRIES];
        const char *found = load_acquire(&entry->name);
        if (found == name)
            return entry;
        if (!found && __atomic_compare_exchange_n(&entry->name, &found, name, false,
                                                  __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return entry;
        if (found == name) /* somebody else has just entered it */
            return entry;
    }
    return NULL;
}

void lock_note_wait(const char *name, uint64_t ns)
{
    struct entry *entry = entry_of(name);

    if (!entry)
        return;
    atomic_fetch_add_relaxed(&entry->waits, 1);
    if (ns == 0)
        return;
    atomic_fetch_add_relaxed(&entry->waited_ns, ns);
    uint64_t longest = atomic_load_relaxed(&entry->longest_ns);
    while (ns > longest && !atomic_cmpxchg_relaxed(&entry->longest_ns, &longest, ns))
        ;
}

bool lock_statistics(unsigned int index, struct lock_statistics *statistics)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        const struct entry *entry = &entries[i];
        const char *name = load_acquire(&entry->name);
        if (!name || index-- > 0)
            continue;
        *statistics = (struct lock_statistics){ name, atomic_load_relaxed(&entry->waits),
                                                atomic_load_relaxed(&entry->waited_ns),
                                                atomic_load_relaxed(&entry->longest_ns) };
        return true;
    }
    return false;
}
