/*
 * The battery-backed clock (MC146818), read once at boot.
 */
#pragma once

#include <stdint.h>

/** rtc_read_ns() - Unix time in ns, to the second, taken as UTC; 0 when there is none. */
uint64_t rtc_read_ns(void);
