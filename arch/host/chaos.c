/*
 * Chaos: preemption and interrupts at random moments, to try interleavings of the kernel's own
 * code.
 *
 * Wherever the preemption count returns to zero, which is where a real CPU would take an interrupt
 * that was held off, a task may lose the CPU or the next timer may expire early. The choice comes
 * from a seeded generator, so that a run that fails can be repeated.
 */
#include "arch/cpu.h"
#include "arch/host/host.h"
#include "arch/host/host_internal.h"
#include "arch/irq.h"
#include "kernel/sched/preempt.h"

#define PREEMPT_ONE_IN 4
#define EXPIRE_ONE_IN  16

static uint64_t state;

void host_set_chaos(uint64_t seed)
{
    state = seed;
    host_cpu.has_chaos = seed != 0;
}

void host_chaos_reset(void)
{
    host_set_chaos(0);
}

static bool one_in(unsigned int n)
{
    state ^= state << 13; /* xorshift64 */
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 32) % n == 0;
}

void host_chaos_point(void)
{
    if (!irq_is_enabled())
        return;
    if (one_in(EXPIRE_ONE_IN) && host_clock_jump())
        host_irq_enabled();
    if (one_in(PREEMPT_ONE_IN))
        cpu_pending_set(PREEMPT_RESCHEDULE);
}
