/*
 * lib/sha256.h and lib/chacha20.h: the vectors of the standards, and data cut into random pieces.
 */
#include "lib/chacha20.h"
#include "lib/errno.h"
#include "lib/hexdump.h"
#include "lib/parse.h"
#include "lib/sha256.h"
#include "lib/string.h"

#include "tests/unit/unit.h"

static void expect_hex(const uint8_t *bytes, size_t size, const char *want)
{
    char text[300];

    hex_format(text, sizeof(text), bytes, size);
    assert_string_equal(text, want);
}

static void expect_sha256(const void *data, size_t size, const char *want)
{
    uint8_t digest[SHA256_DIGEST_SIZE];

    sha256(data, size, digest);
    expect_hex(digest, sizeof(digest), want);
}

/* FIPS 180-4 examples. */
static void test_sha256_vectors(void **state)
{
    char *million = malloc(1000000);

    (void)state;
    expect_sha256("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect_sha256("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(million, 'a', 1000000);
    expect_sha256(million, 1000000,
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

static void test_sha256_in_pieces(void **state)
{
    struct unit_random random = { 1 };
    uint8_t data[1000], whole[32], pieces[32];

    (void)state;
    unit_random_fill(&random, data, sizeof(data));
    for (int round = 0; round < 500; round++) {
        size_t size = unit_random_below(&random, sizeof(data) + 1), done = 0;
        struct sha256 sha;

        sha256(data, size, whole);
        sha256_init(&sha);
        while (done < size) {
            size_t piece = 1 + unit_random_below(&random, MIN(size - done, (size_t)130));

            sha256_update(&sha, data + done, piece);
            done += piece;
        }
        sha256_final(&sha, pieces);
        assert_memory_equal(whole, pieces, 32);
    }
}

static void expect_hmac(const void *key, size_t key_size, const void *data, size_t size,
                        const char *want)
{
    uint8_t code[SHA256_DIGEST_SIZE];

    hmac_sha256(key, key_size, data, size, code);
    expect_hex(code, sizeof(code), want);
}

/* RFC 4231, cases 1, 2, 3, 6 and 7. */
static void test_hmac_vectors(void **state)
{
    static const char long_text[] =
        "This is a test using a larger than block-size key and a larger than block-size data. The "
        "key needs to be hashed before being used by the HMAC algorithm.";
    uint8_t key[131], data[50];

    (void)state;
    memset(key, 0x0b, 20);
    expect_hmac(key, 20, "Hi There", 8,
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    expect_hmac("Jefe", 4, "what do ya want for nothing?", 28,
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    memset(data, 0xdd, sizeof(data));
    expect_hmac(key, 20, data, 50,
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    expect_hmac(key, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 54,
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    expect_hmac(key, 131, long_text, sizeof(long_text) - 1,
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
    expect_hmac("", 0, "", 0, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 8439, 2.3.2. */
static void test_chacha20_block_vector(void **state)
{
    static const uint8_t nonce[12] = { 0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0 };
    uint8_t key[32], stream[64];

    (void)state;
    for (uint8_t i = 0; i < 32; i++)
        key[i] = i;
    chacha20_block(key, 1, nonce, stream);
    expect_hex(stream, 64,
               "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
               "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e");
}

/* RFC 8439, 2.4.2. */
static void test_chacha20_encryption_vector(void **state)
{
    static const uint8_t nonce[12] = { 0, 0, 0, 0, 0, 0, 0, 0x4a, 0, 0, 0, 0 };
    char text[] = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
                  "the future, sunscreen would be it.";
    uint8_t key[32];

    (void)state;
    for (uint8_t i = 0; i < 32; i++)
        key[i] = i;
    chacha20_xor(key, 1, nonce, text, 114);
    expect_hex((uint8_t *)text, 114,
               "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b"
               "f91b65c5524733ab8f593dabcd62b3571639d624e65152ab8f530c359f0861d8"
               "07ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736"
               "5af90bbf74a35be6b40b8eedf2785e42874d");
    chacha20_xor(key, 1, nonce, text, 114);
    assert_memory_equal(text, "Ladies and Gentlemen", 20);
}

static void test_constant_time_compare(void **state)
{
    uint8_t a[40], b[40];

    (void)state;
    memset(a, 7, sizeof(a));
    memcpy(b, a, sizeof(b));
    assert_true(memory_is_equal_constant_time(a, b, sizeof(a)));
    for (size_t i = 0; i < sizeof(a); i++) {
        b[i] ^= 1;
        assert_false(memory_is_equal_constant_time(a, b, sizeof(a)));
        assert_true(memory_is_equal_constant_time(a, b, i));
        b[i] ^= 1;
    }
}

static void test_secrets_are_cleared(void **state)
{
    static const struct hmac_sha256 zero_hmac;
    struct hmac_sha256 hmac;
    uint8_t code[32];

    (void)state;
    hmac_sha256_init(&hmac, "key", 3);
    hmac_sha256_update(&hmac, "data", 4);
    hmac_sha256_final(&hmac, code);
    assert_memory_equal(&hmac, &zero_hmac, sizeof(hmac));
}

UNIT_TESTS(UNIT_TEST(test_sha256_vectors), UNIT_TEST(test_sha256_in_pieces),
           UNIT_TEST(test_hmac_vectors), UNIT_TEST(test_chacha20_block_vector),
           UNIT_TEST(test_chacha20_encryption_vector), UNIT_TEST(test_constant_time_compare),
           UNIT_TEST(test_secrets_are_cleared))
