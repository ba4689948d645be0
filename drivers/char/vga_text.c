/*
 * VGA text mode, 80 by 25.
 *
 * Present unless the firmware gave us a framebuffer or says that there is no VGA, and when the CRT
 * controller's registers and the memory at 0xb8000 remember what is written to them.
 *
 * Spec: IBM VGA; registers of the CRT controller 0x0a, 0x0b, 0x0e, 0x0f.
 */
#include "acpi/acpi.h"
#include "arch/io.h"
#include "drivers/char/screen_console.h"
#include "kernel/boot/boot_info.h"
#include "kernel/init.h"
#include "kernel/log.h"
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

static int __init vga_init(void)
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
    screen_console_start(&screen_ops, ROWS, COLUMNS, cells);
    return 0;
}
INIT_HOOK(vga_init, INIT_CORE);
