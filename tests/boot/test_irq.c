/*
 * Softirqs, calls between CPUs, TLB shoot-down.
 */
#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/mmu.h"
#include "arch/smp.h"
#include "kernel/irq/ipi.h"
#include "kernel/irq/softirq.h"
#include "kernel/irq/tlb.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "mm/page.h"
#include "mm/vm.h"
#include "tests/boot/workers.h"
#include "tests/boot_test.h"

#define LONG_NS (20 * NS_PER_S)

static atomic_uint calls;
static atomic_uint bad_context;

static void count_call(void *arg)
{
    if (irq_is_enabled() || (arg && *(const unsigned int *)arg != cpu_current()))
        atomic_fetch_add(&bad_context, 1);
    atomic_fetch_add(&calls, 1);
}

BOOT_TEST(ipi, every_cpu_is_reached)
{
    unsigned int cpu;

    atomic_store(&calls, 0);
    atomic_store(&bad_context, 0);
    for_each_online_cpu(cpu)
        EXPECT_EQ(ipi_call(cpu, count_call, &cpu, true), 0);
    EXPECT_EQ(atomic_load(&calls), cpu_online_count());
    EXPECT_EQ(atomic_load(&bad_context), 0);
    EXPECT_EQ(ipi_call(CPU_MAX, count_call, NULL, true), -ENODEV);
}

/* Calls in all, shared by the CPUs: many emulated ones have few real ones to answer with. */
#define CALLS_MAX  8000
#define ROUNDS_MAX 30

/* All CPUs call all others at once and wait: each must answer while it waits. */
static int call_everybody(void *arg)
{
    unsigned int rounds = *(const unsigned int *)arg;

    for (unsigned int i = 0; i < rounds; i++)
        ipi_call_others(count_call, NULL);
    return 0;
}

BOOT_TEST(ipi, all_call_all)
{
    unsigned int count = cpu_online_count();
    unsigned int rounds = MIN_T(unsigned int, ROUNDS_MAX, 1 + CALLS_MAX / (count * count));

    atomic_store(&calls, 0);
    workers_run(count, call_everybody, &rounds);
    EXPECT_EQ(atomic_load(&calls), count * rounds * (count - 1));
}

/* More calls than a ring holds, without waiting, from several CPUs. */
struct flood {
    unsigned int target;
    unsigned int calls; /* of each worker */
};

static int flood(void *arg)
{
    const struct flood *flood = arg;

    for (unsigned int i = 0; i < flood->calls; i++)
        EXPECT_EQ(ipi_call(flood->target, count_call, NULL, false), 0);
    return 0;
}

BOOT_TEST(ipi, flood_without_waiting)
{
    unsigned int workers = cpu_online_count();
    struct flood parameters = { .target = 0, .calls = CALLS_MAX / MAX(workers, 16u) };

    atomic_store(&calls, 0);
    workers_run(workers, flood, &parameters);
    EXPECT_EQ(ipi_call(parameters.target, count_call, NULL, true), 0); /* behind all the others */
    EXPECT_EQ(atomic_load(&calls), workers * parameters.calls + 1);
}

/* ---- TLB ----------------------------------------------------------------------------------- */

/*
 * A page is mapped, read by every CPU, so that their TLBs know it, and mapped elsewhere: after the
 * shoot-down every CPU must read the other page.
 */
static const volatile uint64_t *window;
static atomic_uint wrong_reads;

static void read_window(void *arg)
{
    if (*window != *(const uint64_t *)arg)
        atomic_fetch_add(&wrong_reads, 1);
}

static void expect_everywhere(uint64_t value)
{
    unsigned int cpu;

    for_each_online_cpu(cpu)
        EXPECT_EQ(ipi_call(cpu, read_window, &value, true), 0);
    EXPECT_EQ(atomic_load(&wrong_reads), 0);
}

static void map_window(vaddr_t vaddr, const void *page)
{
    struct address_space *space = kernel_address_space();
    struct tlb_batch batch;

    tlb_batch_init(&batch);
    mmu_unmap(space, vaddr, PAGE_SIZE);
    tlb_batch_add(&batch, vaddr, PAGE_SIZE);
    tlb_shootdown(&batch);
    EXPECT_EQ(mmu_map(space, vaddr, page_to_phys(page), PAGE_SIZE, MMU_READ), 0);
}

BOOT_TEST(tlb, shootdown)
{
    void *range = vm_alloc(PAGE_SIZE, MMU_READ | MMU_WRITE, "tests");
    uint64_t *pages[2] = { page_alloc(1, 0, "tests"), page_alloc(1, 0, "tests") };
    paddr_t original;

    EXPECT(range && pages[0] && pages[1]);
    EXPECT(virt_to_phys(range, &original));
    window = range;
    atomic_store(&wrong_reads, 0);
    *pages[0] = 0x1111;
    *pages[1] = 0x2222;
    for (unsigned int i = 0; i < 20; i++) {
        map_window((vaddr_t)range, pages[i % 2]);
        expect_everywhere(i % 2 ? 0x2222 : 0x1111);
    }
    map_window((vaddr_t)range, phys_to_virt(original));
    vm_free(range);
    page_free(pages[0]);
    page_free(pages[1]);
}

static int map_and_unmap(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        uint64_t *memory = vm_alloc(3 * PAGE_SIZE, MMU_READ | MMU_WRITE, "tests");
        EXPECT(memory);
        memory[0] = (uintptr_t)memory;
        memory[2 * PAGE_SIZE / sizeof(*memory)] = 1;
        EXPECT_EQ(memory[0], (uintptr_t)memory);
        vm_free(memory);
    }
    return 0;
}

BOOT_TEST(tlb, shootdowns_from_all_cpus)
{
    workers_run(2 * cpu_online_count(), map_and_unmap, NULL);
}

/* ---- softirq ------------------------------------------------------------------------------- */

static atomic_uint softirq_runs;
static atomic_uint softirq_bad_context;
static atomic_bool raise_again;

static void test_softirq(void)
{
    if (!in_interrupt() || in_irq_handler() || !irq_is_enabled())
        atomic_fetch_add(&softirq_bad_context, 1);
    atomic_fetch_add(&softirq_runs, 1);
    if (atomic_load(&raise_again))
        softirq_raise(SOFTIRQ_TEST);
}

static void prepare_softirq(void)
{
    softirq_register(SOFTIRQ_TEST, "test", test_softirq);
    atomic_store(&softirq_runs, 0);
    atomic_store(&softirq_bad_context, 0);
    atomic_store(&raise_again, false);
}

BOOT_TEST(softirq, runs_when_raised_by_a_task)
{
    prepare_softirq();
    softirq_raise(SOFTIRQ_TEST);
    EXPECT_EQ(atomic_load(&softirq_runs), 1);
    preempt_disable();
    irq_disable(); /* the end of an interrupt runs softirqs too */
    softirq_raise(SOFTIRQ_TEST);
    unsigned int held_off = atomic_load(&softirq_runs);
    irq_enable();
    preempt_enable();
    EXPECT_EQ(held_off, 1);
    EXPECT_EQ(atomic_load(&softirq_runs), 2);
    EXPECT_EQ(atomic_load(&softirq_bad_context), 0);
}

static void raise_on_cpu(void *arg)
{
    (void)arg;
    softirq_raise(SOFTIRQ_TEST);
}

BOOT_TEST(softirq, runs_when_raised_by_an_interrupt)
{
    uint64_t deadline = deadline_after_ns(LONG_NS);
    unsigned int cpu;

    prepare_softirq();
    for_each_online_cpu(cpu)
        EXPECT_EQ(ipi_call(cpu, raise_on_cpu, NULL, true), 0);
    while (atomic_load(&softirq_runs) < cpu_online_count()) {
        EXPECT(clock_now_ns() < deadline);
        EXPECT_EQ(sleep_ns(100 * NS_PER_US), 0);
    }
    EXPECT_EQ(atomic_load(&softirq_bad_context), 0);
}

BOOT_TEST(softirq, raised_with_interrupts_off)
{
    uint64_t deadline = deadline_after_ns(LONG_NS);

    prepare_softirq();
    irqflags_t flags = irq_save();
    softirq_raise(SOFTIRQ_TEST);
    EXPECT_EQ(atomic_load(&softirq_runs), 0);
    irq_restore(flags);
    while (atomic_load(&softirq_runs) == 0)
        EXPECT(clock_now_ns() < deadline);
}

#define OVERLOAD 20000 /* many times the rounds that are run at once */

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* A CPU's tasks have their turns in the order they came: this one's is after its softirq task's. */
static void let_softirq_tasks_finish(void)
{
    unsigned int cpu;

    for_each_online_cpu(cpu) {
        struct task *task;
        EXPECT_EQ(task_create_on(cpu, "last in line", do_nothing, NULL, &task), 0);
        EXPECT_EQ(task_join(task, NULL, deadline_after_ns(LONG_NS)), 0);
    }
}

/* One that raises itself for ever goes to the softirq task, and this one still gets its turns. */
static int overload_this_cpu(void *arg)
{
    (void)arg;
    prepare_softirq();
    atomic_store(&raise_again, true);
    softirq_raise(SOFTIRQ_TEST); /* returns, though the softirq never ends */
    uint64_t deadline = deadline_after_ns(LONG_NS);
    while (atomic_load(&softirq_runs) < OVERLOAD) {
        EXPECT(clock_now_ns() < deadline);
        task_yield();
    }
    atomic_store(&raise_again, false);
    return 0;
}

BOOT_TEST(softirq, overload_leaves_room_for_tasks)
{
    unsigned int cpu;

    for_each_online_cpu(cpu) {
        struct task *task;
        int status;
        EXPECT_EQ(task_create_on(cpu, "overload", overload_this_cpu, NULL, &task), 0);
        EXPECT_EQ(task_join(task, &status, deadline_after_ns(2 * LONG_NS)), 0);
        EXPECT_EQ(status, 0);
    }
    let_softirq_tasks_finish(); /* other tests expect their softirqs to run at once */
    EXPECT_EQ(atomic_load(&softirq_bad_context), 0);
}
