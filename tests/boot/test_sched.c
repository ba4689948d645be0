/*
 * The scheduler on real CPUs: every CPU takes part, nobody starves, nothing is lost between them.
 */
#include "arch/cpu.h"
#include "arch/irq.h"
#include "kernel/log.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "tests/boot/workers.h"
#include "tests/boot_test.h"

static int return_argument(void *arg)
{
    return (int)(intptr_t)arg;
}

BOOT_TEST(sched, create_and_join)
{
    struct task *task;
    int status = 0;

    for (int i = 0; i < 2000; i++) {
        EXPECT_EQ(task_create("child", return_argument, (void *)(intptr_t)i, &task), 0);
        EXPECT_EQ(task_join(task, &status, deadline_after_ns(10 * NS_PER_S)), 0);
        EXPECT_EQ(status, i);
    }
}

static int create_children(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        struct task *task;
        int status;
        EXPECT_EQ(task_create("child", return_argument, (void *)(intptr_t)i, &task), 0);
        EXPECT_EQ(task_join(task, &status, deadline_after_ns(20 * NS_PER_S)), 0);
        EXPECT_EQ(status, i);
    }
    return 0;
}

BOOT_TEST(sched, create_and_join_from_many_tasks)
{
    workers_run(4 * cpu_online_count(), create_children, NULL);
}

/* Spinners that outnumber the CPUs; each must come to run on and end. */
static atomic_uint spinners_done;

static int spin_20_ms(void *arg)
{
    uint64_t deadline = deadline_after_ns(20 * NS_PER_MS);

    (void)arg;
    while (clock_now_ns() < deadline)
        cpu_relax();
    atomic_fetch_add(&spinners_done, 1);
    return 0;
}

BOOT_TEST(sched, more_spinners_than_cpus)
{
    unsigned int count = 3 * cpu_online_count();

    atomic_store(&spinners_done, 0);
    workers_run(count, spin_20_ms, NULL);
    EXPECT_EQ(atomic_load(&spinners_done), count);
}

static atomic_bool stop_spinning;

static int spin_until_stopped(void *arg)
{
    (void)arg;
    while (!atomic_load_relaxed(&stop_spinning))
        cpu_relax();
    return 0;
}

/* As many spinners as CPUs never give one up; this task must get its turns all the same. */
BOOT_TEST(sched, preemption)
{
    static struct task *tasks[CPU_MAX];
    unsigned int count = cpu_online_count();

    atomic_store(&stop_spinning, false);
    for (unsigned int i = 0; i < count; i++)
        EXPECT_EQ(task_create("spinner", spin_until_stopped, NULL, &tasks[i]), 0);
    for (int i = 0; i < 5; i++)
        EXPECT_EQ(sleep_ns(NS_PER_MS), 0);
    for (int i = 0; i < 5; i++)
        task_yield();
    atomic_store(&stop_spinning, true);
    for (unsigned int i = 0; i < count; i++)
        EXPECT_EQ(task_join(tasks[i], NULL, deadline_after_ns(20 * NS_PER_S)), 0);
}

static int report_cpu(void *arg)
{
    (void)arg;
    preempt_disable();
    int cpu = (int)cpu_current();
    preempt_enable();
    return cpu;
}

BOOT_TEST(sched, bound_tasks)
{
    struct task *task;
    unsigned int cpu;
    int status;

    for_each_online_cpu(cpu) {
        EXPECT_EQ(task_create_on(cpu, "bound", report_cpu, NULL, &task), 0);
        EXPECT_EQ(task_join(task, &status, deadline_after_ns(10 * NS_PER_S)), 0);
        EXPECT_EQ(status, cpu);
    }
    EXPECT_EQ(task_create_on(CPU_MAX, "nowhere", report_cpu, NULL, &task), -EINVAL);
}

/* Tasks that move themselves from CPU to CPU, while others move a spinner about. */
static int migrate_self(void *arg)
{
    uint64_t random = (uintptr_t)task_current() | 1;

    (void)arg;
    for (int i = 0; i < 100; i++) {
        unsigned int cpu = (unsigned int)(random_next(&random) % cpu_possible_count());
        uint64_t mask[TASK_AFFINITY_WORDS] = { 0 };
        if (!cpu_is_online(cpu))
            continue;
        mask[cpu / 64] = 1ULL << (cpu % 64);
        EXPECT_EQ(task_set_affinity(task_current(), mask), 0);
        EXPECT_EQ(report_cpu(NULL), cpu);
    }
    return 0;
}

BOOT_TEST(sched, migrate_self)
{
    workers_run(2 * cpu_online_count(), migrate_self, NULL);
}

BOOT_TEST(sched, migrate_running_task)
{
    struct task *task;
    unsigned int cpu;

    atomic_store(&stop_spinning, false);
    EXPECT_EQ(task_create("nomad", spin_until_stopped, NULL, &task), 0);
    for (int round = 0; round < 5; round++) {
        for_each_online_cpu(cpu) {
            uint64_t mask[TASK_AFFINITY_WORDS] = { 0 };
            mask[cpu / 64] = 1ULL << (cpu % 64);
            EXPECT_EQ(task_set_affinity(task, mask), 0);
            if (READ_ONCE(task->state) == TASK_RUNNING)
                EXPECT_EQ(READ_ONCE(task->cpu), cpu);
        }
    }
    uint64_t nowhere[TASK_AFFINITY_WORDS] = { 0 };
    EXPECT_EQ(task_set_affinity(task, nowhere), -EINVAL);
    atomic_store(&stop_spinning, true);
    EXPECT_EQ(task_join(task, NULL, deadline_after_ns(10 * NS_PER_S)), 0);
}

/*
 * All tasks start on one CPU, which they cannot leave but by being stolen: with several CPUs the
 * others must come and take them.
 */
static atomic_uint cpus_seen;

static int note_cpu(void *arg)
{
    spin_20_ms(arg);
    atomic_fetch_or(&cpus_seen, 1u << (report_cpu(NULL) % 32));
    return 0;
}

BOOT_TEST(sched, work_stealing)
{
    unsigned int count = cpu_online_count();
    uint64_t steals = 0;
    unsigned int cpu;

    atomic_store(&cpus_seen, 0);
    workers_run(4 * count, note_cpu, NULL);
    for_each_online_cpu(cpu) {
        struct sched_statistics statistics;
        sched_statistics(cpu, &statistics);
        steals += statistics.steals;
    }
    if (count > 1)
        EXPECT(atomic_load(&cpus_seen) & (atomic_load(&cpus_seen) - 1)); /* two CPUs at least */
    log_info("test", "%llu tasks stolen so far, CPUs %#x", (unsigned long long)steals,
             atomic_load(&cpus_seen));
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return sleep_until_ns(DEADLINE_NEVER) == -ECANCELED ? 0 : -EINVAL;
}

static uint64_t all_idle_ns(void)
{
    uint64_t total = 0;
    unsigned int cpu;

    for_each_online_cpu(cpu) {
        struct sched_statistics statistics;
        sched_statistics(cpu, &statistics);
        total += statistics.idle_ns;
    }
    return total;
}

static void make_sleepers(struct task **tasks, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++)
        EXPECT_EQ(task_create("sleeper", sleep_for_ever, NULL, &tasks[i]), 0);
}

static void cancel_sleepers(struct task **tasks, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++)
        task_cancel(tasks[i]);
    for (unsigned int i = 0; i < count; i++) {
        int status = -1;
        EXPECT_EQ(task_join(tasks[i], &status, deadline_after_ns(20 * NS_PER_S)), 0);
        EXPECT_EQ(status, 0);
    }
}

/* A thousand tasks that wait cost nothing: the CPUs are idle, whatever the host does meanwhile. */
BOOT_TEST(sched, thousand_sleepers_leave_cpus_idle)
{
    struct task **tasks = kcalloc(1000, sizeof(*tasks));

    EXPECT(tasks);
    make_sleepers(tasks, 1000);
    EXPECT_EQ(sleep_ns(50 * NS_PER_MS), 0);
    uint64_t start = clock_now_ns();
    uint64_t idle = all_idle_ns();
    EXPECT_EQ(sleep_ns(200 * NS_PER_MS), 0);
    idle = all_idle_ns() - idle;
    uint64_t elapsed = (clock_now_ns() - start) * cpu_online_count();
    log_info("test", "idle %llu of %llu us", (unsigned long long)(idle / NS_PER_US),
             (unsigned long long)(elapsed / NS_PER_US));
    EXPECT(idle > elapsed / 2); /* polling would leave next to nothing */
    cancel_sleepers(tasks, 1000);
    kfree(tasks);
}

static int yield_until_stopped(void *arg)
{
    uint64_t mask[TASK_AFFINITY_WORDS] = { 0 };
    unsigned int cpu = (unsigned int)(uintptr_t)arg;

    mask[cpu / 64] = 1ULL << (cpu % 64);
    EXPECT_EQ(task_set_affinity(task_current(), mask), 0);
    while (!atomic_load(&stop_spinning))
        task_yield();
    return 0;
}

/* CPU time as others see it, in the midst of switches: it never goes back, nor ahead of the clock.
 */
BOOT_TEST(sched, cpu_time_is_right_at_any_moment)
{
    uint64_t deadline = deadline_after_ns(30 * NS_PER_MS);
    uintptr_t cpu = cpu_possible_count() - 1; /* another than ours, if there is one */
    uint64_t last[2] = { 0 };
    struct task *tasks[2];

    while (!cpu_is_online((unsigned int)cpu))
        cpu--;
    atomic_store(&stop_spinning, false);
    for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
        EXPECT_EQ(task_create("yielder", yield_until_stopped, (void *)cpu, &tasks[i]), 0);
    while (clock_now_ns() < deadline || !last[0] || !last[1]) {
        for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
            uint64_t ran = task_run_ns(tasks[i]);

            EXPECT(ran >= last[i]);
            EXPECT(ran <= clock_now_ns() - tasks[i]->created_ns);
            last[i] = ran;
        }
        task_yield(); /* with a single CPU they would not run else */
    }
    atomic_store(&stop_spinning, true);
    for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
        int status = -1;

        EXPECT_EQ(task_join(tasks[i], &status, deadline_after_ns(20 * NS_PER_S)), 0);
        EXPECT_EQ(status, 0);
    }
}

#define TASK_BYTES (TASK_STACK_SIZE + 4096) /* with structure and page tables */

static bool count_sleeper(struct task *task, void *arg)
{
    *(unsigned int *)arg += strcmp(task->name, "sleeper") == 0;
    return true;
}

static unsigned int sleeper_count(void)
{
    unsigned int count = 0;

    task_for_each(count_sleeper, &count);
    return count;
}

/* A task that has been joined may still be leaving its CPU, and is in the table until it has. */
static void expect_sleepers_gone(void)
{
    uint64_t deadline = deadline_after_ns(20 * NS_PER_S);

    while (sleeper_count() > 0) {
        EXPECT(clock_now_ns() < deadline);
        task_yield();
    }
}

BOOT_TEST(sched, ten_thousand_tasks)
{
    struct page_statistics memory;
    unsigned int count = 10000;

    expect_sleepers_gone(); /* those of other tests */
    page_statistics(&memory);
    if (memory.free_pages * PAGE_SIZE / 2 < (uint64_t)count * TASK_BYTES)
        count = (unsigned int)(memory.free_pages * PAGE_SIZE / 2 / TASK_BYTES);
    log_info("test", "%u tasks fit", count);
    struct task **tasks = kcalloc(count, sizeof(*tasks));
    EXPECT(tasks);
    make_sleepers(tasks, count);
    EXPECT_EQ(sleeper_count(), count);
    cancel_sleepers(tasks, count);
    kfree(tasks);
    expect_sleepers_gone();
}

static int hold_reference(void *arg)
{
    (void)arg;
    for (int i = 0; i < 500; i++) {
        struct task *task = task_find((uint32_t)(1 + i % 64));
        if (task)
            task_put(task);
    }
    return 0;
}

BOOT_TEST(sched, find_while_tasks_come_and_go)
{
    struct task *finder;
    int status;

    EXPECT_EQ(task_create("finder", hold_reference, NULL, &finder), 0);
    workers_run(2 * cpu_online_count(), create_children, NULL);
    EXPECT_EQ(task_join(finder, &status, deadline_after_ns(10 * NS_PER_S)), 0);
    EXPECT_EQ(status, 0);
}
