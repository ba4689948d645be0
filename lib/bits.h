/*
 * Questions about the binary form of a number.
 */
#pragma once

#include "lib/compiler.h"

#define BIT(n)   (1u << (n))
#define BIT64(n) (1ull << (n))
/* Bits low to high, both included: BITS64(3, 5) is 0x38. */
#define BITS64(low, high) ((~0ull >> (63 - (high) + (low))) << (low))

static inline bool is_power_of_two(uint64_t x)
{
    return x != 0 && (x & (x - 1)) == 0;
}

/* Position of the highest set bit; @x must not be 0. */
static inline unsigned int log2_floor(uint64_t x)
{
    return 63u - (unsigned int)__builtin_clzll(x);
}

/* Smallest n with 2^n >= x; 0 for x of 0 and 1. */
static inline unsigned int log2_ceil(uint64_t x)
{
    return x <= 1 ? 0 : log2_floor(x - 1) + 1;
}

/* Smallest power of two >= x; 1 for 0, and 0 where it does not fit. */
static inline uint64_t round_up_power_of_two(uint64_t x)
{
    unsigned int n = log2_ceil(x);

    return n == 64 ? 0 : 1ull << n;
}

/* Position of the lowest set bit; @x must not be 0. */
static inline unsigned int lowest_bit(uint64_t x)
{
    return (unsigned int)__builtin_ctzll(x);
}

static inline unsigned int count_bits(uint64_t x)
{
    unsigned int count = 0;

    for (; x; x &= x - 1)
        count++;
    return count;
}
