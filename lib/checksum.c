/*
 * The internet checksum, eight bytes at a time.
 *
 * One's complement addition is the same in any width whose carries are added back in at the end,
 * and in any byte order (RFC 1071, 2): so 64-bit words are summed as they lie in memory, each
 * carry going back to the bottom, and the width is folded down afterwards.
 */
#include "lib/checksum.h"

#include "lib/byteorder.h"
#include "lib/string.h"

static uint64_t load_word(const uint8_t *from)
{
    uint64_t word;

    __builtin_memcpy(&word, from, sizeof(word));
    return word;
}

static void store_word(uint8_t *to, uint64_t word)
{
    __builtin_memcpy(to, &word, sizeof(word));
}

static inline uint64_t add_with_carry(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word);
}

/* Both halves hold low + high then, and the carry out of the lower one has gone into the upper. */
static uint32_t fold_to_32(uint64_t sum)
{
    return (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);
}

uint64_t checksum_blocks_c(const void *data, size_t blocks, uint64_t sum)
{
    const uint8_t *position = data;

    for (size_t words = blocks * CHECKSUM_BLOCK / 8; words > 0; words--, position += 8)
        sum = add_with_carry(sum, load_word(position));
    return sum;
}
uint64_t checksum_blocks(const void *data, size_t blocks, uint64_t sum)
    __attribute__((weak, alias("checksum_blocks_c")));

/* Up to seven bytes, with zeros after them. */
static uint64_t load_tail(const uint8_t *data, size_t size)
{
    uint64_t word = size & 4 ? load_le32(data) : 0;

    if (size & 2)
        word |= (uint64_t)load_le16(data + (size & 4)) << 8 * (size & 4);
    if (size & 1)
        word |= (uint64_t)data[size & 6] << 8 * (size & 6);
    return word;
}

/*
 * The rest, after whole blocks. @has_word: there are eight bytes before its end, so that the tail
 * can be loaded with them in front, and they shifted out.
 */
static __always_inline uint32_t add_rest(const uint8_t *position, size_t size, uint64_t wide,
                                         bool has_word)
{
    for (; size >= 8; size -= 8, position += 8)
        wide = add_with_carry(wide, load_word(position));
    if (size > 0 && has_word)
        wide = add_with_carry(wide, load_word(position + size - 8) >> (64 - 8 * size));
    else if (size > 0)
        wide = add_with_carry(wide, load_tail(position, size));
    return fold_to_32(wide);
}

uint32_t checksum_partial(const void *data, size_t size, uint32_t sum)
{
    if (size < CHECKSUM_BLOCK)
        return add_rest(data, size, sum, size >= 8);
    const uint8_t *rest = (const uint8_t *)data + size / CHECKSUM_BLOCK * CHECKSUM_BLOCK;
    uint64_t wide = checksum_blocks(data, size / CHECKSUM_BLOCK, sum);

    return add_rest(rest, size % CHECKSUM_BLOCK, wide, true);
}

uint32_t checksum_copy(void *to, const void *from, size_t size, uint32_t sum)
{
    const uint8_t *source = from;
    uint8_t *target = to;
    uint64_t wide = sum;

    for (; size >= 16; size -= 16, source += 16, target += 16) {
        uint64_t first = load_word(source), second = load_word(source + 8);

        store_word(target, first);
        store_word(target + 8, second);
        wide = add_with_carry(add_with_carry(wide, first), second);
    }
    memcpy(target, source, size);
    return checksum_partial(source, size, fold_to_32(wide));
}

uint32_t checksum_combine(uint32_t first, uint32_t second, size_t offset)
{
    if (offset % 2) /* its bytes stand in the other half of each word */
        second = second << 8 | second >> 24;
    return fold_to_32((uint64_t)first + second);
}

uint16_t checksum_fold(uint32_t sum)
{
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)~sum;
}

uint16_t checksum(const void *data, size_t size)
{
    return checksum_fold(checksum_partial(data, size, 0));
}

uint16_t checksum_update16(uint16_t checksum, uint16_t before, uint16_t after)
{
    return checksum_fold((uint32_t)(uint16_t)~checksum + (uint16_t)~before + after);
}

uint16_t checksum_update32(uint16_t checksum, uint32_t before, uint32_t after)
{
    checksum = checksum_update16(checksum, (uint16_t)before, (uint16_t)after);
    return checksum_update16(checksum, (uint16_t)(before >> 16), (uint16_t)(after >> 16));
}
