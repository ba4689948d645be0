/*
 * Time: 64-bit nanoseconds. Deadlines are absolute.
 */
#pragma once

#include <stdint.h>

#include "arch/clock.h"

#define NS_PER_US 1000ULL
#define NS_PER_MS 1000000ULL
#define NS_PER_S  1000000000ULL

#define DEADLINE_NEVER UINT64_MAX

/** clock_now_ns() - since the kernel's first instruction; monotonic on and across CPUs. */
static inline uint64_t clock_now_ns(void)
{
    return clock_read_ns();
}

/** deadline_after_ns() - now + @duration_ns, saturating at DEADLINE_NEVER. */
static inline uint64_t deadline_after_ns(uint64_t duration_ns)
{
    uint64_t now = clock_now_ns();
    return duration_ns > DEADLINE_NEVER - now ? DEADLINE_NEVER : now + duration_ns;
}

/** clock_wall_ns() - Unix time in nanoseconds (UTC). clock_wall_set() steps it (ntpdate). */
uint64_t clock_wall_ns(void);
void clock_wall_set(uint64_t unix_ns);

struct calendar_time {
    unsigned int year, month, day, hour, minute, second, weekday; /* month 1-12, weekday 0=Sunday */
};
void calendar_from_unix(uint64_t unix_seconds, struct calendar_time *time);
uint64_t calendar_to_unix(const struct calendar_time *time);
