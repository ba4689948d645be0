/*
 * What was held off while preemption was disabled.
 */
#include "kernel/sched/preempt.h"

#include "arch/irq.h"
#include "arch/smp.h"
#include "kernel/irq/softirq.h"
#include "kernel/panic.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task.h"
#include "kernel/sync/lock_debug.h"

/*
 * Code that turned interrupts off by hand, without a spinlock, woke a task or raised a softirq. An
 * interrupt to ourselves does the work as soon as they are on again. Interrupts are off.
 */
static void kick_this_cpu(void)
{
    if (cpu_pending_test(PREEMPT_IS_KICKED))
        return;
    cpu_pending_set(PREEMPT_IS_KICKED); /* until sched_ipi_isr() */
    smp_send_ipi(cpu_current(), IPI_RESCHEDULE);
}

void preempt_run_pending(void)
{
    if (cpu_preempt_count() != 0)
        return;
    if (!irq_is_enabled()) {
        if (sched_is_running())
            kick_this_cpu();
        return;
    }
    irq_disable();
    softirq_run_pending();
    sched_preempt();
    irq_enable();
}

#if CONFIG_DEBUG
void might_sleep(void)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);

    if (cpu_preempt_count() != 0)
        panic("a function that may sleep was called at %#lx with preemption off (count %#x, "
              "%u spinlocks held)",
              (unsigned long)caller, (unsigned int)cpu_preempt_count(), lock_debug_held_count());
    if (!irq_is_enabled() && sched_is_running())
        panic("a function that may sleep was called at %#lx with interrupts off",
              (unsigned long)caller);
}
#endif
