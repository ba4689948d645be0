/*
 * ACPI: the input is a table, and goes to the parser that its signature names; what has none is
 * AML. Lengths and checksums are not made good first: the parsers must not rely on them.
 */
#include <stdlib.h>
#include <string.h>

#include "acpi/aml.h"
#include "acpi/fadt.h"
#include "acpi/madt.h"
#include "acpi/mcfg.h"
#include "acpi/mp_table.h"
#include "acpi/table.h"
#include "tests/fuzz/silent_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void fuzz_aml(const uint8_t *data, size_t size)
{
    struct acpi_sleep_type sleep;
    struct acpi_mmio_device devices[8];

    if (acpi_aml_find_s5(data, size, &sleep) == 0)
        check(sleep.pm1a <= 7 && sleep.pm1b <= 7);
    (void)acpi_aml_has_hid(data, size, "PNP0A08", 0x080ad041);
    size_t count = acpi_aml_find_devices(data, size, "LNRO0005", devices, 8);
    check(count <= 8);
    for (size_t i = 0; i < count; i++)
        check(devices[i].base != 0 && devices[i].size != 0);
}

static void fuzz_madt(const uint8_t *data, size_t size)
{
    static struct acpi_madt madt;

    if (acpi_madt_parse(data, size, &madt))
        return;
    check(madt.cpu_count <= CPU_MAX && madt.ioapic_count <= ACPI_IOAPIC_MAX);
    check(madt.override_count <= ACPI_OVERRIDE_MAX && madt.nmi_count <= ACPI_NMI_MAX);
}

/* The checksum is made good: nothing would get past it otherwise. */
static void fuzz_mp_table(const uint8_t *data, size_t size)
{
    static struct acpi_madt madt;
    uint8_t *copy = malloc(size);
    uint8_t sum = 0;

    memcpy(copy, data, size);
    size_t length = size >= MP_HEADER_SIZE ? mp_table_length(copy) : 0;
    if (length >= MP_HEADER_SIZE && length <= size) {
        for (size_t i = 0; i < length; i++)
            sum = (uint8_t)(sum + copy[i]);
        copy[7] = (uint8_t)(copy[7] - sum);
    }
    if (mp_table_parse(copy, size, &madt) == 0)
        check(madt.cpu_count <= CPU_MAX && madt.ioapic_count <= ACPI_IOAPIC_MAX &&
              madt.override_count <= ACPI_OVERRIDE_MAX && madt.nmi_count <= ACPI_NMI_MAX);
    free(copy);
}

static void fuzz_root(const uint8_t *data, size_t size)
{
    char signature[4];

    memcpy(signature, data, 4);
    if (acpi_table_check(data, size, signature))
        return;
    for (size_t i = 0; i < 32; i++)
        (void)acpi_root_entry(data, i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct acpi_rsdp rsdp;
    struct acpi_fadt fadt;
    struct acpi_mcfg mcfg;
    struct acpi_hpet hpet;
    int error = acpi_rsdp_parse(data, size, &rsdp);

    if (error == 0)
        check(rsdp.rsdt != 0 || rsdp.xsdt != 0 || rsdp.revision < 2 || size < ACPI_RSDP_SIZE_2);
    if (size < 4)
        return 0;
    if (memcmp(data, "APIC", 4) == 0) {
        fuzz_madt(data, size);
    } else if (memcmp(data, "FACP", 4) == 0) {
        error = acpi_fadt_parse(data, size, &fadt);
    } else if (memcmp(data, "MCFG", 4) == 0) {
        error = acpi_mcfg_parse(data, size, &mcfg);
    } else if (memcmp(data, "HPET", 4) == 0) {
        error = acpi_hpet_parse(data, size, &hpet);
    } else if (memcmp(data, "PCMP", 4) == 0) {
        fuzz_mp_table(data, size);
    } else if (memcmp(data, "_MP_", 4) == 0) {
        paddr_t table;
        error = mp_pointer_parse(data, size, &table);
    } else if (memcmp(data, "RSDT", 4) == 0 || memcmp(data, "XSDT", 4) == 0) {
        fuzz_root(data, size);
    } else {
        fuzz_aml(data, size);
    }
    return 0;
}
