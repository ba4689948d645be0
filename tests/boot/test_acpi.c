/*
 * What the firmware's tables say fits what the machine turned out to be.
 */
#include "tests/boot_test.h"

#include "acpi/acpi.h"
#include "acpi/table.h"
#include "arch/cpu.h"
#include "lib/string.h"

BOOT_TEST(acpi, madt_lists_the_cpus)
{
    const struct acpi_madt *madt = acpi_madt();

    if (!madt) /* a machine without ACPI has one CPU */
        return;
    EXPECT(madt->cpu_count >= cpu_online_count());
    EXPECT(madt->ioapic_count >= 1);
    EXPECT(madt->lapic_address != 0);
}

BOOT_TEST(acpi, tables_stay_readable)
{
    static const char *const signatures[] = { "APIC", "FACP", "DSDT" };

    if (!acpi_fadt())
        return;
    for (size_t i = 0; i < ARRAY_SIZE(signatures); i++) {
        size_t length = 0;
        const void *table = acpi_table(signatures[i], &length);
        EXPECT(table != NULL);
        EXPECT_EQ(acpi_table_check(table, length, signatures[i]), 0);
    }
    size_t length;
    EXPECT(acpi_table("NONE", &length) == NULL);
}

BOOT_TEST(acpi, power_off_is_known)
{
    if (!acpi_fadt())
        return;
    EXPECT(acpi_sleep_s5() != NULL);
    EXPECT(acpi_fadt()->pm1a_control.address != 0 || acpi_fadt()->sleep_control.address != 0);
}
