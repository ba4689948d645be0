/*
 * Text on a linear framebuffer, as UEFI's GOP leaves one.
 *
 * Drawing a cell costs 128 pixels, and scrolling moves all of them, so nothing is drawn when the
 * text changes: rows are marked, and when a write is over each of their cells is compared with what
 * is on the screen and drawn if it differs. A line that scrolls past inside one write costs
 * nothing. The framebuffer's memory is never read.
 */
#include "drivers/char/font.h"
#include "drivers/char/screen_console.h"
#include "kernel/boot/boot_info.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/page.h"
#include "mm/vm.h"

#define COLUMNS_MIN      20
#define ROWS_MIN         4
#define COLUMNS_MAX      240
#define HEIGHT_PER_SCALE 1080 /* pixels: on screens of twice this and more, glyphs are doubled */
#define CURSOR_ROWS      2    /* an underline */
#define BYTES_MAX        4    /* of a pixel */

/* All const after framebuffer_init(). */
static const struct boot_framebuffer *fb;
static uint8_t *memory;
static size_t pixel_bytes;
static size_t scale;
static size_t rows, columns;
static uint32_t palette[16];

/* The screen's lock guards what follows. */
static struct text_cell *drawn; /* what is on the screen */
static size_t dirty_first, dirty_end;
static size_t cursor_row, cursor_column; /* where it is to be */
static size_t drawn_cursor_row, drawn_cursor_column;

/* ---- pixels -------------------------------------------------------------------------------- */

static uint32_t scaled_colour(unsigned int value, uint8_t shift, uint8_t bits)
{
    return (uint32_t)((value * ((1u << bits) - 1)) / 255) << shift;
}

/* The colours of VGA: two thirds of full, and with the bright bit a third on top. */
static void make_palette(void)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(palette); i++) {
        unsigned int extra = i & 8 ? 85 : 0;
        unsigned int red = (i & 4 ? 170 : 0) + extra;
        unsigned int green = (i & 2 ? 170 : 0) + extra;
        unsigned int blue = (i & 1 ? 170 : 0) + extra;
        palette[i] = scaled_colour(red, fb->red_shift, fb->red_bits) |
                     scaled_colour(green, fb->green_shift, fb->green_bits) |
                     scaled_colour(blue, fb->blue_shift, fb->blue_bits);
    }
}

/* One row of a glyph as pixels, each @scale wide. Return: the bytes in @line. */
static size_t expand(uint8_t bits, uint32_t ink, uint32_t paper, uint8_t *line)
{
    uint8_t *to = line;

    for (unsigned int x = 0; x < FONT_WIDTH; x++) {
        uint32_t pixel = bits & (0x80u >> x) ? ink : paper;
        for (size_t i = 0; i < scale; i++, to += pixel_bytes)
            memcpy(to, &pixel, pixel_bytes);
    }
    return (size_t)(to - line);
}

static void draw_cell(size_t row, size_t column, const struct text_cell *cell, bool has_cursor)
{
    const uint8_t *glyph = font_glyph(cell->character);
    uint32_t ink = palette[cell->foreground];
    uint32_t paper = palette[cell->background];
    uint8_t *to =
        memory + row * FONT_HEIGHT * scale * fb->pitch + column * FONT_WIDTH * scale * pixel_bytes;

    for (size_t y = 0; y < FONT_HEIGHT; y++) {
        uint8_t line[FONT_WIDTH * (BYTES_MAX)*8];
        bool is_cursor = has_cursor && y >= FONT_HEIGHT - CURSOR_ROWS;
        size_t size = expand(is_cursor ? 0xff : glyph[y], ink, paper, line);
        for (size_t i = 0; i < scale; i++, to += fb->pitch)
            memcpy(to, line, size);
    }
}

/* ---- the screen's operations --------------------------------------------------------------- */

static void mark(size_t first, size_t end)
{
    dirty_first = MIN(dirty_first, first);
    dirty_end = MAX(dirty_end, end);
}

static void mark_row(struct text_screen *screen, size_t row, size_t column,
                     const struct text_cell *cells, size_t count)
{
    (void)screen;
    (void)column;
    (void)cells;
    (void)count;
    mark(row, row + 1);
}

static void mark_all(struct text_screen *screen)
{
    mark(0, screen->rows);
}

static bool is_same(const struct text_cell *a, const struct text_cell *b)
{
    return a->character == b->character && a->background == b->background &&
           (a->foreground == b->foreground || a->character == ' ');
}

static void draw_row(struct text_screen *screen, size_t row)
{
    for (size_t column = 0; column < columns; column++) {
        const struct text_cell *cell = &screen->cells[row * columns + column];
        struct text_cell *shown = &drawn[row * columns + column];
        if (is_same(cell, shown))
            continue;
        draw_cell(row, column, cell, false);
        *shown = *cell;
    }
}

static void move_cursor(struct text_screen *screen)
{
    size_t old = drawn_cursor_row * columns + drawn_cursor_column;
    size_t new = cursor_row *columns + cursor_column;

    draw_cell(drawn_cursor_row, drawn_cursor_column, &screen->cells[old], false);
    draw_cell(cursor_row, cursor_column, &screen->cells[new], true);
    drawn_cursor_row = cursor_row;
    drawn_cursor_column = cursor_column;
}

/* The end of a write: bring the screen up to date. */
static void show(struct text_screen *screen, size_t row, size_t column)
{
    for (size_t i = dirty_first; i < dirty_end; i++)
        draw_row(screen, i);
    dirty_first = rows;
    dirty_end = 0;
    cursor_row = row;
    cursor_column = column;
    move_cursor(screen);
}

static const struct text_screen_ops screen_ops = {
    .draw = mark_row,
    .scroll = mark_all,
    .cursor = show,
};

/* ---- life ---------------------------------------------------------------------------------- */

static void choose_geometry(void)
{
    pixel_bytes = fb->bits_per_pixel / 8;
    scale = CLAMP((size_t)fb->height / HEIGHT_PER_SCALE, (size_t)1, (size_t)8);
    columns = MIN_T(size_t, fb->width / (FONT_WIDTH * scale), COLUMNS_MAX);
    rows = fb->height / (FONT_HEIGHT * scale);
}

/* What the firmware drew must go, also at the edges where there are no cells. */
static void clear(void)
{
    static const struct text_cell blank = { .character = ' ',
                                            .foreground = TEXT_DEFAULT_FOREGROUND };

    for (size_t y = 0; y < fb->height; y++)
        memset(memory + y * fb->pitch, 0, fb->width * pixel_bytes);
    for (size_t i = 0; i < rows * columns; i++)
        drawn[i] = blank;
}

static int __init framebuffer_init(void)
{
    fb = &boot_info()->framebuffer;
    if (fb->is_refused)
        log_warning("framebuffer", "%ux%u pixels of %u bits in lines of %u bytes: not believed",
                    fb->width, fb->height, fb->bits_per_pixel, fb->pitch);
    if (fb->base == 0)
        return 0;
    choose_geometry();
    if (columns < COLUMNS_MIN || rows < ROWS_MIN) {
        log_warning("framebuffer", "%ux%u pixels are too few to write on", fb->width, fb->height);
        return 0;
    }

    size_t size = 2 * rows * columns * sizeof(struct text_cell);
    struct text_cell *cells = page_alloc(DIV_ROUND_UP(size, PAGE_SIZE), 0, "framebuffer");
    memory = vm_map_device(fb->base, (size_t)fb->pitch * fb->height,
                           MMU_READ | MMU_WRITE | MMU_WRITE_COMBINE);
    if (!cells || !memory)
        return -ENOMEM;
    drawn = cells + rows * columns;
    dirty_first = rows;

    font_init();
    make_palette();
    clear();
    screen_console_start(&screen_ops, rows, columns, cells);
    log_info("framebuffer", "%ux%u pixels of %u bits, %zu by %zu characters", fb->width, fb->height,
             fb->bits_per_pixel, columns, rows);
    return 0;
}
INIT_HOOK(framebuffer_init, INIT_CORE);
