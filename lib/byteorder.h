/*
 * Byte order. cpu_to_be16(x) and its family convert values; load_be32(pointer) and store_be32()
 * read and write fields of any alignment in packets, disk blocks and tables.
 */
#pragma once

#include "lib/compiler.h"

BUILD_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the conversions below assume it");

static inline uint16_t cpu_to_be16(uint16_t value)
{
    return __builtin_bswap16(value);
}

static inline uint16_t be16_to_cpu(uint16_t value)
{
    return __builtin_bswap16(value);
}

static inline uint16_t cpu_to_le16(uint16_t value)
{
    return value;
}

static inline uint16_t le16_to_cpu(uint16_t value)
{
    return value;
}

static inline uint32_t cpu_to_be32(uint32_t value)
{
    return __builtin_bswap32(value);
}

static inline uint32_t be32_to_cpu(uint32_t value)
{
    return __builtin_bswap32(value);
}

static inline uint32_t cpu_to_le32(uint32_t value)
{
    return value;
}

static inline uint32_t le32_to_cpu(uint32_t value)
{
    return value;
}

static inline uint64_t cpu_to_be64(uint64_t value)
{
    return __builtin_bswap64(value);
}

static inline uint64_t be64_to_cpu(uint64_t value)
{
    return __builtin_bswap64(value);
}

static inline uint64_t cpu_to_le64(uint64_t value)
{
    return value;
}

static inline uint64_t le64_to_cpu(uint64_t value)
{
    return value;
}

static inline uint16_t load_be16(const void *from)
{
    uint16_t value;

    __builtin_memcpy(&value, from, sizeof(value));
    return be16_to_cpu(value);
}

static inline void store_be16(void *to, uint16_t value)
{
    value = cpu_to_be16(value);
    __builtin_memcpy(to, &value, sizeof(value));
}

static inline uint16_t load_le16(const void *from)
{
    uint16_t value;

    __builtin_memcpy(&value, from, sizeof(value));
    return le16_to_cpu(value);
}

static inline void store_le16(void *to, uint16_t value)
{
    value = cpu_to_le16(value);
    __builtin_memcpy(to, &value, sizeof(value));
}

static inline uint32_t load_be32(const void *from)
{
    uint32_t value;

    __builtin_memcpy(&value, from, sizeof(value));
    return be32_to_cpu(value);
}

static inline void store_be32(void *to, uint32_t value)
{
    value = cpu_to_be32(value);
    __builtin_memcpy(to, &value, sizeof(value));
}

static inline uint32_t load_le32(const void *from)
{
    uint32_t value;

    __builtin_memcpy(&value, from, sizeof(value));
    return le32_to_cpu(value);
}

static inline void store_le32(void *to, uint32_t value)
{
    value = cpu_to_le32(value);
    __builtin_memcpy(to, &value, sizeof(value));
}

static inline uint64_t load_be64(const void *from)
{
    uint64_t value;

    __builtin_memcpy(&value, from, sizeof(value));
    return be64_to_cpu(value);
}

static inline void store_be64(void *to, uint64_t value)
{
    value = cpu_to_be64(value);
    __builtin_memcpy(to, &value, sizeof(value));
}

static inline uint64_t load_le64(const void *from)
{
    uint64_t value;

    __builtin_memcpy(&value, from, sizeof(value));
    return le64_to_cpu(value);
}

static inline void store_le64(void *to, uint64_t value)
{
    value = cpu_to_le64(value);
    __builtin_memcpy(to, &value, sizeof(value));
}
