/*
 * Per-CPU variables. Each CPU has its own copy of the linker section ".percpu"; the BSP's copy
 * works from the first C function on (before that there is no C), the others' from smp_start().
 *
 *     DEFINE_PER_CPU(struct run_queue, run_queue);
 *     this_cpu_ptr(run_queue)->load++;          (preemption off: see below)
 *     per_cpu_ptr(run_queue, cpu)->load;
 *
 * this_cpu_ptr() names the CPU it ran on: the caller has preemption or interrupts disabled, or
 * does not care that it may since have moved. Initial values in the definition are copied to each
 * CPU. On the host there is one CPU and the section itself is its copy.
 */
#pragma once

#include "arch/percpu_base.h"
#include "lib/compiler.h"

#define DEFINE_PER_CPU(type, name)                                                                 \
    __attribute__((used, section(PERCPU_SECTION))) __typeof__(type) name
#define DECLARE_PER_CPU(type, name) extern __typeof__(type) name

#define this_cpu_ptr(name)     ((__typeof__(&(name)))((uintptr_t) & (name) + percpu_offset()))
#define per_cpu_ptr(name, cpu) ((__typeof__(&(name)))((uintptr_t) & (name) + percpu_offset_of(cpu)))
