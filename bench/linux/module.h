/* SPDX-License-Identifier: MIT */
/*
 * The rows of nos's `bench` that lie inside the kernel, done the way a Linux subsystem would: the
 * same names, loops and output, one line `NAME VALUE UNIT` each in the kernel log.
 *
 *     insmod nos_bench.ko rows=switch,create [quick=1]
 */
#pragma once

#include <linux/types.h>

/* module_count() - how many operations to measure: @full, or with quick=1 a twentieth of them. */
u64 module_count(u64 full);

void module_report(const char *name, u64 value, const char *unit);
/* module_report_per() - ns per operation of @count. */
void module_report_per(const char *name, u64 ns, u64 count);
/* module_cpu() - the @nth CPU online, and round again. */
unsigned int module_cpu(unsigned int nth);

void bench_switch(void);
void bench_create(void);
void bench_sleep(void);
void bench_lock(void);
void bench_contend(void);
void bench_heap(void);
void bench_bytes(void);
void bench_growth_tasks(void);
void bench_growth_timers(void);
void bench_growth_cpus(void);
