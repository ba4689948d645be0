/*
 * The internet checksum (RFC 1071), incremental update (RFC 1624).
 *
 * All sums are over 16-bit words in memory order, and so is the result: store it as it is, with no
 * byte swap. A sum is carried as 32 bits until checksum_fold() makes it the checksum. Data that
 * carries its own correct checksum folds to 0.
 *
 *   uint32_t sum = checksum_partial(&pseudo_header, sizeof(pseudo_header), 0);
 *   sum = checksum_partial(segment, length, sum);
 *   segment->checksum = checksum_fold(sum);
 */
#pragma once

#include "lib/compiler.h"

/*
 * Adds @size bytes to @sum; an odd last byte counts as if followed by 0. checksum_partial_c() is
 * the portable version, and a weak alias of it what an architecture replaces by assembly. Sums of
 * the same bytes fold to the same checksum; two implementations may still differ in the 32 bits.
 */
uint32_t checksum_partial(const void *data, size_t size, uint32_t sum);
uint32_t checksum_partial_c(const void *data, size_t size, uint32_t sum);

/* The same while copying: memcpy(@to, @from, @size) in one pass. */
uint32_t checksum_copy(void *to, const void *from, size_t size, uint32_t sum);

/* The sum of two stretches of which the second starts @offset bytes after the first. */
uint32_t checksum_combine(uint32_t first, uint32_t second, size_t offset);

/* The one's complement of the folded sum: the checksum field. */
uint16_t checksum_fold(uint32_t sum);

/* The checksum of one stretch. */
uint16_t checksum(const void *data, size_t size);

/* The checksum after a field has changed, all in memory order (RFC 1624, equation 3). */
uint16_t checksum_update16(uint16_t checksum, uint16_t before, uint16_t after);
uint16_t checksum_update32(uint16_t checksum, uint32_t before, uint32_t after);
