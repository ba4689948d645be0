/*
 * Finds the tables, checks them, and parses the ones the kernel uses.
 *
 * A table that is broken costs one line and is then as if it were not there. Everything is loaded
 * by the first caller, in the boot task; no locks, since it is constant afterwards.
 */
#include "acpi/acpi.h"

#include "acpi/mp_table.h"
#include "acpi/table.h"
#include "kernel/boot/boot_info.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/vm.h"

#define TABLES_MAX       64
#define MMIO_DEVICES_MAX 64
#define VIRTIO_MMIO_HID  "LNRO0005"
#define EISA_PNP0A03     0x030ad041u /* a PCI host bridge; EISA ids are compressed (19.3.4) */
#define EISA_PNP0A08     0x080ad041u /* of PCI Express */

struct table {
    const void *bytes;
    size_t length;
};

static bool is_loaded;
static struct table tables[TABLES_MAX];
static size_t table_count;

static struct acpi_madt madt;
static struct acpi_fadt fadt;
static struct acpi_mcfg mcfg;
static struct acpi_hpet hpet;
static struct acpi_sleep_type sleep_s5;
static bool has_madt, has_fadt, has_mcfg, has_hpet, has_s5, has_pci_bridge;
static struct acpi_mmio_device mmio_devices[MMIO_DEVICES_MAX];
static size_t mmio_device_count;

/* ---- the BIOS's areas
 * ------------------------------------------------------------------------------ */

#define EBDA_SEGMENT    0x40e /* word: the extended BIOS data area's segment */
#define EBDA_SEARCH     1024
#define BIOS_START      0xe0000
#define BIOS_SIZE       0x20000
#define STRUCTURE_ALIGN 16
#define BASE_MEMORY_END 0xa0000

/* Is this what is looked for? Then *@result is filled in. */
typedef bool recognise(const uint8_t *bytes, size_t length, void *result);

static bool search(paddr_t base, size_t size, recognise *is_it, void *result)
{
    const uint8_t *bytes = vm_map_firmware(base, size);

    if (!bytes)
        return false;
    for (size_t offset = 0; offset < size; offset += STRUCTURE_ALIGN) {
        if (is_it(bytes + offset, size - offset, result))
            return true;
    }
    return false;
}

static bool search_bios_areas(recognise *is_it, void *result)
{
    const uint8_t *segment = vm_map_firmware(EBDA_SEGMENT, 2);
    paddr_t ebda = segment ? (paddr_t)load_le16(segment) << 4 : 0;

    if (ebda >= 0x80000 && ebda < BASE_MEMORY_END && search(ebda, EBDA_SEARCH, is_it, result))
        return true;
    return search(BASE_MEMORY_END - EBDA_SEARCH, EBDA_SEARCH, is_it, result) ||
           search(BIOS_START, BIOS_SIZE, is_it, result);
}

/* ---- the root ------------------------------------------------------------------------------ */

static bool is_rsdp(const uint8_t *bytes, size_t length, void *result)
{
    return acpi_rsdp_parse(bytes, length, result) == 0;
}

static bool find_rsdp(struct acpi_rsdp *rsdp)
{
    paddr_t base = boot_info()->rsdp;

    if (base) {
        const void *bytes = vm_map_firmware(base, ACPI_RSDP_SIZE_2);
        int error = bytes ? acpi_rsdp_parse(bytes, ACPI_RSDP_SIZE_2, rsdp) : -EFAULT;
        if (error == 0)
            return true;
        log_warning("acpi", "RSDP at 0x%llx, where the loader says, is broken: %s",
                    (unsigned long long)base, errno_text(error));
    }
    return search_bios_areas(is_rsdp, rsdp);
}

/* ---- tables -------------------------------------------------------------------------------- */

/* Maps the whole table at @base. Return: NULL, with a line in the log, when it is broken. */
static const void *map_table(paddr_t base, size_t *length)
{
    const char *header = vm_map_firmware(base, ACPI_HEADER_SIZE);

    if (!header) {
        log_warning("acpi", "table at 0x%llx cannot be mapped", (unsigned long long)base);
        return NULL;
    }
    *length = acpi_table_length(header);
    if (*length < ACPI_HEADER_SIZE || *length > ACPI_TABLE_MAX) {
        log_warning("acpi", "%.4s at 0x%llx: impossible length %zu, ignored", header,
                    (unsigned long long)base, *length);
        return NULL;
    }
    const char *bytes = vm_map_firmware(base, *length);
    if (!bytes) {
        log_warning("acpi", "%.4s at 0x%llx cannot be mapped", header, (unsigned long long)base);
        return NULL;
    }
    if (!acpi_checksum_is_good(bytes, *length)) {
        log_warning("acpi", "%.4s at 0x%llx: bad checksum, ignored", bytes,
                    (unsigned long long)base);
        return NULL;
    }
    return bytes;
}

static void add_table(paddr_t base)
{
    size_t length;
    const void *bytes = map_table(base, &length);

    if (!bytes)
        return;
    if (table_count == TABLES_MAX) {
        log_warning("acpi", "more than %d tables, %.4s is left out", TABLES_MAX,
                    (const char *)bytes);
        return;
    }
    tables[table_count++] = (struct table){ bytes, length };
}

static void load_root(const struct acpi_rsdp *rsdp)
{
    size_t length;
    const void *root = rsdp->xsdt ? map_table(rsdp->xsdt, &length) : NULL;

    if (!root && rsdp->rsdt)
        root = map_table(rsdp->rsdt, &length);
    if (!root || (memcmp(root, "XSDT", 4) != 0 && memcmp(root, "RSDT", 4) != 0)) {
        log_warning("acpi", "no usable root table");
        return;
    }
    size_t entry_size = memcmp(root, "XSDT", 4) == 0 ? 8 : 4;
    for (size_t i = 0; i < (length - ACPI_HEADER_SIZE) / entry_size; i++) {
        paddr_t base = acpi_root_entry(root, i);
        if (base)
            add_table(base);
    }
}

static const struct table *find_table(const char signature[4])
{
    for (size_t i = 0; i < table_count; i++) {
        if (memcmp(tables[i].bytes, signature, 4) == 0)
            return &tables[i];
    }
    return NULL;
}

/* ---- the ones that are used ---------------------------------------------------------------- */

static void load_dsdt(void)
{
    if (!has_fadt || fadt.dsdt == 0)
        return;
    add_table(fadt.dsdt);
    const struct table *dsdt = find_table("DSDT");
    if (!dsdt)
        return;
    const uint8_t *aml = (const uint8_t *)dsdt->bytes + ACPI_HEADER_SIZE;
    size_t length = dsdt->length - ACPI_HEADER_SIZE;
    has_s5 = acpi_aml_find_s5(aml, length, &sleep_s5) == 0;
    has_pci_bridge = acpi_aml_has_hid(aml, length, "PNP0A03", EISA_PNP0A03) ||
                     acpi_aml_has_hid(aml, length, "PNP0A08", EISA_PNP0A08);
    mmio_device_count =
        acpi_aml_find_devices(aml, length, VIRTIO_MMIO_HID, mmio_devices, MMIO_DEVICES_MAX);
}

static bool is_parsed(const char *name, int error)
{
    if (error)
        log_warning("acpi", "%s is broken and ignored: %s", name, errno_text(error));
    return error == 0;
}

static void parse_tables(void)
{
    const struct table *table;

    if ((table = find_table("APIC")) != NULL)
        has_madt = is_parsed("MADT", acpi_madt_parse(table->bytes, table->length, &madt));
    if ((table = find_table("FACP")) != NULL)
        has_fadt = is_parsed("FADT", acpi_fadt_parse(table->bytes, table->length, &fadt));
    if ((table = find_table("MCFG")) != NULL)
        has_mcfg = is_parsed("MCFG", acpi_mcfg_parse(table->bytes, table->length, &mcfg));
    if ((table = find_table("HPET")) != NULL)
        has_hpet = is_parsed("HPET", acpi_hpet_parse(table->bytes, table->length, &hpet));
    load_dsdt();
}

/* ---- without ACPI -------------------------------------------------------------------------- */

static bool is_mp_pointer(const uint8_t *bytes, size_t length, void *result)
{
    return mp_pointer_parse(bytes, length, result) == 0;
}

static void load_mp_table(void)
{
    paddr_t base;

    if (!search_bios_areas(is_mp_pointer, &base))
        return;
    const void *header = vm_map_firmware(base, MP_HEADER_SIZE);
    size_t length = header ? mp_table_length(header) : 0;
    const void *bytes = length ? vm_map_firmware(base, length) : NULL;

    has_madt = is_parsed("MP table", bytes ? mp_table_parse(bytes, length, &madt) : -EFAULT);
    if (has_madt)
        log_info("acpi", "CPUs and interrupts by the MP table at 0x%llx", (unsigned long long)base);
}

static void log_tables(const struct acpi_rsdp *rsdp)
{
    char names[TABLES_MAX * 5 + 1] = "";
    size_t length = 0;

    for (size_t i = 0; i < table_count; i++) {
        length += scnprintf(names + length, sizeof(names) - length, " %.4s",
                            (const char *)tables[i].bytes);
    }
    log_info("acpi", "revision %u:%s", rsdp->revision, names);
}

static void load_once(void)
{
    struct acpi_rsdp rsdp;

    if (is_loaded)
        return;
    is_loaded = true;
    if (!find_rsdp(&rsdp)) {
        log_info("acpi", "no tables");
        load_mp_table();
        return;
    }
    load_root(&rsdp);
    parse_tables();
    log_tables(&rsdp);
}

const struct acpi_madt *acpi_madt(void)
{
    load_once();
    return has_madt ? &madt : NULL;
}

const struct acpi_fadt *acpi_fadt(void)
{
    load_once();
    return has_fadt ? &fadt : NULL;
}

const struct acpi_mcfg *acpi_mcfg(void)
{
    load_once();
    return has_mcfg ? &mcfg : NULL;
}

const struct acpi_hpet *acpi_hpet(void)
{
    load_once();
    return has_hpet ? &hpet : NULL;
}

const struct acpi_sleep_type *acpi_sleep_s5(void)
{
    load_once();
    return has_s5 ? &sleep_s5 : NULL;
}

bool acpi_has_pci_bridge(void)
{
    load_once();
    return has_pci_bridge;
}

size_t acpi_virtio_mmio(const struct acpi_mmio_device **devices)
{
    load_once();
    *devices = mmio_devices;
    return mmio_device_count;
}

const void *acpi_table(const char signature[4], size_t *length)
{
    load_once();
    const struct table *table = find_table(signature);
    if (!table)
        return NULL;
    *length = table->length;
    return table->bytes;
}

static int __init acpi_init(void)
{
    load_once();
    return 0;
}
INIT_HOOK(acpi_init, INIT_CORE);
