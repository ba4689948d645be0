/*
 * HPET: comparator 0 as an alarm. Its main counter as a reference is in clock_internal.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/**
 * hpet_alarm_init() - let comparator 0 raise I/O APIC line @gsi, edge, active high
 * Context: task, once. Return: false when there is no HPET, or its comparator cannot reach that
 * line.
 */
bool hpet_alarm_init(unsigned int gsi);

/** hpet_alarm_set() - raise the line in @delay_ns, in place of an alarm set before. Context: any.
 */
void hpet_alarm_set(uint64_t delay_ns);
