/*
 * rows: the user-visible rows of nos's `bench`, on Linux. Arguments as in nos.
 */
#include "rows.h"
#include "mark.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QUICK_PART 20

static bool is_quick;

uint64_t rows_now_ns(void)
{
    struct timespec t;

    MARK(MARK_TIME);
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t rows_count(uint64_t full)
{
    return !is_quick ? full : full > QUICK_PART ? full / QUICK_PART : 1;
}

void rows_report(const char *name, uint64_t value, const char *unit)
{
    MARK(MARK_REPORT);
    printf("%s %lu %s\n", name, value, unit);
}

void rows_report_per(const char *name, uint64_t ns, uint64_t count)
{
    uint64_t tenths = ns * 10 / count;

    MARK(MARK_REPORT);
    printf("%s %lu.%lu ns\n", name, tenths / 10, tenths % 10);
}

static int compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

void rows_report_percentiles(const char *name, uint64_t *times, size_t count)
{
    qsort(times, count, sizeof(times[0]), compare_times);
    MARK(MARK_REPORT);
    printf("%s_median %lu ns\n", name, times[count / 2]);
    MARK(MARK_REPORT);
    printf("%s_p99 %lu ns\n", name, times[count * 99 / 100]);
}

void rows_fail(const char *what)
{
    printf("rows: %s: %s\n", what, strerror(errno));
    exit(1);
}

uint32_t rows_random_below(uint32_t *state, uint32_t bound)
{
    uint32_t x = *state;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return (uint32_t)((uint64_t)x * bound >> 32);
}

static bool run(int argc, char **argv)
{
    const char *name = argv[0];

    if (strcmp(name, "disk") == 0 && argc >= 2)
        disk_rows(argv[1], argc > 2);
    else if (strcmp(name, "files") == 0 && argc >= 3)
        files_rows(argv[1], atol(argv[2]), argc > 3);
    else if (strcmp(name, "growth_files") == 0 && argc == 2)
        growth_files_rows(argv[1]);
    else if (strcmp(name, "growth_connections") == 0 && argc == 1)
        growth_connections_rows();
    else if (strcmp(name, "tcp") == 0 && argc == 2)
        tcp_rows(argv[1]);
    else if (strcmp(name, "requests") == 0 && argc == 2)
        requests_rows(argv[1]);
    else if (strcmp(name, "udp") == 0 && argc == 2)
        udp_rows(argv[1]);
    else if (strcmp(name, "ping") == 0 && argc == 2)
        ping_rows(argv[1]);
    else if (strcmp(name, "wget") == 0 && argc == 3)
        wget_rows(argv[1], argv[2]);
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1 && strcmp(argv[1], "-q") == 0) {
        is_quick = true;
        argc--;
        argv++;
    }
    if (argc > 1 && run(argc - 1, argv + 1))
        return 0;
    printf("usage: rows [-q] disk DEVICE [write] | files DIRECTORY COUNT [sync] | growth_files "
           "DIRECTORY | growth_connections | tcp HOST | requests HOST | udp HOST | ping HOST | "
           "wget URL PATH\n");
    return 2;
}
