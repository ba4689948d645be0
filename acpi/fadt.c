/*
 * FADT: a fixed layout that grew; a field past the end of the table is absent.
 */
#include "acpi/fadt.h"

#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/string.h"

#define SIZE_ACPI_1 116

/* Offsets of the fields that are read. */
enum fadt_field {
    FADT_REVISION = 8,
    FADT_DSDT = 40,
    FADT_SCI_INT = 46,
    FADT_SMI_CMD = 48,
    FADT_ACPI_ENABLE = 52,
    FADT_PM1A_CNT = 64,
    FADT_PM1B_CNT = 68,
    FADT_PM_TMR = 76,
    FADT_CENTURY = 108,
    FADT_IAPC_BOOT_ARCH = 109,
    FADT_FLAGS = 112,
    FADT_RESET_REG = 116,
    FADT_RESET_VALUE = 128,
    FADT_X_DSDT = 140,
    FADT_X_PM1A_CNT = 172,
    FADT_X_PM1B_CNT = 184,
    FADT_X_PM_TMR = 208,
    FADT_SLEEP_CONTROL = 244,
};

#define FLAG_TMR_VAL_EXT      (1u << 8)
#define FLAG_RESET_REG_SUP    (1u << 10)
#define FLAG_HW_REDUCED       (1u << 20)
#define BOOT_ARCH_8042        (1u << 1)
#define BOOT_ARCH_NO_VGA      (1u << 2)
#define BOOT_ARCH_NO_CMOS_RTC (1u << 5)

struct view {
    const uint8_t *bytes;
    size_t length;
};

static bool has_field(const struct view *view, size_t offset, size_t size)
{
    return offset + size <= view->length;
}

static struct acpi_address address_at(const struct view *view, size_t offset)
{
    return has_field(view, offset, ACPI_GAS_SIZE) ? acpi_address_parse(view->bytes + offset)
                                                  : (struct acpi_address){ 0 };
}

/* The extended field where it is filled in, the old one, a 32-bit port, otherwise. */
static struct acpi_address register_at(const struct view *view, size_t extended, size_t old,
                                       uint8_t bit_width)
{
    struct acpi_address address = address_at(view, extended);

    if (address.address)
        return address;
    return (struct acpi_address){ .space = ACPI_SPACE_IO,
                                  .bit_width = bit_width,
                                  .address = load_le32(view->bytes + old) };
}

static void parse_boot_flags(const struct view *view, struct acpi_fadt *fadt)
{
    uint16_t flags = load_le16(view->bytes + FADT_IAPC_BOOT_ARCH);

    fadt->has_boot_flags = view->bytes[FADT_REVISION] >= 3;
    if (!fadt->has_boot_flags)
        return;
    fadt->has_8042 = flags & BOOT_ARCH_8042;
    fadt->has_no_vga = flags & BOOT_ARCH_NO_VGA;
    fadt->has_no_cmos_rtc = flags & BOOT_ARCH_NO_CMOS_RTC;
}

int acpi_fadt_parse(const void *table, size_t length, struct acpi_fadt *fadt)
{
    struct view view = { table, length };

    memset(fadt, 0, sizeof(*fadt));
    if (length < SIZE_ACPI_1)
        return -EMSGSIZE;

    uint32_t flags = load_le32(view.bytes + FADT_FLAGS);
    fadt->is_hardware_reduced = flags & FLAG_HW_REDUCED;
    fadt->dsdt = load_le32(view.bytes + FADT_DSDT);
    if (has_field(&view, FADT_X_DSDT, 8) && load_le64(view.bytes + FADT_X_DSDT))
        fadt->dsdt = load_le64(view.bytes + FADT_X_DSDT);
    fadt->sci_interrupt = load_le16(view.bytes + FADT_SCI_INT);
    fadt->smi_command = load_le32(view.bytes + FADT_SMI_CMD);
    fadt->acpi_enable = view.bytes[FADT_ACPI_ENABLE];

    if (!fadt->is_hardware_reduced) {
        fadt->pm1a_control = register_at(&view, FADT_X_PM1A_CNT, FADT_PM1A_CNT, 16);
        fadt->pm1b_control = register_at(&view, FADT_X_PM1B_CNT, FADT_PM1B_CNT, 16);
        fadt->pm_timer = register_at(&view, FADT_X_PM_TMR, FADT_PM_TMR, 32);
        fadt->pm_timer_is_32bit = flags & FLAG_TMR_VAL_EXT;
    }
    fadt->sleep_control = address_at(&view, FADT_SLEEP_CONTROL);

    if (flags & FLAG_RESET_REG_SUP && has_field(&view, FADT_RESET_VALUE, 1)) {
        fadt->reset = address_at(&view, FADT_RESET_REG);
        fadt->reset_value = view.bytes[FADT_RESET_VALUE];
    }
    fadt->century = view.bytes[FADT_CENTURY];
    parse_boot_flags(&view, fadt);
    return 0;
}
