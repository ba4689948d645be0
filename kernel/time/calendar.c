/*
 * Unix time and the Gregorian calendar, both ways.
 *
 * Years are counted from March, so that the leap day is the last of the year and the lengths of the
 * months before it follow one formula: 153 days in every five months from March on. 400 years are
 * always 146,097 days.
 */
#include "kernel/time/clock.h"

#define SECONDS_PER_DAY    86400u
#define DAYS_PER_400_YEARS 146097u
#define DAYS_PER_100_YEARS 36524u
#define DAYS_PER_4_YEARS   1461u
#define DAYS_0000_TO_1970  719468u /* from 1 March of year 0 to 1 January 1970 */

static void date_from_days(uint64_t days_since_1970, struct calendar_time *time)
{
    uint64_t days = days_since_1970 + DAYS_0000_TO_1970;
    uint64_t era = days / DAYS_PER_400_YEARS;
    unsigned int day_of_era = (unsigned int)(days % DAYS_PER_400_YEARS);
    unsigned int year_of_era =
        (day_of_era - day_of_era / (DAYS_PER_4_YEARS - 1) + day_of_era / DAYS_PER_100_YEARS -
         day_of_era / (DAYS_PER_400_YEARS - 1)) /
        365;
    unsigned int day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned int month_from_march = (5 * day_of_year + 2) / 153;

    time->day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    time->month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    time->year = (unsigned int)(era * 400) + year_of_era + (time->month <= 2);
    time->weekday = (unsigned int)((days_since_1970 + 4) % 7); /* 1 January 1970: a Thursday */
}

void calendar_from_unix(uint64_t unix_seconds, struct calendar_time *time)
{
    unsigned int second = (unsigned int)(unix_seconds % SECONDS_PER_DAY);

    date_from_days(unix_seconds / SECONDS_PER_DAY, time);
    time->hour = second / 3600;
    time->minute = second / 60 % 60;
    time->second = second % 60;
}

uint64_t calendar_to_unix(const struct calendar_time *time)
{
    unsigned int year = time->year - (time->month <= 2);
    unsigned int year_of_era = year % 400;
    unsigned int month_from_march = time->month > 2 ? time->month - 3 : time->month + 9;
    unsigned int day_of_year = (153 * month_from_march + 2) / 5 + time->day - 1;
    uint64_t day_of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + day_of_year;
    uint64_t days = (uint64_t)(year / 400) * DAYS_PER_400_YEARS + day_of_era - DAYS_0000_TO_1970;

    return days * SECONDS_PER_DAY + time->hour * 3600u + time->minute * 60u + time->second;
}
