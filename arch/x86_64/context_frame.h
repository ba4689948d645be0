/*
 * What context_switch() leaves on the stack of a task that is not running, lowest address first.
 */
#pragma once

#include <stdint.h>

struct context_frame {
    uint64_t r15, r14, r13, r12, rbx, rbp;
    uint64_t return_address;
};
