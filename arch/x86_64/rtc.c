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
#include "kernel/log.h"
#include "kernel/time/clock.h"
#include "lib/bits.h"
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
};

#define STATUS_A_UPDATING BIT(7)
#define STATUS_B_24_HOURS BIT(1)
#define STATUS_B_BINARY   BIT(2)
#define HOUR_PM           BIT(7)

#define UPDATE_WAIT_NS (5 * NS_PER_MS)
#define READINGS_MAX   5

struct rtc_registers {
    uint8_t second, minute, hour, day, month, year, century, status_b;
};

static uint8_t cmos_read(uint8_t index)
{
    port_write8(CMOS_INDEX, index);
    return port_read8(CMOS_DATA);
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

    unsigned int century = number(&r, r.century);
    struct calendar_time time = {
        .year = (century >= 19 && century < 100 ? century : 20) * 100 + number(&r, r.year),
        .month = number(&r, r.month),
        .day = number(&r, r.day),
        .hour = hour_of(&r),
        .minute = number(&r, r.minute),
        .second = number(&r, r.second),
    };
    if (!is_sane(&time)) {
        log_warning("rtc", "its registers make no sense: the time of day is unknown");
        return 0;
    }
    return calendar_to_unix(&time) * NS_PER_S;
}
