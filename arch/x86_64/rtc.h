/*
 * The battery-backed clock (MC146818).
 */
#pragma once

#include <stdint.h>

#include "lib/compiler.h"

/** rtc_read_ns() - Unix time in ns, to the second, taken as UTC; 0 when there is none. */
uint64_t rtc_read_ns(void);

/**
 * rtc_call_at_next_second() - call @function once, when the RTC's next second begins
 * @function: gets what the RTC says then; in interrupt context.
 * Context: task, once. Return: 0; -ENODEV when there is no RTC; what irq_request_isa() says.
 */
int __must_check rtc_call_at_next_second(void (*function)(uint64_t unix_ns));
