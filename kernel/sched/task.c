/*
 * Making and ending tasks.
 *
 * A task's structure and stack outlive it: they go to a cache of the CPU that freed them, and the
 * next task made there takes them as they are, so that making a task costs no mapping and no flush
 * of TLBs. What a cache does not hold waits for the reaper task, or for whoever is short of memory.
 *
 * References: one belongs to the running of the task itself and is dropped when it has left its CPU
 * for the last time (finish_switch); one to whoever asked task_create() for it; others come from
 * task_find() and task_get(). The last one frees, in whatever context that is.
 */
#include "kernel/sched/task.h"

#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/percpu.h"
#include "kernel/panic.h"
#include "kernel/sched/credit.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/run_queue.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task_table.h"
#include "kernel/time/clock.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"
#include "mm/vm.h"

#define CACHE_MAX 32 /* free tasks kept per CPU: half a MiB of stacks */

struct task_cache {
    struct list free; /* by run_node; own CPU, interrupts off; initialised at first use */
    unsigned int count;
};

static DEFINE_PER_CPU(struct task_cache, task_cache);

static DEFINE_SPINLOCK(graveyard_lock, "graveyard", LOCK_RANK_TASK);
static struct list graveyard __guarded_global(graveyard_lock) = LIST_INIT(graveyard);
static struct task *reaper; /* const after task_set_reaper() */

/* ---- memory -------------------------------------------------------------------------------- */

static struct task *cache_take(void)
{
    irqflags_t flags = irq_save();
    struct task_cache *cache = this_cpu_ptr(task_cache);
    struct task *task = NULL;

    if (cache->count > 0) {
        task = list_entry(list_pop_front(&cache->free), struct task, run_node);
        cache->count--;
    }
    irq_restore(flags);
    return task;
}

static bool cache_give(struct task *task)
{
    irqflags_t flags = irq_save();
    struct task_cache *cache = this_cpu_ptr(task_cache);
    bool has_room = cache->count < CACHE_MAX;

    if (!cache->free.head.next)
        list_init(&cache->free);
    if (has_room) {
        list_push_front(&cache->free, &task->run_node); /* the warmest is used first */
        cache->count++;
    }
    irq_restore(flags);
    return has_room;
}

static struct task *graveyard_take(void)
{
    irqflags_t flags = spin_lock_irqsave(&graveyard_lock);
    struct task *task = list_entry(list_pop_front(&graveyard), struct task, run_node);

    spin_unlock_irqrestore(&graveyard_lock, flags);
    return task;
}

/* The memory of an ended task, for the next one; NULL when none is kept. */
static struct task *take_kept(void)
{
    struct task *task = cache_take();

    return task ? task : graveyard_take();
}

static struct task *task_alloc(void)
{
    struct task *task = take_kept();

    if (task)
        return task;
    task = kmalloc(sizeof(*task));
    if (!task)
        return NULL;
    void *stack = vm_alloc(TASK_STACK_SIZE, MMU_READ | MMU_WRITE, "stacks");
    if (!stack) {
        kfree(task);
        return NULL;
    }
    task->stack_base = (uintptr_t)stack;
    return task;
}

static void task_release_memory(struct task *task)
{
    context_destroy(&task->context);
    vm_free((void *)task->stack_base);
    kfree(task);
}

/* What other CPUs keep is left to them: it is bounded. */
static size_t kept_tasks_shrink(size_t pages)
{
    size_t freed = 0;
    struct task *task;

    while (freed < pages && (task = take_kept()) != NULL) {
        task_release_memory(task);
        freed += TASK_STACK_SIZE / PAGE_SIZE;
    }
    if (freed > 0)
        vm_purge(); /* only then are the stacks' pages free */
    return freed;
}
MEMORY_SHRINKER(tasks, "ended tasks", kept_tasks_shrink);

static void task_free(struct task *task)
{
    /* Off, or about to end: its callback only leaves a token, but must not touch freed memory. */
    timer_stop_sync(&task->wait_timer);
    list_node_init(&task->run_node);
    if (cache_give(task))
        return;
    irqflags_t flags = spin_lock_irqsave(&graveyard_lock);
    list_push_back(&graveyard, &task->run_node);
    spin_unlock_irqrestore(&graveyard_lock, flags);
    if (reaper)
        task_wake(reaper);
}

void task_set_reaper(struct task *task) __no_thread_safety_analysis /* nobody else yet */
{
    spin_lock_init(&graveyard_lock, "graveyard", LOCK_RANK_TASK);
    list_init(&graveyard);
    reaper = task;
}

void task_reap_forever(void)
{
    for (;;) {
        struct task *task = graveyard_take();
        if (task)
            task_release_memory(task);
        else
            task_park("dead tasks");
    }
}

unsigned int task_cache_settle(void)
{
    struct task *task;

    while ((task = graveyard_take()) != NULL)
        task_release_memory(task);
    return this_cpu_ptr(task_cache)->count;
}

unsigned int task_kept_count(void)
{
    unsigned int cpu, count = 0;

    for_each_online_cpu(cpu)
        count += READ_ONCE(per_cpu_ptr(task_cache, cpu)->count);
    return count;
}

/* ---- birth --------------------------------------------------------------------------------- */

static void wait_timer_expired(struct timer *timer)
{
    task_wake(container_of(timer, struct task, wait_timer));
}

void task_init(struct task *task, const char *name, int (*entry)(void *arg), void *arg)
{
    uintptr_t stack_base = task->stack_base;

    *task = (struct task){ .stack_base = stack_base,
                           .references = 1,
                           .address_space = kernel_address_space(),
                           .stack_canary = cpu_stack_canary(),
                           .created_ns = clock_now_ns(),
                           .slice_ns = SCHED_SLICE_NS,
                           .cpu = cpu_current(),
                           .entry = entry,
                           .arg = arg };
    for (size_t i = 0; i < TASK_AFFINITY_WORDS; i++)
        task->affinity[i] = UINT64_MAX;
    strlcpy(task->name, name, sizeof(task->name));
    list_node_init(&task->run_node);
    timer_init(&task->wait_timer, "wait", wait_timer_expired);
    wait_queue_init(&task->exited, "task exit");
}

static void bind_to(struct task *task, unsigned int cpu)
{
    memset(task->affinity, 0, sizeof(task->affinity));
    task->affinity[cpu / 64] = 1ULL << (cpu % 64);
    task->cpu = cpu;
}

static struct task *make_task(const char *name, int (*entry)(void *arg), void *arg)
{
    struct task *task = task_alloc();

    if (!task)
        return NULL;
    task_init(task, name, entry, arg);
    task->stack_canary = task_random_canary();
    context_init(&task->context, (void *)task->stack_base, TASK_STACK_SIZE, sched_task_start, task);
    if (task_table_insert(task) == 0)
        return task;
    task_free(task);
    return NULL;
}

struct task *task_alloc_idle(unsigned int cpu)
{
    char name[TASK_NAME_MAX];

    snprintf(name, sizeof(name), "idle/%u", cpu);
    struct task *task = make_task(name, sched_idle_entry, NULL);
    if (!task)
        return NULL;
    task->is_idle = true;
    bind_to(task, cpu);
    return task;
}

static void launch(struct task *task, struct task **result)
{
    if (result)
        *result = task_get(task);
    run_queue_start(task);
}

int task_create(const char *name, int (*entry)(void *arg), void *arg, struct task **result)
{
    struct task *task = make_task(name, entry, arg);

    if (!task)
        return -ENOMEM;
    launch(task, result);
    return 0;
}

int task_create_on(unsigned int cpu, const char *name, int (*entry)(void *arg), void *arg,
                   struct task **result)
{
    if (cpu >= cpu_possible_count() || !cpu_is_online(cpu))
        return -EINVAL;
    struct task *task = make_task(name, entry, arg);
    if (!task)
        return -ENOMEM;
    bind_to(task, cpu);
    launch(task, result);
    return 0;
}

/* ---- end ----------------------------------------------------------------------------------- */

void task_exit(int status)
{
    struct task *task = task_current();

    might_sleep();
    if (CONFIG_DEBUG && task->held_count > 0)
        panic("task %s ends holding %s", task->name, task->held[0].name);
    task->exit_status = status;
    /* Not preempted any more: finish_switch() takes a dead task that leaves as gone for good. */
    preempt_disable();
    store_release(&task->state, TASK_DEAD); /* pairs with the acquire in task_join() */
    wake_all(&task->exited);
    irq_disable();
    cpu_preempt_count_add(-PREEMPT_DISABLE);
    sched_switch(false);
    panic("a dead task was switched to");
}

int task_join(struct task *task, int *status, uint64_t deadline_ns)
{
    bool has_to_wait = load_acquire(&task->state) != TASK_DEAD;
    int error = wait_event(&task->exited, load_acquire(&task->state) == TASK_DEAD, deadline_ns);

    if (error)
        return error;
    if (has_to_wait)
        credit_limit(task);
    if (status)
        *status = task->exit_status;
    task_put(task);
    return 0;
}

struct task *task_get(struct task *task)
{
    __atomic_fetch_add(&task->references, 1, __ATOMIC_RELAXED);
    return task;
}

void task_put(struct task *task)
{
    if (__atomic_fetch_sub(&task->references, 1, __ATOMIC_ACQ_REL) > 1)
        return;
    task_table_remove(task);
    task_free(task);
}

/*
 * The CPU time of a task is one word, so that who reads it on another CPU never finds half of a
 * switch: while the task waits, the time it has used; while it runs, that less the moment it was
 * put on its CPU (modulo 2^62), and the top bit set. A switch sets the other bit before it reads
 * the clock: until it has written the word nobody can know how much to add.
 */
#define RUNNING    (1ULL << 63)
#define SWITCHING  (1ULL << 62)
#define CLOCK_MASK (SWITCHING - 1)

/* A switch takes microseconds, unless the host stops its virtual CPU in it; after a panic it may
 * never end, and a little too much is told. */
#define SWITCHING_NS_MAX NS_PER_S

void task_run_pause(struct task *task)
{
    __atomic_or_fetch(&task->run_clock, SWITCHING, __ATOMIC_SEQ_CST);
}

void task_run_go_on(struct task *task)
{
    store_release(&task->run_clock, task->run_clock & ~SWITCHING);
}

void task_run_stop(struct task *task, uint64_t now)
{
    store_release(&task->run_clock, (task->run_clock + now) & CLOCK_MASK);
}

void task_run_start(struct task *task, uint64_t now)
{
    task->run_since_ns = now;
    store_release(&task->run_clock, ((task->run_clock - now) & CLOCK_MASK) | RUNNING);
}

uint64_t task_run_ns(const struct task *task)
{
    uint64_t deadline = deadline_after_ns(SWITCHING_NS_MAX);

    for (;;) {
        uint64_t value = load_acquire(&task->run_clock);
        uint64_t now = clock_now_ns();

        if (!(value & RUNNING))
            return value;
        if ((!(value & SWITCHING) && load_acquire(&task->run_clock) == value) || now >= deadline)
            return (value + now) & CLOCK_MASK;
        cpu_relax();
    }
}

const char *task_state_name(enum task_state state)
{
    static const char *const names[] = { [TASK_READY] = "ready",
                                         [TASK_RUNNING] = "running",
                                         [TASK_WAITING] = "waiting",
                                         [TASK_DEAD] = "dead" };

    return (unsigned int)state < ARRAY_SIZE(names) ? names[state] : "?";
}
