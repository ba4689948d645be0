/*
 * SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104).
 */
#pragma once

#include "lib/compiler.h"

#define SHA256_DIGEST_SIZE 32
#define SHA256_BLOCK_SIZE  64

struct sha256 {
    uint32_t state[8];
    uint64_t length; /* bytes so far */
    uint8_t block[SHA256_BLOCK_SIZE];
};

void sha256_init(struct sha256 *sha);
void sha256_update(struct sha256 *sha, const void *data, size_t size);
/* Writes the digest and clears the state. */
void sha256_final(struct sha256 *sha, uint8_t digest[SHA256_DIGEST_SIZE]);

/* All in one. */
void sha256(const void *data, size_t size, uint8_t digest[SHA256_DIGEST_SIZE]);

struct hmac_sha256 {
    struct sha256 inner;
    uint8_t outer_key[SHA256_BLOCK_SIZE];
};

void hmac_sha256_init(struct hmac_sha256 *hmac, const void *key, size_t key_size);
void hmac_sha256_update(struct hmac_sha256 *hmac, const void *data, size_t size);
/* Writes the code and clears the state. Compare codes by memory_is_equal_constant_time(). */
void hmac_sha256_final(struct hmac_sha256 *hmac, uint8_t code[SHA256_DIGEST_SIZE]);

void hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                 uint8_t code[SHA256_DIGEST_SIZE]);
