/*
 * The model of the screen: cells, cursor, and the state of a sequence that is still coming in.
 */
#include "drivers/char/text_screen.h"

#include "lib/compiler.h"
#include "lib/ctype.h"
#include "lib/string.h"

#define TAB_WIDTH     8
#define PARAMETER_MAX 9999

static struct text_cell *cell_at(struct text_screen *screen, size_t row, size_t column)
{
    return &screen->cells[row * screen->columns + column];
}

static void draw_range(struct text_screen *screen, size_t row, size_t column, size_t count)
{
    if (count)
        screen->ops->draw(screen, row, column, cell_at(screen, row, column), count);
}

/* Blanks cells of one row, [@from, @to). */
static void blank_range(struct text_screen *screen, size_t row, size_t from, size_t to)
{
    for (size_t column = from; column < to; column++)
        *cell_at(screen, row, column) = screen->blank;
    if (from < to)
        draw_range(screen, row, from, to - from);
}

static void new_row(struct text_screen *screen)
{
    if (screen->row + 1 < screen->rows) {
        screen->row++;
        return;
    }
    memmove(screen->cells, screen->cells + screen->columns,
            (screen->rows - 1) * screen->columns * sizeof(screen->cells[0]));
    for (size_t column = 0; column < screen->columns; column++)
        *cell_at(screen, screen->rows - 1, column) = screen->blank;
    screen->ops->scroll(screen);
}

static void put(struct text_screen *screen, char c)
{
    if (screen->column == screen->columns) {
        screen->column = 0;
        new_row(screen);
    }
    struct text_cell *cell = cell_at(screen, screen->row, screen->column);
    *cell = screen->blank;
    cell->character = (unsigned char)c;
    draw_range(screen, screen->row, screen->column, 1);
    screen->column++;
}

static void control(struct text_screen *screen, char c)
{
    switch (c) {
    case '\n': /* consoles get lines that end in it alone */
        screen->column = 0;
        new_row(screen);
        break;
    case '\r':
        screen->column = 0;
        break;
    case '\b':
        screen->column = MIN(screen->column, screen->columns - 1);
        if (screen->column > 0)
            screen->column--;
        break;
    case '\t':
        screen->column = MIN(ALIGN_UP(screen->column + 1, TAB_WIDTH), screen->columns - 1);
        break;
    case 0x1b:
        screen->state = TEXT_ESCAPE;
        break;
    default: /* the bell and others */
        break;
    }
}

/* ---- sequences ----------------------------------------------------------------------------- */

static unsigned int parameter(const struct text_screen *screen, size_t index, unsigned int missing)
{
    return screen->parameters[index] ? screen->parameters[index] : missing;
}

static void move(struct text_screen *screen, size_t row, size_t column)
{
    screen->row = MIN(row, screen->rows - 1);
    screen->column = MIN(column, screen->columns - 1);
}

static size_t minus(size_t from, size_t count)
{
    return from > count ? from - count : 0;
}

/* CSI J: 0 below, 1 above, 2 all. */
static void erase_screen(struct text_screen *screen, unsigned int what)
{
    size_t column = MIN(screen->column, screen->columns - 1);

    for (size_t row = 0; row < screen->rows; row++) {
        size_t from = what == 0 && row == screen->row ? column : 0;
        size_t to = what == 1 && row == screen->row ? column + 1 : screen->columns;
        bool is_meant =
            what == 2 || (what == 0 && row >= screen->row) || (what == 1 && row <= screen->row);
        if (is_meant)
            blank_range(screen, row, from, to);
    }
}

/* CSI K: 0 to the end of the row, 1 to the start, 2 all of it. */
static void erase_row(struct text_screen *screen, unsigned int what)
{
    size_t column = MIN(screen->column, screen->columns - 1);

    blank_range(screen, screen->row, what == 0 ? column : 0,
                what == 1 ? column + 1 : screen->columns);
}

/* SGR counts red, green, blue from bit 0; the hardware blue, green, red. */
static unsigned int hardware_colour(unsigned int sgr)
{
    return (sgr & 1u) << 2 | (sgr & 2u) | (sgr & 4u) >> 2;
}

static void set_rendition(struct text_screen *screen, unsigned int value)
{
    uint8_t bright = screen->is_bright ? 8 : 0;

    if (value == 0) {
        screen->is_bright = false;
        screen->blank.foreground = TEXT_DEFAULT_FOREGROUND;
        screen->blank.background = 0;
    } else if (value == 1) {
        screen->is_bright = true;
        screen->blank.foreground |= 8u;
    } else if (value == 22) {
        screen->is_bright = false;
        screen->blank.foreground &= 7u;
    } else if (value >= 30 && value <= 37) {
        screen->blank.foreground = hardware_colour(value - 30) | bright;
    } else if (value == 39) {
        screen->blank.foreground = TEXT_DEFAULT_FOREGROUND | bright;
    } else if (value >= 40 && value <= 47) {
        screen->blank.background = hardware_colour(value - 40) & 0xf;
    } else if (value == 49) {
        screen->blank.background = 0;
    } else if (value >= 90 && value <= 97) {
        screen->blank.foreground = (hardware_colour(value - 90) | 8u) & 0xf;
    }
}

static void finish_csi(struct text_screen *screen, char last)
{
    size_t column = MIN(screen->column, screen->columns - 1);

    switch (last) {
    case 'A':
        move(screen, minus(screen->row, parameter(screen, 0, 1)), column);
        break;
    case 'B':
        move(screen, screen->row + parameter(screen, 0, 1), column);
        break;
    case 'C':
        move(screen, screen->row, column + parameter(screen, 0, 1));
        break;
    case 'D':
        move(screen, screen->row, minus(column, parameter(screen, 0, 1)));
        break;
    case 'G':
        move(screen, screen->row, parameter(screen, 0, 1) - 1);
        break;
    case 'H':
    case 'f':
        move(screen, parameter(screen, 0, 1) - 1, parameter(screen, 1, 1) - 1);
        break;
    case 'J':
        erase_screen(screen, screen->parameters[0]);
        break;
    case 'K':
        erase_row(screen, screen->parameters[0]);
        break;
    case 'm':
        for (size_t i = 0; i < screen->parameter_count; i++)
            set_rendition(screen, screen->parameters[i]);
        break;
    default: /* not understood, not shown */
        break;
    }
}

static void feed_escape(struct text_screen *screen, char c)
{
    screen->state = TEXT_PLAIN;
    if (c != '[')
        return;
    screen->state = TEXT_CSI;
    screen->parameter_count = 1;
    memset(screen->parameters, 0, sizeof(screen->parameters));
}

static void feed_csi(struct text_screen *screen, char c)
{
    unsigned int *current = &screen->parameters[screen->parameter_count - 1];

    if (is_digit(c)) {
        *current = MIN(*current * 10 + (unsigned int)(c - '0'), (unsigned int)PARAMETER_MAX);
    } else if (c == ';') {
        if (screen->parameter_count < TEXT_PARAMETERS_MAX)
            screen->parameter_count++;
    } else if (c >= 0x40 && c < 0x7f) {
        screen->state = TEXT_PLAIN;
        finish_csi(screen, c);
    } else if (c < ' ') {
        screen->state = TEXT_PLAIN;
        control(screen, c);
    }
}

static void feed(struct text_screen *screen, char c)
{
    if (screen->state == TEXT_ESCAPE)
        feed_escape(screen, c);
    else if (screen->state == TEXT_CSI)
        feed_csi(screen, c);
    else if ((unsigned char)c < ' ')
        control(screen, c);
    else if (c != 0x7f)
        put(screen, c);
}

void text_screen_write(struct text_screen *screen, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        feed(screen, text[i]);
    screen->ops->cursor(screen, screen->row, MIN(screen->column, screen->columns - 1));
}

void text_screen_set_colour(struct text_screen *screen, unsigned int foreground)
{
    screen->blank.foreground = foreground & 0xf;
}

void text_screen_init(struct text_screen *screen, const struct text_screen_ops *ops, size_t rows,
                      size_t columns, struct text_cell *cells)
{
    *screen = (struct text_screen){
        .ops = ops,
        .rows = rows,
        .columns = columns,
        .cells = cells,
        .blank = { .character = ' ', .foreground = TEXT_DEFAULT_FOREGROUND },
    };
    for (size_t row = 0; row < rows; row++)
        blank_range(screen, row, 0, columns);
    ops->cursor(screen, 0, 0);
}
