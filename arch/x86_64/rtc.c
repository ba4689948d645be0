/*
 * MC146818 real-time clock through CMOS ports. Spec: Motorola MC146818A datasheet; the century byte
 * is where the FADT says.
 *
 * The registers are not stable for up to 2 ms each second, while "update in progress" is set; a
 * reading counts when two in a row are equal (datasheet, "Update cycle").
 */
#include "arch/x86_64/rtc.h"

#include "acpi/acpi.h"
#include "arch/io.h"
#include "kernel/irq/irq.h"
#include "kernel/log.h"
#include "kernel/sync/spinlock.h"
#include "kernel/time/clock.h"
#include "lib/bits.h"
#include "lib/errno.h"
#include "lib/string.h"

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71

enum cmos_register {
    CMOS_SECOND = 0x00,
    CMOS_MINUTE = 0x02,
    CMOS_HOUR = 0x04,
    CMOS_DAY = 0x07,
    CMOS_MONTH = 0x08,
    CMOS_YEAR = 0x09,
    CMOS_STATUS_A = 0x0A,
    CMOS_STATUS_B = 0x0B,
    CMOS_STATUS_C = 0x0C,
};

#define STATUS_A_UPDATING         BIT(7)
#define STATUS_B_24_HOURS         BIT(1)
#define STATUS_B_BINARY           BIT(2)
#define STATUS_B_UPDATE_INTERRUPT BIT(4)
#define STATUS_C_UPDATE_ENDED     BIT(4) /* reading status C clears it */
#define HOUR_PM                   BIT(7)

#define UPDATE_WAIT_NS (5 * NS_PER_MS)
#define READINGS_MAX   5

#define ISA_RTC 8

struct rtc_registers {
    uint8_t second, minute, hour, day, month, year, century, status_b;
};

static DEFINE_SPINLOCK(cmos_lock, "cmos", LOCK_RANK_INTERRUPT_CONTROLLER); /* index and data */

static void (*at_next_second)(uint64_t unix_ns); /* const once the interrupt is requested */

static uint8_t cmos_read(uint8_t index)
{
    irqflags_t flags = spin_lock_irqsave(&cmos_lock);

    port_write8(CMOS_INDEX, index);
    uint8_t value = port_read8(CMOS_DATA);
    spin_unlock_irqrestore(&cmos_lock, flags);
    return value;
}

static void cmos_write(uint8_t index, uint8_t value)
{
    irqflags_t flags = spin_lock_irqsave(&cmos_lock);

    port_write8(CMOS_INDEX, index);
    port_write8(CMOS_DATA, value);
    spin_unlock_irqrestore(&cmos_lock, flags);
}

static void wait_for_update_end(void)
{
    uint64_t deadline = deadline_after_ns(UPDATE_WAIT_NS);

    while ((cmos_read(CMOS_STATUS_A) & STATUS_A_UPDATING) && clock_now_ns() < deadline)
        ;
}

static struct rtc_registers read_registers(void)
{
    const struct acpi_fadt *fadt = acpi_fadt();
    uint8_t century = fadt ? fadt->century : 0;

    wait_for_update_end();
    return (struct rtc_registers){
        .second = cmos_read(CMOS_SECOND),
        .minute = cmos_read(CMOS_MINUTE),
        .hour = cmos_read(CMOS_HOUR),
        .day = cmos_read(CMOS_DAY),
        .month = cmos_read(CMOS_MONTH),
        .year = cmos_read(CMOS_YEAR),
        .century = century ? cmos_read(century) : 0,
        .status_b = cmos_read(CMOS_STATUS_B),
    };
}

static unsigned int number(const struct rtc_registers *r, uint8_t value)
{
    return r->status_b & STATUS_B_BINARY ? value : (value >> 4) * 10u + (value & 0xFu);
}

static unsigned int hour_of(const struct rtc_registers *r)
{
    unsigned int hour = number(r, (uint8_t)(r->hour & ~HOUR_PM));

    if (r->status_b & STATUS_B_24_HOURS)
        return number(r, r->hour);
    return hour % 12 + (r->hour & HOUR_PM ? 12 : 0);
}

static bool is_sane(const struct calendar_time *t)
{
    return t->year >= 1970 && t->second < 60 && t->minute < 60 && t->hour < 24 && t->day >= 1 &&
           t->day <= 31 && t->month >= 1 && t->month <= 12;
}

/* Nobody answers at absent ports: all ones, which no status B is. */
static bool is_present(void)
{
    return cmos_read(CMOS_STATUS_A) != 0xFF || cmos_read(CMOS_STATUS_B) != 0xFF;
}

static uint64_t unix_ns(const struct rtc_registers *r)
{
    unsigned int century = number(r, r->century);
    struct calendar_time time = {
        .year = (century >= 19 && century < 100 ? century : 20) * 100 + number(r, r->year),
        .month = number(r, r->month),
        .day = number(r, r->day),
        .hour = hour_of(r),
        .minute = number(r, r->minute),
        .second = number(r, r->second),
    };
    return is_sane(&time) ? calendar_to_unix(&time) * NS_PER_S : 0;
}

uint64_t rtc_read_ns(void)
{
    if (!is_present()) {
        log_info("rtc", "none: the time of day is unknown");
        return 0;
    }
    struct rtc_registers r = read_registers();

    for (int i = 0; i < READINGS_MAX; i++) {
        struct rtc_registers again = read_registers();
        if (memcmp(&r, &again, sizeof(r)) == 0)
            break;
        r = again;
    }

    uint64_t ns = unix_ns(&r);
    if (ns == 0)
        log_warning("rtc", "its registers make no sense: the time of day is unknown");
    return ns;
}

/* An update has just ended: the registers are stable for most of a second. */
static bool rtc_interrupt(void *context)
{
    (void)context;
    if (!(cmos_read(CMOS_STATUS_C) & STATUS_C_UPDATE_ENDED))
        return false;
    cmos_write(CMOS_STATUS_B, (uint8_t)(cmos_read(CMOS_STATUS_B) & ~STATUS_B_UPDATE_INTERRUPT));

    struct rtc_registers r = read_registers();
    uint64_t ns = unix_ns(&r);
    if (ns)
        at_next_second(ns);
    return true;
}

int rtc_call_at_next_second(void (*function)(uint64_t unix_ns))
{
    struct irq *irq; /* stays: after its one interrupt the line is silent */

    if (!is_present())
        return -ENODEV;
    at_next_second = function;
    int error = irq_request_isa("rtc", ISA_RTC, rtc_interrupt, NULL, &irq);
    if (error)
        return error;
    (void)cmos_read(CMOS_STATUS_C);
    cmos_write(CMOS_STATUS_B, cmos_read(CMOS_STATUS_B) | STATUS_B_UPDATE_INTERRUPT);
    return 0;
}
