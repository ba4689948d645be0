/*
 * Power by ACPI: off through \_S5, reset through the FADT's reset register.
 *
 * The registers are mapped and the machine put in ACPI mode at boot, so that both work from a
 * panic, where nothing may be mapped or waited for.
 *
 * Spec: ACPI 6.4, 4.8.3.2 (PM1 control), 4.8.3.6 (reset), 4.8.3.7 (sleep control), 16.1.1.
 */
#include "kernel/power/power.h"
#include "acpi/acpi.h"
#include "arch/io.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/time/clock.h"
#include "mm/vm.h"

#define PM1_SCI_EN        (1u << 0)
#define PM1_SLP_TYP_SHIFT 10
#define PM1_SLP_TYP_MASK  (7u << PM1_SLP_TYP_SHIFT)
#define PM1_SLP_EN        (1u << 13)
#define SLEEP_TYP_SHIFT   2
#define SLEEP_EN          (1u << 5)
#define ENABLE_LIMIT_NS   (300 * NS_PER_MS)
#define EFFECT_LIMIT_NS   (500 * NS_PER_MS) /* what a machine may take to go off or reset */

/* A register that can be reached without further ado. */
struct reachable {
    bool exists;
    bool is_port;
    uint16_t port;
    void *address;
    unsigned int bytes; /* 1, 2 or 4 */
};

/* Const after acpi_power_init(). */
static struct reachable pm1a_control, pm1b_control, sleep_control, reset_register;
static uint8_t reset_value;
static struct acpi_sleep_type s5;
static bool can_power_off;

static struct reachable reach(const struct acpi_address *address, unsigned int bytes)
{
    struct reachable reg = { .bytes = bytes };

    if (address->address == 0)
        return reg;
    if (address->space == ACPI_SPACE_IO && address->address <= UINT16_MAX) {
        reg.is_port = true;
        reg.port = (uint16_t)address->address;
        reg.exists = true;
    } else if (address->space == ACPI_SPACE_MEMORY) {
        reg.address = vm_map_device(address->address, bytes, MMU_READ | MMU_WRITE | MMU_UNCACHED);
        reg.exists = reg.address != NULL;
    }
    return reg;
}

static uint32_t reg_read(const struct reachable *reg)
{
    if (reg->is_port)
        return reg->bytes == 1 ? port_read8(reg->port) : port_read16(reg->port);
    return reg->bytes == 1 ? mmio_read8(reg->address) : mmio_read16(reg->address);
}

static void reg_write(const struct reachable *reg, uint32_t value)
{
    if (reg->is_port && reg->bytes == 1)
        port_write8(reg->port, (uint8_t)value);
    else if (reg->is_port)
        port_write16(reg->port, (uint16_t)value);
    else if (reg->bytes == 1)
        mmio_write8(reg->address, (uint8_t)value);
    else
        mmio_write16(reg->address, (uint16_t)value);
}

/* Machines whose firmware left them in legacy mode ignore PM1 until told by the SMI port. */
static void enable_acpi_mode(const struct acpi_fadt *fadt)
{
    if (!pm1a_control.exists || fadt->smi_command == 0 || fadt->acpi_enable == 0)
        return;
    if (reg_read(&pm1a_control) & PM1_SCI_EN)
        return;
    port_write8((uint16_t)fadt->smi_command, fadt->acpi_enable);
    uint64_t deadline = deadline_after_ns(ENABLE_LIMIT_NS);
    while (!(reg_read(&pm1a_control) & PM1_SCI_EN)) {
        if (clock_now_ns() > deadline) {
            log_warning("acpi", "the machine does not enter ACPI mode");
            return;
        }
    }
}

static int __init acpi_power_init(void)
{
    const struct acpi_fadt *fadt = acpi_fadt();
    const struct acpi_sleep_type *sleep = acpi_sleep_s5();

    if (!fadt)
        return 0;
    pm1a_control = reach(&fadt->pm1a_control, 2);
    pm1b_control = reach(&fadt->pm1b_control, 2);
    sleep_control = reach(&fadt->sleep_control, 1);
    reset_register = reach(&fadt->reset, 1);
    reset_value = fadt->reset_value;
    enable_acpi_mode(fadt);

    if (sleep)
        s5 = *sleep;
    can_power_off = sleep && (pm1a_control.exists || sleep_control.exists);
    if (!can_power_off)
        log_warning("acpi", "no way to power off: %s", sleep ? "no register" : "no \\_S5");
    return 0;
}
INIT_HOOK(acpi_power_init, INIT_CORE);

static void write_pm1(const struct reachable *reg, uint8_t type, uint32_t enable)
{
    uint32_t value = reg_read(reg) & ~(PM1_SLP_TYP_MASK | PM1_SLP_EN);

    reg_write(reg, value | (uint32_t)type << PM1_SLP_TYP_SHIFT | enable);
}

static void acpi_poweroff(void)
{
    if (!can_power_off)
        return;
    if (pm1a_control.exists) {
        write_pm1(&pm1a_control, s5.pm1a, 0);
        if (pm1b_control.exists)
            write_pm1(&pm1b_control, s5.pm1b, 0);
        write_pm1(&pm1a_control, s5.pm1a, PM1_SLP_EN);
        if (pm1b_control.exists)
            write_pm1(&pm1b_control, s5.pm1b, PM1_SLP_EN);
    } else {
        reg_write(&sleep_control, (uint32_t)s5.pm1a << SLEEP_TYP_SHIFT | SLEEP_EN);
    }
    clock_busy_wait_ns(EFFECT_LIMIT_NS);
}

static void acpi_reset(void)
{
    if (!reset_register.exists)
        return;
    reg_write(&reset_register, reset_value);
    clock_busy_wait_ns(EFFECT_LIMIT_NS);
}

/*
 * A machine without ACPI cannot be switched off by software; the ones there still are are virtual
 * (Firecracker, QEMU's microvm with acpi=off), and end when they are reset.
 */
static void reset_without_acpi(void)
{
    if (!acpi_fadt())
        power_reset_now();
}

POWER_METHOD(no_acpi_power_method,
             { .name = "reset", .order = 90, .poweroff = reset_without_acpi });
POWER_METHOD(acpi_power_method,
             { .name = "ACPI", .order = 10, .poweroff = acpi_poweroff, .reset = acpi_reset });
