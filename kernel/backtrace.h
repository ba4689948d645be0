/*
 * Who called whom: of the caller, of any task, and of any CPU whatever it does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

struct cpu_registers;
struct task;

#define BACKTRACE_MAX 32

/** backtrace_here() - of the caller. Return: number of addresses, at most @count. Context: any. */
size_t backtrace_here(uintptr_t *addresses, size_t count);

/**
 * task_backtrace() - of a task, wherever it is
 *
 * The caller holds a reference. A task that runs on another CPU is interrupted by NMI, so one that
 * spins with interrupts off is seen too; one that does not run is read from its stack. It may have
 * moved on when this returns.
 * Context: any but NMI, interrupts on or off. Return: number of addresses, at most @count; 0 when
 * the CPU did not answer.
 */
size_t task_backtrace(struct task *task, uintptr_t *addresses, size_t count);

/**
 * cpu_backtrace() - of whatever runs on CPU @cpu now, by NMI
 * @task: out, may be NULL: the task it ran (not referenced: for identification only).
 * Return: number of addresses; 0 when it is offline or did not answer within 100 ms.
 */
size_t cpu_backtrace(unsigned int cpu, struct task **task, uintptr_t *addresses, size_t count);

/**
 * backtrace_describe() - "function+0x12" for the @index-th of a backtrace's addresses
 * All but the first are return addresses, which may lie behind the end of a function that ends in
 * a call: the name is that of the call. An address in no function is shown as a number.
 */
void backtrace_describe(uintptr_t address, size_t index, char *buffer, size_t size);

/** backtrace_log() - one line per address, level error. Context: any. */
void backtrace_log(const char *module, const uintptr_t *addresses, size_t count);

/** nmi_handler() - called by the architecture on an NMI, with the interrupted registers. */
void nmi_handler(const struct cpu_registers *registers);
