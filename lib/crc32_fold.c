/*
 * CRC-32 of long data without tables: folding.
 *
 * A CRC is the remainder of the data, read as a polynomial, by that of the CRC, and adding what
 * this divides changes no remainder. The polynomial of CRC-32 divides x^300 + x^155 + x^117 + x^89
 * + 1, no other of five terms below degree 515; over GF(2) its eighth power is the same with each
 * exponent eight times as large, or counted in bytes. So a byte may be taken away where it is if it
 * is added again 145, 183, 211 and 300 bytes further on. Done with all but the last 300 bytes,
 * eight at a time, this leaves so many to be looked up in tables. For eight bytes it takes six
 * instructions, all to memory; tables take 24, nine of them to memory.
 *
 * The data is not ours to change: what was taken away is kept for as long as something is to be
 * added, in a history that starts anew with each stride, to take little of the stack.
 *
 * After Sam Russell, "Chorba: A novel CRC32 implementation" (2024), whose polynomials suit longer
 * data than blocks of 4 KiB.
 */
#include "lib/byteorder.h"
#include "lib/crc32.h"
#include "lib/string.h"

#define SPAN   304u /* the history that a word needs, 300 bytes, in whole words */
#define STEP   64u  /* bytes in one turn of the loop */
#define STRIDE 640u
BUILD_ASSERT(STRIDE % STEP == 0);

/* The word at @data with all that is to be added; @folded: behind the ones taken away before. */
static __always_inline uint64_t fold(const uint8_t *folded, const uint8_t *data)
{
    return load_le64(data) ^ load_le64(folded - 145) ^ load_le64(folded - 183) ^
           load_le64(folded - 211) ^ load_le64(folded - 300);
}

/* @size: a multiple of STEP, not 0. */
static void fold_run(uint8_t *folded, const uint8_t *data, size_t size)
{
    for (const uint8_t *end = data + size; data != end; data += STEP, folded += STEP) {
        store_le64(folded, fold(folded, data));
        store_le64(folded + 8, fold(folded + 8, data + 8));
        store_le64(folded + 16, fold(folded + 16, data + 16));
        store_le64(folded + 24, fold(folded + 24, data + 24));
        store_le64(folded + 32, fold(folded + 32, data + 32));
        store_le64(folded + 40, fold(folded + 40, data + 40));
        store_le64(folded + 48, fold(folded + 48, data + 48));
        store_le64(folded + 56, fold(folded + 56, data + 56));
    }
}

/* The SPAN bytes at @data, from which nothing is taken away: they replace the history they need. */
static void fold_last(uint8_t *history, const uint8_t *data)
{
    memset(history + SPAN, 0, SPAN);
    for (size_t i = 0; i < SPAN; i += 16) {
        store_le64(history + i, fold(history + SPAN + i, data + i));
        store_le64(history + i + 8, fold(history + SPAN + i + 8, data + i + 8));
    }
}

uint32_t crc32_fold(const uint32_t tables[8][256], uint32_t crc, const void *data, size_t size)
{
    uint8_t history[SPAN + STRIDE];
    const uint8_t *position = data;
    size_t left = (size - SPAN) & ~(size_t)(STEP - 1);
    uint32_t state = ~crc; /* what came before acts like bits added to the first four bytes */

    memset(history, 0, SPAN);
    size -= left + SPAN;
    while (left) {
        size_t length = MIN(left, (size_t)STRIDE);

        fold_run(history + SPAN, position, STEP);
        store_le32(history + SPAN, load_le32(history + SPAN) ^ state);
        state = 0;
        if (length > STEP)
            fold_run(history + SPAN + STEP, position + STEP, length - STEP);
        memmove(history, history + length, SPAN);
        position += length;
        left -= length;
    }
    fold_last(history, position);
    crc = crc32_with(tables, ~0u, history, SPAN);
    return crc32_with(tables, crc, position + SPAN, size);
}
