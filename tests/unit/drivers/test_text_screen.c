/*
 * The screen model: wrapping, scrolling and the ANSI subset.
 */
#include "tests/unit/unit.h"

#include "drivers/char/text_screen.h"

#define ROWS    4
#define COLUMNS 8

static struct text_cell cells[ROWS * COLUMNS];
static struct text_cell drawn[ROWS * COLUMNS]; /* what the device shows: must equal the cells */
static struct text_screen screen;
static size_t cursor_row, cursor_column;

static void draw(struct text_screen *s, size_t row, size_t column, const struct text_cell *text,
                 size_t count)
{
    (void)s;
    assert_true(row < ROWS && column + count <= COLUMNS);
    memcpy(&drawn[row * COLUMNS + column], text, count * sizeof(text[0]));
}

static void scroll(struct text_screen *s)
{
    memmove(drawn, drawn + COLUMNS, (ROWS - 1) * COLUMNS * sizeof(drawn[0]));
    for (size_t i = 0; i < COLUMNS; i++)
        drawn[(ROWS - 1) * COLUMNS + i] = s->blank;
}

static void put_cursor(struct text_screen *s, size_t row, size_t column)
{
    (void)s;
    assert_true(row < ROWS && column < COLUMNS);
    cursor_row = row;
    cursor_column = column;
}

static const struct text_screen_ops ops = { draw, scroll, put_cursor };

static int set_up(void **state)
{
    (void)state;
    text_screen_init(&screen, &ops, ROWS, COLUMNS, cells);
    return 0;
}

static void write_text(const char *text)
{
    text_screen_write(&screen, text, strlen(text));
    assert_memory_equal(drawn, cells, sizeof(cells));
}

static void expect_rows(const char *first, const char *second, const char *third,
                        const char *fourth)
{
    const char *const rows[ROWS] = { first, second, third, fourth };

    for (size_t row = 0; row < ROWS; row++) {
        char text[COLUMNS + 1] = "";
        for (size_t i = 0; i < COLUMNS; i++)
            text[i] = (char)cells[row * COLUMNS + i].character;
        size_t end = COLUMNS;
        while (end > 0 && text[end - 1] == ' ')
            text[--end] = '\0';
        assert_string_equal(text, rows[row]);
    }
}

static void test_lines(void **state)
{
    (void)state;
    write_text("one\ntwo\n\nfour");
    expect_rows("one", "two", "", "four");
    assert_int_equal(cursor_row, 3);
    assert_int_equal(cursor_column, 4);
}

static void test_wrap_is_deferred(void **state)
{
    (void)state;
    write_text("12345678");
    assert_int_equal(cursor_row, 0);
    assert_int_equal(cursor_column, 7);
    write_text("\nx");
    expect_rows("12345678", "x", "", "");
    write_text("\r123456789");
    expect_rows("12345678", "12345678", "9", "");
}

static void test_scrolling(void **state)
{
    (void)state;
    write_text("1\n2\n3\n4\n5\n6");
    expect_rows("3", "4", "5", "6");
    write_text("1234567\n");
    expect_rows("4", "5", "61234567", "");
}

static void test_control_bytes(void **state)
{
    (void)state;
    write_text("abc\bX\rY\a\001\177");
    expect_rows("YbX", "", "", "");
    write_text("\r\b\b\bZ\tT");
    expect_rows("ZbX    T", "", "", "");
}

static void test_cursor_moves(void **state)
{
    (void)state;
    write_text("\033[3;2Hx\033[Ay\033[2Dz\033[Bw\033[Cv\033[1Gu\033[99;99Ht");
    expect_rows("", " zy", "uxw v", "       t");
    write_text("\033[99A\033[99D!");
    expect_rows("!", " zy", "uxw v", "       t");
}

static void test_erasing(void **state)
{
    (void)state;
    write_text("11111111222222223333333344444444\033[2;4H\033[K");
    expect_rows("11111111", "222", "33333333", "44444444");
    write_text("\033[3;4H\033[1K");
    expect_rows("11111111", "222", "    3333", "44444444");
    write_text("\033[J");
    expect_rows("11111111", "222", "", "");
    write_text("\033[1;3H\033[1J");
    expect_rows("   11111", "222", "", "");
    write_text("\033[2J\033[Hx");
    expect_rows("x", "", "", "");
}

static void test_colours(void **state)
{
    (void)state;
    write_text("a\033[31mb\033[1mc\033[44md\033[0me\033[92mf\033[39;49mg");
    static const uint8_t foregrounds[] = { 7, 4, 12, 12, 7, 10, 7 };
    static const uint8_t backgrounds[] = { 0, 0, 0, 1, 0, 0, 0 };
    for (size_t i = 0; i < sizeof(foregrounds); i++) {
        assert_int_equal(cells[i].foreground, foregrounds[i]);
        assert_int_equal(cells[i].background, backgrounds[i]);
    }
}

static void test_sequences_cut_and_unknown(void **state)
{
    (void)state;
    write_text("a\033[");
    write_text("1;");
    write_text("1Hb");
    expect_rows("b", "", "", "");
    write_text("\033[5nc\033[?25ld\033(e\033[1\nf");
    expect_rows("bcde", "f", "", "");
    write_text("\033[1;1;1;1;1;1;1;1;1;1;1;1H\033[99999999999Cg");
    expect_rows("bcde   g", "f", "", "");
}

static void test_random_bytes(void **state)
{
    struct unit_random random = { 7 };
    (void)state;

    for (int i = 0; i < 200000; i++) {
        static const char set[] = "\033\033[[;0123456789ABCDGHJKmfxyz \n\r\b\t";
        char byte = set[unit_random_below(&random, sizeof(set) - 1)];
        text_screen_write(&screen, &byte, 1);
    }
    assert_memory_equal(drawn, cells, sizeof(cells));
}

#define SCREEN_TEST(function) cmocka_unit_test_setup(function, set_up)

UNIT_TESTS(SCREEN_TEST(test_lines), SCREEN_TEST(test_wrap_is_deferred), SCREEN_TEST(test_scrolling),
           SCREEN_TEST(test_control_bytes), SCREEN_TEST(test_cursor_moves),
           SCREEN_TEST(test_erasing), SCREEN_TEST(test_colours),
           SCREEN_TEST(test_sequences_cut_and_unknown), SCREEN_TEST(test_random_bytes))
