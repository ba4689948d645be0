/*
 * Interrupts as the portable kernel sees them: the flag of this CPU, and interrupt lines that
 * kernel/irq hands to drivers. Implemented by arch/x86_64 (IDT, IOAPIC, LAPIC, MSI) and arch/host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/types.h"

static inline irqflags_t irq_save(void);          /* disables; returns the state before */
static inline void irq_restore(irqflags_t flags); /* back to that state */
static inline void irq_enable(void);
static inline void irq_disable(void);
static inline bool irq_is_enabled(void);

/*
 * An interrupt source, as kernel/irq/irq.c asks the architecture to route it. Vectors are per CPU,
 * so the same number may mean different sources on different CPUs.
 */
struct irq_route {
    unsigned int cpu;     /* where it is delivered */
    unsigned int vector;  /* the architecture's number there */
    uint64_t msi_address; /* for a message-signalled source: what the device writes, and where */
    uint32_t msi_data;
    unsigned int gsi; /* for a line source; IRQ_ROUTE_NO_GSI otherwise */
};
#define IRQ_ROUTE_NO_GSI UINT32_MAX

enum irq_trigger {
    IRQ_TRIGGER_EDGE,
    IRQ_TRIGGER_LEVEL
};
enum irq_polarity {
    IRQ_ACTIVE_HIGH,
    IRQ_ACTIVE_LOW
};

/**
 * arch_irq_alloc_msi() - reserve a vector on @cpu for a message-signalled interrupt
 * Return: 0 with @route filled; -ENOSPC when the CPU has no vector left.
 * Context: task; takes a spinlock. @cookie comes back in irq_dispatch().
 */
int __must_check arch_irq_alloc_msi(unsigned int cpu, void *cookie, struct irq_route *route);

/**
 * arch_irq_alloc_line() - reserve a vector and program the IOAPIC entry of @gsi, masked
 * Return: 0; -ENODEV when no IOAPIC has that GSI; -EBUSY when it is taken (lines are shared above
 * this, in kernel/irq); -ENOSPC. Context: task.
 */
int __must_check arch_irq_alloc_line(unsigned int gsi, enum irq_trigger trigger,
                                     enum irq_polarity polarity, unsigned int cpu, void *cookie,
                                     struct irq_route *route);
void arch_irq_mask_line(const struct irq_route *route);
void arch_irq_unmask_line(const struct irq_route *route);
void arch_irq_free(struct irq_route *route);

/**
 * arch_irq_isa_to_gsi() - GSI, trigger and polarity of ISA interrupt @isa, by the MADT's overrides
 */
void arch_irq_isa_to_gsi(unsigned int isa, unsigned int *gsi, enum irq_trigger *trigger,
                         enum irq_polarity *polarity);

/**
 * irq_dispatch() - provided by kernel/irq/irq.c, called by the architecture
 * Context: interrupt entry, interrupts off; the architecture acknowledges (EOI) around it.
 */
void irq_dispatch(void *cookie);

/** irq_exit_to_task() - provided by kernel/irq: runs softirqs and preempts, before returning. */
void irq_exit(void);
void irq_enter(void);

/* What a CPU was interrupted by; only itself writes, anyone reads. */
struct irq_counters {
    uint64_t device;
    uint64_t timer;
    uint64_t reschedule; /* from another CPU, as the next */
    uint64_t call;
    uint64_t nmi;
    uint64_t spurious; /* with nobody behind them */
    uint64_t apic_error;
};

/** arch_irq_counters() - of CPU @cpu, which is online; approximate. Context: any. */
void arch_irq_counters(unsigned int cpu, struct irq_counters *counters);

#include "arch/inline.h"
