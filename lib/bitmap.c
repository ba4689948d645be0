/*
 * Operations on arrays of bits that go word by word.
 */
#include "lib/bitmap.h"

/* Bits of the word that holds @bit, from @bit up. */
static uint64_t mask_from(size_t bit)
{
    return ~0ull << (bit % 64);
}

/* Bits of the word that holds @bit, below @bit; all when @bit starts a word. */
static uint64_t mask_below(size_t bit)
{
    return bit % 64 ? ~mask_from(bit) : ~0ull;
}

/*
 * The part of word @index that lies within [first, end). The range is not empty and covers some
 * of that word.
 */
static uint64_t range_mask(size_t index, size_t first, size_t end)
{
    uint64_t mask = ~0ull;

    if (index == first / 64)
        mask &= mask_from(first);
    if (index == (end - 1) / 64)
        mask &= mask_below(end);
    return mask;
}

void bitmap_set_range(uint64_t *map, size_t first, size_t count)
{
    size_t end = first + count;

    for (size_t i = first / 64; count && i <= (end - 1) / 64; i++)
        map[i] |= range_mask(i, first, end);
}

void bitmap_clear_range(uint64_t *map, size_t first, size_t count)
{
    size_t end = first + count;

    for (size_t i = first / 64; count && i <= (end - 1) / 64; i++)
        map[i] &= ~range_mask(i, first, end);
}

bool bitmap_range_is_set(const uint64_t *map, size_t first, size_t count)
{
    return bitmap_find_clear(map, first + count, first) == first + count;
}

bool bitmap_range_is_clear(const uint64_t *map, size_t first, size_t count)
{
    return bitmap_find_set(map, first + count, first) == first + count;
}

/* The first bit that is set in map ^ @invert. */
static size_t find(const uint64_t *map, size_t size, size_t from, uint64_t invert)
{
    if (from >= size)
        return size;

    size_t index = from / 64;
    uint64_t word = (map[index] ^ invert) & mask_from(from);

    while (!word) {
        index++;
        if (index * 64 >= size)
            return size;
        word = map[index] ^ invert;
    }

    size_t bit = index * 64 + (size_t)__builtin_ctzll(word);

    return MIN(bit, size);
}

size_t bitmap_find_set(const uint64_t *map, size_t size, size_t from)
{
    return find(map, size, from, 0);
}

size_t bitmap_find_clear(const uint64_t *map, size_t size, size_t from)
{
    return find(map, size, from, ~0ull);
}

size_t bitmap_find_clear_run(const uint64_t *map, size_t size, size_t from, size_t count,
                             size_t alignment)
{
    while (from < size) {
        size_t start = bitmap_find_clear(map, size, from);

        start = DIV_ROUND_UP(start, alignment) * alignment;
        if (start > size || size - start < count)
            return size;

        size_t obstacle = bitmap_find_set(map, start + count, start);

        if (obstacle == start + count)
            return start;
        from = obstacle + 1;
    }
    return size;
}

/* The classic sum of halves: pairs, nibbles, then bytes by one multiplication. */
static unsigned int count_word(uint64_t word)
{
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0F0F0F0F0F0F0F0Fu;
    return (unsigned int)(word * 0x0101010101010101u >> 56);
}

size_t bitmap_count(const uint64_t *map, size_t size)
{
    size_t count = 0;

    for (size_t i = 0; i < size / 64; i++)
        count += count_word(map[i]);
    if (size % 64)
        count += count_word(map[size / 64] & mask_below(size));
    return count;
}
