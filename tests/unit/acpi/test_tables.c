/*
 * The ACPI parsers on tables dumped from QEMU, and on broken ones.
 */
#include "tests/unit/unit.h"

#include "acpi/aml.h"
#include "acpi/fadt.h"
#include "acpi/madt.h"
#include "acpi/mcfg.h"
#include "acpi/mp_table.h"
#include "acpi/table.h"
#include "lib/errno.h"
#include "tests/unit/acpi/table_file.h"
#include "tests/unit/log_capture.h"

static const char *const machines[] = { "pc", "q35", "microvm" };

static struct table_file read_of(const char *machine, const char *signature)
{
    char name[64];

    snprintf(name, sizeof(name), "%s-%s", machine, signature);
    return table_read(name);
}

static void test_rsdp_of_both_revisions(void **state)
{
    struct acpi_rsdp rsdp;
    (void)state;

    struct table_file old = table_read("pc-RSDP");
    assert_int_equal(acpi_rsdp_parse(old.bytes, old.length, &rsdp), 0);
    assert_int_equal(rsdp.revision, 0);
    assert_true(rsdp.rsdt != 0 && rsdp.xsdt == 0);
    assert_int_equal(acpi_rsdp_parse(old.bytes, old.length - 1, &rsdp), -EINVAL);
    old.bytes[16] ^= 1;
    assert_int_equal(acpi_rsdp_parse(old.bytes, old.length, &rsdp), -EBADMSG);

    struct table_file new = table_read("microvm-RSDP");
    assert_int_equal(acpi_rsdp_parse(new.bytes, new.length, &rsdp), 0);
    assert_int_equal(rsdp.revision, 2);
    assert_true(rsdp.xsdt != 0);
    new.bytes[24] ^= 1; /* breaks the second checksum only; this one has no RSDT to fall back to */
    assert_int_equal(acpi_rsdp_parse(new.bytes, new.length, &rsdp), -EBADMSG);
    free(old.bytes);
    free(new.bytes);
}

static void test_table_check(void **state)
{
    (void)state;
    struct table_file table = table_read("q35-APIC");

    assert_int_equal(acpi_table_check(table.bytes, table.length, "APIC"), 0);
    assert_int_equal(acpi_table_check(table.bytes, table.length, "FACP"), -EINVAL);
    assert_int_equal(acpi_table_check(table.bytes, table.length - 1, "APIC"), -EMSGSIZE);
    assert_int_equal(acpi_table_check(table.bytes, 35, "APIC"), -EMSGSIZE);
    table.bytes[50] ^= 0x10;
    assert_int_equal(acpi_table_check(table.bytes, table.length, "APIC"), -EBADMSG);
    free(table.bytes);
}

static void test_root_entries(void **state)
{
    (void)state;
    struct table_file rsdt = table_read("q35-RSDT");
    struct table_file xsdt = table_read("microvm-XSDT");

    for (size_t i = 0; i < (rsdt.length - 36) / 4; i++)
        assert_int_not_equal(acpi_root_entry(rsdt.bytes, i), 0);
    assert_int_equal(acpi_root_entry(rsdt.bytes, (rsdt.length - 36) / 4), 0);
    assert_int_not_equal(acpi_root_entry(xsdt.bytes, 1), 0);
    assert_int_equal(acpi_root_entry(xsdt.bytes, 2), 0);
    free(rsdt.bytes);
    free(xsdt.bytes);
}

static void test_madt_of_each_machine(void **state)
{
    (void)state;
    for (size_t m = 0; m < ARRAY_SIZE(machines); m++) {
        struct table_file table = read_of(machines[m], "APIC");
        struct acpi_madt madt;
        forget_logged();
        assert_int_equal(acpi_madt_parse(table.bytes, table.length, &madt), 0);
        assert_string_equal(logged, "");
        assert_int_equal(madt.cpu_count, 4);
        for (uint32_t i = 0; i < 4; i++)
            assert_int_equal(madt.cpus[i].apic_id, i);
        assert_int_equal(madt.lapic_address, 0xfee00000);
        assert_true(madt.ioapic_count >= 1);
        assert_int_equal(madt.ioapics[0].address, 0xfec00000);
        assert_int_equal(madt.ioapics[0].gsi_base, 0);
        free(table.bytes);
    }
}

static void test_madt_overrides(void **state)
{
    (void)state;
    struct table_file table = table_read("pc-APIC");
    struct acpi_madt madt;
    bool has_timer = false;

    assert_int_equal(acpi_madt_parse(table.bytes, table.length, &madt), 0);
    for (size_t i = 0; i < madt.override_count; i++) {
        has_timer |= madt.overrides[i].isa == 0 && madt.overrides[i].gsi == 2;
        if (madt.overrides[i].isa == 9) {
            assert_int_equal(ACPI_INTI_TRIGGER(madt.overrides[i].flags), ACPI_INTI_TRIGGER_LEVEL);
            assert_int_equal(ACPI_INTI_POLARITY(madt.overrides[i].flags), ACPI_INTI_POLARITY_HIGH);
        }
    }
    assert_true(has_timer);
    assert_int_equal(madt.nmi_count, 1);
    assert_int_equal(madt.nmis[0].acpi_uid, ACPI_ALL_CPUS);
    assert_int_equal(madt.nmis[0].lint, 1);
    free(table.bytes);
}

static void test_madt_cut_anywhere(void **state)
{
    (void)state;
    struct table_file table = table_read("q35-APIC");
    struct acpi_madt madt;

    for (size_t length = 0; length <= table.length; length++) {
        uint8_t *copy = malloc(length ? length : 1);
        memcpy(copy, table.bytes, length);
        assert_int_equal(acpi_madt_parse(copy, length, &madt), length < 44 ? -EMSGSIZE : 0);
        assert_true(madt.cpu_count <= 4);
        free(copy);
    }
    forget_logged();
    assert_int_equal(acpi_madt_parse(table.bytes, table.length - 3, &madt), 0);
    assert_true(was_logged("MADT: entry of type"));
    assert_int_equal(madt.cpu_count, 4);
    free(table.bytes);
}

static struct table_file make_madt_of_cpus(uint32_t count)
{
    struct table_file table = table_make("APIC", 44 + count * 16);

    for (uint32_t i = 0; i < count; i++) {
        uint8_t *entry = table.bytes + 44 + i * 16;
        entry[0] = 9;
        entry[1] = 16;
        store_le32(entry + 4, i);
        store_le32(entry + 8, 1);
        store_le32(entry + 12, i);
    }
    return table;
}

static void test_madt_of_many_cpus(void **state)
{
    (void)state;
    struct acpi_madt madt;
    struct table_file table = make_madt_of_cpus(200);

    assert_int_equal(acpi_madt_parse(table.bytes, table.length, &madt), 0);
    assert_int_equal(madt.cpu_count, 200);
    free(table.bytes);

    table = make_madt_of_cpus(CPU_MAX + 44);
    forget_logged();
    assert_int_equal(acpi_madt_parse(table.bytes, table.length, &madt), 0);
    assert_int_equal(madt.cpu_count, CPU_MAX);
    assert_int_equal(madt.cpus_dropped, 44);
    assert_true(was_logged("MADT: 300 CPUs, 256 are used"));
    free(table.bytes);
}

static void test_madt_leaves_out_disabled_and_double_cpus(void **state)
{
    (void)state;
    struct acpi_madt madt;
    struct table_file table = make_madt_of_cpus(4);

    store_le32(table.bytes + 44 + 16 + 8, 2); /* the second: may be enabled later */
    store_le32(table.bytes + 44 + 48 + 4, 0); /* the fourth: the first again */
    assert_int_equal(acpi_madt_parse(table.bytes, table.length, &madt), 0);
    assert_int_equal(madt.cpu_count, 2);
    assert_int_equal(madt.cpus[1].apic_id, 2);
    free(table.bytes);
}

static void test_madt_entry_without_length(void **state)
{
    (void)state;
    struct acpi_madt madt;
    struct table_file table = make_madt_of_cpus(4);

    table.bytes[44 + 16 + 1] = 0; /* would loop for ever */
    forget_logged();
    assert_int_equal(acpi_madt_parse(table.bytes, table.length, &madt), 0);
    assert_int_equal(madt.cpu_count, 1);
    assert_true(was_logged("is broken"));
    free(table.bytes);
}

static void test_mp_table_of_microvm(void **state)
{
    struct acpi_madt madt;
    paddr_t base = 0;
    (void)state;

    struct table_file pointer = table_read("microvm-MP");
    assert_int_equal(mp_pointer_parse(pointer.bytes, pointer.length, &base), 0);
    assert_in_range(base, 0x9fc00, 0xa0000);
    assert_int_equal(mp_pointer_parse(pointer.bytes, 15, &base), -EINVAL);
    pointer.bytes[12] ^= 1;
    assert_int_equal(mp_pointer_parse(pointer.bytes, pointer.length, &base), -EBADMSG);
    free(pointer.bytes);

    struct table_file table = table_read("microvm-PCMP");
    forget_logged();
    assert_int_equal(mp_table_parse(table.bytes, table.length, &madt), 0);
    assert_string_equal(logged, "");
    assert_int_equal(madt.cpu_count, 4);
    assert_int_equal(madt.cpus[3].apic_id, 3);
    assert_int_equal(madt.lapic_address, 0xfee00000);
    assert_int_equal(madt.ioapic_count, 1);
    assert_int_equal(madt.ioapics[0].address, 0xfec00000);
    for (size_t i = 0; i < madt.override_count; i++)
        assert_true(madt.overrides[i].isa < 16 && madt.overrides[i].gsi < 24);
    assert_int_equal(mp_table_parse(table.bytes, table.length - 1, &madt), -EMSGSIZE);
    table.bytes[60] ^= 1;
    assert_int_equal(mp_table_parse(table.bytes, table.length, &madt), -EBADMSG);
    free(table.bytes);
}

static void test_broken_mp_tables(void **state)
{
    struct acpi_madt madt;
    (void)state;

    struct table_file table = table_read("microvm-PCMP");
    table.bytes[44 + 20] = 9; /* the second entry: a type there is not */
    table.bytes[7] = (uint8_t)(table.bytes[7] - 9);
    forget_logged();
    assert_int_equal(mp_table_parse(table.bytes, table.length, &madt), 0);
    assert_int_equal(madt.cpu_count, 1);
    assert_true(was_logged("MP table: entry of type 9 at 64 is broken"));
    memcpy(table.bytes, "PCMQ", 4);
    assert_int_equal(mp_table_parse(table.bytes, table.length, &madt), -EINVAL);
    free(table.bytes);
}

static void test_fadt_of_each_machine(void **state)
{
    struct acpi_fadt fadt;
    (void)state;

    struct table_file table = table_read("pc-FACP"); /* ACPI 1.0 */
    assert_int_equal(acpi_fadt_parse(table.bytes, table.length, &fadt), 0);
    assert_true(fadt.dsdt != 0);
    assert_int_equal(fadt.pm1a_control.space, ACPI_SPACE_IO);
    assert_int_equal(fadt.pm1a_control.address, 0x604);
    assert_int_equal(fadt.pm_timer.address, 0x608);
    assert_int_equal(fadt.reset.address, 0);
    assert_int_equal(fadt.century, 0x32);
    assert_false(fadt.has_boot_flags);
    assert_int_equal(acpi_fadt_parse(table.bytes, table.length - 1, &fadt), -EMSGSIZE);
    free(table.bytes);

    table = table_read("q35-FACP");
    assert_int_equal(acpi_fadt_parse(table.bytes, table.length, &fadt), 0);
    assert_int_equal(fadt.reset.address, 0xcf9);
    assert_int_equal(fadt.reset_value, 0x0f);
    assert_int_equal(fadt.pm1a_control.address, 0x604);
    assert_false(fadt.is_hardware_reduced);
    free(table.bytes);

    table = table_read("microvm-FACP");
    assert_int_equal(acpi_fadt_parse(table.bytes, table.length, &fadt), 0);
    assert_true(fadt.is_hardware_reduced);
    assert_int_equal(fadt.pm1a_control.address, 0);
    assert_int_equal(fadt.sleep_control.space, ACPI_SPACE_MEMORY);
    assert_true(fadt.sleep_control.address != 0);
    assert_true(fadt.reset.address != 0);
    free(table.bytes);
}

static void test_mcfg_and_hpet(void **state)
{
    struct acpi_mcfg mcfg;
    struct acpi_hpet hpet;
    (void)state;

    struct table_file table = table_read("q35-MCFG");
    assert_int_equal(acpi_mcfg_parse(table.bytes, table.length, &mcfg), 0);
    assert_int_equal(mcfg.count, 1);
    assert_int_equal(mcfg.regions[0].base, 0xb0000000);
    assert_int_equal(mcfg.regions[0].first_bus, 0);
    assert_int_equal(mcfg.regions[0].last_bus, 255);
    table.bytes[44 + 10] = 255;
    table.bytes[44 + 11] = 3;
    forget_logged();
    assert_int_equal(acpi_mcfg_parse(table.bytes, table.length, &mcfg), 0);
    assert_int_equal(mcfg.count, 0);
    assert_true(was_logged("MCFG"));
    free(table.bytes);

    table = table_read("pc-HPET");
    assert_int_equal(acpi_hpet_parse(table.bytes, table.length, &hpet), 0);
    assert_int_equal(hpet.base, 0xfed00000);
    table.bytes[40] = 1;
    assert_int_equal(acpi_hpet_parse(table.bytes, table.length, &hpet), -EINVAL);
    assert_int_equal(acpi_hpet_parse(table.bytes, 55, &hpet), -EMSGSIZE);
    free(table.bytes);
}

static void test_s5_of_each_machine(void **state)
{
    static const uint8_t expected[] = { 0, 0, 5 };
    (void)state;

    for (size_t m = 0; m < ARRAY_SIZE(machines); m++) {
        struct table_file table = read_of(machines[m], "DSDT");
        struct acpi_sleep_type sleep;
        assert_int_equal(acpi_aml_find_s5(table.bytes + 36, table.length - 36, &sleep), 0);
        assert_int_equal(sleep.pm1a, expected[m]);
        free(table.bytes);
    }
}

static void test_s5_by_hand(void **state)
{
    struct acpi_sleep_type sleep;
    (void)state;

    static const uint8_t bytes[] = "\x08_S5_\x12\x08\x04\x0a\x05\x0a\x07\x00";
    assert_int_equal(acpi_aml_find_s5(bytes, sizeof(bytes), &sleep), 0);
    assert_int_equal(sleep.pm1a, 5);
    assert_int_equal(sleep.pm1b, 7);
    static const uint8_t one[] = "\x08\\_S5_\x12\x04\x01\x01";
    assert_int_equal(acpi_aml_find_s5(one, sizeof(one) - 1, &sleep), -ENOENT); /* cut short */
    static const uint8_t root[] = "\x08\\_S5_\x12\x03\x01\x01";
    assert_int_equal(acpi_aml_find_s5(root, sizeof(root) - 1, &sleep), 0);
    assert_int_equal(sleep.pm1a, 1);
    static const uint8_t wide[] = "\x08_S5_\x12\x05\x01\x0b\x09\x00";
    assert_int_equal(acpi_aml_find_s5(wide, sizeof(wide) - 1, &sleep), -ENOENT); /* 9: no SLP_TYP */
}

static void test_virtio_mmio_of_microvm(void **state)
{
    (void)state;
    struct table_file table = table_read("microvm-DSDT");
    struct acpi_mmio_device devices[32];

    size_t count =
        acpi_aml_find_devices(table.bytes + 36, table.length - 36, "LNRO0005", devices, 32);
    assert_int_equal(count, 1); /* the firmware lists the slots that are in use */
    assert_int_equal(devices[0].size, 512);
    assert_in_range(devices[0].base, 0xfeb00000, 0xfeb00000 + 24 * 512);
    assert_in_range(devices[0].gsi, 5, 48);
    assert_int_equal(
        acpi_aml_find_devices(table.bytes + 36, table.length - 36, "LNRO0006", devices, 32), 0);
    assert_int_equal(
        acpi_aml_find_devices(table.bytes + 36, table.length - 36, "LNRO0005", devices, 0), 0);
    free(table.bytes);
}

static void test_pci_bridges(void **state)
{
    static const char *const names[] = { "pc-DSDT", "q35-DSDT", "microvm-DSDT" };
    static const uint32_t expected[] = { 0x030ad041, 0x080ad041, 0 };
    static const uint8_t text[] = "\x08_HID\x0dPNP0A08"; /* as QEMU's microvm has it with pcie=on */
    (void)state;

    for (size_t m = 0; m < ARRAY_SIZE(names); m++) {
        struct table_file table = table_read(names[m]);
        const uint8_t *aml = table.bytes + 36;
        size_t length = table.length - 36;
        assert_int_equal(acpi_aml_has_hid(aml, length, "PNP0A03", 0x030ad041),
                         expected[m] == 0x030ad041);
        assert_int_equal(acpi_aml_has_hid(aml, length, "PNP0A08", 0x080ad041),
                         expected[m] == 0x080ad041);
        free(table.bytes);
    }
    assert_true(acpi_aml_has_hid(text, sizeof(text), "PNP0A08", 0x080ad041));
    assert_false(acpi_aml_has_hid(text, sizeof(text), "PNP0A03", 0x030ad041));
    assert_false(acpi_aml_has_hid(text, sizeof(text) - 1, "PNP0A08", 0x080ad041)); /* cut short */
}

static void test_aml_cut_anywhere(void **state)
{
    (void)state;
    struct table_file table = table_read("microvm-DSDT");

    for (size_t length = 0; length < table.length - 36; length++) {
        struct acpi_mmio_device devices[4];
        struct acpi_sleep_type sleep;
        uint8_t *copy = malloc(length ? length : 1);
        memcpy(copy, table.bytes + 36, length);
        int error = acpi_aml_find_s5(copy, length, &sleep);
        assert_true(error == 0 || error == -ENOENT);
        assert_true(acpi_aml_find_devices(copy, length, "LNRO0005", devices, 4) <= 4);
        assert_false(acpi_aml_has_hid(copy, length, "PNP0A08", 0x080ad041));
        free(copy);
    }
    free(table.bytes);
}

UNIT_TESTS(UNIT_TEST(test_rsdp_of_both_revisions), UNIT_TEST(test_table_check),
           UNIT_TEST(test_root_entries), UNIT_TEST(test_madt_of_each_machine),
           UNIT_TEST(test_madt_overrides), UNIT_TEST(test_madt_cut_anywhere),
           UNIT_TEST(test_madt_of_many_cpus),
           UNIT_TEST(test_madt_leaves_out_disabled_and_double_cpus),
           UNIT_TEST(test_mp_table_of_microvm), UNIT_TEST(test_broken_mp_tables),
           UNIT_TEST(test_madt_entry_without_length), UNIT_TEST(test_fadt_of_each_machine),
           UNIT_TEST(test_mcfg_and_hpet), UNIT_TEST(test_s5_of_each_machine),
           UNIT_TEST(test_s5_by_hand), UNIT_TEST(test_virtio_mmio_of_microvm),
           UNIT_TEST(test_pci_bridges), UNIT_TEST(test_aml_cut_anywhere))
