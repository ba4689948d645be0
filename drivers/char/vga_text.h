/*
 * The VGA text screen.
 */
#pragma once

struct console;

/** vga_text_console() - the screen's half of a console, for the keyboard's driver; NULL if none. */
struct console *vga_text_console(void);
