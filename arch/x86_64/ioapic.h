/*
 * I/O APICs: interrupt lines to vectors. Spec: Intel 82093AA datasheet, 3.2.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "arch/irq.h"
#include "lib/compiler.h"
#include "lib/types.h"

/** ioapic_add() - map one and mask all of its lines. -ENOSPC, -ENOMEM, -ENODEV: nothing there. */
int __must_check ioapic_add(paddr_t address, uint32_t gsi_base);

/** ioapic_has_line() - is there an entry for that GSI? */
bool ioapic_has_line(uint32_t gsi);

/** ioapic_route() - set up the line's entry, masked. Context: any; takes ioapic_lock. */
void ioapic_route(uint32_t gsi, unsigned int vector, uint32_t apic_id, enum irq_trigger trigger,
                  enum irq_polarity polarity);

/** ioapic_route_nmi() - edge, active high, open: each edge is an NMI to that CPU. */
void ioapic_route_nmi(uint32_t gsi, uint32_t apic_id);
void ioapic_set_masked(uint32_t gsi, bool is_masked);

/** ioapic_read_entry() - the raw entry, for tests and diagnosis. */
uint64_t ioapic_read_entry(uint32_t gsi);
