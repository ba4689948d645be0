/*
 * Calling functions on other CPUs.
 *
 * Each CPU has a ring of calls that others fill and only it empties, in its interrupt handler. A
 * caller that waits does so with interrupts on, so it answers calls meanwhile; one that finds a
 * ring full runs its own calls itself while it waits for room, since its interrupts may be off. So
 * CPUs that call each other, or in a circle, never wait for ever.
 */
#include "kernel/irq/ipi.h"

#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/percpu.h"
#include "arch/smp.h"
#include "kernel/panic.h"
#include "kernel/sched/preempt.h"
#include "kernel/sync/lock_debug.h"
#include "kernel/sync/spinlock.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"

#define RING_SIZE 64

/* Longer than the patience with a spinlock: then that message, which says more, comes first. */
#define ANSWER_DEADLINE_NS (2 * SPINLOCK_DEADLOCK_NS)

struct ipi_work {
    void (*function)(void *arg);
    void *arg;
    unsigned int *pending; /* counted down when done; NULL: nobody waits; atomic */
};

struct ipi_cpu {
    struct spinlock lock; /* rank: LOCK_RANK_IPI */
    struct ipi_work ring[RING_SIZE] __guarded_by(lock);
    unsigned int head __guarded_by(lock); /* next to run */
    unsigned int tail __guarded_by(lock); /* next to fill; both count for ever */
};

static DEFINE_PER_CPU(struct ipi_cpu, ipi_cpu) = { .lock = SPINLOCK_INIT("ipi", LOCK_RANK_IPI) };

static bool take_work(struct ipi_cpu *cpu, struct ipi_work *work)
{
    irqflags_t flags = spin_lock_irqsave(&cpu->lock);
    bool has_work = cpu->head != cpu->tail;

    if (has_work)
        *work = cpu->ring[cpu->head++ % RING_SIZE];
    spin_unlock_irqrestore(&cpu->lock, flags);
    return has_work;
}

void ipi_call_isr(void)
{
    struct ipi_cpu *cpu = this_cpu_ptr(ipi_cpu);
    struct ipi_work work;

    while (take_work(cpu, &work)) {
        work.function(work.arg);
        if (work.pending) /* pairs with the acquire in wait_for_answers() */
            __atomic_fetch_sub(work.pending, 1, __ATOMIC_RELEASE);
    }
}

/* Runs what others have called here, wherever we are. */
static void serve_own_calls(void)
{
    irqflags_t flags = irq_save();

    ipi_call_isr();
    irq_restore(flags);
}

static void submit(unsigned int cpu, const struct ipi_work *work)
{
    struct ipi_cpu *target = per_cpu_ptr(ipi_cpu, cpu);

    for (;;) {
        irqflags_t flags = spin_lock_irqsave(&target->lock);
        bool was_empty = target->head == target->tail;
        bool has_room = target->tail - target->head < RING_SIZE;
        if (has_room)
            target->ring[target->tail++ % RING_SIZE] = *work;
        spin_unlock_irqrestore(&target->lock, flags);
        if (was_empty) /* else an interrupt is on its way, or its handler is at work */
            smp_send_ipi(cpu, IPI_CALL);
        if (has_room)
            return;
        serve_own_calls();
        cpu_relax();
    }
}

static void wait_for_answers(const unsigned int *pending)
{
    uint64_t deadline = DEADLINE_NEVER;

    /* pairs with the release in ipi_call_isr() */
    while (__atomic_load_n(pending, __ATOMIC_ACQUIRE) > 0) {
        if (deadline == DEADLINE_NEVER)
            deadline = deadline_after_ns(ANSWER_DEADLINE_NS);
        else if (clock_now_ns() > deadline)
            panic("ipi: CPU %u waits for %u CPUs that do not answer", cpu_current(), *pending);
        cpu_relax();
    }
}

static void check_may_wait(void)
{
    if (!CONFIG_DEBUG)
        return;
    if (!irq_is_enabled())
        panic("an IPI call waits with interrupts off");
    lock_debug_check_rank(LOCK_RANK_IPI, "an IPI call that waits");
}

int ipi_call(unsigned int cpu, void (*function)(void *arg), void *arg, bool wait)
{
    unsigned int pending = 1;
    int error = 0;

    preempt_disable(); /* this CPU stays this CPU */
    if (cpu == cpu_current()) {
        irqflags_t flags = irq_save();
        function(arg);
        irq_restore(flags);
    } else if (cpu >= cpu_possible_count() || !cpu_is_online(cpu)) {
        error = -ENODEV;
    } else if (wait) {
        check_may_wait();
        submit(cpu, &(struct ipi_work){ function, arg, &pending });
        wait_for_answers(&pending);
    } else {
        submit(cpu, &(struct ipi_work){ function, arg, NULL });
    }
    preempt_enable();
    return error;
}

void ipi_call_others(void (*function)(void *arg), void *arg)
{
    unsigned int pending = 0;
    unsigned int cpu;

    if (cpu_online_count() == 1)
        return;
    check_may_wait();
    preempt_disable();
    for_each_online_cpu(cpu) {
        if (cpu == cpu_current())
            continue;
        __atomic_fetch_add(&pending, 1, __ATOMIC_RELAXED);
        submit(cpu, &(struct ipi_work){ function, arg, &pending });
    }
    wait_for_answers(&pending);
    preempt_enable();
}
