/*
 * Interrupts for drivers. A handler takes note of the event, raises a softirq or wakes a task, and
 * returns: interrupts are off, it must not sleep.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "arch/irq.h"
#include "lib/compiler.h"

struct irq; /* one handler on one source */

/**
 * An interrupt handler. Return: true when the device had raised it; a shared level line calls every
 * handler on it. Lines that nobody claims 100,000 times running are masked with a message.
 */
typedef bool (*irq_handler_t)(void *context);

#define IRQ_ANY_CPU UINT32_MAX /* spread over the online CPUs */

/**
 * irq_request_msi() - a message-signalled interrupt; MSI-X table entry gets @address and @data
 * @name: a constant, or living as long as the interrupt. @cpu: where, or IRQ_ANY_CPU.
 * Return: 0 with *@result; -ENOSPC; -ENOMEM. Context: task.
 */
int __must_check irq_request_msi(const char *name, unsigned int cpu, irq_handler_t handler,
                                 void *context, uint64_t *address, uint32_t *data,
                                 struct irq **result);

/** irq_request_gsi() - a line of the IOAPIC, shared with other handlers of the same trigger. */
int __must_check irq_request_gsi(const char *name, unsigned int gsi, enum irq_trigger trigger,
                                 enum irq_polarity polarity, irq_handler_t handler, void *context,
                                 struct irq **result);

/** irq_request_isa() - ISA interrupt 0-15 through the MADT's overrides. */
int __must_check irq_request_isa(const char *name, unsigned int isa, irq_handler_t handler,
                                 void *context, struct irq **result);

/** irq_free() - no handler call is under way or comes after. Context: task, may sleep. */
void irq_free(struct irq *irq);

/** struct irq_description - one handler, for irqstat. */
struct irq_description {
    const char *name;
    unsigned int cpu;
    unsigned int vector;
    unsigned int gsi;   /* IRQ_ROUTE_NO_GSI: message-signalled */
    uint64_t claimed;   /* interrupts that it said were its own */
    uint64_t delivered; /* of its source, those of others on the line included */
};

/** irq_describe() - the handler at @index (from 0). Return: false when there is none. Any context.
 */
bool irq_describe(unsigned int index, struct irq_description *description);
