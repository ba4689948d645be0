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

/* What a CPU was doing when it was asked. */
struct cpu_snapshot {
    struct task *task; /* not referenced: for identification only */
    bool interrupts_were_on;
    size_t count;
    uintptr_t addresses[BACKTRACE_MAX];
};

/**
 * cpu_snapshot() - interrupt CPU @cpu by NMI, whatever it does, and look
 * Context: any but NMI. Return: false when it is offline or did not answer within 100 ms, which on
 * an emulated machine may only mean that nobody ran it.
 */
bool cpu_snapshot(unsigned int cpu, struct cpu_snapshot *snapshot);

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
