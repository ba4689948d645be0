/*
 * lib/crc32.h, lib/checksum.h and lib/hash.h: published vectors, and bit-by-bit references over
 * random data, alignments and ways of cutting it up.
 */
#include "lib/byteorder.h"
#include "lib/checksum.h"
#include "lib/crc32.h"
#include "lib/hash.h"

#include "tests/unit/unit.h"

static uint32_t naive_crc(uint32_t polynomial, const uint8_t *data, size_t size)
{
    uint32_t crc = ~0u;

    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
    }
    return ~crc;
}

/* The name that arch/x86_64/crc32.S has on a host. */
uint32_t nos_crc32_with(const uint32_t tables[8][256], uint32_t crc, const void *data, size_t size);

/* Any tables will do to see that both look the same things up. */
static void test_crc_assembly(void **state)
{
    struct unit_random random = { 11 };
    static uint32_t tables[8][256];
    uint8_t data[8 * 40 + 8];

    (void)state;
    unit_random_fill(&random, (uint8_t *)tables, sizeof(tables));
    for (unsigned int round = 0; round < 50; round++) {
        unit_random_fill(&random, data, sizeof(data));
        for (size_t size = 0; size <= 8 * 40; size++) {
            const uint8_t *start = data + (size + round) % 8;
            uint32_t crc = (uint32_t)unit_random_u64(&random);

            assert_int_equal(nos_crc32_with(tables, crc, start, size),
                             crc32_with_c(tables, crc, start, size));
        }
    }
}

static void test_crc_vectors(void **state)
{
    uint8_t zeros[32] = { 0 }, ones[32];

    (void)state;
    memset(ones, 0xff, sizeof(ones));
    assert_int_equal(crc32("123456789", 9), 0xCBF43926);
    assert_int_equal(crc32("", 0), 0);
    assert_int_equal(crc32c("123456789", 9), 0xE3069283);
    assert_int_equal(crc32c(zeros, 32), 0x8A9136AA); /* RFC 3720, B.4 */
    assert_int_equal(crc32c(ones, 32), 0x62A8AB43);
}

static void test_crc_matches_reference(void **state)
{
    struct unit_random random = { 1 };
    uint8_t data[400];

    (void)state;
    unit_random_fill(&random, data, sizeof(data));
    for (size_t alignment = 0; alignment < 16; alignment++) {
        for (size_t size = 0; size < 300; size++) {
            size_t cut = unit_random_below(&random, size + 1);
            const uint8_t *start = data + alignment;

            assert_int_equal(crc32(start, size), naive_crc(0xEDB88320, start, size));
            assert_int_equal(crc32c(start, size), naive_crc(0x82F63B78, start, size));
            assert_int_equal(crc32_update(crc32(start, cut), start + cut, size - cut),
                             crc32(start, size));
        }
    }
}

/* Long enough to be folded: one stride, several, each way of ending, and state from before. */
static void test_crc_folded(void **state)
{
    struct unit_random random = { 5 };
    static uint8_t data[6000 + 8];

    (void)state;
    unit_random_fill(&random, data, sizeof(data));
    for (size_t size = CRC32_FOLD_MIN - 1; size < 6000; size += size < 1500 ? 1 : 41) {
        size_t cut = unit_random_below(&random, size + 1);
        const uint8_t *start = data + size % 8;
        uint32_t crc = naive_crc(0xEDB88320, start, size);

        assert_int_equal(crc32(start, size), crc);
        assert_int_equal(crc32_update(crc32(start, cut), start + cut, size - cut), crc);
    }
}

/* A single bit, anywhere: each way into the last bytes counts once. */
static void test_crc_folded_bits(void **state)
{
    static uint8_t data[2000];

    (void)state;
    for (size_t bit = 0; bit < sizeof(data) * 8; bit += 7) {
        data[bit / 8] = (uint8_t)(1 << bit % 8);
        assert_int_equal(crc32(data, sizeof(data)), naive_crc(0xEDB88320, data, sizeof(data)));
        data[bit / 8] = 0;
    }
}

/* All short lengths, and each power of two. */
static void test_crc_zeros(void **state)
{
    struct unit_random random = { 3 };
    static const uint8_t zeros[5000];
    uint32_t crc;

    (void)state;
    for (uint32_t count = 0; count < sizeof(zeros); count += count < 600 ? 1 : 13) {
        crc = (uint32_t)unit_random_u64(&random);
        assert_int_equal(crc32_zeros(crc, count), crc32_update(crc, zeros, count));
    }
    for (uint32_t k = 0; k < 31; k++)
        assert_int_equal(crc32_zeros(k, 2u << k), crc32_zeros(crc32_zeros(k, 1u << k), 1u << k));
}

/* RFC 1071 in its own words, in host order of big-endian words. */
static uint16_t naive_checksum(const uint8_t *data, size_t size)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < size; i += 2)
        sum += (uint32_t)data[i] << 8 | (i + 1 < size ? data[i + 1] : 0);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* The name that arch/x86_64/checksum.S has on a host. */
uint32_t nos_checksum_partial(const void *data, size_t size, uint32_t sum);

/* RFC 1071 on top of a sum of words as they lie in memory, byte by byte. */
static uint16_t naive_checksum_on(const uint8_t *data, size_t size, uint32_t sum)
{
    uint64_t wide = sum;

    for (size_t i = 0; i < size; i++)
        wide += (uint64_t)data[i] << i % 2 * 8;
    while (wide >> 16)
        wide = (wide & 0xffff) + (wide >> 16);
    return (uint16_t)~wide;
}

/* What it starts from and adds: anything, many carries, and nothing but all ones and zeros. */
static void fill_for_checksum(struct unit_random *random, uint8_t *data, size_t size, int kind)
{
    unit_random_fill(random, data, size);
    for (size_t i = 0; i < size; i++) {
        if (kind == 1)
            data[i] = 0xff;
        else if (kind == 2)
            data[i] |= data[i] << 1 | 0x81;
        else if (kind == 3)
            data[i] = i / 8 % 3 ? 0xff : data[i] & 1;
        else if (kind == 4)
            data[i] = 0;
    }
}

/* Both versions, at all alignments and in all lengths up to several blocks, and no byte beyond. */
static void test_checksum_all_lengths(void **state)
{
    static const uint32_t sums[] = { 0, 1, 0xffff, 0x10000, 0xfffffffe, 0xffffffff };
    struct unit_random random = { 7 };
    uint8_t data[8 + 8 + 300 + 8];

    (void)state;
    for (int kind = 0; kind < 5; kind++)
        for (size_t alignment = 0; alignment < 8; alignment++)
            for (size_t size = 0; size <= 300; size++) {
                uint8_t *start = data + alignment + 8;
                uint32_t sum = size % 7 ? sums[size % 7 - 1] : (uint32_t)unit_random_u64(&random);

                fill_for_checksum(&random, data, sizeof(data), kind);
                uint16_t want = naive_checksum_on(start, size, sum);
                assert_int_equal(checksum_fold(checksum_partial_c(start, size, sum)), want);
                assert_int_equal(checksum_fold(nos_checksum_partial(start, size, sum)), want);
                unit_random_fill(&random, start - 8, 8);
                unit_random_fill(&random, start + size, 8);
                assert_int_equal(checksum_fold(nos_checksum_partial(start, size, sum)), want);
            }
}

/* Many blocks, and lengths around them. */
static void test_checksum_assembly(void **state)
{
    struct unit_random random = { 8 };
    uint8_t *data = malloc(70000);

    (void)state;
    for (int round = 0; round < 400; round++) {
        size_t size = unit_random_below(&random, round % 10 ? 3000 : 70000 - 8);
        uint8_t *start = data + round % 8;
        uint32_t sum = (uint32_t)unit_random_u64(&random);

        fill_for_checksum(&random, start, size, round % 5);
        assert_int_equal(checksum_fold(nos_checksum_partial(start, size, sum)),
                         naive_checksum_on(start, size, sum));
    }
    free(data);
}

static void test_checksum_vector(void **state)
{
    static const uint8_t words[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

    (void)state;
    assert_int_equal(be16_to_cpu(checksum(words, sizeof(words))),
                     (uint16_t)~0xddf2); /* RFC 1071, 3 */
}

static void test_checksum_matches_reference(void **state)
{
    struct unit_random random = { 2 };
    uint8_t *data = malloc(70000), *copy = malloc(70000);

    (void)state;
    for (int round = 0; round < 3000; round++) {
        size_t alignment = unit_random_below(&random, 16);
        size_t size = unit_random_below(&random, round % 100 ? 200 : 66000);
        size_t cut = unit_random_below(&random, size + 1);
        uint8_t *start = data + alignment;
        uint16_t want;

        unit_random_fill(&random, start, size);
        if (round % 3 == 0)
            memset(start, 0xff, size); /* carries everywhere */
        want = naive_checksum(start, size);
        assert_int_equal(be16_to_cpu(checksum(start, size)), want);

        uint32_t sum = checksum_combine(checksum_partial(start, cut, 0),
                                        checksum_partial(start + cut, size - cut, 0), cut);

        assert_int_equal(be16_to_cpu(checksum_fold(sum)), want);
        cut &= ~(size_t)1;
        sum = checksum_partial(start + cut, size - cut, checksum_partial(start, cut, 0));
        assert_int_equal(be16_to_cpu(checksum_fold(sum)), want);

        sum = checksum_copy(copy + round % 8, start, size, 0);
        assert_int_equal(be16_to_cpu(checksum_fold(sum)), want);
        assert_memory_equal(copy + round % 8, start, size);
    }
    free(data);
    free(copy);
}

static bool is_zero_in_ones_complement(uint16_t x)
{
    return x == 0 || x == 0xffff;
}

static void assert_same_checksum(uint16_t a, uint16_t b)
{
    if (is_zero_in_ones_complement(a))
        assert_true(is_zero_in_ones_complement(b));
    else
        assert_int_equal(a, b);
}

static void test_checksum_update(void **state)
{
    struct unit_random random = { 3 };

    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint16_t words[10], before16;
        uint32_t before32, after32;
        uint16_t sum;

        unit_random_fill(&random, words, sizeof(words));
        if (round % 4 == 0)
            words[3] = 0;
        sum = checksum(words, sizeof(words));
        before16 = words[3];
        words[3] = (uint16_t)(round % 5 ? unit_random_u64(&random) : 0);
        sum = checksum_update16(sum, before16, words[3]);
        assert_same_checksum(sum, checksum(words, sizeof(words)));

        memcpy(&before32, words + 4, 4);
        after32 = (uint32_t)unit_random_u64(&random);
        memcpy(words + 4, &after32, 4);
        sum = checksum_update32(sum, before32, after32);
        assert_same_checksum(sum, checksum(words, sizeof(words)));
    }
    /* RFC 1624, 4: where the old equation went wrong. */
    assert_int_equal(checksum_update16(0xDD2F, 0x5555, 0x3285), 0x0000);
}

/* The first of the authors' vectors: key 00..0f, messages of the bytes 0, 1, 2, ... */
static void test_siphash_vectors(void **state)
{
    static const uint64_t vectors[] = {
        0x726fdb47dd0e0e31u, 0x74f839c593dc67fdu, 0x0d6c8009d9a94f5au,
        0x85676696d7fb7e2du, 0xcf2794e0277187b7u, 0x18765564cd99a68du,
        0xcbc9466e58fee3ceu, 0xab0200f58b01d137u, 0x93f5f5799a932462u,
    };
    const struct hash_key key = { { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u } };
    uint8_t message[16];

    (void)state;
    for (uint8_t i = 0; i < 16; i++)
        message[i] = i;
    for (size_t size = 0; size < sizeof(vectors) / sizeof(vectors[0]); size++)
        assert_true(hash_bytes(&key, message, size) == vectors[size]);
    /* The example of the paper's appendix. */
    assert_true(hash_bytes(&key, message, 15) == 0xa129ca6149be45e5u);
    assert_true(hash_u64x2(&key, load_le64(message), load_le64(message + 8)) ==
                hash_bytes(&key, message, 16));
    assert_true(hash_string(&key, "abc") == hash_bytes(&key, "abc", 3));
}

static void test_byteorder(void **state)
{
    uint8_t bytes[] = { 0xaa, 1, 2, 3, 4, 5, 6, 7, 8, 0xaa };

    (void)state;
    assert_int_equal(load_be16(bytes + 1), 0x0102);
    assert_int_equal(load_le16(bytes + 1), 0x0201);
    assert_int_equal(load_be32(bytes + 1), 0x01020304);
    assert_int_equal(load_le32(bytes + 1), 0x04030201);
    assert_true(load_be64(bytes + 1) == 0x0102030405060708u);
    assert_true(load_le64(bytes + 1) == 0x0807060504030201u);
    store_be32(bytes + 1, 0xdeadbeef);
    assert_int_equal(bytes[1], 0xde);
    assert_int_equal(bytes[5], 5);
    store_le16(bytes + 1, 0x1234);
    assert_int_equal(bytes[1], 0x34);
    assert_int_equal(cpu_to_be16(0x1234), 0x3412);
    assert_int_equal(be32_to_cpu(cpu_to_be32(77)), 77);
    assert_int_equal(cpu_to_le32(77), 77);
}

UNIT_TESTS(UNIT_TEST(test_crc_vectors), UNIT_TEST(test_crc_matches_reference),
           UNIT_TEST(test_crc_folded), UNIT_TEST(test_crc_folded_bits), UNIT_TEST(test_crc_zeros),
           UNIT_TEST(test_crc_assembly), UNIT_TEST(test_checksum_all_lengths),
           UNIT_TEST(test_checksum_assembly), UNIT_TEST(test_checksum_vector),
           UNIT_TEST(test_checksum_matches_reference), UNIT_TEST(test_checksum_update),
           UNIT_TEST(test_siphash_vectors), UNIT_TEST(test_byteorder))
