/*
 * The sources of entropy that every machine has: the processor's own generator, where it has one,
 * and the jitter of the cycle counter.
 */
#include "arch/cpu.h"
#include "kernel/random/entropy.h"
#include "lib/sha256.h"
#include "lib/string.h"

/* RDSEED or RDRAND. Some processors were sold whose RDRAND gives all ones after a resume. */
static size_t cpu_read(void *data, size_t size)
{
    uint64_t word, before = 0;
    size_t done = 0;

    while (done + sizeof(word) <= size && cpu_random_seed(&word)) {
        if (word == before || word == 0 || word == UINT64_MAX)
            return 0;
        memcpy((uint8_t *)data + done, &word, sizeof(word));
        before = word;
        done += sizeof(word);
    }
    return done;
}
ENTROPY_SOURCE(cpu, cpu_read, 8);

/*
 * Jitter: how long the same little work takes varies with caches, memory refresh, interrupts and,
 * under an emulator, the host's scheduling. 256 time stamps are hashed to at most 32 bytes, and
 * counted as a quarter of a bit each. A counter that hardly varies (or counts instructions, as
 * under icount) is no source: when most steps are equal, nothing is given.
 */
#define JITTER_SAMPLES    256
#define JITTER_EQUAL_MOST (JITTER_SAMPLES * 3 / 4)

/* Work whose memory accesses depend on the times so far. */
static uint64_t stir(volatile uint8_t *memory, size_t size, uint64_t seed)
{
    for (int i = 0; i < 8; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        memory[(seed >> 33) % size] += (uint8_t)(seed >> 56);
    }
    return seed;
}

static size_t jitter_read(void *data, size_t size)
{
    uint8_t memory[256] = { 0 }, digest[SHA256_DIGEST_SIZE];
    uint64_t last = cpu_cycle_counter(), last_step = 0, seed = last;
    unsigned int equal = 0;
    struct sha256 sha;

    sha256_init(&sha);
    for (int i = 0; i < JITTER_SAMPLES; i++) {
        seed = stir(memory, sizeof(memory), seed);

        uint64_t now = cpu_cycle_counter();
        uint64_t step = now - last;

        equal += step == last_step;
        last = now;
        last_step = step;
        seed ^= now;
        sha256_update(&sha, &now, sizeof(now));
    }
    sha256_final(&sha, digest);
    if (equal > JITTER_EQUAL_MOST)
        return 0;
    size = MIN(size, sizeof(digest));
    memcpy(data, digest, size);
    memzero_explicit(digest, sizeof(digest));
    return size;
}
ENTROPY_SOURCE(jitter, jitter_read, 2);
