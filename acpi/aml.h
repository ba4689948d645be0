/*
 * Three facts out of AML byte code, found by its patterns and not by running it: the values of
 * \_S5, devices with the hardware id of virtio-mmio, and whether there is a device with some
 * hardware id. Pure functions of bytes, bounded by them.
 *
 * Spec: ACPI 6.4, 20.2 (AML grammar), 6.4 (resource descriptors), 7.4.2 (\_Sx).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/types.h"

struct acpi_sleep_type {
    uint8_t pm1a; /* SLP_TYP for PM1a_CNT, and for the sleep control register */
    uint8_t pm1b;
};

struct acpi_mmio_device {
    paddr_t base;
    uint32_t size;
    uint32_t gsi;
    bool is_level;
    bool is_active_low;
};

/** acpi_aml_find_s5() - 0, or -ENOENT when there is no well-formed \_S5 package. */
int __must_check acpi_aml_find_s5(const void *aml, size_t length, struct acpi_sleep_type *sleep);

/** acpi_aml_has_hid() - is there a device whose _HID is @text, or @eisa_id, its compressed form? */
bool acpi_aml_has_hid(const void *aml, size_t length, const char *text, uint32_t eisa_id);

/**
 * acpi_aml_find_devices() - devices with _HID @hid that have both memory and an interrupt
 * Return: how many were stored, at most @max.
 */
size_t acpi_aml_find_devices(const void *aml, size_t length, const char *hid,
                             struct acpi_mmio_device *devices, size_t max);
