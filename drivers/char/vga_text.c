/*
 * VGA text mode, 80 by 25: a console of the log, and with the keyboard a console for a person.
 *
 * Present unless the firmware gave us a framebuffer or says that there is no VGA, and when the CRT
 * controller's registers and the memory at 0xb8000 remember what is written to them.
 *
 * Spec: IBM VGA; registers of the CRT controller 0x0a, 0x0b, 0x0e, 0x0f.
 */
#include "drivers/char/vga_text.h"

#include "acpi/acpi.h"
#include "arch/io.h"
#include "drivers/char/console.h"
#include "drivers/char/text_screen.h"
#include "kernel/boot/boot_info.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/sync/spinlock.h"
#include "mm/vm.h"

#define TEXT_BASE         0xb8000
#define ROWS              25
#define COLUMNS           80
#define CRTC_INDEX        0x3d4
#define CRTC_DATA         0x3d5
#define CRTC_CURSOR_TOP   0x0a
#define CRTC_CURSOR_END   0x0b
#define CRTC_CURSOR_HIGH  0x0e
#define CRTC_CURSOR_LOW   0x0f
#define CURSOR_FIRST_LINE 14 /* an underline; bit 5 clear: shown */
#define CURSOR_LAST_LINE  15

static DEFINE_SPINLOCK(vga_lock, "vga", LOCK_RANK_CONSOLE);
static struct text_screen screen __guarded_global(vga_lock);
static struct text_cell cells[ROWS * COLUMNS];
static volatile uint16_t *memory; /* const after vga_init() */

static void crtc_write(uint8_t index, uint8_t value)
{
    port_write8(CRTC_INDEX, index);
    port_write8(CRTC_DATA, value);
}

static uint16_t encode(const struct text_cell *cell)
{
    return (uint16_t)(cell->character | cell->foreground << 8 | (cell->background & 7) << 12);
}

static void draw(struct text_screen *s, size_t row, size_t column, const struct text_cell *text,
                 size_t count)
{
    (void)s;
    for (size_t i = 0; i < count; i++)
        mmio_write16(&memory[row * COLUMNS + column + i], encode(&text[i]));
}

/* Reading the card's memory is slow: rewrite it from the cells, four at a time. */
static void scroll(struct text_screen *s)
{
    for (size_t i = 0; i < ROWS * COLUMNS; i += 4) {
        uint64_t four = 0;
        for (size_t k = 0; k < 4; k++)
            four |= (uint64_t)encode(&s->cells[i + k]) << (16 * k);
        mmio_write64(&memory[i], four);
    }
}

static void show_cursor(struct text_screen *s, size_t row, size_t column)
{
    size_t position = row * COLUMNS + column;

    (void)s;
    crtc_write(CRTC_CURSOR_HIGH, (uint8_t)(position >> 8));
    crtc_write(CRTC_CURSOR_LOW, (uint8_t)position);
}

static const struct text_screen_ops screen_ops = {
    .draw = draw,
    .scroll = scroll,
    .cursor = show_cursor,
};

/* ---- consoles ------------------------------------------------------------------------------ */

#define COLOUR_LIGHT_RED  12
#define COLOUR_YELLOW     14
#define COLOUR_LIGHT_GREY 7
#define COLOUR_DARK_GREY  8

static void write_log_line(enum log_level level, const char *text, size_t length)
    __must_hold(vga_lock)
{
    static const uint8_t colours[] = { [LOG_ERROR] = COLOUR_LIGHT_RED,
                                       [LOG_WARNING] = COLOUR_YELLOW,
                                       [LOG_INFO] = COLOUR_LIGHT_GREY,
                                       [LOG_DEBUG] = COLOUR_DARK_GREY };

    text_screen_set_colour(&screen, colours[level]);
    text_screen_write(&screen, text, length);
    text_screen_set_colour(&screen, COLOUR_LIGHT_GREY);
}

static void log_line(struct log_console *console, enum log_level level, const char *text,
                     size_t length)
{
    (void)console;
    irqflags_t flags = spin_lock_irqsave(&vga_lock);
    write_log_line(level, text, length);
    spin_unlock_irqrestore(&vga_lock, flags);
}

static void log_line_panic(struct log_console *console, enum log_level level, const char *text,
                           size_t length) __no_thread_safety_analysis
{
    (void)console;
    write_log_line(level, text, length);
}

static struct log_console vga_log = {
    .name = "vga",
    .write = log_line,
    .write_panic = log_line_panic,
};

/* A row at a time, so that interrupts are not off for long. */
static void screen_write(struct console *console, const char *text, size_t length)
{
    (void)console;
    while (length > 0) {
        size_t piece = MIN_T(size_t, length, COLUMNS);
        irqflags_t flags = spin_lock_irqsave(&vga_lock);
        text_screen_write(&screen, text, piece);
        spin_unlock_irqrestore(&vga_lock, flags);
        text += piece;
        length -= piece;
    }
}

static struct console vga_console = { .name = "vga", .write = screen_write, .columns = COLUMNS };

struct console *vga_text_console(void)
{
    return memory ? &vga_console : NULL;
}

/* ---- life ---------------------------------------------------------------------------------- */

/* The memory alone proves nothing: on a machine without a VGA there may be RAM at that address. */
static bool has_crtc(void)
{
    crtc_write(CRTC_CURSOR_LOW, 0x5a);
    if (port_read8(CRTC_DATA) != 0x5a)
        return false;
    crtc_write(CRTC_CURSOR_LOW, 0xa5);
    return port_read8(CRTC_DATA) == 0xa5;
}

static bool remembers(volatile uint16_t *cell)
{
    uint16_t before = mmio_read16(cell);

    mmio_write16(cell, 0xa55a);
    bool is_there = mmio_read16(cell) == 0xa55a;
    mmio_write16(cell, 0x5aa5);
    is_there = is_there && mmio_read16(cell) == 0x5aa5;
    mmio_write16(cell, before);
    return is_there;
}

static int vga_init(void)
{
    const struct acpi_fadt *fadt = acpi_fadt();

    if (boot_info()->framebuffer.base || (fadt && fadt->has_boot_flags && fadt->has_no_vga))
        return 0;
    volatile uint16_t *base = vm_map_device(TEXT_BASE, ROWS * COLUMNS * sizeof(uint16_t),
                                            MMU_READ | MMU_WRITE | MMU_UNCACHED);
    if (!base)
        return 0;
    if (!has_crtc() || !remembers(base)) {
        log_info("vga", "no text screen at 0x%x", TEXT_BASE);
        vm_unmap_device((void *)base);
        return 0;
    }

    memory = base;
    crtc_write(CRTC_CURSOR_TOP, CURSOR_FIRST_LINE);
    crtc_write(CRTC_CURSOR_END, CURSOR_LAST_LINE);
    irqflags_t flags = spin_lock_irqsave(&vga_lock);
    text_screen_init(&screen, &screen_ops, ROWS, COLUMNS, cells);
    spin_unlock_irqrestore(&vga_lock, flags);
    log_console_register(&vga_log);
    return 0;
}
INIT_HOOK(vga_init, INIT_CORE);
