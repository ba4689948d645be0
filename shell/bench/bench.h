/*
 * Benchmarks: rows of `bench`, one line `NAME VALUE UNIT` each.
 *
 *     static int page_row(struct bench *bench) { ... bench_report(bench, "page", ns, "ns"); ... }
 *     BENCH(page, "page_alloc and page_free of one page", "", page_row);
 *
 * Numbers are for comparison in one run on one machine (docs/PERFORMANCE.md); no test depends on
 * how large they are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/time/clock.h"
#include "lib/compiler.h"
#include "lib/registry.h"
#include "shell/command.h"

struct bench {
    struct shell *shell;
    int argc; /* what follows the name on the command line */
    char **argv;
    bool is_quick; /* -q: does it work? A twentieth of the operations */
};

struct bench_row {
    const char *name;
    const char *arguments; /* "DISK [write]"; "": `bench all` runs it */
    const char *help;
    int (*run)(struct bench *bench); /* 0 or -errno, having said why */
};

#define BENCH(name_, help_, arguments_, run_)                                                      \
    REGISTRY_ENTRY(bench_row, name_##_bench_row,                                                   \
                   { .name = #name_, .arguments = (arguments_), .help = (help_), .run = (run_) })

/** bench_count() - how many operations to measure: @full, or with -q a twentieth of them. */
uint64_t bench_count(const struct bench *bench, uint64_t full);

/**
 * bench_now_ns() - the clock, and a mark for whoever counts instructions (bench/plugin/count.c)
 *
 * Each row calls it once where what it measures begins and once where that ends, before it reports;
 * pairs of calls add up.
 */
uint64_t bench_now_ns(void);

/** bench_report() - one line of the result. */
void bench_report(struct bench *bench, const char *name, uint64_t value, const char *unit);

/** bench_rate() - @bytes in @ns as MB/s (10^6). */
uint64_t bench_rate(uint64_t bytes, uint64_t ns);

/** bench_report_per_second() - @count things done in @ns, as @unit "requests/s" or another rate. */
void bench_report_per_second(struct bench *bench, const char *name, uint64_t count, uint64_t ns,
                             const char *unit);

/** bench_report_per() - ns per operation of @count, reported as "ns" with one decimal in tenths. */
void bench_report_per(struct bench *bench, const char *name, uint64_t ns, uint64_t count);

/** bench_percentile() - of @count samples, which are sorted in place; @percent 50 is the median. */
uint64_t bench_percentile(uint64_t *samples, size_t count, unsigned int percent);
