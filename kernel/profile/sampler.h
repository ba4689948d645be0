/*
 * Taking samples on all CPUs. One profile at a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

struct profile_stack;

/* Near 1 kHz, and no divisor of what else goes on periodically: it would be met always or never. */
#define PROFILE_PERIOD_NS 997000ULL

struct profile {
    struct profile_stack *stacks; /* folded, see profile_fold() */
    size_t count;
    uint64_t samples; /* of CPUs at work */
    uint64_t idle;    /* of CPUs with nothing to do */
    uint64_t dropped; /* not in stacks: more different ones than the tables hold */
    uint64_t ns;      /* how long it took */
};

/**
 * profile_start() - have every online CPU interrupted, until profile_stop()
 * Code that runs with interrupts off is seen where it puts them on again.
 * Context: task. Return: 0; -EBUSY while another profile is made; -ENOMEM.
 */
int __must_check profile_start(void);

/** profile_stop() - the one who started. Return: 0 with @profile filled; -ENOMEM. Context: task. */
int __must_check profile_stop(struct profile *profile);

void profile_destroy(struct profile *profile);
