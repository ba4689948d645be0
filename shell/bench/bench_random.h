/*
 * Numbers that look random and are the same in each run, and in bench/linux: cheap enough not to be
 * what is measured. xorshift32 (Marsaglia 2003).
 */
#pragma once

#include <stdint.h>

#define BENCH_SEED 2463534242u

static inline uint32_t bench_random(uint32_t *state)
{
    uint32_t x = *state;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

/** bench_random_below() - a number below @bound. */
static inline uint32_t bench_random_below(uint32_t *state, uint32_t bound)
{
    return (uint32_t)((uint64_t)bench_random(state) * bound >> 32);
}
