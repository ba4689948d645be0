/*
 * Cycles to nanoseconds and back by one multiplication. Pure: unit-tested on the host.
 */
#pragma once

#include <stdint.h>

/* value = count * multiplier / 2^32; the product is taken in 128 bits, so it cannot overflow. */
struct clock_scale {
    uint64_t multiplier;
};

#define CLOCK_NS_PER_S 1000000000ULL

/** clock_scale_to_ns() - from counts at @hz to ns. @hz at least 1. Error below 2^-32 ns a count. */
static inline struct clock_scale clock_scale_to_ns(uint64_t hz)
{
    return (struct clock_scale){ (CLOCK_NS_PER_S << 32) / hz };
}

/** clock_scale_from_ns() - from ns to counts at @hz; @hz below 4.2 THz. */
static inline struct clock_scale clock_scale_from_ns(uint64_t hz)
{
    uint64_t whole = hz / CLOCK_NS_PER_S;
    uint64_t rest = hz % CLOCK_NS_PER_S;

    return (struct clock_scale){ (whole << 32) + ((rest << 32) / CLOCK_NS_PER_S) };
}

static inline uint64_t clock_scale_apply(struct clock_scale scale, uint64_t count)
{
    return (uint64_t)(((unsigned __int128)count * scale.multiplier) >> 32);
}
