/*
 * Run queues: which CPU a ready task waits for.
 *
 * A task that becomes ready stays on the CPU that made it so, while nobody else waits there: most
 * wakers soon wait themselves (for the answer, for the end of a child), and then the task runs at
 * once. If it is not run within SCHED_BALANCE_NS, an idle CPU is woken to come and steal it. To
 * send it to an idle CPU at once was here first; it made the join of a new task wait for two
 * wake-ups of halted CPUs, which is 10 us at best and, with more virtual CPUs than real ones, 9 ms.
 *
 * When somebody waits here already, the task goes to an idle CPU, or else to the less loaded of
 * this CPU and the one it ran on last. What that leaves unbalanced, CPUs that become idle put right
 * by stealing.
 *
 * A task that wakes or is made and has slept more than it ran lately is eager (credit.h): it waits
 * before the others, and takes the CPU from a task that has run for SCHED_WAKE_NS, so that who
 * mostly waits (a shell, a network server) answers at once while others compute. Its turn ends when
 * its credit is used up; then it waits with the others. When these have not had a turn for a slice
 * they come first, once: nobody starves. A task that woke somebody is not preempted before it has
 * run for SCHED_WAKE_NS, since it will mostly wait itself soon.
 *
 * A task whose registers are not saved yet (is_on_cpu) may wait only for the CPU it is on: that CPU
 * cannot pick it before it has finished leaving it. Nobody steals such a task.
 *
 * A CPU that halts and one that gives it work do, in this order:
 *
 *     idle:   set own bit in idle_mask; fence; look at own ready_count; halt
 *     giver:  add to ready_count; fence; look at the bit; clear it and send an interrupt
 *
 * Whatever the interleaving, either the idle CPU sees the task or the giver sees the bit. While the
 * idle CPU polls, the interrupt is left out: it looks at the bit and its queue again after it has
 * said that it polls no more. An
 * interrupt sent between the look and the halt ends the halt at once (arch/cpu.h, cpu_idle()).
 */
#include "kernel/sched/run_queue.h"

#include "arch/irq.h"
#include "arch/smp.h"
#include "kernel/sched/credit.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/sched.h"
#include "kernel/time/timer.h"
#include "lib/atomic.h"

DEFINE_PER_CPU(struct run_queue, run_queue);

static atomic_u64 idle_mask[TASK_AFFINITY_WORDS];

void run_queue_init(struct run_queue *queue, struct task *idle)
{
    *queue = (struct run_queue){ .lock = SPINLOCK_INIT("run_queue", LOCK_RANK_RUN_QUEUE),
                                 .current = idle,
                                 .online_since_ns = clock_now_ns(),
                                 .idle = idle };
    list_init(&queue->ready);
    list_init(&queue->eager);
}

/* ---- idle CPUs ----------------------------------------------------------------------------- */

static uint64_t mask_bit(unsigned int cpu)
{
    return 1ULL << (cpu % 64);
}

void idle_mask_set(unsigned int cpu)
{
    atomic_fetch_or(&idle_mask[cpu / 64], mask_bit(cpu));
}

bool idle_mask_test(unsigned int cpu)
{
    return atomic_load_relaxed(&idle_mask[cpu / 64]) & mask_bit(cpu);
}

bool idle_mask_clear(unsigned int cpu)
{
    if (!idle_mask_test(cpu))
        return false;
    return atomic_fetch_and(&idle_mask[cpu / 64], ~mask_bit(cpu)) & mask_bit(cpu);
}

/* The bit is cleared first: a CPU that stops polling looks at it again before it halts. */
static void wake_idle_cpu(unsigned int cpu)
{
    struct run_queue *queue = per_cpu_ptr(run_queue, cpu);

    if (!idle_mask_clear(cpu))
        return;
    WRITE_ONCE(queue->is_given_work, true);
    if (!__atomic_load_n(&queue->is_polling, __ATOMIC_SEQ_CST))
        smp_send_ipi(cpu, IPI_RESCHEDULE);
}

/* The first idle CPU whose bit is set in @affinity; CPU_MAX when there is none. */
static unsigned int first_idle(const uint64_t affinity[TASK_AFFINITY_WORDS])
{
    for (unsigned int word = 0; word < TASK_AFFINITY_WORDS; word++) {
        uint64_t bits = atomic_load_relaxed(&idle_mask[word]) & READ_ONCE(affinity[word]);
        if (bits)
            return word * 64 + (unsigned int)__builtin_ctzll(bits);
    }
    return CPU_MAX;
}

static const uint64_t anywhere[TASK_AFFINITY_WORDS] = { [0 ... TASK_AFFINITY_WORDS - 1] =
                                                            UINT64_MAX };

uint64_t run_queue_patience(uint64_t now)
{
    return now + (first_idle(anywhere) == CPU_MAX ? SCHED_SLICE_NS : SCHED_BALANCE_NS);
}

void idle_mask_kick_one(void)
{
    unsigned int cpu = first_idle(anywhere);

    if (cpu != CPU_MAX)
        wake_idle_cpu(cpu);
}

bool sched_cpu_is_idle(unsigned int cpu)
{
    const struct run_queue *queue = per_cpu_ptr(run_queue, cpu);

    return READ_ONCE(queue->current) == queue->idle && READ_ONCE(queue->ready_count) == 0;
}

bool sched_cpu_runs(unsigned int cpu, const struct task *task)
{
    return cpu != CPU_MAX && READ_ONCE(per_cpu_ptr(run_queue, cpu)->current) == task;
}

unsigned int sched_cpu_running(const struct task *task)
{
    unsigned int cpu;

    for_each_online_cpu(cpu) {
        if (sched_cpu_runs(cpu, task))
            return cpu;
    }
    return CPU_MAX;
}

bool sched_is_cpu_wanted(void)
{
    return READ_ONCE(this_cpu_ptr(run_queue)->ready_count) > 0;
}

/* ---- placement ----------------------------------------------------------------------------- */

bool task_may_run_on(const struct task *task, unsigned int cpu)
{
    return READ_ONCE(task->affinity[cpu / 64]) & mask_bit(cpu);
}

static unsigned int load_of(unsigned int cpu)
{
    const struct run_queue *queue = per_cpu_ptr(run_queue, cpu);

    return READ_ONCE(queue->ready_count) + (READ_ONCE(queue->current) != queue->idle);
}

/* An online CPU the task may run on, the least loaded. Affinity never excludes all of them. */
static unsigned int least_loaded(const struct task *task)
{
    unsigned int best = CPU_MAX;
    unsigned int best_load = 0;
    unsigned int cpu;

    for_each_online_cpu(cpu) {
        unsigned int load = load_of(cpu);
        if (task_may_run_on(task, cpu) && (best == CPU_MAX || load < best_load)) {
            best = cpu;
            best_load = load;
        }
    }
    return best == CPU_MAX ? cpu_current() : best;
}

static unsigned int choose_cpu(const struct task *task)
{
    unsigned int last = READ_ONCE(task->cpu);
    unsigned int here = cpu_current();

    if (load_acquire(&task->is_on_cpu)) /* pairs with the release in finish_switch() */
        return last;
    bool may_last = task_may_run_on(task, last);
    bool may_here = task_may_run_on(task, here);
    if (may_here && READ_ONCE(per_cpu_ptr(run_queue, here)->ready_count) == 0)
        return here;
    unsigned int idle = may_last && idle_mask_test(last) ? last : first_idle(task->affinity);
    if (idle != CPU_MAX)
        return idle;
    if (may_last && (!may_here || load_of(last) < load_of(here)))
        return last;
    return may_here ? here : least_loaded(task);
}

void run_queue_give_way(const struct run_queue *queue, uint64_t now)
{
    uint64_t due = queue->current->run_since_ns + SCHED_WAKE_NS;

    if (now >= due)
        cpu_pending_set(PREEMPT_RESCHEDULE);
    else
        timer_slice_set_by(due);
}

/* What this CPU must do about a task that was put on its queue. Interrupts off. */
static void note_local_task(const struct run_queue *queue, bool is_slice_due, bool is_eager,
                            uint64_t now)
{
    if (queue->current == queue->idle) {
        cpu_pending_set(PREEMPT_RESCHEDULE);
        return;
    }
    if (is_slice_due)
        timer_slice_set(run_queue_patience(now));
    if (is_eager)
        run_queue_give_way(queue, now);
}

static void add_locked(struct run_queue *queue, struct task *task, bool is_eager, uint64_t now)
    __must_hold(queue->lock)
{
    WRITE_ONCE(task->state, TASK_READY);
    task->is_eager = is_eager;
    if (is_eager)
        WRITE_ONCE(queue->eager_count, queue->eager_count + 1);
    else if (list_is_empty(&queue->ready))
        queue->turn_ns = now;
    list_push_back(is_eager ? &queue->eager : &queue->ready, &task->run_node);
    WRITE_ONCE(queue->ready_count, queue->ready_count + 1);
}

static void enqueue(struct task *task, unsigned int cpu, bool is_eager, uint64_t now)
{
    struct run_queue *queue = per_cpu_ptr(run_queue, cpu);
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    bool is_here = cpu == cpu_current();

    WRITE_ONCE(task->cpu, cpu);
    add_locked(queue, task, is_eager, now);
    bool is_slice_due = !queue->is_slice_set && queue->current != queue->idle;
    if (is_slice_due)
        queue->is_slice_set = true; /* whoever sees it unset sets it, once */
    if (is_here) {
        note_local_task(queue, is_slice_due, is_eager, now);
    } else {
        atomic_fence(); /* pairs with the one in idle_until_work() */
        if (is_slice_due || (is_eager && queue->current != queue->idle))
            smp_send_ipi(cpu, IPI_RESCHEDULE);
        else
            wake_idle_cpu(cpu);
    }
    spin_unlock_irqrestore(&queue->lock, flags);
}

static void place(struct task *task, bool is_eager, uint64_t now)
{
    /* Preemption off: `here` stays true between the choice and the enqueuing. */
    preempt_disable();
    enqueue(task, choose_cpu(task), is_eager, now);
    preempt_enable();
}

void run_queue_place(struct task *task)
{
    place(task, false, clock_now_ns());
}

void run_queue_wake(struct task *task)
{
    uint64_t now = clock_now_ns();
    bool is_eager = false;

    /* One that has not even left its CPU yet has not slept, and comes next there anyway. Acquire:
     * pairs with the release in finish_switch(); what its CPU wrote before is seen. */
    if (!load_acquire(&task->is_on_cpu)) {
        credit_add_sleep(task, now);
        is_eager = credit_is_enough(task);
    }
    place(task, is_eager, now);
}

void run_queue_start(struct task *task)
{
    preempt_disable();
    uint64_t now = clock_now_ns();
    credit_share(task_current(), task, now);
    place(task, credit_is_enough(task), now);
    preempt_enable();
}

/* ---- the owner's side ------------------------------------------------------------------------ */

void run_queue_put_back_locked(struct run_queue *queue, struct task *task, uint64_t now)
{
    spin_assert_held(&queue->lock);
    if (!task->is_eager)
        queue->turn_ns = now; /* the ready have just had a turn */
    add_locked(queue, task, false, now);
}

static void remove_locked(struct run_queue *queue, struct task *task) __must_hold(queue->lock)
{
    list_remove(&task->run_node);
    WRITE_ONCE(queue->ready_count, queue->ready_count - 1);
    if (task->is_eager)
        WRITE_ONCE(queue->eager_count, queue->eager_count - 1);
}

static struct task *take_from_locked(struct run_queue *queue, const struct list *list,
                                     unsigned int cpu) __must_hold(queue->lock)
{
    struct task *task;

    list_for_each_entry(task, list, run_node) {
        if (!task_may_run_on(task, cpu)) {
            /* Its affinity changed while it waited here; one at a time is moved, which is rare
             * enough. */
            if (queue->misplaced)
                continue;
            queue->misplaced = task;
            remove_locked(queue, task);
            return take_from_locked(queue, list, cpu);
        }
        remove_locked(queue, task);
        return task;
    }
    return NULL;
}

struct task *run_queue_take_locked(struct run_queue *queue, unsigned int cpu, uint64_t now)
{
    bool is_turn = !list_is_empty(&queue->ready) && now - queue->turn_ns >= SCHED_SLICE_NS;
    struct task *task;

    spin_assert_held(&queue->lock);
    task = take_from_locked(queue, is_turn ? &queue->ready : &queue->eager, cpu);
    if (!task)
        task = take_from_locked(queue, is_turn ? &queue->eager : &queue->ready, cpu);
    if (!task)
        return NULL;
    task->slice_ns = task->is_eager ? credit_slice(task) : SCHED_SLICE_NS;
    if (!task->is_eager)
        queue->turn_ns = now;
    return task;
}

/* ---- stealing -------------------------------------------------------------------------------- */

static unsigned int busiest_cpu(unsigned int here)
{
    unsigned int best = CPU_MAX;
    unsigned int most = 0;
    unsigned int cpu;

    for_each_online_cpu(cpu) {
        const struct run_queue *queue = per_cpu_ptr(run_queue, cpu);
        unsigned int ready = READ_ONCE(queue->ready_count);
        /* An idle CPU with a task waiting has been woken for it. */
        if (cpu != here && ready > most && READ_ONCE(queue->current) != queue->idle) {
            best = cpu;
            most = ready;
        }
    }
    return best;
}

static struct task *take_stealable_locked(struct run_queue *queue, const struct list *list,
                                          unsigned int here) __must_hold(queue->lock)
{
    struct task *task;

    list_for_each_entry(task, list, run_node) {
        /* acquire: pairs with the release in finish_switch(): its registers are saved. */
        if (load_acquire(&task->is_on_cpu) || !task_may_run_on(task, here))
            continue;
        remove_locked(queue, task);
        return task;
    }
    return NULL;
}

bool run_queue_steal(unsigned int here)
{
    unsigned int victim = busiest_cpu(here);

    if (victim == CPU_MAX)
        return false;
    struct run_queue *queue = per_cpu_ptr(run_queue, victim);
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    struct task *task = take_stealable_locked(queue, &queue->eager, here);
    if (!task)
        task = take_stealable_locked(queue, &queue->ready, here);
    spin_unlock_irqrestore(&queue->lock, flags);
    if (!task)
        return false;
    this_cpu_ptr(run_queue)->steals++;
    enqueue(task, here, false, clock_now_ns());
    if (READ_ONCE(queue->ready_count) > 0)
        idle_mask_kick_one(); /* there is more to take */
    return true;
}
