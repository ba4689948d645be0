/*
 * The MADT: which CPUs and interrupt controllers there are. Pure functions of bytes.
 *
 * Spec: ACPI 6.4, 5.2.12.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/cpu.h"
#include "lib/compiler.h"
#include "lib/types.h"

#define ACPI_IOAPIC_MAX   16
#define ACPI_OVERRIDE_MAX 32
#define ACPI_NMI_MAX      16

struct acpi_cpu {
    uint32_t apic_id;  /* x2APIC ids are above 254 */
    uint32_t acpi_uid; /* what the rest of ACPI calls it */
};

struct acpi_ioapic {
    uint8_t id;
    uint32_t address;
    uint32_t gsi_base;
};

/* ISA interrupt @isa is wired to @gsi; flags are the MPS INTI flags. */
struct acpi_override {
    uint8_t isa;
    uint32_t gsi;
    uint16_t flags;
};

/* An NMI source wired to a local APIC's pin. */
struct acpi_lapic_nmi {
    uint32_t acpi_uid; /* ACPI_ALL_CPUS: every CPU */
    uint8_t lint;      /* 0 or 1 */
    uint16_t flags;
};

#define ACPI_ALL_CPUS UINT32_MAX

/* MPS INTI flags: polarity in bits 0-1, trigger in bits 2-3; 0 is the bus's habit (ISA: edge,
 * high). */
#define ACPI_INTI_POLARITY(flags) ((flags)&3u)
#define ACPI_INTI_TRIGGER(flags)  ((flags) >> 2 & 3u)
#define ACPI_INTI_POLARITY_LOW    3u
#define ACPI_INTI_POLARITY_HIGH   1u
#define ACPI_INTI_TRIGGER_LEVEL   3u
#define ACPI_INTI_TRIGGER_EDGE    1u

struct acpi_madt {
    paddr_t lapic_address;
    bool has_8259; /* a PIC is there and must be masked */

    struct acpi_cpu cpus[CPU_MAX]; /* those that can be used, in the table's order, no id twice */
    size_t cpu_count;
    size_t cpus_dropped; /* more than CPU_MAX */

    struct acpi_ioapic ioapics[ACPI_IOAPIC_MAX];
    size_t ioapic_count;
    struct acpi_override overrides[ACPI_OVERRIDE_MAX];
    size_t override_count;
    struct acpi_lapic_nmi nmis[ACPI_NMI_MAX];
    size_t nmi_count;
};

/**
 * acpi_madt_parse() - read a MADT, header included
 * A broken entry ends it with a line in the log; what came before counts.
 * Return: 0; -EMSGSIZE when it is too short for its fixed part.
 */
int __must_check acpi_madt_parse(const void *table, size_t length, struct acpi_madt *madt);
