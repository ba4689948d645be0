/*
 * The bench command: runs benchmarks by name.
 */
#include "shell/bench/bench.h"

#include "arch/cpu.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/sort.h"
#include "lib/string.h"

#define QUICK_PART 20

enum {
    MARK_TIME = 1,
    MARK_REPORT
}; /* as in bench/plugin/count.c */

uint64_t bench_count(const struct bench *bench, uint64_t full)
{
    return bench->is_quick ? MAX(full / QUICK_PART, (uint64_t)1) : full;
}

uint64_t bench_now_ns(void)
{
    cpu_mark(MARK_TIME);
    return clock_now_ns();
}

static void report_begin(struct bench *bench, const char *name)
{
    cpu_mark(MARK_REPORT);
    shell_printf(bench->shell, "%s ", name);
}

void bench_report(struct bench *bench, const char *name, uint64_t value, const char *unit)
{
    report_begin(bench, name);
    shell_printf(bench->shell, "%llu %s\n", (unsigned long long)value, unit);
}

void bench_report_per(struct bench *bench, const char *name, uint64_t ns, uint64_t count)
{
    uint64_t tenths = count ? ns * 10 / count : 0;

    report_begin(bench, name);
    shell_printf(bench->shell, "%llu.%llu ns\n", (unsigned long long)(tenths / 10),
                 (unsigned long long)(tenths % 10));
}

void bench_report_per_second(struct bench *bench, const char *name, uint64_t count, uint64_t ns,
                             const char *unit)
{
    bench_report(bench, name, count * NS_PER_S / MAX(ns, (uint64_t)1), unit);
}

uint64_t bench_rate(uint64_t bytes, uint64_t ns)
{
    return ns ? bytes * 1000 / ns : 0;
}

static int compare_samples(const void *a, const void *b, void *context __maybe_unused)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

uint64_t bench_percentile(uint64_t *samples, size_t count, unsigned int percent)
{
    sort(samples, count, sizeof(samples[0]), compare_samples, NULL);
    return count ? samples[MIN(count * percent / 100, count - 1)] : 0;
}

static const struct bench_row *find_row(const char *name)
{
    const struct bench_row *row;

    registry_for_each(row, bench_row)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

static void list_rows(struct shell *shell)
{
    const struct bench_row *row;

    registry_for_each(row, bench_row)
        shell_printf(shell, "%-18s %-26s %s\n", row->name, row->arguments, row->help);
}

/* Those that need no arguments. */
static int run_all(struct bench *bench)
{
    const struct bench_row *row;
    int first_error = 0;

    registry_for_each(row, bench_row) {
        if (row->arguments[0] != '\0')
            continue;
        shell_progress(bench->shell, "%s", row->name);
        int error = row->run(bench);
        shell_progress(bench->shell, "%s", "");
        first_error = first_error ? first_error : error;
        if (task_is_cancelled())
            return -ECANCELED;
    }
    return first_error;
}

static int run_one(struct bench *bench, const char *name)
{
    const struct bench_row *row = find_row(name);

    if (!row) {
        shell_error(bench->shell, "no benchmark named %s; `bench` lists them", name);
        return -ENOENT;
    }
    int error = row->run(bench);
    shell_progress(bench->shell, "%s", "");
    return error;
}

static int bench_command(struct shell *shell, int argc, char **argv)
{
    struct bench bench = { .shell = shell };

    if (argc > 1 && strcmp(argv[1], "-q") == 0) {
        bench.is_quick = true;
        argc--;
        argv++;
    }
    if (argc < 2) {
        list_rows(shell);
        return 0;
    }
    if (strcmp(argv[1], "all") == 0)
        return argc == 2 ? run_all(&bench) : -EINVAL;
    bench.argc = argc - 2;
    bench.argv = argv + 2;
    return run_one(&bench, argv[1]);
}
SHELL_COMMAND(bench, "bench [-q] [NAME [ARGUMENT...] | all]",
              "measure parts of the kernel\n"
              "Without a name: lists what there is. Each result is a line NAME VALUE UNIT.\n"
              "-q does a twentieth of the operations. all: those that take no arguments.",
              bench_command, CMD_NORMAL);
