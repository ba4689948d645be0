/*
 * ChaCha20 with fast key erasure.
 */
#include "kernel/random/generator.h"

#include "lib/sha256.h"
#include "lib/string.h"

BUILD_ASSERT(SHA256_DIGEST_SIZE == GENERATOR_KEY_SIZE, "a code is a key");

static void drop_buffer(struct generator *generator)
{
    memzero_explicit(generator->buffer, sizeof(generator->buffer));
    generator->left = 0;
}

void generator_set_key(struct generator *generator, const uint8_t key[GENERATOR_KEY_SIZE])
{
    memcpy(generator->key, key, sizeof(generator->key));
    drop_buffer(generator);
}

void generator_mix(struct generator *generator, const void *data, size_t size)
{
    uint8_t key[GENERATOR_KEY_SIZE];

    hmac_sha256(generator->key, sizeof(generator->key), data, size, key);
    generator_set_key(generator, key);
    memzero_explicit(key, sizeof(key));
}

/* Eight blocks of key stream: the next key, then the buffer. A key is used once, so the nonce is 0.
 */
static void refill(struct generator *generator)
{
    static const uint8_t nonce[CHACHA20_NONCE_SIZE];
    uint8_t block[CHACHA20_BLOCK_SIZE];
    uint8_t key[GENERATOR_KEY_SIZE];
    const size_t rest = sizeof(block) - sizeof(key); /* of the first block */

    chacha20_block(generator->key, 0, nonce, block);
    memcpy(key, block, sizeof(key));
    memcpy(generator->buffer, block + sizeof(key), rest);
    for (uint32_t i = 1; i < GENERATOR_BLOCKS; i++)
        chacha20_block(generator->key, i, nonce,
                       generator->buffer + rest + (i - 1) * CHACHA20_BLOCK_SIZE);

    memcpy(generator->key, key, sizeof(key));
    generator->left = sizeof(generator->buffer);
    memzero_explicit(block, sizeof(block));
    memzero_explicit(key, sizeof(key));
}

void generator_read(struct generator *generator, void *data, size_t size)
{
    uint8_t *to = data;

    while (size) {
        if (generator->left == 0)
            refill(generator);

        uint8_t *from = generator->buffer + sizeof(generator->buffer) - generator->left;
        size_t piece = MIN(size, generator->left);

        memcpy(to, from, piece);
        memzero_explicit(from, piece);
        generator->left -= piece;
        to += piece;
        size -= piece;
    }
}
