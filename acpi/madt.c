/*
 * MADT: after a fixed part, entries of type, length and data.
 */
#include "acpi/madt.h"

#include "acpi/table.h"
#include "kernel/log.h"
#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/string.h"

#define FIXED_SIZE  44 /* header, u32 local APIC address, u32 flags */
#define FLAG_PC_AT  1u
#define CPU_ENABLED 1u
#define CPU_CAPABLE 2u /* may be enabled later: such a CPU is not there now */
#define UID_ALL     0xffu
#define UID_ALL_X2  0xffffffffu

enum entry_type {
    ENTRY_LAPIC = 0,
    ENTRY_IOAPIC = 1,
    ENTRY_OVERRIDE = 2,
    ENTRY_LAPIC_NMI = 4,
    ENTRY_LAPIC_ADDRESS = 5,
    ENTRY_X2APIC = 9,
    ENTRY_X2APIC_NMI = 10,
};

static const uint8_t entry_sizes[] = {
    [ENTRY_LAPIC] = 8,          [ENTRY_IOAPIC] = 12, [ENTRY_OVERRIDE] = 10,   [ENTRY_LAPIC_NMI] = 6,
    [ENTRY_LAPIC_ADDRESS] = 12, [ENTRY_X2APIC] = 16, [ENTRY_X2APIC_NMI] = 12,
};

static void add_cpu(struct acpi_madt *madt, uint32_t apic_id, uint32_t acpi_uid, uint32_t flags)
{
    if (!(flags & CPU_ENABLED))
        return;
    for (size_t i = 0; i < madt->cpu_count; i++) {
        if (madt->cpus[i].apic_id == apic_id)
            return; /* listed both as local APIC and as x2APIC */
    }
    if (madt->cpu_count == CPU_MAX) {
        madt->cpus_dropped++;
        return;
    }
    madt->cpus[madt->cpu_count++] = (struct acpi_cpu){ apic_id, acpi_uid };
}

static void add_ioapic(struct acpi_madt *madt, const uint8_t *entry)
{
    if (madt->ioapic_count == ACPI_IOAPIC_MAX) {
        log_warning("acpi", "MADT: more than %d IOAPICs, one is left out", ACPI_IOAPIC_MAX);
        return;
    }
    madt->ioapics[madt->ioapic_count++] = (struct acpi_ioapic){ .id = entry[2],
                                                                .address = load_le32(entry + 4),
                                                                .gsi_base = load_le32(entry + 8) };
}

static void add_override(struct acpi_madt *madt, const uint8_t *entry)
{
    if (entry[3] >= 16 || madt->override_count == ACPI_OVERRIDE_MAX) {
        log_warning("acpi", "MADT: override of interrupt %u is left out", entry[3]);
        return;
    }
    madt->overrides[madt->override_count++] = (struct acpi_override){
        .isa = entry[3], .gsi = load_le32(entry + 4), .flags = load_le16(entry + 8)
    };
}

static void add_nmi(struct acpi_madt *madt, uint32_t acpi_uid, uint16_t flags, uint8_t lint)
{
    if (lint > 1 || madt->nmi_count == ACPI_NMI_MAX)
        return;
    madt->nmis[madt->nmi_count++] =
        (struct acpi_lapic_nmi){ .acpi_uid = acpi_uid, .lint = lint, .flags = flags };
}

/* @entry has the size that its type wants. */
static void parse_entry(struct acpi_madt *madt, const uint8_t *entry)
{
    uint32_t uid;

    switch (entry[0]) {
    case ENTRY_LAPIC:
        add_cpu(madt, entry[3], entry[2], load_le32(entry + 4));
        break;
    case ENTRY_X2APIC:
        add_cpu(madt, load_le32(entry + 4), load_le32(entry + 12), load_le32(entry + 8));
        break;
    case ENTRY_IOAPIC:
        add_ioapic(madt, entry);
        break;
    case ENTRY_OVERRIDE:
        add_override(madt, entry);
        break;
    case ENTRY_LAPIC_NMI:
        uid = entry[2] == UID_ALL ? ACPI_ALL_CPUS : entry[2];
        add_nmi(madt, uid, load_le16(entry + 3), entry[5]);
        break;
    case ENTRY_X2APIC_NMI:
        uid = load_le32(entry + 4);
        add_nmi(madt, uid == UID_ALL_X2 ? ACPI_ALL_CPUS : uid, load_le16(entry + 2), entry[8]);
        break;
    case ENTRY_LAPIC_ADDRESS:
        madt->lapic_address = load_le64(entry + 4);
        break;
    default: /* GIC, SAPIC and others that are no business of a PC */
        break;
    }
}

int acpi_madt_parse(const void *table, size_t length, struct acpi_madt *madt)
{
    const uint8_t *bytes = table;

    memset(madt, 0, sizeof(*madt));
    if (length < FIXED_SIZE)
        return -EMSGSIZE;
    madt->lapic_address = load_le32(bytes + 36);
    madt->has_8259 = load_le32(bytes + 40) & FLAG_PC_AT;

    for (size_t offset = FIXED_SIZE; length - offset >= 2;) {
        const uint8_t *entry = bytes + offset;
        size_t size = entry[1];
        size_t wanted = entry[0] < ARRAY_SIZE(entry_sizes) ? entry_sizes[entry[0]] : 0;
        if (size < 2 || size > length - offset || size < wanted) {
            log_warning("acpi", "MADT: entry of type %u at %zu is broken, the rest is left out",
                        entry[0], offset);
            break;
        }
        parse_entry(madt, entry);
        offset += size;
    }
    if (madt->cpus_dropped) {
        log_warning("acpi", "MADT: %zu CPUs, %d are used", madt->cpu_count + madt->cpus_dropped,
                    CPU_MAX);
    }
    return 0;
}
