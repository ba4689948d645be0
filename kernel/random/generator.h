/*
 * A random generator in memory: ChaCha20 with fast key erasure. Whoever reads its state learns
 * nothing of what it gave before: each refill starts with replacing the key, and bytes are wiped
 * as they are handed out.
 *
 * Pure: no locks, no clock, no sources; kernel/random/random.c keeps one per CPU.
 *
 * Reference: Bernstein, "Fast-key-erasure random-number generators" (2017).
 */
#pragma once

#include "lib/chacha20.h"
#include "lib/compiler.h"

#define GENERATOR_KEY_SIZE CHACHA20_KEY_SIZE
#define GENERATOR_BLOCKS   8
#define GENERATOR_BUFFER   (GENERATOR_BLOCKS * CHACHA20_BLOCK_SIZE - GENERATOR_KEY_SIZE)

struct generator {
    uint8_t key[GENERATOR_KEY_SIZE];
    uint8_t buffer[GENERATOR_BUFFER]; /* the last @left bytes are unused output */
    size_t left;
};

/* Starts from @key; what was buffered is gone. */
void generator_set_key(struct generator *generator, const uint8_t key[GENERATOR_KEY_SIZE]);

/* Makes the key depend on @data as well. It cannot get worse by this, whoever chose @data. */
void generator_mix(struct generator *generator, const void *data, size_t size);

void generator_read(struct generator *generator, void *data, size_t size);
