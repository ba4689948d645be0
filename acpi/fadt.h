/*
 * The FADT: fixed registers (power, reset, timer) and what of the old PC is there.
 *
 * Spec: ACPI 6.4, 5.2.9.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "acpi/table.h"
#include "lib/compiler.h"

struct acpi_fadt {
    paddr_t dsdt; /* 0: none */
    bool is_hardware_reduced;
    uint16_t sci_interrupt;

    struct acpi_address pm1a_control; /* address 0: there is none, as for all of these */
    struct acpi_address pm1b_control;
    struct acpi_address pm_timer;
    bool pm_timer_is_32bit;
    struct acpi_address sleep_control; /* hardware-reduced machines */

    uint32_t smi_command; /* port; 0: ACPI mode needs no enabling */
    uint8_t acpi_enable;

    struct acpi_address reset;
    uint8_t reset_value;

    uint8_t century; /* CMOS index of the century; 0: there is none */

    /* IAPC_BOOT_ARCH, which says nothing (and so "maybe") before revision 3. */
    bool has_boot_flags;
    bool has_8042;
    bool has_no_vga;
    bool has_no_cmos_rtc;
};

/** acpi_fadt_parse() - 0, or -EMSGSIZE when it is too short even for ACPI 1.0. */
int __must_check acpi_fadt_parse(const void *table, size_t length, struct acpi_fadt *fadt);
