/*
 * kernel/random/generator.h: the stream is that of ChaCha20 with the key replaced at each refill,
 * however it is read; old output cannot be found in the state; seed changes everything after it.
 */
#include "kernel/random/generator.h"

#include "lib/sha256.h"
#include "tests/unit/unit.h"

/* The stream, from the definition: the first 32 bytes of each 512 are the next key. */
static void naive_stream(const uint8_t start[32], uint8_t *out, size_t blocks)
{
    uint8_t key[32], stream[512];

    memcpy(key, start, 32);
    for (size_t i = 0; i < blocks; i++) {
        memset(stream, 0, sizeof(stream));
        chacha20_xor(key, 0, (uint8_t[12]){ 0 }, stream, sizeof(stream));
        memcpy(key, stream, 32);
        memcpy(out + i * 480, stream + 32, 480);
    }
}

static void test_stream_matches_definition(void **state)
{
    struct unit_random random = { 1 };
    uint8_t key[32], want[10 * 480], got[10 * 480];

    (void)state;
    for (int round = 0; round < 50; round++) {
        struct generator generator = { 0 };
        size_t done = 0;

        unit_random_fill(&random, key, sizeof(key));
        naive_stream(key, want, 10);
        generator_set_key(&generator, key);
        while (done < sizeof(got)) {
            size_t piece = unit_random_below(&random, round % 2 ? 40 : 1200);

            if (piece > sizeof(got) - done)
                piece = sizeof(got) - done;
            generator_read(&generator, got + done, piece);
            done += piece;
        }
        assert_memory_equal(got, want, sizeof(got));
    }
}

static bool contains(const void *memory, size_t size, const void *bytes, size_t count)
{
    for (size_t i = 0; i + count <= size; i++) {
        if (memcmp((const uint8_t *)memory + i, bytes, count) == 0)
            return true;
    }
    return false;
}

static void test_past_output_is_erased(void **state)
{
    struct generator generator = { 0 };
    uint8_t out[1000], key[32] = { 1, 2, 3 };

    (void)state;
    generator_set_key(&generator, key);
    for (int round = 0; round < 20; round++) {
        generator_read(&generator, out, 37);
        for (size_t i = 0; i + 8 <= 37; i += 8)
            assert_false(contains(&generator, sizeof(generator), out + i, 8));
        assert_false(contains(&generator, sizeof(generator), key, 8));
    }
}

static void test_mixing(void **state)
{
    struct generator a = { 0 }, b = { 0 }, c = { 0 };
    uint8_t key[32], out_a[16], out_b[16], out_c[16];

    (void)state;
    generator_read(&a, out_a, 1); /* half used buffers must not survive either */
    generator_read(&b, out_b, 1);
    generator_mix(&a, "seed", 4);
    generator_mix(&b, "seed", 4);
    generator_mix(&c, "sEed", 4);
    generator_read(&a, out_a, 16);
    generator_read(&b, out_b, 16);
    generator_read(&c, out_c, 16);
    assert_memory_equal(out_a, out_b, 16);
    assert_memory_not_equal(out_a, out_c, 16);

    /* The new key is HMAC(old key, data). */
    generator_set_key(&a, (const uint8_t[32]){ 9 });
    generator_mix(&a, "x", 1);
    hmac_sha256((const uint8_t[32]){ 9 }, 32, "x", 1, key);
    assert_memory_equal(a.key, key, 32);
}

/* A gross error (a stuck or repeated block) would show here; quality is the cipher's. */
static void test_bits_are_balanced(void **state)
{
    struct generator generator = { 0 };
    static uint8_t out[100000];
    unsigned int counts[256] = { 0 };

    (void)state;
    generator_mix(&generator, "balance", 7);
    generator_read(&generator, out, sizeof(out));
    for (size_t i = 0; i < sizeof(out); i++)
        counts[out[i]]++;
    for (int value = 0; value < 256; value++)
        assert_in_range(counts[value], 290, 495); /* 390.6 and five standard deviations */
}

UNIT_TESTS(UNIT_TEST(test_stream_matches_definition), UNIT_TEST(test_past_output_is_erased),
           UNIT_TEST(test_mixing), UNIT_TEST(test_bits_are_balanced))
