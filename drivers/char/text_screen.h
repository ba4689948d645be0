/*
 * A screen of character cells that understands the ANSI sequences the shell and its users need.
 *
 * The device below draws cells, moves rows and shows a cursor; VGA text and the framebuffer are
 * two. A screen has no lock of its own: its device serialises.
 *
 * Spec: ECMA-48; the subset is CSI A B C D G H f J K m, and the control bytes \b \t \n \r.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_screen;

/* Colours are the sixteen of VGA and of SGR 30-37, 90-97: bit 0 blue, 1 green, 2 red, 3 bright. */
struct text_cell {
    unsigned char character;
    uint8_t foreground : 4;
    uint8_t background : 4;
};

struct text_screen_ops {
    /* Draws @count cells of one row. */
    void (*draw)(struct text_screen *screen, size_t row, size_t column,
                 const struct text_cell *cells, size_t count);
    /* Moves rows 1.. up by one and clears the last; the screen's own cells have moved already. */
    void (*scroll)(struct text_screen *screen);
    /* Puts the cursor. */
    void (*cursor)(struct text_screen *screen, size_t row, size_t column);
};

#define TEXT_DEFAULT_FOREGROUND 7
#define TEXT_PARAMETERS_MAX     8

struct text_screen {
    const struct text_screen_ops *ops;
    size_t rows, columns;
    struct text_cell *cells; /* rows * columns, the caller's memory */
    size_t row, column;      /* column == columns: a wrap is due with the next character */
    struct text_cell blank;  /* with the colours in use */
    bool is_bright;
    enum {
        TEXT_PLAIN,
        TEXT_ESCAPE,
        TEXT_CSI
    } state;
    unsigned int parameters[TEXT_PARAMETERS_MAX];
    size_t parameter_count;
};

/** text_screen_init() - an empty screen, drawn. */
void text_screen_init(struct text_screen *screen, const struct text_screen_ops *ops, size_t rows,
                      size_t columns, struct text_cell *cells);

/** text_screen_write() - text with sequences; then the cursor is put. */
void text_screen_write(struct text_screen *screen, const char *text, size_t length);

/** text_screen_set_colour() - of what is written from now on. */
void text_screen_set_colour(struct text_screen *screen, unsigned int foreground);
