/*
 * Completions in softirq: what an interrupt handler schedules, SOFTIRQ_BLOCK runs.
 */
#include "arch/irq.h"
#include "arch/percpu.h"
#include "block/block_device.h"
#include "kernel/init.h"
#include "kernel/irq/softirq.h"
#include "kernel/time/clock.h"

#define POLL_WAIT_NS (10 * NS_PER_US)

/* Polls due on this CPU; touched with interrupts off by that CPU alone. */
static DEFINE_PER_CPU(struct list, scheduled_polls);

void block_poll_init(struct block_poll *poll, void (*run)(struct block_poll *poll))
{
    list_node_init(&poll->node);
    poll->is_scheduled = false;
    poll->runs = 0;
    poll->run = run;
}

static struct list *this_cpu_polls(void)
{
    struct list *polls = this_cpu_ptr(scheduled_polls);

    if (!polls->head.next) /* the CPU's first */
        list_init(polls);
    return polls;
}

void block_poll_schedule(struct block_poll *poll)
{
    if (__atomic_exchange_n(&poll->is_scheduled, true, __ATOMIC_ACQ_REL))
        return;
    irqflags_t flags = irq_save();
    list_push_back(this_cpu_polls(), &poll->node);
    softirq_raise(SOFTIRQ_BLOCK); /* of this CPU: before it may be left */
    irq_restore(flags);
}

static struct block_poll *next_poll(void)
{
    irqflags_t flags = irq_save();
    struct list_node *node = list_pop_front(this_cpu_polls());

    irq_restore(flags);
    return node ? container_of(node, struct block_poll, node) : NULL;
}

static void run_polls(void)
{
    struct block_poll *poll;

    while ((poll = next_poll()) != NULL) {
        /* Before the work: an interrupt during it schedules another turn, here or elsewhere. */
        __atomic_add_fetch(&poll->runs, 1, __ATOMIC_RELAXED);
        __atomic_store_n(&poll->is_scheduled, false, __ATOMIC_RELEASE);
        poll->run(poll);
        __atomic_sub_fetch(&poll->runs, 1, __ATOMIC_RELEASE);
    }
}

void block_poll_cancel(struct block_poll *poll)
{
    /* is_scheduled first: its run counts itself before it is cleared */
    while (__atomic_load_n(&poll->is_scheduled, __ATOMIC_ACQUIRE) ||
           __atomic_load_n(&poll->runs, __ATOMIC_ACQUIRE) > 0)
        clock_busy_wait_ns(POLL_WAIT_NS); /* softirqs, which do not sleep */
}

static int __init block_poll_start(void)
{
    softirq_register(SOFTIRQ_BLOCK, "block", run_polls);
    return 0;
}
INIT_HOOK(block_poll_start, INIT_SCHED);
