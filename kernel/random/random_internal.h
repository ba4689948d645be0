/*
 * Between the files of kernel/random/.
 */
#pragma once

#include "lib/compiler.h"

/** random_mix() - new seed of @bits bits of entropy; every CPU's generator takes it up. Any
 * context. */
void random_mix(const void *data, size_t size, unsigned int bits);

/** random_entropy_bits() - bits of entropy mixed in since boot. */
uint64_t random_entropy_bits(void);

/** random_reseed_count() - how often. */
uint64_t random_reseed_count(void);
