/*
 * Callers in messages: "tcp_close+0x42".
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

struct caller_text {
    char text[80];
};

/* The address this function returns to: who called the allocator. */
#define CALLER() ((uintptr_t)__builtin_return_address(0))

/** caller_text() - @caller is a return address; 0 gives "(unknown)". Context: any. */
struct caller_text caller_text(uintptr_t caller);
