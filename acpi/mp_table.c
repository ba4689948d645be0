/*
 * MP configuration table: a header, then entries whose type tells their size.
 */
#include "acpi/mp_table.h"

#include "acpi/table.h"
#include "kernel/log.h"
#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/string.h"

#define PROCESSOR_SIZE   20
#define OTHER_SIZE       8
#define FLAG_ENABLED     1u
#define INTERRUPT_VECTOR 0 /* an ordinary one; 1 NMI, 2 SMI, 3 ExtINT */
#define INTERRUPT_NMI    1
#define LINES_PER_IOAPIC 24
#define ALL_LAPICS       0xff
#define BUS_COUNT        256

enum entry_type {
    ENTRY_PROCESSOR = 0,
    ENTRY_BUS = 1,
    ENTRY_IOAPIC = 2,
    ENTRY_INTERRUPT = 3,
    ENTRY_LOCAL_INTERRUPT = 4,
    ENTRY_TYPE_COUNT
};

struct parser {
    struct acpi_madt *madt;
    bool is_isa[BUS_COUNT]; /* by bus id; buses are listed before the interrupts on them */
};

int mp_pointer_parse(const void *bytes, size_t length, paddr_t *table)
{
    const uint8_t *from = bytes;

    if (length < MP_POINTER_SIZE || memcmp(from, "_MP_", 4) != 0 || from[8] != 1)
        return -EINVAL;
    if (!acpi_checksum_is_good(from, MP_POINTER_SIZE))
        return -EBADMSG;
    if (from[11] != 0 || load_le32(from + 4) == 0)
        return -EINVAL;
    *table = load_le32(from + 4);
    return 0;
}

size_t mp_table_length(const void *header)
{
    return load_le16((const uint8_t *)header + 4);
}

static void add_processor(struct acpi_madt *madt, const uint8_t *entry)
{
    if (!(entry[3] & FLAG_ENABLED))
        return;
    if (madt->cpu_count == CPU_MAX) {
        madt->cpus_dropped++;
        return;
    }
    madt->cpus[madt->cpu_count++] = (struct acpi_cpu){ .apic_id = entry[1], .acpi_uid = entry[1] };
}

static void add_ioapic(struct acpi_madt *madt, const uint8_t *entry)
{
    if (!(entry[3] & FLAG_ENABLED) || madt->ioapic_count == ACPI_IOAPIC_MAX)
        return;
    madt->ioapics[madt->ioapic_count] = (struct acpi_ioapic){
        .id = entry[1],
        .address = load_le32(entry + 4),
        .gsi_base = (uint32_t)madt->ioapic_count * LINES_PER_IOAPIC,
    };
    madt->ioapic_count++;
}

static bool find_gsi(const struct acpi_madt *madt, uint8_t ioapic_id, uint8_t line, uint32_t *gsi)
{
    for (size_t i = 0; i < madt->ioapic_count; i++) {
        if (madt->ioapics[i].id == ioapic_id) {
            *gsi = madt->ioapics[i].gsi_base + line;
            return true;
        }
    }
    return false;
}

/* As in the MADT, only what differs from "ISA interrupt n is line n, edge, active high" is kept. */
static void add_interrupt(struct parser *parser, const uint8_t *entry)
{
    struct acpi_madt *madt = parser->madt;
    uint16_t flags = load_le16(entry + 2);
    uint8_t isa = entry[5];
    uint32_t gsi;

    if (entry[1] != INTERRUPT_VECTOR || !parser->is_isa[entry[4]] || isa >= 16)
        return;
    if (!find_gsi(madt, entry[6], entry[7], &gsi))
        return;
    bool is_usual = gsi == isa && ACPI_INTI_TRIGGER(flags) != ACPI_INTI_TRIGGER_LEVEL &&
                    ACPI_INTI_POLARITY(flags) != ACPI_INTI_POLARITY_LOW;
    if (is_usual || madt->override_count == ACPI_OVERRIDE_MAX)
        return;
    madt->overrides[madt->override_count++] =
        (struct acpi_override){ .isa = isa, .gsi = gsi, .flags = flags };
}

static void add_local_interrupt(struct acpi_madt *madt, const uint8_t *entry)
{
    if (entry[1] != INTERRUPT_NMI || entry[7] > 1 || madt->nmi_count == ACPI_NMI_MAX)
        return;
    madt->nmis[madt->nmi_count++] = (struct acpi_lapic_nmi){
        .acpi_uid = entry[6] == ALL_LAPICS ? ACPI_ALL_CPUS : entry[6],
        .lint = entry[7],
        .flags = load_le16(entry + 2),
    };
}

static void parse_entry(struct parser *parser, const uint8_t *entry)
{
    switch (entry[0]) {
    case ENTRY_PROCESSOR:
        add_processor(parser->madt, entry);
        break;
    case ENTRY_BUS:
        parser->is_isa[entry[1]] = memcmp(entry + 2, "ISA", 3) == 0;
        break;
    case ENTRY_IOAPIC:
        add_ioapic(parser->madt, entry);
        break;
    case ENTRY_INTERRUPT:
        add_interrupt(parser, entry);
        break;
    default:
        add_local_interrupt(parser->madt, entry);
        break;
    }
}

int mp_table_parse(const void *table, size_t length, struct acpi_madt *madt)
{
    const uint8_t *bytes = table;
    struct parser parser = { .madt = madt };

    memset(madt, 0, sizeof(*madt));
    if (length < MP_HEADER_SIZE)
        return -EMSGSIZE;
    if (memcmp(bytes, "PCMP", 4) != 0)
        return -EINVAL;
    size_t own_length = mp_table_length(bytes);
    if (own_length < MP_HEADER_SIZE || own_length > length)
        return -EMSGSIZE;
    if (!acpi_checksum_is_good(bytes, own_length))
        return -EBADMSG;

    madt->lapic_address = load_le32(bytes + 36);
    madt->has_8259 = true;
    for (size_t offset = MP_HEADER_SIZE; offset < own_length;) {
        size_t size = bytes[offset] == ENTRY_PROCESSOR ? PROCESSOR_SIZE : OTHER_SIZE;
        if (bytes[offset] >= ENTRY_TYPE_COUNT || size > own_length - offset) {
            log_warning("acpi", "MP table: entry of type %u at %zu is broken, the rest is left out",
                        bytes[offset], offset);
            break;
        }
        parse_entry(&parser, bytes + offset);
        offset += size;
    }
    return 0;
}
