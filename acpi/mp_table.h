/*
 * The MP table: what machines without ACPI (Firecracker, QEMU's microvm with acpi=off) have in
 * place of a MADT. It is parsed into the same structure. Pure functions of bytes.
 *
 * Spec: Intel MultiProcessor Specification 1.4, chapter 4.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "acpi/madt.h"
#include "lib/compiler.h"
#include "lib/types.h"

#define MP_POINTER_SIZE 16
#define MP_HEADER_SIZE  44

/**
 * mp_pointer_parse() - the floating pointer structure "_MP_"
 * Return: 0 with the configuration table's address; -EINVAL when it is none, or names one of the
 * default configurations, which no machine since the 1990s has; -EBADMSG for its checksum.
 */
int __must_check mp_pointer_parse(const void *bytes, size_t length, paddr_t *table);

/** mp_table_length() - of a configuration table, of whose header MP_HEADER_SIZE bytes are there. */
size_t mp_table_length(const void *header);

/**
 * mp_table_parse() - read a configuration table "PCMP"
 * An IOAPIC's lines are numbered on from the one before it, 24 each.
 * Return: 0; -EINVAL another signature; -EMSGSIZE cut short; -EBADMSG wrong checksum.
 */
int __must_check mp_table_parse(const void *table, size_t length, struct acpi_madt *madt);
