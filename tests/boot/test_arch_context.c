/*
 * Per-CPU areas and task contexts.
 */
#include "arch/context.h"
#include "arch/cpu.h"
#include "arch/percpu.h"
#include "kernel/irq/ipi.h"
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "lib/atomic.h"
#include "tests/boot_test.h"

#define PATIENCE_NS (5 * NS_PER_S)

static DEFINE_PER_CPU(uint64_t, test_variable) = 0x1234567890ABCDEF;

static void double_here(void *arg)
{
    (void)arg;
    *this_cpu_ptr(test_variable) *= 2;
}

BOOT_TEST(arch_context, every_cpu_has_its_own_copy)
{
    const uint64_t initial = 0x1234567890ABCDEF;
    unsigned int cpu;

    for_each_online_cpu(cpu)
        EXPECT_EQ(*per_cpu_ptr(test_variable, cpu), initial);
    EXPECT_EQ(ipi_call(0, double_here, NULL, true), 0);
    EXPECT_EQ(*per_cpu_ptr(test_variable, 0), initial * 2);
    for_each_online_cpu(cpu) {
        if (cpu != 0)
            EXPECT_EQ(*per_cpu_ptr(test_variable, cpu), initial);
    }
    *per_cpu_ptr(test_variable, 0) = initial;
    EXPECT_EQ(test_variable, initial); /* the template is as it was */
}

struct observed {
    uintptr_t stack;
    uintptr_t canary;
    unsigned int cpu;
};

/* The frame of the first function of a task: 16-byte aligned behind a call, as the ABI has it. */
static __noinline int observe(void *arg)
{
    struct observed *observed = arg;

    observed->stack = (uintptr_t)__builtin_frame_address(0);
    observed->canary = cpu_stack_canary();
    observed->cpu = cpu_current();
    return 0;
}

BOOT_TEST(arch_context, task_starts_as_the_abi_wants)
{
    struct observed observed[2];

    for (int i = 0; i < 2; i++) {
        struct task *task;
        int status;

        EXPECT_EQ(task_create("observer", observe, &observed[i], &task), 0);
        EXPECT_EQ(task_join(task, &status, deadline_after_ns(PATIENCE_NS)), 0);
        EXPECT_EQ(observed[i].stack % 16, 0);
        EXPECT(observed[i].canary != 0 && (observed[i].canary & 0xFF) == 0);
    }
    EXPECT(observed[0].canary != observed[1].canary);
}

/* Values in registers that a call keeps must survive switches; each task has different ones. */
static int count_with_registers(void *arg)
{
    uint64_t seed = (uintptr_t)arg;
    uint64_t a = seed, b = seed * 3, c = seed * 5, d = seed * 7, e = seed * 9;

    for (int i = 0; i < 200; i++) {
        a++;
        b++;
        c++;
        d++;
        e++;
        task_yield();
    }
    return a == seed + 200 && b == seed * 3 + 200 && c == seed * 5 + 200 && d == seed * 7 + 200 &&
           e == seed * 9 + 200;
}

BOOT_TEST(arch_context, registers_survive_switches)
{
    struct task *tasks[8];

    for (uintptr_t i = 0; i < ARRAY_SIZE(tasks); i++)
        EXPECT_EQ(task_create_on(0, "registers", count_with_registers, (void *)(i + 1), &tasks[i]),
                  0);
    for (unsigned int i = 0; i < ARRAY_SIZE(tasks); i++) {
        int status;

        EXPECT_EQ(task_join(tasks[i], &status, deadline_after_ns(PATIENCE_NS)), 0);
        EXPECT_EQ(status, 1);
    }
}
