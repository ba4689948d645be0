/*
 * NMIs. Another CPU sends one to stop this one or to see where it is; anything else comes from
 * outside (a button, a watchdog, a memory error) and is shown.
 *
 * While an NMI is handled further ones wait until the next IRET (SDM vol. 3A 6.7.1), which must not
 * be one of a fault in the handler: it touches only memory that is mapped.
 */
#include "arch/x86_64/nmi.h"

#include "arch/cpu.h"
#include "arch/x86_64/interrupts.h"
#include "arch/x86_64/registers.h"
#include "kernel/backtrace.h"
#include "kernel/sched/preempt.h"

void nmi_handle(struct cpu_registers *registers)
{
    cpu_preempt_count_add(PREEMPT_NMI);
    this_cpu_ptr(interrupt_counters)->nmi++;
    nmi_handler(registers);
    cpu_preempt_count_add(-PREEMPT_NMI);
}
