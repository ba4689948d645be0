/*
 * Metrics of CPUs, tasks, interrupts and time.
 */
#include "arch/cpu.h"
#include "arch/irq.h"
#include "kernel/irq/irq.h"
#include "kernel/irq/softirq.h"
#include "kernel/metrics.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task.h"
#include "kernel/sync/spinlock.h"
#include "kernel/time/clock.h"
#include "kernel/time/timer.h"
#include "kernel/version.h"

/* ---- the machine ---- */

static void collect_info(struct metric_writer *writer)
{
    metric_label(writer, "version", kernel_version);
    metric_label(writer, "compiler", kernel_compiler);
    metric_label(writer, "clock", clock_source_name());
    metric_value(writer, 1);
}
METRIC(info, METRIC_GAUGE, "nos_info", "Which kernel this is; the value is always 1.",
       collect_info);

static void collect_uptime(struct metric_writer *writer)
{
    metric_seconds(writer, clock_now_ns());
}
METRIC(uptime, METRIC_GAUGE, "nos_uptime_seconds", "Time since boot.", collect_uptime);

static void collect_time(struct metric_writer *writer)
{
    metric_seconds(writer, clock_wall_ns());
}
METRIC(time, METRIC_GAUGE, "nos_time_seconds", "Wall clock, as Unix time.", collect_time);

static void collect_timers(struct metric_writer *writer)
{
    metric_value(writer, timer_armed_count());
}
METRIC(timers, METRIC_GAUGE, "nos_timers_armed", "Timers that are set.", collect_timers);

/* ---- CPUs ---- */

/* One sample for each CPU. */
static void collect_sched(struct metric_writer *writer,
                          uint64_t (*value)(const struct sched_statistics *sched))
{
    struct sched_statistics sched;
    unsigned int cpu;

    for_each_online_cpu(cpu) {
        sched_statistics(cpu, &sched);
        metric_label_number(writer, "cpu", cpu);
        metric_value(writer, value(&sched));
    }
}

static uint64_t switches_of(const struct sched_statistics *sched)
{
    return sched->switches;
}

static uint64_t steals_of(const struct sched_statistics *sched)
{
    return sched->steals;
}

static uint64_t ready_of(const struct sched_statistics *sched)
{
    return sched->ready;
}

static void collect_switches(struct metric_writer *writer)
{
    collect_sched(writer, switches_of);
}
METRIC(context_switches, METRIC_COUNTER, "nos_context_switches_total",
       "Switches between tasks, idle included.", collect_switches);

static void collect_steals(struct metric_writer *writer)
{
    collect_sched(writer, steals_of);
}
METRIC(task_steals, METRIC_COUNTER, "nos_task_steals_total",
       "Tasks that a CPU took from the queue of another.", collect_steals);

static void collect_ready(struct metric_writer *writer)
{
    collect_sched(writer, ready_of);
}
METRIC(tasks_ready, METRIC_GAUGE, "nos_tasks_ready", "Tasks that wait for this CPU.",
       collect_ready);

/*
 * What was told last. The scheduler's times are read while it changes them, and a reading in the
 * middle of a switch may be off by what the CPU did before; a counter must not go back all the
 * same: neither part grows by less than nothing, nor by more than the time between two readings.
 */
struct cpu_times {
    uint64_t online_ns;
    uint64_t idle_ns;
};
static DEFINE_SPINLOCK(told_lock, "cpu metrics", LOCK_RANK_TASK_TABLE);
static struct cpu_times told[CPU_MAX] __guarded_global(told_lock);

static struct cpu_times read_times(unsigned int cpu)
{
    struct sched_statistics sched;
    irqflags_t flags = spin_lock_irqsave(&told_lock);
    struct cpu_times *times = &told[cpu];

    sched_statistics(cpu, &sched);
    uint64_t online_ns = MAX(clock_now_ns() - sched.online_since_ns, times->online_ns);
    times->idle_ns =
        CLAMP(sched.idle_ns, times->idle_ns, times->idle_ns + (online_ns - times->online_ns));
    times->online_ns = online_ns;
    struct cpu_times result = *times;
    spin_unlock_irqrestore(&told_lock, flags);
    return result;
}

static void collect_cpu_seconds(struct metric_writer *writer)
{
    unsigned int cpu;

    for_each_online_cpu(cpu) {
        struct cpu_times times = read_times(cpu);
        metric_label_number(writer, "cpu", cpu);
        metric_label(writer, "mode", "idle");
        metric_seconds(writer, times.idle_ns);
        metric_label_number(writer, "cpu", cpu);
        metric_label(writer, "mode", "busy");
        metric_seconds(writer, times.online_ns - times.idle_ns);
    }
}
METRIC(cpu_seconds, METRIC_COUNTER, "nos_cpu_seconds_total",
       "Time that a CPU spent in its idle task, and in all else.", collect_cpu_seconds);

/* ---- tasks ---- */

static bool count_state(struct task *task, void *arg)
{
    unsigned int *counts = arg;
    enum task_state state = READ_ONCE(task->state);

    if (!task->is_idle && state <= TASK_DEAD)
        counts[state]++;
    return true;
}

static void collect_tasks(struct metric_writer *writer)
{
    unsigned int counts[TASK_DEAD + 1] = { 0 };

    task_for_each(count_state, counts);
    for (unsigned int state = 0; state <= TASK_DEAD; state++) {
        metric_label(writer, "state", task_state_name((enum task_state)state));
        metric_value(writer, counts[state]);
    }
}
METRIC(tasks, METRIC_GAUGE, "nos_tasks", "Tasks, without the idle ones.", collect_tasks);

/* ---- interrupts ---- */

static void put_interrupts(struct metric_writer *writer, unsigned int cpu, const char *type,
                           uint64_t count)
{
    metric_label_number(writer, "cpu", cpu);
    metric_label(writer, "type", type);
    metric_value(writer, count);
}

static void collect_interrupts(struct metric_writer *writer)
{
    struct irq_counters counters;
    unsigned int cpu;

    for_each_online_cpu(cpu) {
        arch_irq_counters(cpu, &counters);
        put_interrupts(writer, cpu, "device", counters.device);
        put_interrupts(writer, cpu, "timer", counters.timer);
        put_interrupts(writer, cpu, "reschedule", counters.reschedule);
        put_interrupts(writer, cpu, "call", counters.call);
        put_interrupts(writer, cpu, "nmi", counters.nmi);
        put_interrupts(writer, cpu, "spurious", counters.spurious);
    }
}
METRIC(interrupts, METRIC_COUNTER, "nos_interrupts_total", "Interrupts, by what they were for.",
       collect_interrupts);

static void collect_device_interrupts(struct metric_writer *writer)
{
    struct irq_description irq;

    for (unsigned int i = 0; irq_describe(i, &irq); i++) {
        metric_label_number(writer, "handler", i);
        metric_label(writer, "device", irq.name);
        metric_label_number(writer, "cpu", irq.cpu);
        metric_label_number(writer, "vector", irq.vector);
        metric_value(writer, irq.claimed);
    }
}
METRIC(device_interrupts, METRIC_COUNTER, "nos_device_interrupts_total",
       "Interrupts that a device's handler claimed.", collect_device_interrupts);

static void collect_softirqs(struct metric_writer *writer)
{
    struct softirq_statistics statistics;
    unsigned int cpu;

    for_each_online_cpu(cpu) {
        for (unsigned int i = 0; i < SOFTIRQ_COUNT; i++) {
            softirq_statistics((enum softirq)i, cpu, &statistics);
            if (!statistics.name)
                continue;
            metric_label_number(writer, "cpu", cpu);
            metric_label(writer, "softirq", statistics.name);
            metric_value(writer, statistics.runs);
        }
    }
}
METRIC(softirqs, METRIC_COUNTER, "nos_softirqs_total", "Runs of each softirq.", collect_softirqs);
