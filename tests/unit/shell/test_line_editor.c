/*
 * The line editor, seen as its user sees it: its output drives the same screen model that the VGA
 * console has, and the picture is compared with the line. So every key that redraws wrongly shows.
 */
#include "tests/unit/unit.h"

#include "drivers/char/text_screen.h"
#include "shell/history.h"
#include "shell/line_editor.h"
#include "tests/unit/malloc_backed.h"

#define ROWS      12
#define COLUMNS   20
#define LINE_SIZE 100

#define UP         "\033[A"
#define DOWN       "\033[B"
#define RIGHT      "\033[C"
#define LEFT       "\033[D"
#define HOME       "\033[H"
#define END        "\033[F"
#define DELETE     "\033[3~"
#define CTRL_RIGHT "\033[1;5C"
#define CTRL_LEFT  "\033[1;5D"

static struct text_cell cells[ROWS * COLUMNS];
static struct text_screen screen;
static struct history history;
static struct line_editor editor;
static char line[LINE_SIZE];
static char written[65536];
static size_t written_length;

static void draw(struct text_screen *s, size_t row, size_t column, const struct text_cell *text,
                 size_t count)
{
    (void)s;
    (void)text;
    assert_true(row < ROWS && column + count <= COLUMNS);
}

static void scroll(struct text_screen *s)
{
    (void)s;
}

static void put_cursor(struct text_screen *s, size_t row, size_t column)
{
    (void)s;
    assert_true(row < ROWS && column < COLUMNS);
}

static const struct text_screen_ops screen_ops = { draw, scroll, put_cursor };

static void write_screen(void *context, const char *text, size_t length)
{
    (void)context;
    text_screen_write(&screen, text, length);
    if (written_length + length < sizeof(written)) {
        memcpy(written + written_length, text, length);
        written_length += length;
    }
}

static void complete(void *context, const char *text, size_t cursor, struct editor_choices *choices)
{
    static const char *const names[] = { "date", "dmesg", "dir/", "help" };
    size_t start = cursor;
    (void)context;

    while (start > 0 && text[start - 1] != ' ')
        start--;
    choices->word_start = start;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strncmp(names[i], text + start, cursor - start) == 0)
            editor_add_choice(choices, names[i]);
    }
}

static const struct line_editor_ops ops = { .write = write_screen, .complete = complete };

static int set_up(void **state)
{
    (void)state;
    text_screen_init(&screen, &screen_ops, ROWS, COLUMNS, cells);
    editor_init(&editor, &ops, NULL, line, sizeof(line), &history);
    editor.columns = COLUMNS;
    written_length = 0;
    editor_start(&editor, "$ ");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    editor_destroy(&editor);
    history_clear(&history);
    return 0;
}

static enum edit_result feed(const char *keys)
{
    enum edit_result result = EDIT_MORE;

    for (; *keys && result == EDIT_MORE; keys++)
        result = editor_feed(&editor, *keys);
    editor_flush(&editor);
    return result;
}

/* The characters of the screen from @row on, as far as the line could reach. */
static char cell(size_t row, size_t offset)
{
    return (char)cells[row * COLUMNS + offset].character;
}

/*
 * Prompt and line stand on the screen, with blanks behind, and the cursor where it belongs; the row
 * of the prompt follows from where the cursor is.
 */
static void expect_screen_shows_line(void)
{
    size_t prompt = strlen(editor.prompt);
    size_t cursor = prompt + editor.cursor;
    bool is_pending = screen.column == COLUMNS;
    size_t cursor_row = is_pending ? screen.row + 1 : screen.row;
    size_t first_row = cursor_row - cursor / COLUMNS;

    assert_int_equal(is_pending ? 0 : screen.column, cursor % COLUMNS);
    for (size_t i = 0; i < prompt; i++)
        assert_int_equal(cell(first_row, i), editor.prompt[i]);
    for (size_t i = 0; i < editor.length; i++)
        assert_int_equal(cell(first_row, prompt + i), line[i]);
    for (size_t i = first_row * COLUMNS + prompt + editor.length; i < ROWS * COLUMNS; i++)
        assert_int_equal(cells[i].character, ' ');
}

static void expect_line(const char *keys, const char *expected, size_t cursor)
{
    feed("\025" END "\025"); /* ^U: whatever was there before */
    feed(keys);
    assert_string_equal(line, expected);
    assert_int_equal(editor.cursor, cursor);
    expect_screen_shows_line();
}

static void test_keys(void **state)
{
    (void)state;
    expect_line("hello", "hello", 5);
    expect_line("helo" LEFT "l", "hello", 4);
    expect_line("ello" HOME "h", "hello", 1);
    expect_line("ello\001h\005!", "hello!", 6);
    expect_line("hxello" HOME RIGHT DELETE, "hello", 1);
    expect_line("helxlo" LEFT LEFT "\177", "hello", 3);
    expect_line("hello world" HOME "\013", "", 0);
    expect_line("hello world\027", "hello ", 6);
    expect_line("hello world  \027\027x", "x", 1);
    expect_line("one two three" CTRL_LEFT CTRL_LEFT "X", "one Xtwo three", 5);
    expect_line("one two" HOME CTRL_RIGHT "X", "oneX two", 4);
    expect_line("one two\033b\033bX\033f", "Xone two", 4);
    expect_line("abc" LEFT "\004", "ab", 2);
    expect_line("a\002\002\006b", "ab", 2);
    expect_line("hello" LEFT LEFT "\025", "lo", 0);
}

static void test_keys_that_are_ignored(void **state)
{
    (void)state;
    expect_line("a\001\002\033[15~\033[200~\033OPb", "ba", 1);
    expect_line("a\033[999999999999999;9999Zb", "ab", 2);
    expect_line("a\016\020\023\021\035b", "ab", 2);
}

static void test_enter(void **state)
{
    (void)state;
    assert_int_equal(feed("one\r"), EDIT_LINE);
    assert_string_equal(line, "one");
    editor_start(&editor, "$ ");
    assert_int_equal(feed("\n"), EDIT_MORE); /* the second half of CR LF */
    assert_int_equal(feed("\n"), EDIT_LINE);
    editor_start(&editor, "$ ");
    assert_int_equal(feed("abc\003"), EDIT_CANCELLED);
    editor_start(&editor, "$ ");
    assert_int_equal(feed("\004"), EDIT_END);
}

static void test_echo_is_plain(void **state)
{
    (void)state;
    written_length = 0;
    feed("echo a long line, wrapped twice; and more\r");
    written[written_length] = '\0';
    assert_string_equal(written, "$ echo a long line, wrapped twice; and more\n");
}

static void test_wrapped_lines(void **state)
{
    char long_line[80];
    (void)state;

    for (size_t length = 15; length < 65; length++) {
        memset(long_line, 'x', length);
        long_line[length] = '\0';
        for (size_t i = 0; i < length; i++)
            long_line[i] = (char)('a' + i % 26);
        expect_line(long_line, long_line, length);
        feed(HOME);
        expect_screen_shows_line();
        feed(END);
        expect_screen_shows_line();
        for (size_t i = 0; i < length; i++) {
            feed(LEFT);
            expect_screen_shows_line();
        }
        feed("Z");
        expect_screen_shows_line();
        feed(END "\177\177");
        expect_screen_shows_line();
    }
}

static void test_random_keys(void **state)
{
    static const char *const keys[] = { "a",       "b",        "xyz", " ",    LEFT,
                                        LEFT,      RIGHT,      HOME,  END,    "\177",
                                        DELETE,    "\013",     UP,    DOWN,   "\027",
                                        CTRL_LEFT, CTRL_RIGHT, "\t",  "\025", "12345678" };
    struct unit_random random = { 1 };
    (void)state;

    history_add(&history, "an old line");
    history_add(&history, "a second one that is longer than a row of the screen");
    for (int i = 0; i < 20000; i++) {
        feed(keys[unit_random_below(&random, ARRAY_SIZE(keys))]);
        if (screen.row > ROWS - 6) { /* a list of choices has pushed it down */
            feed("\014");
        }
        if (editor.length < 60)
            assert_true(strlen(line) == editor.length);
        if (i % 7 == 0 && editor.length > 60)
            feed(END "\025");
    }
    feed("\014");
    expect_screen_shows_line();
}

static void test_history(void **state)
{
    (void)state;
    history_add(&history, "first");
    history_add(&history, "second");
    history_add(&history, "second");
    history_add(&history, "");
    assert_int_equal(history.count, 2);
    expect_line("typed" UP, "second", 6);
    expect_line("typed" UP UP, "first", 5);
    expect_line("typed" UP UP UP UP DOWN DOWN DOWN, "typed", 5);
    expect_line(UP "!" LEFT "\020", "first", 5);
}

static void test_history_is_bounded(void **state)
{
    char text[16];
    (void)state;

    for (int i = 0; i < 3 * HISTORY_MAX; i++) {
        snprintf(text, sizeof(text), "line %d", i);
        history_add(&history, text);
    }
    assert_int_equal(history.count, HISTORY_MAX);
    assert_string_equal(history_get(&history, 0), "line 299");
    assert_string_equal(history_get(&history, HISTORY_MAX - 1), "line 200");
    assert_null(history_get(&history, HISTORY_MAX));
}

static void test_search(void **state)
{
    (void)state;
    history_add(&history, "ping one");
    history_add(&history, "echo two");
    history_add(&history, "ping three");
    expect_line("\022ping\005", "ping three", 10);
    expect_line("\022ping\022\005", "ping one", 8);
    expect_line("abc\022nothing\007", "abc", 3);
    assert_int_equal(feed("\022two\r"), EDIT_LINE);
    assert_string_equal(line, "echo two");
}

static void test_completion(void **state)
{
    (void)state;
    expect_line("he\t", "help ", 5);
    expect_line("di\t", "dir/", 4);
    expect_line("dm\tdat\t", "dmesg date ", 11);
    expect_line("x\t", "x", 1);
    feed(END "\025\014");
    feed("d\t");
    assert_string_equal(line, "d");
    char shown[COLUMNS + 1];
    for (size_t i = 0; i < COLUMNS; i++)
        shown[i] = cell(1, i);
    shown[COLUMNS] = '\0';
    assert_non_null(strstr(shown, "date  dmesg  dir/"));
}

static void test_too_long_a_line(void **state)
{
    (void)state;
    for (int i = 0; i < 10000; i++)
        assert_int_equal(feed("x"), EDIT_MORE);
    assert_int_equal(editor.length, LINE_SIZE - 1);
    assert_int_equal(feed("\r"), EDIT_TOO_LONG);
    editor_start(&editor, "$ ");
    assert_int_equal(feed("short\r"), EDIT_LINE);
    assert_string_equal(line, "short");
}

#define EDITOR_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

UNIT_TESTS(EDITOR_TEST(test_keys), EDITOR_TEST(test_keys_that_are_ignored), EDITOR_TEST(test_enter),
           EDITOR_TEST(test_echo_is_plain), EDITOR_TEST(test_wrapped_lines),
           EDITOR_TEST(test_random_keys), EDITOR_TEST(test_history),
           EDITOR_TEST(test_history_is_bounded), EDITOR_TEST(test_search),
           EDITOR_TEST(test_completion), EDITOR_TEST(test_too_long_a_line))
