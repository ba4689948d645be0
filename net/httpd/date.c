/*
 * Dates of HTTP (RFC 9110, 5.6.7): one form to write, three to read.
 *
 *   Sun, 06 Nov 1994 08:49:37 GMT     IMF-fixdate
 *   Sunday, 06-Nov-94 08:49:37 GMT    RFC 850
 *   Sun Nov  6 08:49:37 1994          asctime()
 *
 * Each is a pattern: a letter stands for a piece of the date, everything else for itself.
 */
#include "kernel/time/clock.h"
#include "lib/ctype.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "net/httpd/condition.h"

#define YEAR_MIN 1970
#define YEAR_MAX 9999

static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char *const days[7] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                     "Thursday", "Friday", "Saturday" };

void http_date_format(uint64_t unix_seconds, char text[HTTP_DATE_SIZE])
{
    static const struct calendar_time last = { .year = YEAR_MAX, .month = 12, .day = 31 };
    struct calendar_time time;

    calendar_from_unix(MIN(unix_seconds, calendar_to_unix(&last)), &time);
    snprintf(text, HTTP_DATE_SIZE, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
             days[time.weekday % 7], time.day % 100, months[(time.month - 1) % 12],
             time.year % 10000, time.hour % 100, time.minute % 100, time.second % 100);
}

/* @count digits, the first of which may be a blank. NULL: there are none. */
static const char *take_number(const char *text, unsigned int count, unsigned int *value)
{
    *value = 0;
    for (unsigned int i = 0; i < count; i++, text++) {
        if (!is_digit(*text) && !(i == 0 && *text == ' '))
            return NULL;
        *value = *value * 10 + (*text == ' ' ? 0 : (unsigned int)(*text - '0'));
    }
    return text;
}

static const char *take_month(const char *text, unsigned int *month)
{
    for (unsigned int i = 0; i < 12; i++) {
        if (strncmp(text, months[i], 3) == 0) {
            *month = i + 1;
            return text + 3;
        }
    }
    return NULL;
}

/* The day of the week, which says nothing that the date does not. */
static const char *skip_day(const char *text, bool is_long)
{
    for (unsigned int i = 0; i < 7; i++) {
        size_t length = is_long ? strlen(days[i]) : 3;

        if (strncmp(text, days[i], length) == 0)
            return text + length;
    }
    return NULL;
}

/* A year of two digits lies at most 50 years ahead. */
static unsigned int full_year(unsigned int year, uint64_t now)
{
    struct calendar_time today;

    calendar_from_unix(now, &today);
    year += today.year / 100 * 100;
    return year > today.year + 50 ? year - 100 : year;
}

static const char *take_piece(const char *text, char piece, uint64_t now,
                              struct calendar_time *time)
{
    switch (piece) {
    case 'w':
    case 'W':
        return skip_day(text, piece == 'W');
    case 'd':
        return take_number(text, 2, &time->day);
    case 'b':
        return take_month(text, &time->month);
    case 'Y':
        return take_number(text, 4, &time->year);
    case 'y':
        text = take_number(text, 2, &time->year);
        time->year = full_year(time->year, now);
        return text;
    case 'h':
        return take_number(text, 2, &time->hour);
    case 'm':
        return take_number(text, 2, &time->minute);
    case 's':
        return take_number(text, 2, &time->second);
    default:
        return *text == piece ? text + 1 : NULL;
    }
}

static bool is_date(const struct calendar_time *time)
{
    struct calendar_time again;

    if (time->year < YEAR_MIN || time->month < 1 || time->day < 1 || time->day > 31 ||
        time->hour > 23 || time->minute > 59 || time->second > 60)
        return false;
    calendar_from_unix(calendar_to_unix(time), &again);
    return time->second == 60 || (again.day == time->day && again.month == time->month);
}

static bool matches(const char *text, const char *pattern, uint64_t now, struct calendar_time *time)
{
    for (; text && *pattern; pattern++)
        text = take_piece(text, *pattern, now, time);
    return text && *text == '\0' && is_date(time);
}

int http_date_parse(const char *text, uint64_t now, uint64_t *unix_seconds)
{
    static const char *const patterns[] = { "w, d b Y h:m:s GMT", "W, d-b-y h:m:s GMT",
                                            "w b d h:m:s Y" };

    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        struct calendar_time time = { 0 };

        if (matches(text, patterns[i], now, &time)) {
            *unix_seconds = calendar_to_unix(&time);
            return 0;
        }
    }
    return -EINVAL;
}
