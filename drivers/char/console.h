/*
 * Consoles: where a person sits. A driver registers one for each pair of screen and keyboard it
 * has; the shell starts a session on each that console= selects.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct console;

/* Takes what was typed. Context: any, also interrupt handlers. */
typedef void console_input(void *context, const char *bytes, size_t length);

struct console {
    const char *name; /* "serial", "vga": what console= says */

    /* Shows text, lines ending in '\n', with ANSI sequences. Context: task, may sleep. */
    void (*write)(struct console *console, const char *text, size_t length);

    size_t columns; /* of the screen; 80 where nobody knows */

    console_input *input; /* set by console_set_input() */
    void *input_context;
    struct console *next; /* the registry's own */
};

/** console_register() - @console lives for ever. Context: INIT_DRIVER or before, boot task. */
void console_register(struct console *console);

/** console_first() - of the list, in the order of registration; then ->next. */
struct console *console_first(void);

/** console_set_input() - who gets what is typed from now on; before that it is lost. */
void console_set_input(struct console *console, console_input *input, void *context);

/** console_type() - for the driver: hand on what was typed. Context: any. */
void console_type(struct console *console, const char *bytes, size_t length);
