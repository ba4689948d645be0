/*
 * Switching between tasks, and walking their stacks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/types.h"

/* What is kept of a task that is not running; the registers are on its stack. */
struct context {
    uintptr_t stack_pointer;
    void *private; /* the host's; unused on a real machine */
};

/**
 * context_init() - make @context start at @entry(@arg) on the given stack
 * @entry never returns. It starts with interrupts off, as if it had just called context_switch().
 */
void context_init(struct context *context, void *stack_base, size_t stack_size,
                  void (*entry)(void *arg), void *arg);

/**
 * context_switch() - save this task in @from, continue @to
 * Interrupts off. Returns when somebody switches back to @from. Does not touch the page-table root
 * (the scheduler does, when the address space differs).
 */
void context_switch(struct context *from, struct context *to);

/** context_boot_stack() - the stack that the code which boots runs on. */
void context_boot_stack(uintptr_t *stack_base, size_t *stack_size);

/** context_destroy() - the stack is about to be freed (host: tells the sanitizer). */
void context_destroy(struct context *context);

/**
 * context_backtrace() - return addresses up the frame-pointer chain
 * @context: of a task that is not running, or NULL for the caller
 * Never faults: each frame is checked against [@stack_base, @stack_base + @stack_size).
 * Return: number of addresses stored, at most @count.
 */
size_t context_backtrace(const struct context *context, uintptr_t stack_base, size_t stack_size,
                         uintptr_t *addresses, size_t count);
