/*
 * The kernel in a host program: for unit tests, fuzzers and host tools.
 *
 * The real scheduler, wait queues, timers, softirqs and locks run here on one simulated CPU. Time
 * is virtual: it stands still while tasks run and jumps to the next timer when all of them wait, so
 * a test of a minute's timeouts takes microseconds and is the same in every run. After
 * host_kernel_start() the calling thread is a kernel task ("boot") on its own stack, which may do
 * all a task may: create tasks, wait, sleep.
 *
 *     static void test_something(void **state)
 *     {
 *         host_kernel_start();
 *         assert_int_equal(host_run(something, NULL), 0);    -- and nothing leaked
 *     }
 *
 * A wait that nothing can end (no task ready, no timer armed) is a deadlock: all tasks are listed
 * with what they wait for, and the program aborts. So do panics that no test expects.
 * NOS_LOG=1 in the environment shows the kernel's log on stderr.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

/**
 * host_kernel_start() - a kernel as after INIT_SCHED
 * Called again, everything is thrown away: tasks, timers, and all memory from the heap, page
 * allocator and vm_alloc(). Static variables of other subsystems are theirs to set up again.
 */
void host_kernel_start(void);

/**
 * host_run() - call @function(@arg), let the tasks it left behind end, and look for leaks
 * Aborts with a list when tasks, armed timers or allocations are more than before. May be called
 * any number of times; costs microseconds. Return: what @function returned.
 */
int host_run(int (*function)(void *arg), void *arg);

/** host_settle() - let every task run until all wait; time stands still. */
void host_settle(void);

/** host_advance_ns() - let virtual time pass, with all that happens in it; host_settle() included.
 */
void host_advance_ns(uint64_t ns);

/** host_set_time_limit() - virtual time at which a test is taken to hang; default: 100 days. */
void host_set_time_limit(uint64_t deadline_ns);

/**
 * host_set_chaos() - from now on preempt tasks and let timers expire at random moments
 * wherever the kernel allows it, to try interleavings. Each seed gives another, repeatable, run;
 * 0 ends it.
 */
void host_set_chaos(uint64_t seed);

/** host_set_seed() - of what cpu_random_seed() returns. */
void host_set_seed(uint64_t seed);

/* ---- devices --------------------------------------------------------------------------------- */

/** host_interrupt() - run @isr(@arg) as an interrupt handler, as soon as interrupts are on. */
void host_interrupt(void (*isr)(void *arg), void *arg);

/** host_raise_msi() - the device writes @data to @address: the handler of irq_request_msi() runs.
 */
void host_raise_msi(uint64_t address, uint32_t data);

/** host_raise_line() - one edge, or one delivery of a level, of line @gsi; lost while masked. */
void host_raise_line(unsigned int gsi);

/**
 * host_set_idle_hook() - @hook is called when all tasks wait, before time jumps to @next_event_ns
 * (UINT64_MAX: no timer is armed). A simulated device does its work there and returns true, or
 * false when it has none. NULL removes it.
 */
void host_set_idle_hook(bool (*hook)(void *arg, uint64_t next_event_ns), void *arg);

/** host_set_port_hooks() - model of the I/O ports; without, they read all ones. */
void host_set_port_hooks(uint32_t (*read)(uint16_t port, unsigned int bits),
                         void (*write)(uint16_t port, uint32_t value, unsigned int bits));

/* ---- memory ---------------------------------------------------------------------------------- */

/** host_fail_allocation() - the @nth allocation from now (1: the next) fails, once; 0: none will.
 */
void host_fail_allocation(unsigned long nth);
/** host_fail_allocations_from() - the same, and all after it fail too, until called with 0. */
void host_fail_allocations_from(unsigned long nth);
/** host_allocation_failed() - has an injected failure happened since it was asked for? */
bool host_allocation_failed(void);
/** host_allocation_count() - blocks that are allocated now. */
size_t host_allocation_count(void);

/* ---- the end --------------------------------------------------------------------------------- */

/**
 * host_expect_panic() - call @function(@arg), which must panic with a message containing @text
 * Aborts when it returns or panics otherwise. The kernel is unusable after it until the next
 * host_kernel_start().
 */
void host_expect_panic(void (*function)(void *arg), void *arg, const char *text);

/** host_fail() - print and abort, with the log's last lines and all tasks. */
void __noreturn host_fail(const char *format, ...) __printf_format(1, 2);
