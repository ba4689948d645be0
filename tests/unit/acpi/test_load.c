/*
 * Finding and loading the tables: a simulated low memory, with tables where the test puts them.
 */
#include "tests/unit/unit.h"

#include "acpi/acpi.c"
#include "tests/unit/acpi/table_file.h"
#include "tests/unit/log_capture.h"

#define MEMORY_SIZE 0x200000
#define TABLES_AT   0x120000

static uint8_t *memory;
static size_t next_table;
static struct boot_info boot;

const struct boot_info *boot_info(void)
{
    return &boot;
}

const void *vm_map_firmware(paddr_t base, size_t size)
{
    if (base > MEMORY_SIZE || size > MEMORY_SIZE - base)
        return NULL;
    return memory + base;
}

static int set_up(void **state)
{
    (void)state;
    memory = calloc(1, MEMORY_SIZE);
    next_table = TABLES_AT;
    boot = (struct boot_info){ 0 };
    is_loaded = has_madt = has_fadt = has_mcfg = has_hpet = has_s5 = false;
    table_count = mmio_device_count = 0;
    forget_logged();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

static uint32_t place(const struct table_file *table)
{
    uint32_t base = (uint32_t)next_table;

    memcpy(memory + base, table->bytes, table->length);
    next_table = ALIGN_UP(next_table + table->length, 16);
    return base;
}

static uint32_t place_dump(const char *name)
{
    struct table_file table = table_read(name);
    uint32_t base = place(&table);

    free(table.bytes);
    return base;
}

/* An RSDT over @count tables, and its RSDP at @rsdp. */
static void place_root(uint32_t rsdp, const uint32_t *bases, size_t count)
{
    struct table_file rsdt = table_make("RSDT", 36 + 4 * count);
    uint8_t sum = 0;

    for (size_t i = 0; i < count; i++)
        store_le32(rsdt.bytes + 36 + 4 * i, bases[i]);
    table_set_checksum(&rsdt);
    memcpy(memory + rsdp, "RSD PTR ", 8);
    store_le32(memory + rsdp + 16, place(&rsdt));
    for (size_t i = 0; i < 20; i++)
        sum = (uint8_t)(sum + memory[rsdp + i]);
    memory[rsdp + 8] = (uint8_t)(memory[rsdp + 8] - sum);
    free(rsdt.bytes);
}

/* The FADT of the dump points at the DSDT's place on its own machine: set ours. */
static uint32_t place_fadt(uint32_t dsdt)
{
    struct table_file table = table_read("pc-FACP");

    store_le32(table.bytes + 40, dsdt);
    table_set_checksum(&table);
    uint32_t base = place(&table);
    free(table.bytes);
    return base;
}

static void place_machine(uint32_t rsdp)
{
    uint32_t bases[] = { place_fadt(place_dump("pc-DSDT")), place_dump("pc-APIC"),
                         place_dump("pc-HPET"), place_dump("q35-MCFG") };

    place_root(rsdp, bases, ARRAY_SIZE(bases));
}

static void test_finds_everything(void **state)
{
    (void)state;
    place_machine(0xf5a80);
    assert_non_null(acpi_madt());
    assert_int_equal(acpi_madt()->cpu_count, 4);
    assert_non_null(acpi_fadt());
    assert_non_null(acpi_hpet());
    assert_non_null(acpi_mcfg());
    assert_non_null(acpi_sleep_s5());
    size_t length;
    assert_non_null(acpi_table("DSDT", &length));
    assert_null(acpi_table("SSDT", &length));
    assert_true(was_logged("acpi: revision 0: FACP APIC HPET MCFG DSDT"));
}

static void test_rsdp_in_the_ebda(void **state)
{
    (void)state;
    store_le16(memory + 0x40e, 0x9fc0);
    place_machine(0x9fc10);
    assert_non_null(acpi_madt());
}

static void test_rsdp_from_the_loader(void **state)
{
    (void)state;
    place_machine(0x110000);
    boot.rsdp = 0x110000;
    assert_non_null(acpi_madt());
}

static void test_broken_rsdp_from_the_loader(void **state)
{
    (void)state;
    place_machine(0xe0010);
    boot.rsdp = 0x110000;
    assert_non_null(acpi_madt());
    assert_true(was_logged("RSDP at 0x110000, where the loader says, is broken"));
}

static void test_no_tables(void **state)
{
    (void)state;
    assert_null(acpi_madt());
    assert_null(acpi_fadt());
    assert_null(acpi_sleep_s5());
    assert_string_equal(logged, "acpi: no tables\n");
}

static void test_mp_table_in_place_of_acpi(void **state)
{
    (void)state;
    struct table_file pointer = table_read("microvm-MP");
    struct table_file table = table_read("microvm-PCMP");
    memcpy(memory + 0x9fc00, pointer.bytes, pointer.length);
    memcpy(memory + load_le32(pointer.bytes + 4), table.bytes, table.length);
    free(pointer.bytes);
    free(table.bytes);
    assert_non_null(acpi_madt());
    assert_int_equal(acpi_madt()->cpu_count, 4);
    assert_null(acpi_fadt());
    assert_true(was_logged("by the MP table at 0x9fc10"));
}

static void test_broken_tables_cost_a_line(void **state)
{
    (void)state;
    uint32_t apic_base = place_dump("pc-APIC");
    uint32_t hpet_base = place_dump("pc-HPET");
    uint32_t mcfg_base = place_dump("q35-MCFG");
    uint32_t bases[] = { apic_base, hpet_base, mcfg_base, 0, 0xfff00000, place_fadt(0) };
    memory[apic_base + 50] ^= 1;
    store_le32(memory + hpet_base + 4, 20);
    store_le32(memory + mcfg_base + 4, 0xffffff00);
    place_root(0xf0000, bases, ARRAY_SIZE(bases));

    assert_null(acpi_madt());
    assert_null(acpi_hpet());
    assert_null(acpi_mcfg());
    assert_non_null(acpi_fadt());
    assert_true(was_logged("APIC at 0x120000: bad checksum, ignored"));
    assert_true(was_logged("HPET at 0x120090: impossible length 20, ignored"));
    assert_true(was_logged("impossible length 4294967040, ignored"));
    assert_true(was_logged("table at 0xfff00000 cannot be mapped"));
}

static void test_broken_root(void **state)
{
    (void)state;
    place_root(0xf0000, NULL, 0);
    memory[next_table - 16] ^= 1;
    assert_null(acpi_madt());
    assert_true(was_logged("no usable root table"));
}

#define LOAD_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

UNIT_TESTS(LOAD_TEST(test_finds_everything), LOAD_TEST(test_rsdp_in_the_ebda),
           LOAD_TEST(test_rsdp_from_the_loader), LOAD_TEST(test_broken_rsdp_from_the_loader),
           LOAD_TEST(test_no_tables), LOAD_TEST(test_mp_table_in_place_of_acpi),
           LOAD_TEST(test_broken_tables_cost_a_line), LOAD_TEST(test_broken_root))
