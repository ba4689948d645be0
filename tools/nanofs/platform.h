/*
 * The knobs of tools/nanofs/platform.c, for tests.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct platform {
    int log_level;                                 /* lines up to this level go to stderr */
    void (*log_hook)(int level, const char *line); /* if set, they go here instead */
    uint64_t wall_ns;                              /* if not 0: the time */
    uint64_t random_state;                         /* if not 0: random_bytes() follows from it */
    uint64_t fail_allocation; /* if not 0: the n-th allocation from now fails */
    size_t total_pages;       /* of "memory", for limits */
    bool is_memory_low;       /* what page_memory_is_low() says */
};
extern struct platform platform;
