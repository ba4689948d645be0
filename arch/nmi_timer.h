/*
 * A timer whose interrupt is an NMI to the boot CPU: for the one CPU that nobody else watches.
 */
#pragma once

#include <stdint.h>

#include "lib/compiler.h"

/**
 * nmi_timer_init() - find one and set it up
 * Context: task, boot CPU, once, after INIT_CORE. Return: 0; -ENODEV: this machine has none.
 */
int __must_check nmi_timer_init(void);

/**
 * nmi_timer_set() - NMI to the boot CPU in @delay_ns from now, in place of one set before
 * @delay_ns: at most 20 s. The interrupt comes once, and later than asked by what the CPU was not
 * run. Context: boot CPU, any, also NMI; after nmi_timer_init() succeeded.
 */
void nmi_timer_set(uint64_t delay_ns);
