/*
 * The time of day to better than a second. The real-time clock counts whole seconds, and at boot it
 * was read somewhere within one: up to a second of error. Its update-ended interrupt comes when the
 * next second begins; the wall clock is put right then, once, without anybody having waited.
 *
 * What it cannot mend: QEMU starts its real-time clock at the host's time with the fraction cut
 * off, so that the clock itself is up to a second behind.
 *
 * Spec: Motorola MC146818A, "Update-ended interrupt"; registers A, B and C.
 */
#include "acpi/acpi.h"
#include "arch/io.h"
#include "kernel/init.h"
#include "kernel/irq/irq.h"
#include "kernel/time/clock.h"
#include "lib/string.h"

#define RTC_IRQ    8
#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71

enum cmos_register {
    CMOS_SECOND = 0x00,
    CMOS_STATUS_B = 0x0b,
    CMOS_STATUS_C = 0x0c, /* reading it acknowledges */
};

#define STATUS_B_BINARY       0x04
#define STATUS_B_UPDATE_ENDED 0x10
#define STATUS_C_UPDATE_ENDED 0x10
#define CORRECTION_LIMIT_NS   (2 * NS_PER_S) /* more is no fraction of a second: leave it */
#define SECONDS_PER_MINUTE    60

static uint8_t cmos_read(enum cmos_register reg)
{
    port_write8(CMOS_INDEX, reg);
    return port_read8(CMOS_DATA);
}

static void cmos_write(enum cmos_register reg, uint8_t value)
{
    port_write8(CMOS_INDEX, reg);
    port_write8(CMOS_DATA, value);
}

static void enable_interrupt(bool enable)
{
    uint8_t status = cmos_read(CMOS_STATUS_B) & (uint8_t)~STATUS_B_UPDATE_ENDED;

    cmos_write(CMOS_STATUS_B, enable ? status | STATUS_B_UPDATE_ENDED : status);
    cmos_read(CMOS_STATUS_C);
}

static unsigned int read_second(void)
{
    uint8_t value = cmos_read(CMOS_SECOND);

    return cmos_read(CMOS_STATUS_B) & STATUS_B_BINARY ? value : (value >> 4) * 10u + (value & 15u);
}

/* The Unix time nearest to @wall_ns at which a minute's second @second begins. */
static uint64_t nearest_second(uint64_t wall_ns, unsigned int second)
{
    uint64_t near = wall_ns / NS_PER_S;
    uint64_t start = near - near % SECONDS_PER_MINUTE + second;

    if (start + SECONDS_PER_MINUTE / 2 < near)
        start += SECONDS_PER_MINUTE;
    else if (start > near + SECONDS_PER_MINUTE / 2)
        start -= SECONDS_PER_MINUTE;
    return start * NS_PER_S;
}

static bool rtc_isr(void *context)
{
    (void)context;
    if (!(cmos_read(CMOS_STATUS_C) & STATUS_C_UPDATE_ENDED))
        return false;
    uint64_t wall = clock_wall_ns();
    unsigned int second = read_second();
    enable_interrupt(false);

    uint64_t exact = nearest_second(wall, second);
    uint64_t correction = exact > wall ? exact - wall : wall - exact;
    if (second < SECONDS_PER_MINUTE && correction <= CORRECTION_LIMIT_NS)
        clock_wall_set(exact);
    return true;
}

/* A paravirtual clock knows the time to the nanosecond; a machine without an RTC has none to ask.
 */
static bool is_needed(void)
{
    const struct acpi_fadt *fadt = acpi_fadt();

    if (fadt && fadt->has_boot_flags && fadt->has_no_cmos_rtc)
        return false;
    return clock_wall_ns_at_boot() != 0 && strcmp(clock_source_name(), "kvmclock") != 0;
}

static int __init rtc_second_init(void)
{
    struct irq *irq;

    if (!is_needed())
        return 0;
    int error = irq_request_isa("rtc", RTC_IRQ, rtc_isr, NULL, &irq);
    if (error)
        return error;
    enable_interrupt(true);
    return 0;
}
INIT_HOOK(rtc_second_init, INIT_DRIVER);
