/*
 * Switching tasks: who runs next on this CPU, and what an idle CPU does.
 *
 * A switch happens with interrupts off and a preemption count of exactly 1, for the task that
 * leaves and the one that comes. It has three parts:
 *
 *     choose          with the run queue's lock: put the old task back if it is ready, take the
 * next context_switch  without it; the old task may be on a queue already, but only this CPU's
 *     finish_switch   on the new task's stack: the old one's registers are saved now, so others
 *                     may run it (is_on_cpu, release order), move it or free it
 *
 * The new task may have been switched out on another CPU: nothing about "this CPU" that was read
 * before context_switch() holds after it.
 *
 * There is no tick. The end of the slice is set in the timer only while somebody waits for the CPU.
 */
#include "arch/context.h"
#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/mmu.h"
#include "kernel/panic.h"
#include "kernel/sched/credit.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/run_queue.h"
#include "kernel/sched/sched.h"
#include "kernel/time/timer.h"
#include "lib/atomic.h"

static void finish_switch(void)
{
    struct run_queue *queue = this_cpu_ptr(run_queue);
    struct task *previous = queue->previous;
    struct task *misplaced = queue->misplaced;
    bool is_dead = READ_ONCE(previous->state) == TASK_DEAD;

    queue->previous = NULL;
    queue->misplaced = NULL;
    /* Pairs with the acquire in choose_cpu() and take_stealable_locked(). From here on a task that
     * is not dead may run elsewhere, end, and be gone. */
    store_release(&previous->is_on_cpu, false);
    if (misplaced)
        run_queue_place(misplaced);
    if (is_dead)
        task_put(previous);
}

/* It is not running from here on, though finish_switch() has yet to find it a place. */
static void set_misplaced_locked(struct run_queue *queue, struct task *task)
    __must_hold(queue->lock)
{
    WRITE_ONCE(task->state, TASK_READY);
    queue->misplaced = task;
}

/* Interrupts off. A task that must leave this CPU for good goes through queue->misplaced. */
static struct task *choose_next(struct run_queue *queue, unsigned int cpu, bool is_ready,
                                uint64_t now)
{
    struct task *task = queue->current;
    struct task *next;

    spin_lock(&queue->lock);
    if (task->is_idle)
        WRITE_ONCE(task->state, TASK_READY); /* always, and on no queue */
    else if (is_ready && task_may_run_on(task, cpu))
        run_queue_put_back_locked(queue, task, now);
    else if (is_ready)
        set_misplaced_locked(queue, task);
    next = run_queue_take_locked(queue, cpu, now);
    if (!next)
        next = queue->idle;
    queue->is_slice_set = queue->ready_count > 0 && !next->is_idle;
    if (next != task)
        WRITE_ONCE(queue->last_switch_ns, now);
    store_release(&queue->current, next); /* pairs with sched_statistics() */
    WRITE_ONCE(next->cpu, cpu);
    WRITE_ONCE(next->is_on_cpu, true);
    WRITE_ONCE(next->state, TASK_RUNNING);
    spin_unlock(&queue->lock);
    return next;
}

static void account_switch(struct run_queue *queue, struct task *from, struct task *to,
                           uint64_t now)
{
    queue->switches++;
    queue->refused = 0;
    credit_use(from, now);
    task_run_stop(from, now);
    task_run_start(to, now);
    to->switches++;
}

static void place_misplaced(struct run_queue *queue)
{
    struct task *misplaced = queue->misplaced;

    queue->misplaced = NULL;
    if (misplaced)
        run_queue_place(misplaced);
}

/* When to look again at a queue where somebody waits while @to runs. */
static uint64_t next_look(const struct run_queue *queue, const struct task *to, uint64_t now)
{
    uint64_t first = MIN(run_queue_patience(now), now + to->slice_ns);

    return READ_ONCE(queue->eager_count) > 0 ? MIN_T(uint64_t, first, now + SCHED_WAKE_NS) : first;
}

void sched_switch(bool is_ready)
{
    cpu_preempt_count_add(PREEMPT_DISABLE);
    struct run_queue *queue = this_cpu_ptr(run_queue);
    struct task *from = queue->current;
    task_run_pause(from);
    uint64_t now = clock_now_ns();

    debug_assert(cpu_preempt_count() == PREEMPT_DISABLE && !irq_is_enabled());
    cpu_pending_clear(PREEMPT_RESCHEDULE);
    struct task *to = choose_next(queue, cpu_current(), is_ready, now);
    timer_slice_set(queue->is_slice_set ? next_look(queue, to, now) : DEADLINE_NEVER);
    if (to != from) {
        if (from->is_idle)
            idle_mask_clear(cpu_current()); /* set still when an interrupt ended the idleness */
        mmu_note_switch(now);
        account_switch(queue, from, to, now);
        queue->previous = from;
        cpu_set_task(to);
        cpu_set_stack_canary(to->stack_canary);
        context_switch(&from->context, &to->context);
        finish_switch();
    } else {
        task_run_go_on(from);
        place_misplaced(queue);
    }
    cpu_preempt_count_add(-PREEMPT_DISABLE);
}

void sched_task_start(void *arg)
{
    struct task *task = arg;

    finish_switch();
    cpu_preempt_count_add(-PREEMPT_DISABLE);
    irq_enable();
    task_exit(task->entry(task->arg));
}

void sched_preempt(void)
{
    if (cpu_pending_test(PREEMPT_RESCHEDULE))
        sched_switch(true);
}

void task_yield(void)
{
    might_sleep();
    irqflags_t flags = irq_save();
    sched_switch(true);
    irq_restore(flags);
}

static void (*lockup_hook)(void); /* const after init */

void sched_set_lockup_hook(void (*hook)(void))
{
    store_release(&lockup_hook, hook);
}

/* Counted in slices, not by the clock: a virtual CPU that its host did not run has refused nothing.
 */
static void note_refusal(struct run_queue *queue)
{
    void (*hook)(void) = load_acquire(&lockup_hook);

    if (++queue->refused == SCHED_LOCKUP_SLICES && hook)
        hook();
}

/*
 * Somebody has waited for a while. An idle CPU is woken to take a task away, if there is one; and
 * when the running task has had its slice, it must go, or sooner when an eager task waits. One that
 * cannot be preempted is looked at again a slice later.
 */
void sched_slice_expired(uint64_t now)
{
    struct run_queue *queue = this_cpu_ptr(run_queue);

    spin_lock(&queue->lock);
    bool is_waited_for = queue->ready_count > 0;
    queue->is_slice_set = is_waited_for;
    spin_unlock(&queue->lock);
    if (!is_waited_for)
        return;
    idle_mask_kick_one();
    uint64_t slice_end = queue->current->run_since_ns + queue->current->slice_ns;
    if (now >= slice_end) {
        cpu_pending_set(PREEMPT_RESCHEDULE);
        note_refusal(queue);
        slice_end = now + SCHED_SLICE_NS;
    }
    timer_slice_set(slice_end);
    if (READ_ONCE(queue->eager_count) > 0)
        run_queue_give_way(queue, now);
}

static void look_at_waiting(const struct run_queue *queue, uint64_t now)
{
    if (!timer_slice_is_set())
        timer_slice_set(run_queue_patience(now));
    if (READ_ONCE(queue->eager_count) > 0)
        run_queue_give_way(queue, now);
}

/* Sent because this CPU was idle and has got work or may steal some; or because its running task
 * needs an end of slice, or must give way; or may not run here any more; or a timer was armed for
 * it from afar. */
void sched_ipi_isr(void)
{
    struct run_queue *queue = this_cpu_ptr(run_queue);

    queue->kicks++;
    cpu_pending_clear(PREEMPT_IS_KICKED);
    if (queue->current == queue->idle) {
        if (READ_ONCE(queue->ready_count) > 0)
            cpu_pending_set(PREEMPT_RESCHEDULE);
    } else if (!task_may_run_on(queue->current, cpu_current())) {
        cpu_pending_set(PREEMPT_RESCHEDULE);
    } else if (READ_ONCE(queue->ready_count) > 0) {
        look_at_waiting(queue, clock_now_ns());
    }
    timer_event_update();
}

/*
 * Halting and being woken costs tens of microseconds where CPUs are virtual. So a CPU to which
 * others soon give work polls for a little before it halts; one that waits for long, or for
 * a device, does not: a device's interrupt ends the halt, and where CPUs are virtual the device is
 * a thread of the host, which polling keeps from running. (Under QEMU's emulator each cpu_relax()
 * even takes the lock that all devices need.)
 */
#define POLL_NS_MAX (100 * NS_PER_US)
#define POLL_NS_MIN (10 * NS_PER_US)

static bool has_work(const struct run_queue *queue, unsigned int cpu)
{
    return READ_ONCE(queue->ready_count) > 0 || cpu_pending_test(PREEMPT_WORK) ||
           !idle_mask_test(cpu);
}

static void poll_for_work(struct run_queue *queue, unsigned int cpu, uint64_t start)
{
    __atomic_store_n(&queue->is_polling, true, __ATOMIC_SEQ_CST);
    irq_enable();
    while (!has_work(queue, cpu) && clock_now_ns() - start < queue->poll_ns)
        cpu_relax();
    irq_disable();
    /* Before the last look at the queue: pairs with wake_idle_cpu(). */
    __atomic_store_n(&queue->is_polling, false, __ATOMIC_SEQ_CST);
}

static void learn_from_idle_time(struct run_queue *queue, uint64_t idle_ns)
{
    if (READ_ONCE(queue->is_given_work) && idle_ns < POLL_NS_MAX)
        queue->poll_ns = POLL_NS_MAX;
    else
        queue->poll_ns = queue->poll_ns / 2 < POLL_NS_MIN ? 0 : queue->poll_ns / 2;
}

/* Interrupts off, nothing to run. Returns after an interrupt, or at once when work came. */
static void idle_until_work(struct run_queue *queue, unsigned int cpu)
{
    uint64_t start = clock_now_ns();

    WRITE_ONCE(queue->is_given_work, false);
    idle_mask_set(cpu);
    atomic_fence(); /* pairs with the one in enqueue() */
    if (queue->poll_ns > 0 && !has_work(queue, cpu))
        poll_for_work(queue, cpu, start);
    if (!has_work(queue, cpu))
        cpu_idle();
    idle_mask_clear(cpu);
    learn_from_idle_time(queue, clock_now_ns() - start);
}

void sched_idle_loop(void)
{
    unsigned int cpu = cpu_current();
    struct run_queue *queue = this_cpu_ptr(run_queue);

    for (;;) {
        irq_disable();
        if (READ_ONCE(queue->ready_count) == 0 && !run_queue_steal(cpu))
            idle_until_work(queue, cpu);
        if (cpu_pending_test(PREEMPT_RAISED)) {
            irq_enable();
            preempt_run_pending();
            irq_disable();
        }
        if (READ_ONCE(queue->ready_count) > 0 || cpu_pending_test(PREEMPT_RESCHEDULE))
            sched_switch(true);
    }
}

void sched_statistics(unsigned int cpu, struct sched_statistics *statistics)
{
    const struct run_queue *queue = per_cpu_ptr(run_queue, cpu);
    /* First, so that last_switch_ns is not older than its switch. */
    struct task *current = load_acquire(&queue->current);

    *statistics = (struct sched_statistics){ .switches = READ_ONCE(queue->switches),
                                             .steals = READ_ONCE(queue->steals),
                                             .kicks = READ_ONCE(queue->kicks),
                                             .idle_ns = task_run_ns(queue->idle),
                                             .last_switch_ns = READ_ONCE(queue->last_switch_ns),
                                             .online_since_ns = queue->online_since_ns,
                                             .ready = READ_ONCE(queue->ready_count),
                                             .current = current };
}
