/*
 * IPI tasks: run a function on other CPUs, in interrupt context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/compiler.h"

/**
 * ipi_call() - run @function(@arg) on CPU @cpu and, if @wait, until it has returned
 * Context: with @wait: interrupts on, and no lock held that any CPU takes with interrupts off; two
 * CPUs may call each other. Without: any. On the calling CPU itself it is a plain call.
 * Return: 0; -ENODEV when the CPU is not online.
 */
int ipi_call(unsigned int cpu, void (*function)(void *arg), void *arg, bool wait);

/** ipi_call_others() - on every other online CPU; returns when all have run it. */
void ipi_call_others(void (*function)(void *arg), void *arg);

/** ipi_call_isr() - handler of IPI_CALL, for the architecture. */
void ipi_call_isr(void);
