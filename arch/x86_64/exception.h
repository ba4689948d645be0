/*
 * Exceptions: what the CPU raises itself.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/compiler.h"

struct cpu_registers;

/** exception_handle() - deal with an exception (vector < 32) or panic with its cause. */
void exception_handle(struct cpu_registers *registers);

/* What a caught exception was. */
struct fault_info {
    unsigned int vector;
    uint64_t error_code;
    uintptr_t address; /* CR2, for a page fault */
};

/**
 * fault_catch() - run @function(@arg); if it raises an exception, drop it and say which
 *
 * For tests that touch what must not be touched. What @function had locked stays locked, so it
 * should do one access and nothing else. One task at a time in the whole system.
 * Context: task. Return: true when there was a fault, *@info is filled then.
 */
bool fault_catch(void (*function)(void *arg), void *arg, struct fault_info *info);
