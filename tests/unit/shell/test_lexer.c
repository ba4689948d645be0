/*
 * The shell's grammar.
 */
#include "tests/unit/unit.h"

#include "lib/errno.h"
#include "shell/lexer.h"

static char storage[LEXER_STORAGE(4096)];
static struct shell_words words;
static const char *error;

/* The first command of @line; what is left of it goes to *@rest. */
static int lex(const char *line, int status, const char **rest)
{
    *rest = line;
    error = NULL;
    return lexer_next(rest, storage, status, &words, &error);
}

static void expect_words(const char *line, int argc, ...)
{
    const char *rest;
    va_list expected;

    assert_int_equal(lex(line, 0, &rest), 1);
    assert_int_equal(words.argc, argc);
    va_start(expected, argc);
    for (int i = 0; i < argc; i++)
        assert_string_equal(words.argv[i], va_arg(expected, const char *));
    va_end(expected);
    assert_null(words.argv[argc]);
}

static void expect_error(const char *line, const char *message)
{
    const char *rest;

    assert_int_equal(lex(line, 0, &rest), -EINVAL);
    assert_non_null(strstr(error, message));
}

static void test_words(void **state)
{
    (void)state;
    expect_words("ping host", 2, "ping", "host");
    expect_words("  a\tb  c ", 3, "a", "b", "c");
    expect_words("wget http://h/p?a=1&b=%20#x", 2, "wget", "http://h/p?a=1&b=%20#x");
    expect_words("a#b # the rest; is not read", 1, "a#b");
}

static void test_quotes(void **state)
{
    (void)state;
    expect_words("echo 'a  b' \"c  d\"", 3, "echo", "a  b", "c  d");
    expect_words("echo a'b'\"c\"d", 2, "echo", "abcd");
    expect_words("echo '' \"\"", 3, "echo", "", "");
    expect_words("echo '\"' \"'\"", 3, "echo", "\"", "'");
    expect_words("echo '\\' \"\\\"\\\\\\$\\n\"", 3, "echo", "\\", "\"\\$\\n");
    expect_words("echo \\; \\> \\  \\#", 5, "echo", ";", ">", " ", "#");
}

static void test_status(void **state)
{
    const char *rest;
    (void)state;

    assert_int_equal(lex("echo $? \"$?\" '$?' $ $x x$?y", -2, &rest), 1);
    assert_string_equal(words.argv[1], "2");
    assert_string_equal(words.argv[2], "2");
    assert_string_equal(words.argv[3], "$?");
    assert_string_equal(words.argv[4], "$");
    assert_string_equal(words.argv[5], "$x");
    assert_string_equal(words.argv[6], "x2y");
}

static void test_status_fits_its_storage(void **state)
{
    char line[401] = "";
    char *tight = malloc(LEXER_STORAGE(400));
    const char *rest = line;
    (void)state;

    for (int i = 0; i < 200; i++)
        strcat(line, "$?");
    assert_int_equal(lexer_next(&rest, tight, -2000000000, &words, &error), 1);
    assert_int_equal(strlen(words.argv[0]), 800);
    free(tight);
}

static void test_commands_in_a_line(void **state)
{
    const char *rest;
    (void)state;

    assert_int_equal(lex("one 1; two;;three", 0, &rest), 1);
    assert_string_equal(words.argv[1], "1");
    assert_int_equal(lex(rest, 0, &rest), 1);
    assert_string_equal(words.argv[0], "two");
    assert_int_equal(lex(rest, 0, &rest), 1);
    assert_int_equal(words.argc, 0);
    assert_int_equal(lex(rest, 0, &rest), 1);
    assert_string_equal(words.argv[0], "three");
    assert_int_equal(lex(rest, 0, &rest), 0);
    assert_int_equal(lex("", 0, &rest), 0);
    assert_int_equal(lex("   ", 0, &rest), 0);
}

static void test_redirection(void **state)
{
    (void)state;
    expect_words("echo a > file", 2, "echo", "a");
    assert_string_equal(words.redirect, "file");
    assert_false(words.is_append);
    expect_words("echo >>'a file' b", 2, "echo", "b");
    assert_string_equal(words.redirect, "a file");
    assert_true(words.is_append);
    expect_words("echo a>file", 2, "echo", "a");
    assert_string_equal(words.redirect, "file");
    assert_null(words.source);
    expect_words("nc <from host>to 5", 3, "nc", "host", "5");
    assert_string_equal(words.source, "from");
    assert_string_equal(words.redirect, "to");
    expect_words("echo 'a<b' c\\<d", 3, "echo", "a<b", "c<d");
    assert_null(words.source);
}

static void test_errors(void **state)
{
    (void)state;
    expect_error("echo 'open", "' has no end");
    expect_error("echo \"open", "\" has no end");
    expect_error("echo \"open\\\"", "\" has no end");
    expect_error("echo \\", "follows");
    expect_error("echo >", "file name");
    expect_error("echo > ; ls", "file name");
    expect_error("echo > a > b", "more than one");
    expect_error("> file", "a command");
    expect_error("nc <", "file name");
    expect_error("nc < a < b", "more than one");
    expect_error("< file", "a command");
    expect_error("dmesg | grep x", "no pipes");

    char many[2 * 300 + 1] = "";
    for (int i = 0; i < 300; i++)
        strcat(many, "a ");
    expect_error(many, "too many words");
}

UNIT_TESTS(UNIT_TEST(test_words), UNIT_TEST(test_quotes), UNIT_TEST(test_status),
           UNIT_TEST(test_status_fits_its_storage), UNIT_TEST(test_commands_in_a_line),
           UNIT_TEST(test_redirection), UNIT_TEST(test_errors))
