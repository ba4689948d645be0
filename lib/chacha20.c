/*
 * ChaCha20 (RFC 8439, 2.1 to 2.4).
 */
#include "lib/chacha20.h"

#include "lib/byteorder.h"
#include "lib/string.h"

static inline uint32_t rotate_left(uint32_t x, unsigned int count)
{
    return x << count | x >> (32 - count);
}

static inline void quarter_round(uint32_t s[16], int a, int b, int c, int d)
{
    s[a] += s[b];
    s[d] = rotate_left(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = rotate_left(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = rotate_left(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = rotate_left(s[b] ^ s[c], 7);
}

static void double_round(uint32_t s[16])
{
    quarter_round(s, 0, 4, 8, 12);
    quarter_round(s, 1, 5, 9, 13);
    quarter_round(s, 2, 6, 10, 14);
    quarter_round(s, 3, 7, 11, 15);
    quarter_round(s, 0, 5, 10, 15);
    quarter_round(s, 1, 6, 11, 12);
    quarter_round(s, 2, 7, 8, 13);
    quarter_round(s, 3, 4, 9, 14);
}

void chacha20_block(const uint8_t key[CHACHA20_KEY_SIZE], uint32_t counter,
                    const uint8_t nonce[CHACHA20_NONCE_SIZE], uint8_t stream[CHACHA20_BLOCK_SIZE])
{
    uint32_t start[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
    uint32_t state[16];

    for (int i = 0; i < 8; i++)
        start[4 + i] = load_le32(key + 4 * i);
    start[12] = counter;
    for (int i = 0; i < 3; i++)
        start[13 + i] = load_le32(nonce + 4 * i);

    memcpy(state, start, sizeof(state));
    for (int i = 0; i < 10; i++)
        double_round(state);
    for (int i = 0; i < 16; i++)
        store_le32(stream + 4 * i, state[i] + start[i]);

    memzero_explicit(start, sizeof(start));
    memzero_explicit(state, sizeof(state));
}

void chacha20_xor(const uint8_t key[CHACHA20_KEY_SIZE], uint32_t counter,
                  const uint8_t nonce[CHACHA20_NONCE_SIZE], void *data, size_t size)
{
    uint8_t stream[CHACHA20_BLOCK_SIZE];
    uint8_t *position = data;

    while (size) {
        size_t piece = MIN(size, sizeof(stream));

        chacha20_block(key, counter++, nonce, stream);
        for (size_t i = 0; i < piece; i++)
            position[i] ^= stream[i];
        position += piece;
        size -= piece;
    }
    memzero_explicit(stream, sizeof(stream));
}
