/*
 * CRC-32 and CRC-32C by "slicing by 8": eight tables, so that eight bytes are taken per step
 * (Kounavis and Berry, "A systematic approach to building high performance software-based CRC
 * generators", 2005).
 *
 * The tables are constants that the compiler computes. The CRC of a byte string is linear over
 * GF(2): the entry for a byte is the XOR of the entries of its bits, and the entry of a bit is the
 * polynomial shifted on by as many steps as the bit is away from the end. In table k, bit b is
 * 8k + 7 - b steps away. So 64 numbers, each one step from the one before, give everything.
 */
#include "lib/crc32.h"

#include "lib/byteorder.h"

#define POLYNOMIAL_IEEE       0xEDB88320u /* bit 31 is the coefficient of x^0 */
#define POLYNOMIAL_CASTAGNOLI 0x82F63B78u

/* One division step. */
#define STEP(polynomial, x) (((x) >> 1) ^ ((x)&1u ? (polynomial) : 0u))

/* NAME_n = the polynomial after n steps, for eight consecutive n. */
#define STEPS8(name, polynomial, before, n0, n1, n2, n3, n4, n5, n6, n7)                           \
    name##n0 = (uint32_t)(before), name##n1 = STEP(polynomial, (uint32_t)name##n0),                \
    name##n2 = STEP(polynomial, (uint32_t)name##n1),                                               \
    name##n3 = STEP(polynomial, (uint32_t)name##n2),                                               \
    name##n4 = STEP(polynomial, (uint32_t)name##n3),                                               \
    name##n5 = STEP(polynomial, (uint32_t)name##n4),                                               \
    name##n6 = STEP(polynomial, (uint32_t)name##n5),                                               \
    name##n7 = STEP(polynomial, (uint32_t)name##n6)
#define NEXT(name, polynomial, n) STEP(polynomial, (uint32_t)name##n)
/* Written in base 8, so that table k uses the numbers k0 to k7. */
#define STEPS64(name, polynomial)                                                                  \
    STEPS8(name, polynomial, polynomial, 00, 01, 02, 03, 04, 05, 06, 07),                          \
        STEPS8(name, polynomial, NEXT(name, polynomial, 07), 10, 11, 12, 13, 14, 15, 16, 17),      \
        STEPS8(name, polynomial, NEXT(name, polynomial, 17), 20, 21, 22, 23, 24, 25, 26, 27),      \
        STEPS8(name, polynomial, NEXT(name, polynomial, 27), 30, 31, 32, 33, 34, 35, 36, 37),      \
        STEPS8(name, polynomial, NEXT(name, polynomial, 37), 40, 41, 42, 43, 44, 45, 46, 47),      \
        STEPS8(name, polynomial, NEXT(name, polynomial, 47), 50, 51, 52, 53, 54, 55, 56, 57),      \
        STEPS8(name, polynomial, NEXT(name, polynomial, 57), 60, 61, 62, 63, 64, 65, 66, 67),      \
        STEPS8(name, polynomial, NEXT(name, polynomial, 67), 70, 71, 72, 73, 74, 75, 76, 77)

enum ieee_steps {
    STEPS64(IEEE_, POLYNOMIAL_IEEE)
};
enum castagnoli_steps {
    STEPS64(CASTAGNOLI_, POLYNOMIAL_CASTAGNOLI)
};

#define BIT_OF(byte, bit, value) ((byte) >> (bit)&1 ? (uint32_t)(value) : 0u)
#define ENTRY(name, k, byte)                                                                       \
    (BIT_OF(byte, 7, name##k##0) ^ BIT_OF(byte, 6, name##k##1) ^ BIT_OF(byte, 5, name##k##2) ^     \
     BIT_OF(byte, 4, name##k##3) ^ BIT_OF(byte, 3, name##k##4) ^ BIT_OF(byte, 2, name##k##5) ^     \
     BIT_OF(byte, 1, name##k##6) ^ BIT_OF(byte, 0, name##k##7))
#define ENTRIES4(name, k, byte)                                                                    \
    ENTRY(name, k, byte), ENTRY(name, k, (byte) + 1), ENTRY(name, k, (byte) + 2),                  \
        ENTRY(name, k, (byte) + 3)
#define ENTRIES16(name, k, byte)                                                                   \
    ENTRIES4(name, k, byte), ENTRIES4(name, k, (byte) + 4), ENTRIES4(name, k, (byte) + 8),         \
        ENTRIES4(name, k, (byte) + 12)
#define ENTRIES64(name, k, byte)                                                                   \
    ENTRIES16(name, k, byte), ENTRIES16(name, k, (byte) + 16), ENTRIES16(name, k, (byte) + 32),    \
        ENTRIES16(name, k, (byte) + 48)
#define TABLE(name, k)                                                                             \
    {                                                                                              \
        ENTRIES64(name, k, 0), ENTRIES64(name, k, 64), ENTRIES64(name, k, 128),                    \
            ENTRIES64(name, k, 192)                                                                \
    }
#define TABLES(name)                                                                               \
    {                                                                                              \
        TABLE(name, 0), TABLE(name, 1), TABLE(name, 2), TABLE(name, 3), TABLE(name, 4),            \
            TABLE(name, 5), TABLE(name, 6), TABLE(name, 7)                                         \
    }

static const uint32_t ieee_tables[8][256] = TABLES(IEEE_);
static const uint32_t castagnoli_tables[8][256] = TABLES(CASTAGNOLI_);

/* Four bytes at four tables. Halves of 16 bits, because there x86 has names for both bytes. */
static inline uint32_t look_up(const uint32_t tables[4][256], uint32_t word)
{
    uint32_t upper = word >> 16;

    return tables[3][word & 255] ^ tables[2][word >> 8 & 255] ^ tables[1][upper & 255] ^
           tables[0][upper >> 8];
}

uint32_t crc32_with_c(const uint32_t tables[8][256], uint32_t crc, const void *data, size_t size)
{
    const uint8_t *position = data;

    crc = ~crc;
    for (; size >= 8; size -= 8, position += 8) {
        uint32_t first = load_le32(position) ^ crc;

        crc = look_up(tables + 4, first) ^ look_up(tables, load_le32(position + 4));
    }
    for (; size > 0; size--, position++)
        crc = crc >> 8 ^ tables[0][(crc ^ *position) & 255];
    return ~crc;
}
uint32_t crc32_with(const uint32_t tables[8][256], uint32_t crc, const void *data, size_t size)
    __attribute__((weak, alias("crc32_with_c")));

uint32_t crc32_update(uint32_t crc, const void *data, size_t size)
{
    if (size >= CRC32_FOLD_MIN)
        return crc32_fold(ieee_tables, crc, data, size);
    return crc32_with(ieee_tables, crc, data, size);
}

/* x^(8n - 32) for n = 1, 2, 3 times 4^k: times that, and looked up, is what n zero bytes do. */
static const uint32_t zero_powers[16][3] = {
    { 0x1f81b6e1, 0xd7125358, 0x6567cb95 }, { 0x80000000, 0xedb88320, 0xb1e6b092 },
    { 0x6655004f, 0xad2a31b3, 0xba1aca03 }, { 0xe3720acb, 0xa53ff440, 0x974ac562 },
    { 0x99168a18, 0xeba0f9ae, 0x0eb38450 }, { 0x5df97b6b, 0xd01dd77b, 0xbdd7e459 },
    { 0xd9d8d242, 0xfc246b8a, 0xcf80e334 }, { 0x70772f7f, 0xf959a165, 0x24c49a04 },
    { 0xc8701489, 0x3cebc696, 0x35a26c07 }, { 0xb59f9585, 0xd8bfd287, 0x723f1f77 },
    { 0xcb3be74f, 0x8a99307f, 0x0e9d2252 }, { 0xa1f3a50a, 0x212b9043, 0xd8595fd9 },
    { 0x25412bf1, 0x1588b75b, 0x0e357b41 }, { 0x8268b573, 0xb559de5f, 0x65bb6533 },
    { 0x4a414ca4, 0xc02244c9, 0x2520a652 }, { 0x8da9a144, 0x236a6851, 0x7e06db84 },
};

/* The product of two polynomials without carries; bit 63 of it is the coefficient of x^0. */
static uint64_t multiply(uint32_t a, uint32_t b)
{
    const uint64_t b1 = (uint64_t)b << 1, b2 = b1 << 1, b4 = b2 << 1, b8 = b4 << 1;
    const uint64_t multiples[16] = { 0,       b1,           b2,           b2 ^ b1,
                                     b4,      b4 ^ b1,      b4 ^ b2,      b4 ^ b2 ^ b1,
                                     b8,      b8 ^ b1,      b8 ^ b2,      b8 ^ b2 ^ b1,
                                     b8 ^ b4, b8 ^ b4 ^ b1, b8 ^ b4 ^ b2, b8 ^ b4 ^ b2 ^ b1 };
    uint64_t product = 0;

    for (unsigned int shift = 0; shift < 32; shift += 4)
        product ^= multiples[a >> shift & 15] << shift;
    return product;
}

uint32_t crc32_zeros(uint32_t crc, uint32_t count)
{
    uint32_t state = ~crc;

    for (unsigned int k = 0; count; k++, count >>= 2) {
        uint64_t product;

        if (!(count & 3))
            continue;
        product = multiply(state, zero_powers[k][(count & 3) - 1]);
        state = look_up(ieee_tables + 4, (uint32_t)product) ^
                look_up(ieee_tables, (uint32_t)(product >> 32));
    }
    return ~state;
}

uint32_t crc32c_update(uint32_t crc, const void *data, size_t size)
{
    return crc32_with(castagnoli_tables, crc, data, size);
}
