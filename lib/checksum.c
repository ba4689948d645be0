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

uint32_t checksum_partial_c(const void *data, size_t size, uint32_t sum)
{
    const uint8_t *position = data;
    uint64_t wide = sum;

    for (; size >= 8; size -= 8, position += 8)
        wide = add_with_carry(wide, load_word(position));
    return fold_to_32(add_with_carry(wide, load_tail(position, size)));
}
uint32_t checksum_partial(const void *data, size_t size, uint32_t sum)
    __attribute__((weak, alias("checksum_partial_c")));

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
