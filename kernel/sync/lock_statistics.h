/*
 * Which locks are waited for: counts per lock name, collected where somebody has to wait anyway.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/compiler.h"

struct lock_statistics {
    const char *name;
    uint64_t waits;      /* times somebody had to wait */
    uint64_t waited_ns;  /* together */
    uint64_t longest_ns; /* of one wait */
};

/** lock_note_wait() - somebody has waited for the lock @name for @ns. Context: any. */
void lock_note_wait(const char *name, uint64_t ns);

/** lock_statistics() - the entry at @index (from 0). Return: false behind the last. Context: any.
 */
bool lock_statistics(unsigned int index, struct lock_statistics *statistics);
