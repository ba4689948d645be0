/*
 * COM1, a 16550 UART.
 *
 * Polled output works from INIT_ARCH on, as a console of the log. From INIT_DRIVER on, input and
 * output are driven by its interrupt.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** serial_is_present() - was a UART found? Context: any. */
bool serial_is_present(void);
