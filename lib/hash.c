/*
 * SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
 */
#include "lib/hash.h"

#include "lib/byteorder.h"
#include "lib/string.h"

struct sip_state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t x, unsigned int count)
{
    return x << count | x >> (64 - count);
}

static inline void sip_round(struct sip_state *s)
{
    s->v0 += s->v1;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v2 = rotate_left(s->v2, 32);
}

static inline struct sip_state sip_start(const struct hash_key *key)
{
    return (struct sip_state){
        .v0 = key->word[0] ^ 0x736f6d6570736575u,
        .v1 = key->word[1] ^ 0x646f72616e646f6du,
        .v2 = key->word[0] ^ 0x6c7967656e657261u,
        .v3 = key->word[1] ^ 0x7465646279746573u,
    };
}

static inline void sip_compress(struct sip_state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

static inline uint64_t sip_finish(struct sip_state *s)
{
    s->v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t hash_bytes(const struct hash_key *key, const void *data, size_t size)
{
    struct sip_state state = sip_start(key);
    const uint8_t *position = data;
    uint64_t last = (uint64_t)size << 56;

    for (size_t left = size / 8; left; left--, position += 8)
        sip_compress(&state, load_le64(position));
    for (size_t i = 0; i < size % 8; i++)
        last |= (uint64_t)position[i] << 8 * i;
    sip_compress(&state, last);
    return sip_finish(&state);
}

uint64_t hash_u64x2(const struct hash_key *key, uint64_t a, uint64_t b)
{
    struct sip_state state = sip_start(key);

    sip_compress(&state, a);
    sip_compress(&state, b);
    sip_compress(&state, 16ull << 56);
    return sip_finish(&state);
}

uint64_t hash_string(const struct hash_key *key, const char *text)
{
    return hash_bytes(key, text, strlen(text));
}
