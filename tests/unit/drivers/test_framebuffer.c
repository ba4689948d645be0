/*
 * The framebuffer console on simulated pixels: each cell is read back by its glyph.
 */
#include "tests/unit/unit.h"

/* The screen's device is tested without the log and the console above it. */
#include "drivers/char/framebuffer.c"

static struct boot_info boot;
static uint8_t *pixels;
static size_t pixels_size;
static struct text_screen screen;
static bool was_started;

const struct boot_info *boot_info(void)
{
    return &boot;
}

void *vm_map_device(paddr_t base, size_t size, unsigned int mmu_flags)
{
    assert_int_equal(base, 0xfd000000);
    assert_int_equal(size, pixels_size);
    assert_true(mmu_flags & MMU_WRITE_COMBINE);
    return pixels;
}

static void *allocated;

void *page_alloc(size_t count, unsigned int flags, const char *owner)
{
    (void)flags;
    (void)owner;
    return allocated = malloc(count * PAGE_SIZE);
}

void screen_console_start(const struct text_screen_ops *ops, size_t row_count, size_t column_count,
                          struct text_cell *cells)
{
    was_started = true;
    text_screen_init(&screen, ops, row_count, column_count, cells);
}

void log_write(enum log_level level, const char *module, const char *format, ...)
{
    (void)level;
    (void)module;
    (void)format;
}

static void start(uint32_t width, uint32_t height, uint8_t bits, uint32_t padding)
{
    boot.framebuffer = (struct boot_framebuffer){
        .base = 0xfd000000,
        .width = width,
        .height = height,
        .pitch = width * (bits / 8u) + padding,
        .bits_per_pixel = bits,
        .red_shift = bits == 16 ? 11 : 16,
        .red_bits = bits == 16 ? 5 : 8,
        .green_shift = bits == 16 ? 5 : 8,
        .green_bits = bits == 16 ? 6 : 8,
        .blue_shift = 0,
        .blue_bits = bits == 16 ? 5 : 8,
    };
    pixels_size = (size_t)boot.framebuffer.pitch * height;
    pixels = malloc(pixels_size);
    memset(pixels, 0x5a, pixels_size); /* the firmware's logo */
    allocated = NULL;
    was_started = false;
    assert_int_equal(framebuffer_init(), 0);
}

static void end(void)
{
    free(pixels);
    free(allocated);
}

static uint32_t pixel_at(size_t x, size_t y)
{
    uint32_t pixel = 0;

    memcpy(&pixel, pixels + y * fb->pitch + x * pixel_bytes, pixel_bytes);
    return pixel;
}

/* Every pixel of the cell is what the glyph says, in the colours given. */
static void expect_cell(size_t row, size_t column, char c, uint32_t ink, uint32_t paper,
                        bool has_cursor)
{
    const uint8_t *glyph = font_glyph((unsigned char)c);

    for (size_t y = 0; y < FONT_HEIGHT * scale; y++) {
        for (size_t x = 0; x < FONT_WIDTH * scale; x++) {
            bool is_ink = glyph[y / scale] & (0x80 >> x / scale);
            is_ink |= has_cursor && y / scale >= FONT_HEIGHT - CURSOR_ROWS;
            assert_int_equal(
                pixel_at(column * FONT_WIDTH * scale + x, row * FONT_HEIGHT * scale + y),
                is_ink ? ink : paper);
        }
    }
}

static void expect_text(size_t row, const char *text, uint32_t ink)
{
    for (size_t i = 0; text[i]; i++)
        expect_cell(row, i, text[i], ink, 0, false);
}

static void write_text(const char *text)
{
    text_screen_write(&screen, text, strlen(text));
}

static void test_text_and_cursor(void **state)
{
    (void)state;
    start(400, 100, 32, 64);
    assert_int_equal(columns, 50);
    assert_int_equal(rows, 6);
    write_text("Hello, world!\n\033[31mred \033[1;97mwhite");
    expect_text(0, "Hello, world!", 0xaaaaaa);
    expect_cell(1, 0, 'r', 0xaa0000, 0, false);
    expect_cell(1, 4, 'w', 0xffffff, 0, false);
    expect_cell(1, 9, ' ', 0xaaaaaa, 0, true);
    write_text("\r");
    expect_cell(1, 0, 'r', 0xaa0000, 0, true);
    expect_cell(1, 9, ' ', 0xaaaaaa, 0, false);
    for (size_t y = 6 * 16; y < 100; y++)
        assert_int_equal(pixel_at(399, y), 0); /* what is below the last row is cleared too */
    end();
}

static void test_scrolling(void **state)
{
    (void)state;
    start(160, 64, 32, 0);
    for (int i = 0; i < 100; i++) {
        char text[32];
        snprintf(text, sizeof(text), "%sline %d", i ? "\n" : "", i);
        write_text(text);
    }
    expect_text(0, "line 96", 0xaaaaaa);
    expect_text(3, "line 99", 0xaaaaaa);
    write_text("\n1\n2\n3\n4\n5\n6\n7\n8");
    expect_text(0, "5 ", 0xaaaaaa);
    expect_text(3, "8", 0xaaaaaa);
    expect_cell(0, 5, ' ', 0xaaaaaa, 0, false);
    end();
}

static void test_depths(void **state)
{
    (void)state;
    start(320, 64, 24, 0);
    write_text("\033[34mx");
    expect_cell(0, 0, 'x', 0x0000aa, 0, false);
    end();
    start(320, 64, 16, 6);
    write_text("\033[92mx");
    expect_cell(0, 0, 'x', (10u << 11) | (63u << 5) | 10u, 0, false);
    end();
}

static void test_sizes(void **state)
{
    (void)state;
    start(32, 32, 32, 0);
    assert_false(was_started);
    end();
    start(2560, 1440, 32, 0);
    assert_int_equal(scale, 1);
    assert_int_equal(columns, COLUMNS_MAX);
    end();
    start(3840, 2160, 32, 0);
    assert_int_equal(scale, 2);
    assert_int_equal(columns, 240);
    write_text("big");
    expect_text(0, "big", 0xaaaaaa);
    end();
}

static void test_glyphs(void **state)
{
    (void)state;
    font_init();
    for (unsigned int c = '!'; c <= '~'; c++) {
        static const uint8_t blank[FONT_HEIGHT];
        assert_memory_not_equal(font_glyph((unsigned char)c), blank, FONT_HEIGHT);
        for (unsigned int other = '!'; other < c; other++)
            assert_memory_not_equal(font_glyph((unsigned char)c), font_glyph((unsigned char)other),
                                    FONT_HEIGHT);
        /* Nothing in the top and bottom rows, nor, but for the underscore, in the gap. */
        assert_int_equal(font_glyph((unsigned char)c)[0], 0);
        assert_int_equal(font_glyph((unsigned char)c)[15], 0);
        if (c != '_')
            for (size_t y = 0; y < FONT_HEIGHT; y++)
                assert_int_equal(font_glyph((unsigned char)c)[y] & 1, 0);
    }
    assert_ptr_equal(font_glyph(200), font_glyph(0));
}

UNIT_TESTS(UNIT_TEST(test_text_and_cursor), UNIT_TEST(test_scrolling), UNIT_TEST(test_depths),
           UNIT_TEST(test_sizes), UNIT_TEST(test_glyphs))
