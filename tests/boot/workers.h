/*
 * Many tasks doing the same thing at once: for tests of what only several CPUs show.
 */
#pragma once

#include <stdint.h>

/**
 * workers_run() - run @entry(@arg) in @count tasks at once and wait for all
 * Fails the test when one does not return 0, or not within 30 s.
 */
void workers_run(unsigned int count, int (*entry)(void *arg), void *arg);

/** random_next() - xorshift64, for the small choices of tests; *@state is not 0. */
uint64_t random_next(uint64_t *state);
