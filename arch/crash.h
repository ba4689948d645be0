/*
 * Registers and stacks for those who look at them: panic and backtraces.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

struct cpu_registers; /* complete type: the architecture's registers.h */
struct task;

/* Room for a struct cpu_registers, in portable code. */
struct crash_registers {
    uint64_t words[32];
};

/** crash_registers_here() - fill @to as if the caller had been interrupted at this call. */
void crash_registers_here(struct crash_registers *to);

/** crash_registers_keep() - copy, for later. */
void crash_registers_keep(struct crash_registers *to, const struct cpu_registers *registers);

/**
 * crash_registers_line() - one line of text about @registers
 * @line: 0, 1 ... Return: false when there is no such line.
 */
bool crash_registers_line(const struct crash_registers *registers, unsigned int line, char *buffer,
                          size_t size);

/**
 * crash_backtrace() - where @registers were, and the return addresses above
 * @task: what ran on this CPU; its stack and the CPU's exception stacks are all that is read.
 * Context: any, on the CPU the registers are of. Return: number of addresses, at most @count.
 */
size_t crash_backtrace(const struct crash_registers *registers, const struct task *task,
                       uintptr_t *addresses, size_t count);

/** crash_interrupts_were_on() - in the interrupted code. */
bool crash_interrupts_were_on(const struct crash_registers *registers);
