/*
 * The timer of arch/nmi_timer.h: comparator 0 of the HPET on the line that was the PIT's, which the
 * I/O APIC turns into an NMI. Other lines that an HPET may have are those of PCI devices.
 */
#include "arch/nmi_timer.h"

#include "arch/irq.h"
#include "arch/x86_64/clock_internal.h"
#include "arch/x86_64/hpet.h"
#include "arch/x86_64/interrupts.h"
#include "lib/errno.h"

#define ISA_TIMER 0

int nmi_timer_init(void)
{
    unsigned int gsi;
    enum irq_trigger trigger;
    enum irq_polarity polarity;

    arch_irq_isa_to_gsi(ISA_TIMER, &gsi, &trigger, &polarity);
    if (!hpet_alarm_init(gsi))
        return -ENODEV;
    pit_stop_interrupts();
    return interrupts_route_nmi(gsi);
}

void nmi_timer_set(uint64_t delay_ns)
{
    hpet_alarm_set(delay_ns);
}
