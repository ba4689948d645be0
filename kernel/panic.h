/*
 * The end. panic() and assert() are for broken promises of our own code, never for input from
 * outside.
 */
#pragma once

#include "lib/compiler.h"

struct cpu_registers; /* interrupted registers, arch/x86_64/registers.h */

/**
 * panic() - print cause, registers, symbolised backtrace of every CPU, held locks, last log lines,
 * then halt, reboot or exit as panic= says. Context: any.
 */
void __noreturn panic(const char *format, ...) __printf_format(1, 2);

/** panic_exception() - the same for an exception; @registers as interrupted. */
void __noreturn panic_exception(const struct cpu_registers *registers, const char *format, ...)
    __printf_format(2, 3);

#define assert(condition)                                                                          \
    do {                                                                                           \
        if (unlikely(!(condition)))                                                                \
            panic("assertion failed: %s at %s:%d", #condition, __FILE__, __LINE__);                \
    } while (0)

#if CONFIG_DEBUG
#define debug_assert(condition) assert(condition)
#else
#define debug_assert(condition) ((void)sizeof(condition))
#endif
