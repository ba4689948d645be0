/*
 * Arrays of bits, in 64-bit words, bit 0 of word 0 first (the byte order on disk of a
 * little-endian bitmap). Sizes and positions are in bits. Not atomic: the caller locks.
 */
#pragma once

#include "lib/compiler.h"

#define BITMAP_WORDS(bits)         (((bits) + 63) / 64)
#define DECLARE_BITMAP(name, bits) uint64_t name[BITMAP_WORDS(bits)]

static inline void bitmap_set(uint64_t *map, size_t bit)
{
    map[bit / 64] |= 1ull << (bit % 64);
}

static inline void bitmap_clear(uint64_t *map, size_t bit)
{
    map[bit / 64] &= ~(1ull << (bit % 64));
}

static inline bool bitmap_test(const uint64_t *map, size_t bit)
{
    return map[bit / 64] >> (bit % 64) & 1;
}

/* @count bits from @first on. */
void bitmap_set_range(uint64_t *map, size_t first, size_t count);
void bitmap_clear_range(uint64_t *map, size_t first, size_t count);
bool bitmap_range_is_set(const uint64_t *map, size_t first, size_t count);
bool bitmap_range_is_clear(const uint64_t *map, size_t first, size_t count);

/* The first bit at or after @from that is set (or clear); @size when there is none. */
size_t bitmap_find_set(const uint64_t *map, size_t size, size_t from);
size_t bitmap_find_clear(const uint64_t *map, size_t size, size_t from);

/**
 * bitmap_find_clear_run() - the first @count consecutive clear bits at or after @from
 * @alignment: the run starts at a multiple of this (1: anywhere)
 *
 * Return: the position, or @size when there is no such run.
 */
size_t bitmap_find_clear_run(const uint64_t *map, size_t size, size_t from, size_t count,
                             size_t alignment);

/* Number of set bits among the first @size. */
size_t bitmap_count(const uint64_t *map, size_t size);

#define bitmap_for_each_set(bit, map, size)                                                        \
    for ((bit) = bitmap_find_set(map, size, 0); (bit) < (size);                                    \
         (bit) = bitmap_find_set(map, size, (bit) + 1))
