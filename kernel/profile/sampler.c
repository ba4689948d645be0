/*
 * Taking samples. Each CPU writes its own table, from the interrupt of its timer. The tables are
 * made before the first sample and read after the last: ipi_call() orders the one before the other.
 */
#include "kernel/profile/sampler.h"

#include "arch/cpu.h"
#include "arch/crash.h"
#include "arch/irq.h"
#include "arch/percpu.h"
#include "kernel/irq/ipi.h"
#include "kernel/profile/stacks.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/task.h"
#include "kernel/time/timer.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/vm.h"

static atomic_bool is_taken; /* by the one profile there is */
static struct profile_table *
    *tables;                /* by CPU number; of who has is_taken, NULL for CPUs offline */
static uint64_t started_ns; /* the same */

static DEFINE_PER_CPU(struct profile_table *, profile_table); /* own CPU, interrupts off */

/* The idle task also runs softirqs, which are work. */
static bool is_idle(const struct task *task)
{
    return task->is_idle && (cpu_preempt_count() & (PREEMPT_IRQ - 1)) < PREEMPT_SOFTIRQ;
}

/* Interrupt context. */
static void take_sample(const struct cpu_registers *registers)
{
    const struct task *task = cpu_task();
    struct profile_stack sample = { .is_idle = is_idle(task) };
    struct crash_registers kept;

    /* The CPUs' idle tasks have numbers; what matters is that nobody had work. */
    strlcpy(sample.task, sample.is_idle ? "idle" : task->name, sizeof(sample.task));
    crash_registers_keep(&kept, registers);
    sample.depth = (uint32_t)crash_backtrace(&kept, task, sample.addresses, PROFILE_DEPTH);
    profile_table_add(*this_cpu_ptr(profile_table), &sample);
}

static void start_here(void *arg __maybe_unused)
{
    irqflags_t flags = irq_save();

    *this_cpu_ptr(profile_table) = tables[cpu_current()];
    if (tables[cpu_current()])
        timer_sample_start(take_sample, PROFILE_PERIOD_NS);
    irq_restore(flags);
}

static void stop_here(void *arg __maybe_unused)
{
    irqflags_t flags = irq_save();

    timer_sample_stop();
    irq_restore(flags);
}

static void on_all_cpus(void (*function)(void *arg))
{
    preempt_disable();
    function(NULL);
    ipi_call_others(function, NULL);
    preempt_enable();
}

static void release(void)
{
    for (unsigned int cpu = 0; tables && cpu < cpu_possible_count(); cpu++)
        vm_free(tables[cpu]);
    kfree(tables);
    tables = NULL;
    atomic_store(&is_taken, false);
}

int profile_start(void)
{
    unsigned int cpu;

    if (atomic_exchange(&is_taken, true))
        return -EBUSY;
    tables = kcalloc(cpu_possible_count(), sizeof(tables[0]));
    for_each_online_cpu(cpu) {
        struct profile_table *table =
            tables ? vm_alloc(sizeof(*table), MMU_READ | MMU_WRITE, "profile") : NULL;
        if (!table) {
            release();
            return -ENOMEM;
        }
        tables[cpu] = table;
    }
    started_ns = clock_now_ns();
    on_all_cpus(start_here);
    return 0;
}

static void collect(struct profile *profile, const struct profile_table *table)
{
    profile->dropped += table->dropped;
    for (size_t i = 0; i < PROFILE_TABLE_MAX; i++) {
        if (table->stacks[i].count == 0)
            continue;
        *(table->stacks[i].is_idle ? &profile->idle : &profile->samples) += table->stacks[i].count;
        profile->stacks[profile->count++] = table->stacks[i];
    }
}

static size_t stacks_in_tables(void)
{
    size_t count = 0;

    for (unsigned int cpu = 0; cpu < cpu_possible_count(); cpu++)
        for (size_t i = 0; tables[cpu] && i < PROFILE_TABLE_MAX; i++)
            count += tables[cpu]->stacks[i].count > 0;
    return count;
}

int profile_stop(struct profile *profile)
{
    on_all_cpus(stop_here);
    *profile = (struct profile){ .ns = clock_now_ns() - started_ns };
    profile->stacks = vm_alloc((stacks_in_tables() + 1) * sizeof(profile->stacks[0]),
                               MMU_READ | MMU_WRITE, "profile");
    if (!profile->stacks) {
        release();
        return -ENOMEM;
    }
    for (unsigned int cpu = 0; cpu < cpu_possible_count(); cpu++)
        if (tables[cpu])
            collect(profile, tables[cpu]);
    release();
    profile->count = profile_fold(profile->stacks, profile->count);
    return 0;
}

void profile_destroy(struct profile *profile)
{
    vm_free(profile->stacks);
    profile->stacks = NULL;
}
