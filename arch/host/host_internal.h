/*
 * Between the files of arch/host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct context;

/* Bounds of the section of per-CPU variables, made by the linker. */
extern char __start_percpu[], __stop_percpu[];

/* context.c */
/** host_context_back_on_main_stack() - after a jump there from whatever task's stack. */
void host_context_back_on_main_stack(void);

/* clock.c */
void host_clock_reset(void);
/** host_clock_deliver_event() - run the timer's interrupt if its time has come. Was it? */
bool host_clock_event_is_due(void);
/** host_clock_jump() - to the next event; false when none is set. */
bool host_clock_jump(void);
uint64_t host_clock_next_event(void);
void host_clock_add(uint64_t ns);

/* interrupts.c */
void host_interrupts_reset(void);

/* heap.c */
void host_heap_reset(void); /* frees everything */
void host_heap_print_since(unsigned long serial);
unsigned long host_heap_serial(void);
void *host_heap_alloc(size_t size, size_t alignment, const char *owner, const void *caller);
void host_heap_free(void *pointer, const void *caller);
size_t host_heap_size(const void *pointer);

/* chaos.c */
void host_chaos_reset(void);
