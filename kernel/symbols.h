/*
 * The kernel's table of its own functions, for backtraces.
 *
 * The table is generated from the finished link by scripts/link and scripts/symbols.awk, and is
 * constant. It lies in .rodata.kernel_symbols; the linker script need only place .rodata.*, and
 * define kernel_text_end behind the last byte of code: an entry without a name stands there.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/types.h"

struct kernel_symbol {
    uint32_t offset; /* address of the function, from kernel_symbol_base */
    uint32_t name;   /* where its name begins in kernel_symbol_names */
};

extern const uint64_t kernel_symbol_base;
extern const uint32_t kernel_symbol_count;
extern const struct kernel_symbol kernel_symbols[]; /* sorted by offset, no two alike */
extern const char kernel_symbol_names[];            /* NUL-terminated, one after the other */

/**
 * symbol_name() - name the function that contains an address
 * @address: any address of kernel code
 * @offset: out: how far into the function it lies
 *
 * A return address on the stack points behind its call, which may be the first byte of the next
 * function when the callee never returns: look up the address less one for those, and add the one
 * to @offset again.
 *
 * Context: any, the panic path included; takes no lock and never faults.
 * Return: the name; NULL when the address lies in no function of the kernel, @offset is then 0.
 */
const char *symbol_name(vaddr_t address, size_t *offset);
