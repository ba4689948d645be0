/*
 * Getting memory back when it runs short.
 *
 * Two occasions. An allocation has failed: what may be done depends on where it was made. The
 * heap's own reserves and this CPU's page cache can be emptied anywhere; the shrinkers and the
 * other CPUs only from a task that holds no spinlock. And: free memory has become low; a task
 * then shrinks the caches in the background, so that interrupt handlers, which can do little about
 * it, find memory when they need it.
 *
 * Shrinkers run with preemption off. That keeps them from sleeping (might_sleep() would tell), and
 * an allocation by one of them from coming back here. Some cannot do without sleeping locks, which
 * whoever failed to allocate may hold: only the task asks those.
 */
#include "mm/reclaim.h"

#include "arch/irq.h"
#include "kernel/init.h"
#include "kernel/irq/ipi.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/task.h"
#include "kernel/sync/wait_queue.h"
#include "mm/page.h"
#include "mm/page_internal.h"
#include "mm/pool_internal.h"

#define SHRINK_PAGES 64 /* asked for at a time in the background */
#define FRUITLESS_PAUSE_NS                                                                         \
    (100 * NS_PER_MS) /* nothing came back: this long nobody is asked again */

/* What other CPUs hold is little, and asking them costs an interrupt each: at most this often. */
#define DRAIN_INTERVAL_NS (20 * NS_PER_MS)

static DEFINE_WAIT_QUEUE(reclaim_queue, "memory to run low");
static bool is_wanted;       /* atomic: the task shall run */
static uint64_t pause_until; /* atomic; ns */
static uint64_t drain_after; /* atomic; ns */

static size_t ask_shrinkers(size_t pages, bool may_sleep)
{
    const struct memory_shrinker *shrinker;
    size_t freed = 0;

    registry_for_each(shrinker, memory_shrinker) {
        if (freed >= pages)
            break;
        if (shrinker->may_sleep == may_sleep)
            freed += shrinker->shrink(pages - freed);
    }
    return freed;
}

size_t memory_shrink(size_t pages)
{
    size_t freed;

    preempt_disable();
    freed = ask_shrinkers(pages, false);
    preempt_enable();
    return freed;
}

/* By the task of its own: everybody is asked. What they freed may be in magazines and slabs. */
static size_t shrink_in_background(void)
{
    size_t freed = memory_shrink(SHRINK_PAGES);

    if (freed < SHRINK_PAGES)
        freed += ask_shrinkers(SHRINK_PAGES - freed, true);
    pool_cache_drain(NULL);
    pool_release_all();
    return freed;
}

/* In a task that holds no spinlock and has not been called by a shrinker? */
static bool may_call_others(void)
{
    return cpu_task() && cpu_preempt_count() == 0 && irq_is_enabled();
}

static void drain_cpu(void *unused)
{
    pool_cache_drain(unused);
    page_cache_drain(unused);
}

/* One caller per interval gets to do it. */
static void drain_other_cpus(void)
{
    uint64_t after = __atomic_load_n(&drain_after, __ATOMIC_RELAXED);
    uint64_t now = clock_now_ns();

    if (now >= after && __atomic_compare_exchange_n(&drain_after, &after, now + DRAIN_INTERVAL_NS,
                                                    false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ipi_call_others(drain_cpu, NULL);
}

void memory_reclaim(size_t pages)
{
    if (may_call_others()) {
        memory_shrink(pages);
        drain_other_cpus();
    }
    pool_cache_drain(NULL);
    pool_release_all();
    page_cache_drain(NULL);
}

void memory_reclaim_soon(void)
{
    if (!may_call_others() || clock_now_ns() < __atomic_load_n(&pause_until, __ATOMIC_RELAXED))
        return;
    if (!__atomic_exchange_n(&is_wanted, true, __ATOMIC_RELEASE)) /* pairs with reclaim_task() */
        wake_one(&reclaim_queue);
}

static int reclaim_task(void *unused)
{
    (void)unused;
    for (;;) {
        /* A cancel (poweroff) ends the wait; there is nothing to clean up. */
        if (wait_event(&reclaim_queue, __atomic_exchange_n(&is_wanted, false, __ATOMIC_ACQUIRE),
                       DEADLINE_NEVER))
            return 0;
        while (page_memory_is_low()) {
            if (shrink_in_background() == 0) {
                __atomic_store_n(&pause_until, deadline_after_ns(FRUITLESS_PAUSE_NS),
                                 __ATOMIC_RELAXED);
                break;
            }
        }
    }
}

static int __init reclaim_start(void)
{
    return task_create("reclaim", reclaim_task, NULL, NULL);
}
INIT_HOOK(reclaim_start, INIT_SERVICE);
