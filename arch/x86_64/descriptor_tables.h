/*
 * GDT, TSS and IDT of each CPU.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

/*
 * Stacks of the exceptions that may hit when the current one is not usable (SDM vol. 3A 6.14.5):
 * #DF after a stack overflow, NMI and #MC at any instruction.
 */
#define EXCEPTION_STACK_SIZE 8192
enum exception_stack {
    STACK_DOUBLE_FAULT,
    STACK_NMI,
    STACK_MACHINE_CHECK,
    EXCEPTION_STACK_COUNT
};

struct exception_stacks {
    _Alignas(16) char stack[EXCEPTION_STACK_COUNT][EXCEPTION_STACK_SIZE];
};

/**
 * descriptor_tables_init() - fill and load the running CPU's tables
 * @stacks: this CPU's for ever. Context: early, each CPU, GS set up.
 */
void descriptor_tables_init(struct exception_stacks *stacks);

/** descriptor_tables_boot_stacks() - those of the BSP. */
struct exception_stacks *descriptor_tables_boot_stacks(void);

/** exception_stack_of() - does @address lie in this CPU's stack of that exception? */
bool is_on_exception_stack(uintptr_t address, uintptr_t *base, size_t *size);
