/*
 * What every ACPI table starts with, and the addresses in them. Pure functions of bytes.
 *
 * Spec: ACPI 6.4, 5.2.5 (RSDP), 5.2.6 (header), 5.2.3.2 (generic address structure).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/types.h"

#define ACPI_HEADER_SIZE 36
#define ACPI_RSDP_SIZE_1 20 /* revision 0 */
#define ACPI_RSDP_SIZE_2 36 /* revision 2 and later */
#define ACPI_GAS_SIZE    12
#define ACPI_TABLE_MAX   (16 * 1024 * 1024) /* longer than any real one */

enum acpi_space {
    ACPI_SPACE_MEMORY = 0,
    ACPI_SPACE_IO = 1
};

/* A register, wherever it is. */
struct acpi_address {
    uint8_t space; /* enum acpi_space, or another that we do not use */
    uint8_t bit_width;
    uint8_t access_size; /* 1 to 4: 8 to 64 bits; 0: not said */
    uint64_t address;    /* 0: there is no such register */
};

struct acpi_rsdp {
    uint8_t revision;
    paddr_t rsdt; /* 0: none */
    paddr_t xsdt; /* 0: none */
};

/** acpi_checksum_is_good() - do the bytes add up to 0? */
bool acpi_checksum_is_good(const void *bytes, size_t length);

/** acpi_rsdp_parse() - 0; -EINVAL when it is none; -EBADMSG when its checksum is wrong. */
int __must_check acpi_rsdp_parse(const void *bytes, size_t length, struct acpi_rsdp *rsdp);

/**
 * acpi_table_check() - is this a whole table named @signature?
 * @length: of the bytes that may be read; the table's own length must not exceed it
 * Return: 0; -EINVAL another signature; -EMSGSIZE cut short; -EBADMSG wrong checksum.
 */
int __must_check acpi_table_check(const void *bytes, size_t length, const char signature[4]);

/** acpi_table_length() - the length in a table's header, of which ACPI_HEADER_SIZE bytes are there.
 */
size_t acpi_table_length(const void *header);

/** acpi_root_entry() - address @index of an RSDT or XSDT that was checked; 0 past the end. */
paddr_t acpi_root_entry(const void *bytes, size_t index);

/** acpi_address_parse() - a generic address structure of ACPI_GAS_SIZE bytes. */
struct acpi_address acpi_address_parse(const void *bytes);
