/*
 * The machine's screen as a console: of the log, with a colour per level, and, together with the
 * keyboard, for a person. VGA text and the framebuffer are the devices below; there is one screen.
 */
#pragma once

#include "drivers/char/text_screen.h"
#include "lib/compiler.h"

struct console;

/**
 * screen_console_start() - the device is ready: show an empty screen, then the log
 * @ops: called with the screen's spinlock held (after a panic, without), interrupts off
 * @cells: memory for @rows * @columns
 *
 * Context: boot task, once.
 */
void screen_console_start(const struct text_screen_ops *ops, size_t rows, size_t columns,
                          struct text_cell *cells);

/** screen_console() - for the keyboard's driver, which registers it; NULL without a screen. */
struct console *screen_console(void);
