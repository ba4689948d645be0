/*
 * The 8042 keyboard controller: two ports, and a line that resets the machine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/compiler.h"

/** i8042_init_keyboard() - test the controller, enable the first port with translation to scan
 * code set 1. Return: 0; -ENODEV when there is none or it does not answer. Context: task. */
int __must_check i8042_init_keyboard(void);

/** i8042_enable_interrupt() - the keyboard's, from now on. */
void i8042_enable_interrupt(void);

/** i8042_read_isr() - take a byte from the keyboard. Return: false when there is none. */
bool i8042_read_isr(uint8_t *byte);

/** i8042_send_keyboard() - a command to the keyboard itself, without waiting for the answer. */
void i8042_send_keyboard(uint8_t byte);
