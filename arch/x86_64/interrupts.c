/*
 * Interrupts: from the stubs of interrupt_entry.S to those who wait for them, and the vectors that
 * kernel/irq asks for.
 *
 * Each CPU has its own table of vectors, so that 64 CPUs have 64 times as many as one. The cookie
 * of a vector is written under vector_lock and read without it: one word, by the CPU that is
 * interrupted.
 */
#include "arch/x86_64/interrupts.h"

#include "acpi/acpi.h"
#include "arch/irq.h"
#include "arch/smp.h"
#include "arch/x86_64/cpus.h"
#include "arch/x86_64/exception.h"
#include "arch/x86_64/ioapic.h"
#include "arch/x86_64/lapic.h"
#include "arch/x86_64/pic.h"
#include "arch/x86_64/registers.h"
#include "arch/x86_64/vectors.h"
#include "kernel/init.h"
#include "kernel/irq/ipi.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/sched/sched.h"
#include "kernel/sync/spinlock.h"
#include "kernel/time/timer.h"
#include "lib/errno.h"

#define DEVICE_VECTORS (VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST + 1)

/* Where the I/O APIC of a machine without a MADT is (82093AA datasheet, 3.1). */
#define IOAPIC_DEFAULT_ADDRESS 0xFEC00000

/* A message to the APIC with that id, fixed delivery, edge: SDM vol. 3A 11.11. */
#define MSI_ADDRESS(apic_id) (0xFEE00000ULL | (uint64_t)(apic_id) << 12)
#define MSI_APIC_ID_MAX      0xFF

#define ISA_COUNT 16

struct isa_route {
    unsigned int gsi;
    enum irq_trigger trigger;
    enum irq_polarity polarity;
};

static DEFINE_SPINLOCK(vector_lock, "vectors", LOCK_RANK_INTERRUPT_CONTROLLER);
static DEFINE_PER_CPU(void *[DEVICE_VECTORS], vector_cookies); /* written under vector_lock */
static uint64_t gsi_taken[4] __guarded_global(vector_lock);    /* bit per GSI below 256 */

static struct isa_route isa_routes[ISA_COUNT]; /* const after INIT_CORE */

DEFINE_PER_CPU(struct irq_counters, interrupt_counters);

void interrupt_dispatch(struct cpu_registers *registers);

static void dispatch_device(unsigned int vector)
{
    void *cookie = READ_ONCE((*this_cpu_ptr(vector_cookies))[vector - VECTOR_DEVICE_FIRST]);

    if (cookie) {
        this_cpu_ptr(interrupt_counters)->device++;
        irq_dispatch(cookie);
    } else {
        this_cpu_ptr(interrupt_counters)->spurious++;
    }
    /* After the handler: a level line is quiet again by now, else it would come at once. */
    lapic_eoi();
}

static void dispatch_system(unsigned int vector, const struct cpu_registers *registers)
{
    struct irq_counters *counters = this_cpu_ptr(interrupt_counters);

    lapic_eoi();
    switch (vector) {
    case VECTOR_TIMER:
        counters->timer++;
        timer_interrupt_isr(registers);
        break;
    case VECTOR_IPI_RESCHEDULE:
        counters->reschedule++;
        sched_ipi_isr();
        break;
    case VECTOR_IPI_CALL:
        counters->call++;
        ipi_call_isr();
        break;
    case VECTOR_APIC_ERROR:
        counters->apic_error++;
        log_warning("apic", "error status %#x", lapic_error_status());
        break;
    default:
        counters->spurious++;
    }
}

/* Called by interrupt_entry.S, interrupts off. */
void interrupt_dispatch(struct cpu_registers *registers)
{
    unsigned int vector = (unsigned int)registers->vector;

    if (vector < VECTOR_EXCEPTION_COUNT) {
        exception_handle(registers);
        return;
    }
    /* Neither the spurious vector nor a masked PIC expects an EOI (SDM vol. 3A 11.9). */
    if (vector == VECTOR_SPURIOUS || vector < VECTOR_PIC_END) {
        this_cpu_ptr(interrupt_counters)->spurious++;
        return;
    }
    irq_enter();
    if (vector >= VECTOR_DEVICE_FIRST && vector <= VECTOR_DEVICE_LAST)
        dispatch_device(vector);
    else
        dispatch_system(vector, registers);
    irq_exit();
}

void arch_irq_counters(unsigned int cpu, struct irq_counters *counters)
{
    *counters = *per_cpu_ptr(interrupt_counters, cpu);
}

/* ---- vectors ------------------------------------------------------------------------------- */

static int alloc_vector(unsigned int cpu, void *cookie, struct irq_route *route)
{
    /* I/O APICs and MSI carry 8 bits of APIC id; more needs interrupt remapping. */
    if (!cpu_is_online(cpu) || cpu_apic_id(cpu) > MSI_APIC_ID_MAX)
        return -ENOSPC;

    void **cookies = *per_cpu_ptr(vector_cookies, cpu);
    int error = -ENOSPC;
    irqflags_t flags = spin_lock_irqsave(&vector_lock);
    for (unsigned int i = 0; i < DEVICE_VECTORS; i++) {
        if (cookies[i])
            continue;
        WRITE_ONCE(cookies[i], cookie);
        route->cpu = cpu;
        route->vector = VECTOR_DEVICE_FIRST + i;
        error = 0;
        break;
    }
    spin_unlock_irqrestore(&vector_lock, flags);
    return error;
}

static void free_vector(const struct irq_route *route)
{
    void **cookies = *per_cpu_ptr(vector_cookies, route->cpu);

    irqflags_t flags = spin_lock_irqsave(&vector_lock);
    WRITE_ONCE(cookies[route->vector - VECTOR_DEVICE_FIRST], NULL);
    spin_unlock_irqrestore(&vector_lock, flags);
}

static bool take_gsi(unsigned int gsi)
{
    uint64_t bit = 1ULL << gsi % 64;

    irqflags_t flags = spin_lock_irqsave(&vector_lock);
    bool is_free = !(gsi_taken[gsi / 64] & bit);
    gsi_taken[gsi / 64] |= bit;
    spin_unlock_irqrestore(&vector_lock, flags);
    return is_free;
}

static void release_gsi(unsigned int gsi)
{
    irqflags_t flags = spin_lock_irqsave(&vector_lock);
    gsi_taken[gsi / 64] &= ~(1ULL << gsi % 64);
    spin_unlock_irqrestore(&vector_lock, flags);
}

int arch_irq_alloc_msi(unsigned int cpu, void *cookie, struct irq_route *route)
{
    *route = (struct irq_route){ .gsi = IRQ_ROUTE_NO_GSI };
    int error = alloc_vector(cpu, cookie, route);
    if (error)
        return error;
    route->msi_address = MSI_ADDRESS(cpu_apic_id(cpu));
    route->msi_data = route->vector;
    return 0;
}

static int take_line(unsigned int gsi)
{
    if (gsi >= ARRAY_SIZE(gsi_taken) * 64 || !ioapic_has_line(gsi))
        return -ENODEV;
    return take_gsi(gsi) ? 0 : -EBUSY;
}

int arch_irq_alloc_line(unsigned int gsi, enum irq_trigger trigger, enum irq_polarity polarity,
                        unsigned int cpu, void *cookie, struct irq_route *route)
{
    *route = (struct irq_route){ .gsi = gsi };
    int error = take_line(gsi);
    if (error)
        return error;
    error = alloc_vector(cpu, cookie, route);
    if (error) {
        release_gsi(gsi);
        return error;
    }
    ioapic_route(gsi, route->vector, cpu_apic_id(cpu), trigger, polarity);
    return 0;
}

int interrupts_route_nmi(unsigned int gsi)
{
    int error = take_line(gsi);

    if (!error)
        ioapic_route_nmi(gsi, cpu_apic_id(0));
    return error;
}

void arch_irq_mask_line(const struct irq_route *route)
{
    ioapic_set_masked(route->gsi, true);
}

void arch_irq_unmask_line(const struct irq_route *route)
{
    ioapic_set_masked(route->gsi, false);
}

void arch_irq_free(struct irq_route *route)
{
    if (route->gsi != IRQ_ROUTE_NO_GSI) {
        ioapic_set_masked(route->gsi, true);
        release_gsi(route->gsi);
    }
    free_vector(route);
}

void arch_irq_isa_to_gsi(unsigned int isa, unsigned int *gsi, enum irq_trigger *trigger,
                         enum irq_polarity *polarity)
{
    const struct isa_route *route = &isa_routes[isa % ISA_COUNT];

    *gsi = route->gsi;
    *trigger = route->trigger;
    *polarity = route->polarity;
}

/* ---- start --------------------------------------------------------------------------------- */

static void read_overrides(const struct acpi_madt *madt)
{
    for (unsigned int isa = 0; isa < ISA_COUNT; isa++)
        isa_routes[isa] = (struct isa_route){ isa, IRQ_TRIGGER_EDGE, IRQ_ACTIVE_HIGH };
    for (size_t i = 0; madt && i < madt->override_count; i++) {
        const struct acpi_override *entry = &madt->overrides[i];
        if (entry->isa >= ISA_COUNT)
            continue;
        isa_routes[entry->isa] = (struct isa_route){
            .gsi = entry->gsi,
            .trigger = ACPI_INTI_TRIGGER(entry->flags) == ACPI_INTI_TRIGGER_LEVEL
                           ? IRQ_TRIGGER_LEVEL
                           : IRQ_TRIGGER_EDGE,
            .polarity = ACPI_INTI_POLARITY(entry->flags) == ACPI_INTI_POLARITY_LOW
                            ? IRQ_ACTIVE_LOW
                            : IRQ_ACTIVE_HIGH,
        };
    }
}

static void add_ioapics(const struct acpi_madt *madt)
{
    if (!madt) {
        if (ioapic_add(IOAPIC_DEFAULT_ADDRESS, 0))
            log_warning("ioapic", "none found: devices have no interrupt lines");
        return;
    }
    for (size_t i = 0; i < madt->ioapic_count; i++) {
        int error = ioapic_add(madt->ioapics[i].address, madt->ioapics[i].gsi_base);
        if (error)
            log_error("ioapic", "at %#x: %s", madt->ioapics[i].address, errno_text(error));
    }
}

/* Which pin of which CPU an NMI comes in on. Without a MADT: LINT1, as PCs are wired. */
static void open_nmi_pins(const struct acpi_madt *madt)
{
    if (!madt) {
        lapic_set_nmi_pin(1);
        return;
    }
    for (size_t i = 0; i < madt->nmi_count; i++) {
        if (madt->nmis[i].acpi_uid == ACPI_ALL_CPUS)
            lapic_set_nmi_pin(madt->nmis[i].lint);
    }
}

void interrupts_cpu_init(void)
{
    lapic_enable();
    open_nmi_pins(acpi_madt());
}

static int __init apic_init(void)
{
    const struct acpi_madt *madt = acpi_madt();

    pic_disable();
    int error = lapic_map(madt ? madt->lapic_address : 0);
    if (error)
        panic("the local APIC cannot be mapped: %s", errno_text(error));
    interrupts_cpu_init();
    cpus_init();
    read_overrides(madt);
    add_ioapics(madt);
    log_info("apic", "%s, %u CPU%s", lapic_is_x2apic() ? "x2APIC" : "xAPIC", cpu_possible_count(),
             cpu_possible_count() == 1 ? "" : "s");
    return 0;
}
INIT_HOOK(apic_init, INIT_CORE);
