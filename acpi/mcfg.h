/*
 * Two small tables: MCFG, where PCI configuration space is mapped (PCI Firmware Specification 3.0,
 * 4.1.2), and HPET, where that timer is (IA-PC HPET Specification 1.0a, 3.2.4).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/types.h"

#define ACPI_MCFG_MAX 16

struct acpi_ecam {
    paddr_t base; /* of bus 0, whatever first_bus is */
    uint16_t segment;
    uint8_t first_bus, last_bus;
};

struct acpi_mcfg {
    struct acpi_ecam regions[ACPI_MCFG_MAX];
    size_t count;
};

struct acpi_hpet {
    paddr_t base;
    uint8_t number;
    uint16_t minimum_tick;
};

/** acpi_mcfg_parse() - 0, or -EMSGSIZE. Regions that make no sense are left out with a line. */
int __must_check acpi_mcfg_parse(const void *table, size_t length, struct acpi_mcfg *mcfg);

/** acpi_hpet_parse() - 0; -EMSGSIZE; -EINVAL when it is not in memory. */
int __must_check acpi_hpet_parse(const void *table, size_t length, struct acpi_hpet *hpet);
