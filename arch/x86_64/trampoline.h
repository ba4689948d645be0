/*
 * The code an AP starts in: trampoline.S.
 */
#pragma once

#include <stdint.h>

#include "lib/compiler.h"

extern const char trampoline_start[];
extern const char trampoline_end[];
extern const char trampoline_gdt[];
extern const char trampoline_long_mode[];
extern const char trampoline_parameters[];

struct __packed trampoline_parameters {
    uint16_t gdt_limit;
    uint32_t gdt_base;
    uint16_t padding;
    uint32_t root; /* CR3 */
    uint32_t efer;
    uint32_t long_mode_offset; /* far pointer: where 64-bit code begins, and its segment */
    uint16_t long_mode_segment;
};

/** trampoline_reserve() - set a page below 1 MiB aside; from mmu_init(), before page_init(). */
void trampoline_reserve(void);
