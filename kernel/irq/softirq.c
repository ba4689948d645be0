/*
 * Softirqs.
 *
 * Each CPU has a word of raised softirqs, touched by that CPU alone with interrupts off. They are
 * run at the end of the outermost interrupt (irq_exit), or by the preempt_enable() that ends the
 * region in which they were raised. A run looks again for what was raised meanwhile, a few times;
 * what is then left goes to the CPU's softirq task, which shares the CPU with other tasks by
 * slices. While that task has work, interrupts leave softirqs to it.
 */
#include "kernel/irq/softirq.h"

#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/percpu.h"
#include "kernel/panic.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task.h"
#include "kernel/sync/lock_debug.h"
#include "lib/atomic.h"
#include "lib/printf.h"

/* One run of all raised handlers is a round; both bounds are checked between rounds. */
#define ROUNDS_MAX 8
#define RUN_NS_MAX (2 * NS_PER_MS)

struct softirq_cpu {
    uint32_t raised;              /* bit per enum softirq; own CPU, interrupts off */
    bool is_task_active;          /* the task has taken over; own CPU, interrupts off */
    struct task *task;            /* const after softirq_start_cpu() */
    uint64_t runs[SOFTIRQ_COUNT]; /* statistics; own CPU */
};

static DEFINE_PER_CPU(struct softirq_cpu, softirq_cpu);

static struct {
    const char *name;
    void (*handler)(void);
} softirqs[SOFTIRQ_COUNT]; /* const after init */

void softirq_register(enum softirq softirq, const char *name, void (*handler)(void))
{
    assert((unsigned int)softirq < SOFTIRQ_COUNT);
    softirqs[softirq].name = name;
    store_release(&softirqs[softirq].handler, handler);
}

void softirq_raise(enum softirq softirq)
{
    irqflags_t flags = irq_save();
    struct softirq_cpu *cpu = this_cpu_ptr(softirq_cpu);

    cpu->raised |= 1u << softirq;
    if (!cpu->is_task_active)
        cpu_pending_set(PREEMPT_RAISED);
    irq_restore(flags);
    if (!in_interrupt())
        preempt_run_pending();
}

/* Interrupts off on entry and exit, on in between. */
static void run_round(struct softirq_cpu *cpu)
{
    uint32_t raised = cpu->raised;

    cpu->raised = 0;
    cpu_pending_clear(PREEMPT_RAISED);
    irq_enable();
    for (unsigned int i = 0; raised != 0; i++, raised >>= 1) {
        void (*handler)(void) = load_acquire(&softirqs[i].handler);
        if (!(raised & 1) || !handler)
            continue;
        cpu->runs[i]++;
        handler();
    }
    irq_disable();
}

static void hand_over_to_task(struct softirq_cpu *cpu)
{
    cpu->is_task_active = true;
    cpu_pending_clear(PREEMPT_RAISED);
    task_wake(cpu->task);
}

static void enter_softirq(void)
{
    cpu_preempt_count_add(PREEMPT_SOFTIRQ);
    lock_debug_enter();
}

static void leave_softirq(void)
{
    lock_debug_leave();
    cpu_preempt_count_add(-PREEMPT_SOFTIRQ);
}

void softirq_run_pending(void)
{
    struct softirq_cpu *cpu = this_cpu_ptr(softirq_cpu);
    uint64_t start = 0;

    if (!cpu_pending_test(PREEMPT_RAISED))
        return;
    enter_softirq();
    run_round(cpu);
    for (unsigned int round = 1; cpu->raised; round++) {
        uint64_t now = clock_now_ns();
        if (start == 0)
            start = now;
        if (cpu->task && (round == ROUNDS_MAX || now - start > RUN_NS_MAX)) {
            hand_over_to_task(cpu);
            break;
        }
        run_round(cpu);
    }
    leave_softirq();
}

static int softirq_task(void *arg)
{
    struct softirq_cpu *cpu = this_cpu_ptr(softirq_cpu); /* the task is bound to its CPU */

    (void)arg;
    for (;;) {
        irq_disable();
        if (cpu->raised) {
            enter_softirq();
            run_round(cpu);
            leave_softirq();
            sched_preempt();
            irq_enable();
        } else {
            cpu->is_task_active = false;
            irq_enable();
            task_park("softirq");
        }
    }
    return 0;
}

int softirq_start_cpu(unsigned int cpu)
{
    char name[TASK_NAME_MAX];
    struct task *task;

    snprintf(name, sizeof(name), "softirq/%u", cpu);
    int error = task_create_on(cpu, name, softirq_task, NULL, &task);
    if (error)
        return error;
    per_cpu_ptr(softirq_cpu, cpu)->task = task;
    return 0;
}

void softirq_statistics(enum softirq softirq, unsigned int cpu,
                        struct softirq_statistics *statistics)
{
    statistics->name = softirqs[softirq].name;
    statistics->runs = READ_ONCE(per_cpu_ptr(softirq_cpu, cpu)->runs[softirq]);
}
