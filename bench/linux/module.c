// SPDX-License-Identifier: MIT
/* The module: which rows to run, and how results are told. */
#include "module.h"

#include <linux/cpumask.h>
#include <linux/module.h>
#include <linux/string.h>

#define QUICK_PART 20

static char *rows = "";
module_param(rows, charp, 0);
static bool quick;
module_param(quick, bool, 0);

static const struct {
    const char *name;
    void (*run)(void);
} benches[] = {
    { "switch", bench_switch },
    { "create", bench_create },
    { "sleep", bench_sleep },
    { "lock", bench_lock },
    { "contend", bench_contend },
    { "heap", bench_heap },
    { "bytes", bench_bytes },
    { "growth_tasks", bench_growth_tasks },
    { "growth_timers", bench_growth_timers },
    { "growth_cpus", bench_growth_cpus },
};

u64 module_count(u64 full)
{
    return quick ? max(full / QUICK_PART, 1ULL) : full;
}

void module_report(const char *name, u64 value, const char *unit)
{
    pr_info("bench: %s %llu %s\n", name, value, unit);
}

void module_report_per(const char *name, u64 ns, u64 count)
{
    u64 tenths = ns * 10 / count;

    pr_info("bench: %s %llu.%llu ns\n", name, tenths / 10, tenths % 10);
}

unsigned int module_cpu(unsigned int nth)
{
    unsigned int cpu;

    nth %= num_online_cpus();
    for_each_online_cpu(cpu)
        if (nth-- == 0)
            return cpu;
    return 0;
}

static int __init nos_bench_init(void)
{
    char *list = rows, *name;

    while ((name = strsep(&list, ",")) != NULL)
        for (size_t i = 0; i < ARRAY_SIZE(benches); i++)
            if (strcmp(benches[i].name, name) == 0)
                benches[i].run();
    return 0;
}

static void __exit nos_bench_exit(void)
{
}

module_init(nos_bench_init);
module_exit(nos_bench_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("rows of nos's benchmark inside Linux");
