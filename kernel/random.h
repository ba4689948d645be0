/*
 * Random numbers: a ChaCha20 generator, reseeded from every entropy source there is (RDSEED,
 * RDRAND, virtio-rng, jitter). Good enough for keys, sequence numbers, ports and ids.
 *
 * Context of everything here: any, interrupts may be off; never sleeps, never fails. The
 * first use seeds it from what answers at once.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/** random_bytes() - fill @data with @size bytes nobody can guess. */
void random_bytes(void *data, size_t size);

/** random_u32(), random_u64() - one word. */
uint32_t random_u32(void);
uint64_t random_u64(void);

/** random_below() - a number below @bound (not 0), each equally likely. */
uint32_t random_below(uint32_t bound);
