/*
 * Wall clock time: the monotonic clock plus an offset, which starts as what the machine's own clock
 * said at boot and is stepped by clock_wall_set().
 */
#include "kernel/time/clock.h"

#include "lib/atomic.h"

static atomic_u64 offset_ns; /* Unix time at clock 0, once set */
static atomic_bool is_offset_set;

uint64_t clock_wall_ns(void)
{
    /* acquire: pairs with the release in clock_wall_set() */
    uint64_t offset = atomic_load_acquire(&is_offset_set) ? atomic_load_relaxed(&offset_ns)
                                                          : clock_wall_ns_at_boot();

    return offset + clock_now_ns();
}

void clock_wall_set(uint64_t unix_ns)
{
    atomic_store_relaxed(&offset_ns, unix_ns - clock_now_ns());
    atomic_store_release(&is_offset_set, true);
}
