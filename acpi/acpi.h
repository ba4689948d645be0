/*
 * What the firmware's ACPI tables say, parsed once.
 *
 * The first call of any of these loads the tables: call them as soon as vm_map_firmware() works,
 * and the first time from the boot task alone (INIT_CORE at the latest, where acpi_init runs). Each
 * gives NULL when the firmware has no such table, or a broken one, of which the log has a line; all
 * are constant afterwards and may be read from any context.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "acpi/aml.h"
#include "acpi/fadt.h"
#include "acpi/madt.h"
#include "acpi/mcfg.h"

/** acpi_madt() - CPUs and interrupt controllers; on a machine without ACPI, from its MP table. */
const struct acpi_madt *acpi_madt(void);
const struct acpi_fadt *acpi_fadt(void);
const struct acpi_mcfg *acpi_mcfg(void);
const struct acpi_hpet *acpi_hpet(void);

/** acpi_sleep_s5() - the values of \_S5: how to power off. */
const struct acpi_sleep_type *acpi_sleep_s5(void);

/** acpi_has_pci_bridge() - the DSDT knows of a PCI host bridge. */
bool acpi_has_pci_bridge(void);

/** acpi_virtio_mmio() - the virtio-mmio devices of the DSDT. Return: how many. */
size_t acpi_virtio_mmio(const struct acpi_mmio_device **devices);

/**
 * acpi_table() - a whole table by its signature, header included, checksum checked
 * Return: its bytes, mapped for ever; NULL when there is none.
 */
const void *acpi_table(const char signature[4], size_t *length);
