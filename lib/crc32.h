/*
 * CRC-32 as Ethernet, GPT and nanofs use it (IEEE 802.3, reflected polynomial 0xEDB88320), and
 * CRC-32C (Castagnoli, 0x82F63B78).
 *
 * The CRC of "123456789" is 0xCBF43926, and 0xE3069283 for CRC-32C. Data in pieces:
 * crc = crc32_update(crc32_update(0, a, n), b, m) equals the CRC of both together.
 */
#pragma once

#include "lib/compiler.h"

uint32_t crc32_update(uint32_t crc, const void *data, size_t size);
uint32_t crc32c_update(uint32_t crc, const void *data, size_t size);

/** crc32_zeros() - crc32_update() by @count zero bytes, without looking at any. */
uint32_t crc32_zeros(uint32_t crc, uint32_t count);

/*
 * What both are, with tables of their own. crc32_with_c() is the portable version, and a weak alias
 * of it what an architecture replaces by assembly.
 */
uint32_t crc32_with(const uint32_t tables[8][256], uint32_t crc, const void *data, size_t size);
uint32_t crc32_with_c(const uint32_t tables[8][256], uint32_t crc, const void *data, size_t size);

/**
 * crc32_fold() - the CRC-32 (not CRC-32C) of long data, which looks up only the last of it
 * @tables: those of CRC-32
 * @size: CRC32_FOLD_MIN at least; from there on it is faster than crc32_with()
 */
uint32_t crc32_fold(const uint32_t tables[8][256], uint32_t crc, const void *data, size_t size);
#define CRC32_FOLD_MIN 640u

static inline uint32_t crc32(const void *data, size_t size)
{
    return crc32_update(0, data, size);
}

static inline uint32_t crc32c(const void *data, size_t size)
{
    return crc32c_update(0, data, size);
}
