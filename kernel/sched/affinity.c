/*
 * Binding tasks to CPUs.
 *
 * The mask is read where a task is placed, taken from a queue, and put back on one; a task that is
 * found where it may not be is moved on (run_queue.c, switch.c). So it is enough to write the mask
 * and then see to it that the task does not stay where it is.
 */
#include "arch/irq.h"
#include "arch/smp.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/run_queue.h"
#include "kernel/time/clock.h"
#include "lib/atomic.h"
#include "lib/errno.h"

#define POLL_NS (100 * NS_PER_US)

static bool has_online_cpu(const uint64_t mask[TASK_AFFINITY_WORDS])
{
    unsigned int cpu;

    for_each_online_cpu(cpu) {
        if (mask[cpu / 64] >> (cpu % 64) & 1)
            return true;
    }
    return false;
}

/*
 * Is the task on a CPU that it may not be on? Then *@cpu is which. With the lock of the run queue:
 * a CPU that is just picking the task either has set is_on_cpu by now, or will see the new mask.
 */
static bool is_misplaced(struct task *task, unsigned int *cpu)
{
    *cpu = READ_ONCE(task->cpu);
    struct run_queue *queue = per_cpu_ptr(run_queue, *cpu);

    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    bool result = load_acquire(&task->is_on_cpu) && READ_ONCE(task->state) == TASK_RUNNING &&
                  !task_may_run_on(task, READ_ONCE(task->cpu));
    spin_unlock_irqrestore(&queue->lock, flags);
    return result;
}

int task_set_affinity(struct task *task, const uint64_t mask[TASK_AFFINITY_WORDS])
{
    unsigned int cpu;

    might_sleep();
    if (!has_online_cpu(mask))
        return -EINVAL;
    for (size_t i = 0; i < TASK_AFFINITY_WORDS; i++)
        WRITE_ONCE(task->affinity[i], mask[i]);
    atomic_fence();
    if (task == task_current()) {
        if (!task_may_run_on(task, cpu_current()))
            task_yield();
        return 0;
    }
    while (is_misplaced(task, &cpu)) {
        smp_send_ipi(cpu, IPI_RESCHEDULE);
        int error = sleep_ns(POLL_NS);
        if (error)
            task_yield();
    }
    return 0;
}
