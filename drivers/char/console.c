/*
 * The list of consoles.
 */
#include "drivers/char/console.h"

#include "lib/atomic.h"

static struct console *first; /* written by the boot task only */

void console_register(struct console *console)
{
    struct console **link = &first;

    console->next = NULL;
    while (*link)
        link = &(*link)->next;
    *link = console;
}

struct console *console_first(void)
{
    return first;
}

void console_set_input(struct console *console, console_input *input, void *context)
{
    console->input_context = context;
    store_release(&console->input, input); /* pairs with console_type() */
}

void console_type(struct console *console, const char *bytes, size_t length)
{
    console_input *input = load_acquire(&console->input);

    if (input)
        input(console->input_context, bytes, length);
}
