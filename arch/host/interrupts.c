/*
 * Interrupts of the simulated CPU: the timer's event, interrupts to itself, and those of simulated
 * devices. They are delivered where a real CPU would take them: at once when interrupts are on,
 * else when they are turned on again.
 */
#include "arch/cpu.h"
#include "arch/host/host.h"
#include "arch/host/host_internal.h"
#include "arch/irq.h"
#include "arch/smp.h"
#include "kernel/irq/ipi.h"
#include "kernel/sched/sched.h"
#include "kernel/time/timer.h"
#include "lib/errno.h"

#define QUEUE_SIZE  256
#define SOURCES_MAX 256
#define MSI_ADDRESS 0xFEE00000u

struct host_cpu host_cpu;

struct pending_interrupt {
    void (*isr)(void *arg);
    void *arg;
};
static struct pending_interrupt queue[QUEUE_SIZE];
static unsigned int queue_head, queue_tail;
static bool ipi_pending[IPI_COUNT];

static struct {
    void *cookie;
    unsigned int gsi;
    bool is_masked;
} sources[SOURCES_MAX];

void host_interrupts_reset(void)
{
    host_cpu = (struct host_cpu){ 0 };
    queue_head = queue_tail = 0;
    for (unsigned int i = 0; i < IPI_COUNT; i++)
        ipi_pending[i] = false;
    for (unsigned int i = 0; i < SOURCES_MAX; i++)
        sources[i].cookie = NULL;
}

static bool take_ipi(enum ipi ipi)
{
    bool is_pending = ipi_pending[ipi];

    ipi_pending[ipi] = false;
    return is_pending;
}

static bool has_interrupt(void)
{
    return ipi_pending[IPI_RESCHEDULE] || ipi_pending[IPI_CALL] || queue_head != queue_tail ||
           host_clock_next_event() <= clock_read_ns();
}

static void run_one_handler(void)
{
    if (take_ipi(IPI_RESCHEDULE)) {
        sched_ipi_isr();
    } else if (take_ipi(IPI_CALL)) {
        ipi_call_isr();
    } else if (queue_head != queue_tail) {
        struct pending_interrupt interrupt = queue[queue_head++ % QUEUE_SIZE];
        interrupt.isr(interrupt.arg);
    } else if (host_clock_event_is_due()) {
        timer_interrupt_isr(NULL);
    }
}

/* As the entry code of a real CPU: off, handler, softirqs and preemption, and on again by the
 * return from the interrupt, whichever task that is by then. */
void host_irq_enabled(void)
{
    while (has_interrupt()) {
        host_cpu.irq_enabled = false;
        irq_enter();
        run_one_handler();
        irq_exit();
        host_cpu.irq_enabled = true;
    }
}

void host_interrupt(void (*isr)(void *arg), void *arg)
{
    if (queue_tail - queue_head == QUEUE_SIZE)
        host_fail("more than %d interrupts pending", QUEUE_SIZE);
    queue[queue_tail++ % QUEUE_SIZE] = (struct pending_interrupt){ isr, arg };
    if (irq_is_enabled())
        host_irq_enabled();
}

/* ---- interrupts to other CPUs: there are none, but a CPU may send itself one ------------------
 */

void smp_start(void)
{
}

void smp_send_ipi(unsigned int cpu, enum ipi ipi)
{
    if (cpu != 0)
        host_fail("interrupt sent to CPU %u", cpu);
    ipi_pending[ipi] = true;
    if (irq_is_enabled())
        host_irq_enabled();
}

void smp_send_nmi(unsigned int cpu)
{
    host_fail("NMI sent to CPU %u", cpu);
}

/* ---- sources -------------------------------------------------------------------------------- */

static int alloc_source(void *cookie, unsigned int gsi, struct irq_route *route)
{
    for (unsigned int i = 0; i < SOURCES_MAX; i++) {
        if (sources[i].cookie)
            continue;
        sources[i].cookie = cookie;
        sources[i].gsi = gsi;
        sources[i].is_masked = gsi != IRQ_ROUTE_NO_GSI;
        *route = (struct irq_route){
            .vector = i, .msi_address = MSI_ADDRESS, .msi_data = i, .gsi = gsi
        };
        return 0;
    }
    return -ENOSPC;
}

int arch_irq_alloc_msi(unsigned int cpu, void *cookie, struct irq_route *route)
{
    return cpu == 0 ? alloc_source(cookie, IRQ_ROUTE_NO_GSI, route) : -ENOSPC;
}

int arch_irq_alloc_line(unsigned int gsi, enum irq_trigger trigger, enum irq_polarity polarity,
                        unsigned int cpu, void *cookie, struct irq_route *route)
{
    (void)trigger;
    (void)polarity;
    (void)cpu;
    for (unsigned int i = 0; i < SOURCES_MAX; i++) {
        if (sources[i].cookie && sources[i].gsi == gsi)
            return -EBUSY;
    }
    return alloc_source(cookie, gsi, route);
}

void arch_irq_mask_line(const struct irq_route *route)
{
    sources[route->vector].is_masked = true;
}

void arch_irq_unmask_line(const struct irq_route *route)
{
    sources[route->vector].is_masked = false;
}

void arch_irq_free(struct irq_route *route)
{
    sources[route->vector].cookie = NULL;
}

void arch_irq_isa_to_gsi(unsigned int isa, unsigned int *gsi, enum irq_trigger *trigger,
                         enum irq_polarity *polarity)
{
    *gsi = isa;
    *trigger = IRQ_TRIGGER_EDGE;
    *polarity = IRQ_ACTIVE_HIGH;
}

void arch_irq_counters(unsigned int cpu, struct irq_counters *counters)
{
    (void)cpu;
    *counters = (struct irq_counters){ 0 };
}

static void dispatch_source(void *arg)
{
    uintptr_t index = (uintptr_t)arg;

    if (sources[index].cookie)
        irq_dispatch(sources[index].cookie);
}

void host_raise_msi(uint64_t address, uint32_t data)
{
    if (address != MSI_ADDRESS || data >= SOURCES_MAX)
        host_fail("message-signalled interrupt %#x to %#llx", data, (unsigned long long)address);
    host_interrupt(dispatch_source, (void *)(uintptr_t)data);
}

void host_raise_line(unsigned int gsi)
{
    for (uintptr_t i = 0; i < SOURCES_MAX; i++) {
        if (sources[i].cookie && sources[i].gsi == gsi && !sources[i].is_masked)
            host_interrupt(dispatch_source, (void *)i);
    }
}
