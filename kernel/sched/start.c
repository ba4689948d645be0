/*
 * Bringing the scheduler up: the boot task, and per CPU a run queue with its idle task.
 */
#include "arch/context.h"
#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/smp.h"
#include "kernel/init.h"
#include "kernel/irq/softirq.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/sched/run_queue.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task_table.h"
#include "kernel/time/timer.h"
#include "lib/atomic.h"
#include "lib/errno.h"

/* The code that booted: on the stack it was started with, without a context until it first waits.
 */
static struct task boot_task;
static bool is_running;        /* set once, before other CPUs are started */
static unsigned int first_cpu; /* which booted; const after sched_init() */

bool sched_is_running(void)
{
    return READ_ONCE(is_running);
}

/* splitmix64 over the best seed there is this early; the low byte is 0, which stops a string
 * operation that runs over the end of a buffer from reproducing it. */
uintptr_t task_random_canary(void)
{
    static atomic_u64 state;
    uint64_t seed;

    if (atomic_load_relaxed(&state) == 0) {
        if (!cpu_random_seed(&seed))
            seed = cpu_cycle_counter() * 0x9E3779B97F4A7C15u;
        atomic_store_relaxed(&state, seed | 1);
    }
    uint64_t z = atomic_fetch_add_relaxed(&state, 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (z ^ z >> 31) & ~(uintptr_t)0xff;
}

void __init sched_early_init(void)
{
    size_t stack_size; /* larger than a task's: backtraces look at the upper part */

    context_boot_stack(&boot_task.stack_base, &stack_size);
    if (stack_size > TASK_STACK_SIZE)
        boot_task.stack_base += stack_size - TASK_STACK_SIZE;
    task_init(&boot_task, "boot", NULL, NULL);
    boot_task.state = TASK_RUNNING;
    boot_task.is_on_cpu = true;
    cpu_set_task(&boot_task);
}

/* INIT_ARCH: from here on locks know whom they belong to. */
static int __init sched_early_hook(void)
{
    sched_early_init();
    return 0;
}
INIT_HOOK(sched_early_hook, INIT_ARCH);

int sched_idle_entry(void *arg)
{
    (void)arg;
    sched_idle_loop();
    return 0;
}

int __init sched_init(void)
{
    unsigned int cpu = cpu_current();
    struct run_queue *queue = per_cpu_ptr(run_queue, cpu);

    timer_system_init();
    task_table_init();
    task_set_reaper(&boot_task);
    int error = task_table_insert(&boot_task);
    if (error)
        return error;
    struct task *idle = task_alloc_idle(cpu);
    if (!idle)
        return -ENOMEM;
    run_queue_init(queue, idle);
    first_cpu = cpu;
    task_run_start(&boot_task, clock_now_ns());
    queue->current = &boot_task;
    is_running = true;
    return softirq_start_cpu(cpu);
}

static int __init sched_start_hook(void)
{
    int error = sched_init();

    if (error)
        panic("scheduler: %s", errno_text(error));
    irq_enable();
    return 0;
}
INIT_HOOK(sched_start_hook, INIT_SCHED);

/* The first level at which every CPU is online. The one that booted has its task already; the boot
 * task itself may have been stolen by any. */
static int __init sched_cpu_tasks_hook(void)
{
    unsigned int cpu;
    int result = 0;

    for_each_online_cpu(cpu) {
        int error = cpu == first_cpu ? 0 : softirq_start_cpu(cpu);
        if (error)
            result = error;
    }
    return result;
}
INIT_HOOK(sched_cpu_tasks_hook, INIT_BUS);

void sched_boot_task_done(void)
{
    task_reap_forever();
}

int sched_prepare_cpu(unsigned int cpu, uintptr_t *stack_base, size_t *stack_size)
{
    struct task *idle = task_alloc_idle(cpu);

    if (!idle)
        return -ENOMEM;
    run_queue_init(per_cpu_ptr(run_queue, cpu), idle);
    *stack_base = idle->stack_base;
    *stack_size = TASK_STACK_SIZE;
    return 0;
}

void smp_cpu_entry(void)
{
    struct run_queue *queue = this_cpu_ptr(run_queue);
    struct task *idle = queue->idle;

    idle->state = TASK_RUNNING;
    idle->is_on_cpu = true;
    idle->stack_canary = cpu_stack_canary(); /* frames below carry what the CPU started with */
    task_run_start(idle, clock_now_ns());
    queue->last_switch_ns = idle->run_since_ns;
    cpu_set_task(idle);
    sched_idle_loop();
}
