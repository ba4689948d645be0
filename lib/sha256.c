/*
 * SHA-256 (FIPS 180-4, 6.2) and HMAC (RFC 2104).
 */
#include "lib/sha256.h"

#include "lib/byteorder.h"
#include "lib/string.h"

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotate_right(uint32_t x, unsigned int count)
{
    return x >> count | x << (32 - count);
}

static void expand_block(const uint8_t block[SHA256_BLOCK_SIZE], uint32_t w[64])
{
    for (int i = 0; i < 16; i++)
        w[i] = load_be32(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate_right(w[i - 15], 7) ^ rotate_right(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate_right(w[i - 2], 17) ^ rotate_right(w[i - 2], 19) ^ w[i - 2] >> 10;

        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
}

static void process_block(uint32_t state[8], const uint8_t block[SHA256_BLOCK_SIZE])
{
    uint32_t w[64];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

    expand_block(block, w);
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        uint32_t choice = (e & f) ^ (~e & g);
        uint32_t t1 = h + s1 + choice + round_constants[i] + w[i];
        uint32_t s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        uint32_t majority = (a & b) ^ (a & c) ^ (b & c);

        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + s0 + majority;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

void sha256_init(struct sha256 *sha)
{
    /* The first 32 bits of the fractional parts of the square roots of the first 8 primes. */
    *sha = (struct sha256){
        .state = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                   0x1f83d9ab, 0x5be0cd19 },
    };
}

void sha256_update(struct sha256 *sha, const void *data, size_t size)
{
    const uint8_t *position = data;
    size_t buffered = sha->length % SHA256_BLOCK_SIZE;

    sha->length += size;
    if (buffered) {
        size_t piece = MIN(size, SHA256_BLOCK_SIZE - buffered);

        memcpy(sha->block + buffered, position, piece);
        position += piece;
        size -= piece;
        if (buffered + piece < SHA256_BLOCK_SIZE)
            return;
        process_block(sha->state, sha->block);
    }
    for (; size >= SHA256_BLOCK_SIZE; size -= SHA256_BLOCK_SIZE, position += SHA256_BLOCK_SIZE)
        process_block(sha->state, position);
    if (size)
        memcpy(sha->block, position, size);
}

void sha256_final(struct sha256 *sha, uint8_t digest[SHA256_DIGEST_SIZE])
{
    uint64_t bits = sha->length * 8;
    size_t buffered = sha->length % SHA256_BLOCK_SIZE;

    sha->block[buffered++] = 0x80;
    if (buffered > SHA256_BLOCK_SIZE - 8) { /* no room for the length: it goes to one more block */
        memset(sha->block + buffered, 0, SHA256_BLOCK_SIZE - buffered);
        process_block(sha->state, sha->block);
        buffered = 0;
    }
    memset(sha->block + buffered, 0, SHA256_BLOCK_SIZE - 8 - buffered);
    store_be64(sha->block + SHA256_BLOCK_SIZE - 8, bits);
    process_block(sha->state, sha->block);

    for (int i = 0; i < 8; i++)
        store_be32(digest + 4 * i, sha->state[i]);
    memzero_explicit(sha, sizeof(*sha));
}

void sha256(const void *data, size_t size, uint8_t digest[SHA256_DIGEST_SIZE])
{
    struct sha256 sha;

    sha256_init(&sha);
    sha256_update(&sha, data, size);
    sha256_final(&sha, digest);
}

void hmac_sha256_init(struct hmac_sha256 *hmac, const void *key, size_t key_size)
{
    uint8_t block[SHA256_BLOCK_SIZE] = { 0 };

    if (key_size > sizeof(block))
        sha256(key, key_size, block);
    else if (key_size)
        memcpy(block, key, key_size);

    for (size_t i = 0; i < sizeof(block); i++) {
        hmac->outer_key[i] = block[i] ^ 0x5c;
        block[i] ^= 0x36;
    }
    sha256_init(&hmac->inner);
    sha256_update(&hmac->inner, block, sizeof(block));
    memzero_explicit(block, sizeof(block));
}

void hmac_sha256_update(struct hmac_sha256 *hmac, const void *data, size_t size)
{
    sha256_update(&hmac->inner, data, size);
}

void hmac_sha256_final(struct hmac_sha256 *hmac, uint8_t code[SHA256_DIGEST_SIZE])
{
    uint8_t digest[SHA256_DIGEST_SIZE];

    sha256_final(&hmac->inner, digest);
    sha256_init(&hmac->inner);
    sha256_update(&hmac->inner, hmac->outer_key, sizeof(hmac->outer_key));
    sha256_update(&hmac->inner, digest, sizeof(digest));
    sha256_final(&hmac->inner, code);
    memzero_explicit(hmac, sizeof(*hmac));
    memzero_explicit(digest, sizeof(digest));
}

void hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                 uint8_t code[SHA256_DIGEST_SIZE])
{
    struct hmac_sha256 hmac;

    hmac_sha256_init(&hmac, key, key_size);
    hmac_sha256_update(&hmac, data, size);
    hmac_sha256_final(&hmac, code);
}
