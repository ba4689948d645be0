/*
 * Checking that the TSCs agree, and what to do if they do not: time is then the latest that any
 * CPU has read, at the price of a shared cache line.
 */
#include "arch/x86_64/clock_sync.h"

#include "arch/x86_64/instructions.h"
#include "lib/atomic.h"

#define OBSERVATIONS 200

static atomic_u64 latest_cycles;
static atomic_bool is_skewed;
static atomic_u64 latest_ns;

/* The maximum only grows. Return: was @value behind it? */
static bool raise(atomic_u64 *maximum, uint64_t value, uint64_t *seen)
{
    *seen = atomic_load(maximum);
    while (*seen < value) {
        if (atomic_cmpxchg(maximum, seen, value))
            return false;
    }
    return true;
}

void clock_sync_observe(void)
{
    for (int i = 0; i < OBSERVATIONS; i++) {
        /* The load comes first: a TSC read after it must not be smaller. */
        uint64_t before = atomic_load(&latest_cycles);
        uint64_t now = cycles_ordered();
        uint64_t seen;

        if (now < before)
            atomic_store_relaxed(&is_skewed, true);
        raise(&latest_cycles, now, &seen);
    }
}

bool clock_sync_is_common(void)
{
    return !atomic_load_relaxed(&is_skewed);
}

uint64_t clock_sync_never_back(uint64_t ns)
{
    uint64_t seen;

    if (!atomic_load_relaxed(&is_skewed))
        return ns;
    return raise(&latest_ns, ns, &seen) ? seen : ns;
}
