/*
 * Labels of the assembly files that C needs the address of. Those of trampoline.S: trampoline.h.
 */
#pragma once

#include <stdbool.h>

struct fault_frame;

/* interrupt_entry.S: VECTOR_COUNT entries, VECTOR_STUB_SIZE bytes each. */
extern char interrupt_stubs[];

/* context_switch.S: where the first return of a new task leads. */
extern char context_entry[];

/* fault_catch.S: calls @function(@arg); true when it was left by way of fault_catch_resume. */
bool fault_catch_call(void (*function)(void *arg), void *arg, struct fault_frame *frame);
extern char fault_catch_resume[];
