/*
 * Interrupt sources and their handlers.
 *
 * A source is one vector on one CPU: a message-signalled interrupt, or a line that several devices
 * may share. Its handlers stand in a small array of atomic pointers, so that a dispatch takes no
 * lock (handlers take locks of all ranks). A dispatch runs from beginning to end on the source's
 * CPU with interrupts off. So whoever has cleared a pointer need only wait until that CPU has
 * answered an IPI: a dispatch that may still have read the old pointer is over then.
 */
#include "kernel/irq/irq.h"

#include "arch/cpu.h"
#include "kernel/irq/ipi.h"
#include "kernel/irq/softirq.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/sched.h"
#include "kernel/sync/lock_debug.h"
#include "kernel/sync/spinlock.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/list.h"
#include "mm/kmalloc.h"

#define SHARED_MAX    8      /* handlers on one line */
#define UNCLAIMED_MAX 100000 /* interrupts running that nobody wants */

struct irq_source {
    struct list_node node; /* guarded by sources_lock */
    struct irq_route route;
    enum irq_trigger trigger;
    struct irq *handlers[SHARED_MAX]; /* written with sources_lock held; atomic */
    unsigned int handler_count;       /* guarded by sources_lock */
    uint64_t delivered;               /* written by its CPU */
    unsigned int unclaimed;           /* in a row; its CPU only */
};

struct irq {
    struct irq_source *source;
    const char *name;
    irq_handler_t handler;
    void *context;
    uint64_t claimed; /* written by the source's CPU */
};

static DEFINE_SPINLOCK(sources_lock, "irq_sources", LOCK_RANK_IRQ);
static struct list sources __guarded_global(sources_lock) = LIST_INIT(sources);
static unsigned int next_cpu; /* where the search for a CPU begins; a hint */

/* ---- delivery ------------------------------------------------------------------------------ */

void irq_enter(void)
{
    cpu_preempt_count_add(PREEMPT_IRQ);
    lock_debug_enter();
}

void irq_exit(void)
{
    lock_debug_leave();
    cpu_preempt_count_add(-PREEMPT_IRQ);
    if (in_interrupt())
        return;
    softirq_run_pending();
    if (cpu_preempt_count() == 0)
        sched_preempt();
}

static void __cold mask_unclaimed(struct irq_source *source)
{
    source->unclaimed = 0;
    if (source->route.gsi == IRQ_ROUTE_NO_GSI)
        return;
    arch_irq_mask_line(&source->route);
    log_error("irq", "line %u: nobody claims it, %u times running: masked", source->route.gsi,
              UNCLAIMED_MAX);
}

void irq_dispatch(void *cookie)
{
    struct irq_source *source = cookie;
    bool is_claimed = false;

    WRITE_ONCE(source->delivered, source->delivered + 1);
    for (unsigned int i = 0; i < SHARED_MAX; i++) {
        struct irq *irq = load_acquire(&source->handlers[i]); /* pairs with add_handler_locked() */
        if (irq && irq->handler(irq->context)) {
            WRITE_ONCE(irq->claimed, irq->claimed + 1);
            is_claimed = true;
        }
    }
    source->unclaimed = is_claimed ? 0 : source->unclaimed + 1;
    if (unlikely(source->unclaimed == UNCLAIMED_MAX))
        mask_unclaimed(source);
}

/* ---- requests ------------------------------------------------------------------------------ */

static bool add_handler_locked(struct irq_source *source, struct irq *irq) __must_hold(sources_lock)
{
    for (unsigned int i = 0; i < SHARED_MAX; i++) {
        if (source->handlers[i])
            continue;
        irq->source = source;
        store_release(&source->handlers[i], irq);
        source->handler_count++;
        return true;
    }
    return false;
}

static struct irq_source *find_line_locked(unsigned int gsi) __must_hold(sources_lock)
{
    struct irq_source *source;

    list_for_each_entry(source, &sources, node) {
        if (source->route.gsi == gsi)
            return source;
    }
    return NULL;
}

/* Handlers take turns over the CPUs, beginning with the second: the first has the most to do. */
static unsigned int suggest_cpu(void)
{
    unsigned int count = cpu_possible_count();
    unsigned int turn = __atomic_add_fetch(&next_cpu, 1, __ATOMIC_RELAXED);

    for (unsigned int i = 0; i < count; i++) {
        if (cpu_is_online((turn + i) % count))
            return (turn + i) % count;
    }
    return 0;
}

/* Asks for a vector on @cpu, or on any; @gsi: IRQ_ROUTE_NO_GSI for a message-signalled one. */
static int route_source(struct irq_source *source, unsigned int cpu, unsigned int gsi,
                        enum irq_polarity polarity)
{
    unsigned int tries = cpu == IRQ_ANY_CPU ? cpu_possible_count() : 1;
    int error = -ENOSPC;

    for (; tries > 0 && error == -ENOSPC; tries--) {
        unsigned int target = cpu == IRQ_ANY_CPU ? suggest_cpu() : cpu;
        if (gsi == IRQ_ROUTE_NO_GSI)
            error = arch_irq_alloc_msi(target, source, &source->route);
        else
            error =
                arch_irq_alloc_line(gsi, source->trigger, polarity, target, source, &source->route);
    }
    return error;
}

static struct irq *new_irq(const char *name, irq_handler_t handler, void *context)
{
    struct irq *irq = kzalloc(sizeof(*irq));

    if (irq)
        *irq = (struct irq){ .name = name, .handler = handler, .context = context };
    return irq;
}

int irq_request_msi(const char *name, unsigned int cpu, irq_handler_t handler, void *context,
                    uint64_t *address, uint32_t *data, struct irq **result)
{
    struct irq *irq = new_irq(name, handler, context);
    struct irq_source *source = kzalloc(sizeof(*source));
    int error = -ENOMEM;

    if (!irq || !source)
        goto free_memory;
    source->trigger = IRQ_TRIGGER_EDGE;
    error = route_source(source, cpu, IRQ_ROUTE_NO_GSI, IRQ_ACTIVE_HIGH);
    if (error)
        goto free_memory;
    irqflags_t flags = spin_lock_irqsave(&sources_lock);
    add_handler_locked(source, irq);
    list_push_back(&sources, &source->node);
    spin_unlock_irqrestore(&sources_lock, flags);
    *address = source->route.msi_address;
    *data = source->route.msi_data;
    *result = irq;
    return 0;

free_memory:
    kfree(source);
    kfree(irq);
    return error;
}

/* Joins the handlers of a line in use. -ENODEV: it is not in use. */
static int share_line(unsigned int gsi, enum irq_trigger trigger, struct irq *irq)
{
    int error = -ENODEV;

    irqflags_t flags = spin_lock_irqsave(&sources_lock);
    struct irq_source *source = find_line_locked(gsi);
    if (source && source->trigger != trigger)
        error = -EBUSY;
    else if (source)
        error = add_handler_locked(source, irq) ? 0 : -ENOSPC;
    spin_unlock_irqrestore(&sources_lock, flags);
    return error;
}

static int open_line(unsigned int gsi, enum irq_trigger trigger, enum irq_polarity polarity,
                     struct irq *irq)
{
    struct irq_source *source = kzalloc(sizeof(*source));

    if (!source)
        return -ENOMEM;
    source->trigger = trigger;
    int error = route_source(source, IRQ_ANY_CPU, gsi, polarity);
    if (error) {
        kfree(source);
        return error;
    }
    irqflags_t flags = spin_lock_irqsave(&sources_lock);
    add_handler_locked(source, irq);
    list_push_back(&sources, &source->node);
    spin_unlock_irqrestore(&sources_lock, flags);
    arch_irq_unmask_line(&source->route);
    return 0;
}

int irq_request_gsi(const char *name, unsigned int gsi, enum irq_trigger trigger,
                    enum irq_polarity polarity, irq_handler_t handler, void *context,
                    struct irq **result)
{
    struct irq *irq = new_irq(name, handler, context);

    if (!irq)
        return -ENOMEM;
    int error = share_line(gsi, trigger, irq);
    if (error == -ENODEV)
        error = open_line(gsi, trigger, polarity, irq);
    if (error == -EBUSY && share_line(gsi, trigger, irq) == 0)
        error = 0; /* opened by another CPU in between; if not, the architecture has it */
    if (error) {
        kfree(irq);
        return error;
    }
    *result = irq;
    return 0;
}

int irq_request_isa(const char *name, unsigned int isa, irq_handler_t handler, void *context,
                    struct irq **result)
{
    enum irq_polarity polarity;
    enum irq_trigger trigger;
    unsigned int gsi;

    arch_irq_isa_to_gsi(isa, &gsi, &trigger, &polarity);
    return irq_request_gsi(name, gsi, trigger, polarity, handler, context, result);
}

/* Return: the source, if this was its last handler: it is off the list and its vector is free. */
static struct irq_source *remove_handler(struct irq *irq)
{
    struct irq_source *source = irq->source;

    irqflags_t flags = spin_lock_irqsave(&sources_lock);
    for (unsigned int i = 0; i < SHARED_MAX; i++) {
        if (source->handlers[i] == irq)
            store_release(&source->handlers[i], NULL);
    }
    bool is_last = --source->handler_count == 0;
    if (is_last) {
        list_remove(&source->node);
        arch_irq_free(&source->route);
    }
    spin_unlock_irqrestore(&sources_lock, flags);
    return is_last ? source : NULL;
}

static void do_nothing(void *arg)
{
    (void)arg;
}

void irq_free(struct irq *irq)
{
    struct irq_source *source = irq->source;
    unsigned int cpu = source->route.cpu;

    might_sleep();
    struct irq_source *unused = remove_handler(irq);
    if (ipi_call(cpu, do_nothing, NULL, true) != 0)
        panic("irq: CPU %u of %s is gone", cpu, irq->name);
    kfree(unused);
    kfree(irq);
}

bool irq_describe(unsigned int index, struct irq_description *description)
{
    const struct irq_source *source;
    bool is_found = false;

    irqflags_t flags = spin_lock_irqsave(&sources_lock);
    list_for_each_entry(source, &sources, node) {
        for (unsigned int i = 0; i < SHARED_MAX && !is_found; i++) {
            const struct irq *irq = source->handlers[i];
            if (!irq || index-- > 0)
                continue;
            *description = (struct irq_description){
                irq->name,         source->route.cpu,       source->route.vector,
                source->route.gsi, READ_ONCE(irq->claimed), READ_ONCE(source->delivered)
            };
            is_found = true;
        }
        if (is_found)
            break;
    }
    spin_unlock_irqrestore(&sources_lock, flags);
    return is_found;
}
