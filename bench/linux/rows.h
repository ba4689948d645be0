/*
 * The rows of nos's `bench` that a Linux user sees, by a static program: `rows NAME [ARGUMENT...]`.
 * Each result is a line `NAME VALUE UNIT`, as in nos, measured by the same loops.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * rows_now_ns() - the clock, and a mark for whoever counts instructions: once where what is
 * measured begins and once where it ends.
 */
uint64_t rows_now_ns(void);

/** rows_count() - how many operations to measure: @full, or with -q a twentieth of them. */
uint64_t rows_count(uint64_t full);

void rows_report(const char *name, uint64_t value, const char *unit);
/** rows_report_per() - ns per operation of @count. */
void rows_report_per(const char *name, uint64_t ns, uint64_t count);
/** rows_report_percentiles() - "NAME_median" and "NAME_p99" of @count times, sorted in place. */
void rows_report_percentiles(const char *name, uint64_t *times, size_t count);

/** rows_fail() - say what failed and why, and end. */
void rows_fail(const char *what) __attribute__((noreturn));

/** rows_random_below() - the numbers of shell/bench/bench_random.h. */
uint32_t rows_random_below(uint32_t *state, uint32_t bound);
#define ROWS_SEED 2463534242u

void disk_rows(const char *device, bool is_write);
void files_rows(const char *directory, long count, bool is_synced);
void growth_files_rows(const char *directory);
void growth_connections_rows(void);
void tcp_rows(const char *address);
void requests_rows(const char *address);
void udp_rows(const char *address);
void ping_rows(const char *address);
void wget_rows(const char *url, const char *path);
