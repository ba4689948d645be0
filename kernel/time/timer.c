/*
 * Timers.
 *
 * Each CPU has a heap of its armed timers and one hardware event (arch/clock.h), which is kept at
 * or before the earliest of them and the end of the time slice. The event is never moved later: a
 * timer that is disarmed, as most are, costs no access to the hardware, only an interrupt that
 * finds nothing to do, once.
 *
 * A timer belongs to the CPU in timer->cpu, whose lock guards it. It moves to the CPU that arms it,
 * with both locks held, so that holding either means it stays; but not while its callback runs, so
 * that timer_stop_sync() need look at one CPU only.
 *
 * Callbacks run in SOFTIRQ_TIMER without any lock. A one-shot timer is disarmed and no more touched
 * when its callback starts: the callback may free it.
 */
#include "kernel/time/timer.h"

#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/percpu.h"
#include "arch/smp.h"
#include "kernel/irq/softirq.h"
#include "kernel/panic.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/sched.h"
#include "kernel/sync/spinlock.h"
#include "lib/atomic.h"

struct timer_cpu {
    struct spinlock lock;   /* rank: LOCK_RANK_TIMER */
    struct timer_heap heap; /* guarded by lock */
    struct timer *running;  /* whose callback runs now; written with lock held; atomic */
    uint64_t event_ns;      /* what the hardware is set to; own CPU, interrupts off */
    uint64_t slice_end_ns;  /* own CPU, interrupts off */
    struct {
        void (*take)(const struct cpu_registers *registers);
        uint64_t next_ns; /* DEADLINE_NEVER: nobody profiles */
        uint64_t period_ns;
    } sample; /* own CPU, interrupts off */
};

static DEFINE_PER_CPU(struct timer_cpu, timer_cpu) = {
    .lock = SPINLOCK_INIT("timers", LOCK_RANK_TIMER),
    .event_ns = DEADLINE_NEVER,
    .slice_end_ns = DEADLINE_NEVER,
    .sample = { .next_ns = DEADLINE_NEVER },
};

/* Callbacks in one run of the softirq; the rest waits for the next, so that other work gets in. */
#define CALLBACKS_PER_RUN 64

void timer_init(struct timer *timer, const char *name, void (*callback)(struct timer *))
{
    *timer = (struct timer)TIMER_INIT(name, callback);
}

static void set_event(struct timer_cpu *cpu, uint64_t deadline_ns)
{
    if (deadline_ns >= cpu->event_ns)
        return;
    cpu->event_ns = deadline_ns;
    clock_event_set(deadline_ns);
}

void timer_slice_set(uint64_t deadline_ns)
{
    struct timer_cpu *cpu = this_cpu_ptr(timer_cpu);

    cpu->slice_end_ns = deadline_ns;
    set_event(cpu, deadline_ns);
}

void timer_slice_set_by(uint64_t deadline_ns)
{
    if (deadline_ns < this_cpu_ptr(timer_cpu)->slice_end_ns)
        timer_slice_set(deadline_ns);
}

bool timer_slice_is_set(void)
{
    return this_cpu_ptr(timer_cpu)->slice_end_ns != DEADLINE_NEVER;
}

static uint64_t first_deadline_locked(const struct timer_cpu *cpu) __must_hold(cpu->lock)
{
    const struct timer_heap_node *first = timer_heap_first(&cpu->heap);

    return first ? first->key : DEADLINE_NEVER;
}

void timer_event_update(void)
{
    struct timer_cpu *cpu = this_cpu_ptr(timer_cpu);

    irqflags_t flags = spin_lock_irqsave(&cpu->lock);
    uint64_t first = first_deadline_locked(cpu);
    spin_unlock_irqrestore(&cpu->lock, flags);
    set_event(cpu, first);
    set_event(cpu, cpu->slice_end_ns);
}

/*
 * Locks what guards @timer, and this CPU's heap too, where it may move. Two CPUs' locks have one
 * rank and are taken in the order of CPU numbers. Interrupts are off.
 */
static struct timer_cpu *lock_both(struct timer *timer,
                                   unsigned int here) __no_thread_safety_analysis
{
    for (;;) {
        unsigned int owner = load_acquire(&timer->cpu);
        struct timer_cpu *low = per_cpu_ptr(timer_cpu, owner < here ? owner : here);
        struct timer_cpu *high = per_cpu_ptr(timer_cpu, owner < here ? here : owner);

        spin_lock(&low->lock);
        if (high != low)
            spin_lock_nested(&high->lock);
        if (READ_ONCE(timer->cpu) == owner)
            return per_cpu_ptr(timer_cpu, owner);
        if (high != low)
            spin_unlock(&high->lock);
        spin_unlock(&low->lock);
    }
}

/* The analysis cannot follow a lock that a function returns: those who use this are left out. */
static struct timer_cpu *lock_owner(const struct timer *timer,
                                    irqflags_t *flags) __no_thread_safety_analysis
{
    *flags = irq_save();
    for (;;) {
        unsigned int owner = load_acquire(&timer->cpu);
        struct timer_cpu *cpu = per_cpu_ptr(timer_cpu, owner);

        spin_lock(&cpu->lock);
        if (READ_ONCE(timer->cpu) == owner)
            return cpu;
        spin_unlock(&cpu->lock);
    }
}

static void unlock_owner(struct timer_cpu *cpu, irqflags_t flags) __no_thread_safety_analysis
{
    spin_unlock_irqrestore(&cpu->lock, flags);
}

void timer_start(struct timer *timer, uint64_t deadline_ns,
                 uint64_t period_ns) __no_thread_safety_analysis
{
    preempt_disable();
    irqflags_t flags = irq_save();
    unsigned int here = cpu_current();
    struct timer_cpu *this_cpu = this_cpu_ptr(timer_cpu);
    struct timer_cpu *owner = lock_both(timer, here);
    struct timer_cpu *target = this_cpu;

    if (timer_heap_contains(&timer->node))
        timer_heap_remove(&owner->heap, &timer->node);
    if (READ_ONCE(owner->running) == timer)
        target = owner;
    else
        store_release(&timer->cpu, here); /* pairs with the acquire in lock_owner() */
    timer->node.key = deadline_ns;
    timer->period_ns = period_ns;
    if (deadline_ns != DEADLINE_NEVER)
        timer_heap_insert(&target->heap, &timer->node);
    bool is_first = timer_heap_first(&target->heap) == &timer->node;
    unsigned int target_number = READ_ONCE(timer->cpu);
    if (owner != this_cpu)
        spin_unlock(&owner->lock);
    spin_unlock(&this_cpu->lock);
    /* From here on the timer may be gone. */
    if (is_first && target == this_cpu)
        set_event(this_cpu, deadline_ns);
    else if (is_first)
        smp_send_ipi(target_number, IPI_RESCHEDULE); /* its handler calls timer_event_update() */
    irq_restore(flags);
    preempt_enable();
}

static bool disarm_locked(struct timer_cpu *cpu, struct timer *timer) __must_hold(cpu->lock)
{
    if (!timer_heap_contains(&timer->node))
        return false;
    timer_heap_remove(&cpu->heap, &timer->node);
    return true;
}

bool timer_stop(struct timer *timer) __no_thread_safety_analysis
{
    irqflags_t flags;
    struct timer_cpu *cpu = lock_owner(timer, &flags);
    bool was_armed = disarm_locked(cpu, timer);

    unlock_owner(cpu, flags);
    return was_armed;
}

bool timer_stop_sync(struct timer *timer) __no_thread_safety_analysis
{
    bool was_armed = false;

    for (;;) {
        irqflags_t flags;
        struct timer_cpu *cpu = lock_owner(timer, &flags);
        bool is_running = READ_ONCE(cpu->running) == timer;

        was_armed |= disarm_locked(cpu, timer);
        unlock_owner(cpu, flags);
        if (!is_running)
            return was_armed;
        cpu_relax(); /* and again: the callback may have armed it once more */
    }
}

bool timer_is_armed(const struct timer *timer)
{
    irqflags_t flags;
    struct timer_cpu *cpu = lock_owner(timer, &flags);
    bool is_armed = timer_heap_contains(&timer->node);

    unlock_owner(cpu, flags);
    return is_armed;
}

size_t timer_armed_count(void)
{
    size_t count = 0;
    unsigned int cpu;

    for_each_online_cpu(cpu)
        count += READ_ONCE(per_cpu_ptr(timer_cpu, cpu)->heap.count);
    return count;
}

/* A period that lies wholly in the past is skipped, not made up for. */
static void rearm_periodic_locked(struct timer_cpu *cpu, struct timer *timer, uint64_t now)
    __must_hold(cpu->lock)
{
    uint64_t deadline = timer->node.key + timer->period_ns;

    if (deadline <= now)
        deadline = now + timer->period_ns;
    timer->node.key = deadline;
    timer_heap_insert(&cpu->heap, &timer->node);
}

/* Takes the earliest timer off if it has expired, and marks it as running. */
static struct timer *take_expired(struct timer_cpu *cpu, uint64_t now)
{
    irqflags_t flags = spin_lock_irqsave(&cpu->lock);
    struct timer_heap_node *node = timer_heap_first(&cpu->heap);
    struct timer *timer = NULL;

    if (node && node->key <= now) {
        timer = container_of(node, struct timer, node);
        timer_heap_remove(&cpu->heap, node);
        if (timer->period_ns)
            rearm_periodic_locked(cpu, timer, now);
    }
    WRITE_ONCE(cpu->running, timer);
    spin_unlock_irqrestore(&cpu->lock, flags);
    return timer;
}

static void timer_softirq(void)
{
    struct timer_cpu *cpu = this_cpu_ptr(timer_cpu);
    uint64_t now = clock_now_ns();
    unsigned int callbacks = 0;
    struct timer *timer;

    while ((timer = take_expired(cpu, now)) != NULL) {
        timer->callback(timer);
        if (++callbacks % CALLBACKS_PER_RUN == 0)
            break;
    }
    WRITE_ONCE(cpu->running, NULL);
    irqflags_t flags = irq_save();
    if (timer)
        softirq_raise(SOFTIRQ_TIMER);
    else
        timer_event_update(); /* one that expired meanwhile makes the event come at once */
    irq_restore(flags);
}

void timer_sample_start(void (*sample)(const struct cpu_registers *registers), uint64_t period_ns)
{
    struct timer_cpu *cpu = this_cpu_ptr(timer_cpu);

    cpu->sample.take = sample;
    cpu->sample.period_ns = period_ns;
    cpu->sample.next_ns = deadline_after_ns(period_ns);
    set_event(cpu, cpu->sample.next_ns);
}

void timer_sample_stop(void)
{
    this_cpu_ptr(timer_cpu)->sample.next_ns = DEADLINE_NEVER;
}

static void take_sample(struct timer_cpu *cpu, const struct cpu_registers *registers, uint64_t now)
{
    cpu->sample.take(registers);
    cpu->sample.next_ns += cpu->sample.period_ns;
    if (cpu->sample.next_ns <= now)
        cpu->sample.next_ns = now + cpu->sample.period_ns;
}

void timer_interrupt_isr(const struct cpu_registers *registers)
{
    struct timer_cpu *cpu = this_cpu_ptr(timer_cpu);
    uint64_t now = clock_now_ns();

    cpu->event_ns = DEADLINE_NEVER;
    if (cpu->sample.next_ns <= now)
        take_sample(cpu, registers, now);
    if (cpu->slice_end_ns <= now) {
        cpu->slice_end_ns = DEADLINE_NEVER;
        sched_slice_expired(now);
    }
    spin_lock(&cpu->lock);
    uint64_t first = first_deadline_locked(cpu);
    spin_unlock(&cpu->lock);
    if (first <= now)
        softirq_raise(SOFTIRQ_TIMER); /* which sets the event again when it is done */
    else
        set_event(cpu, first);
    set_event(cpu, cpu->slice_end_ns);
    set_event(cpu, cpu->sample.next_ns);
}

void timer_system_init(void)
{
    softirq_register(SOFTIRQ_TIMER, "timer", timer_softirq);
}
