/*
 * Waiting and being woken, the two ends of everything that blocks.
 *
 * task->park is all there is between them, one atomic byte:
 *
 *     NONE --- task_wake() ---> TOKEN         the wake came first; the next park returns at once
 *     NONE --- task_park() ---> PARKED        the task leaves its CPU
 *     PARKED - task_wake() ---> TOKEN         this waker, and no other, makes the task ready
 *     TOKEN -- end of task_park() ---> NONE   the token is used up
 *
 * Every transition is an atomic exchange, so a wake that follows a change of the condition either
 * finds the task parked, or is found by it. Tokens may be left over from an earlier wait that ended
 * otherwise (deadline, cancel); a park that returns without cause is allowed.
 *
 * A waker on another CPU may find the task parked while it is still leaving its CPU, its registers
 * not saved yet: is_on_cpu is true then, and the task is queued on that very CPU, which cannot pick
 * it before it is done leaving (run_queue.c). Interrupts are off from PARKED to the switch, so that
 * nothing else can get in between on this CPU.
 */
#include "arch/irq.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/run_queue.h"
#include "kernel/sched/task.h"

void task_park(const char *name)
{
    struct task *task = task_current();
    uint8_t expected = PARK_NONE;

    might_sleep();
    irqflags_t flags = irq_save();
    WRITE_ONCE(task->wait_name, name);
    WRITE_ONCE(task->state, TASK_WAITING);
    if (__atomic_compare_exchange_n(&task->park, &expected, PARK_PARKED, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST))
        sched_switch(false);
    /* Pairs with the exchange in task_wake(): what the waker did before is seen from here on. */
    __atomic_exchange_n(&task->park, PARK_NONE, __ATOMIC_SEQ_CST);
    WRITE_ONCE(task->state, TASK_RUNNING);
    WRITE_ONCE(task->wait_name, NULL);
    irq_restore(flags);
}

void task_wake(struct task *task)
{
    if (__atomic_exchange_n(&task->park, PARK_TOKEN, __ATOMIC_SEQ_CST) == PARK_PARKED)
        run_queue_wake(task);
}

void task_cancel(struct task *task)
{
    __atomic_store_n(&task->is_cancelled, true, __ATOMIC_RELEASE); /* pairs with wait_woken() */
    task_wake(task);
}

bool task_is_cancelled(void)
{
    return __atomic_load_n(&task_current()->is_cancelled, __ATOMIC_ACQUIRE);
}

void task_clear_cancel(struct task *task)
{
    __atomic_store_n(&task->is_cancelled, false, __ATOMIC_RELEASE);
}
