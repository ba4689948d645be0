/*
 * The 8042 and its descendants. Every wait has a limit: machines without one read all ones.
 *
 * Spec: IBM PS/2 Technical Reference, keyboard and auxiliary device controller.
 */
#include "drivers/char/i8042.h"

#include "acpi/acpi.h"
#include "arch/clock.h"
#include "arch/io.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/power/power.h"
#include "lib/errno.h"

#define PORT_DATA    0x60
#define PORT_COMMAND 0x64 /* read: status */

#define STATUS_OUTPUT_FULL 0x01 /* a byte for us */
#define STATUS_INPUT_FULL  0x02 /* it has not taken our last byte */
#define STATUS_FROM_MOUSE  0x20
#define STATUS_ABSENT      0xff

#define COMMAND_READ_CONFIG   0x20
#define COMMAND_WRITE_CONFIG  0x60
#define COMMAND_DISABLE_MOUSE 0xa7
#define COMMAND_SELF_TEST     0xaa
#define COMMAND_DISABLE_KEYS  0xad
#define COMMAND_ENABLE_KEYS   0xae
#define COMMAND_PULSE_RESET   0xfe

#define SELF_TEST_PASSED       0x55
#define CONFIG_INTERRUPT       0x01
#define CONFIG_MOUSE_INTERRUPT 0x02
#define CONFIG_TRANSLATE       0x40

#define POLL_NS    1000
#define POLL_LIMIT 20000 /* 20 ms; a self-test takes a few */
#define FLUSH_MAX  64    /* bytes left in the controller by the firmware */

static bool wait_status(uint8_t mask, uint8_t wanted)
{
    for (unsigned int i = 0; i < POLL_LIMIT; i++) {
        if ((port_read8(PORT_COMMAND) & mask) == wanted)
            return true;
        clock_busy_wait_ns(POLL_NS);
    }
    return false;
}

static bool send_command(uint8_t command)
{
    if (!wait_status(STATUS_INPUT_FULL, 0))
        return false;
    port_write8(PORT_COMMAND, command);
    return true;
}

static bool send_data(uint8_t byte)
{
    if (!wait_status(STATUS_INPUT_FULL, 0))
        return false;
    port_write8(PORT_DATA, byte);
    return true;
}

static bool read_data(uint8_t *byte)
{
    if (!wait_status(STATUS_OUTPUT_FULL, STATUS_OUTPUT_FULL))
        return false;
    *byte = port_read8(PORT_DATA);
    return true;
}

static void flush(void)
{
    for (unsigned int i = 0; i < FLUSH_MAX && port_read8(PORT_COMMAND) & STATUS_OUTPUT_FULL; i++)
        port_read8(PORT_DATA);
}

static int write_config(uint8_t config)
{
    return send_command(COMMAND_WRITE_CONFIG) && send_data(config) ? 0 : -ENODEV;
}

/* Firmware that says there is none may be believed; one that says nothing may not. */
static bool may_be_present(void)
{
    const struct acpi_fadt *fadt = acpi_fadt();

    if (fadt && fadt->has_boot_flags && !fadt->has_8042)
        return false;
    return port_read8(PORT_COMMAND) != STATUS_ABSENT;
}

int __init i8042_init_keyboard(void)
{
    uint8_t answer;

    if (!may_be_present())
        return -ENODEV;
    if (!send_command(COMMAND_DISABLE_KEYS) || !send_command(COMMAND_DISABLE_MOUSE))
        return -ENODEV;
    flush();
    if (!send_command(COMMAND_SELF_TEST) || !read_data(&answer) || answer != SELF_TEST_PASSED)
        return -ENODEV;
    if (write_config(CONFIG_TRANSLATE) || !send_command(COMMAND_ENABLE_KEYS))
        return -ENODEV;
    return 0;
}

void i8042_enable_interrupt(void)
{
    flush();
    if (write_config(CONFIG_TRANSLATE | CONFIG_INTERRUPT))
        log_warning("i8042", "the controller does not take its configuration");
}

bool i8042_read_isr(uint8_t *byte)
{
    uint8_t status = port_read8(PORT_COMMAND);

    if (!(status & STATUS_OUTPUT_FULL) || status == STATUS_ABSENT)
        return false;
    *byte = port_read8(PORT_DATA);
    return !(status & STATUS_FROM_MOUSE);
}

void i8042_send_keyboard(uint8_t byte)
{
    send_data(byte);
}

/* Also right where the firmware denies it: Firecracker and Cloud Hypervisor have only this line. */
static void i8042_reset(void)
{
    if (!wait_status(STATUS_INPUT_FULL, 0) && port_read8(PORT_COMMAND) == STATUS_ABSENT)
        return;
    port_write8(PORT_COMMAND, COMMAND_PULSE_RESET);
    clock_busy_wait_ns(100000000);
}
POWER_METHOD(i8042_power_method, { .name = "8042", .order = 20, .reset = i8042_reset });
