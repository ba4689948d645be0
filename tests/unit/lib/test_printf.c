/*
 * lib/printf.c against the C library's snprintf: the same text and the same return value for every
 * combination of flags, width, precision, length and conversion over interesting values.
 */
#include "lib/printf.h"

#include "tests/unit/unit.h"

/* The formats of this file are made at run time. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"

static int our_snprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = format_buffer(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}

#define ASSERT_LIKE_LIBC(format, ...)                                                              \
    do {                                                                                           \
        char want[400], got[400];                                                                  \
        int want_length = snprintf(want, sizeof(want), format, __VA_ARGS__);                       \
        int got_length = our_snprintf(got, sizeof(got), format, __VA_ARGS__);                      \
        if (got_length != want_length || strcmp(got, want) != 0)                                   \
            fail_msg("\"%s\": got \"%s\" (%d), expected \"%s\" (%d)", format, got, got_length,     \
                     want, want_length);                                                           \
    } while (0)

static const char *const flags[] = { "",   "-",  "0",  "+",  " ",   "#",   "-0",    "+0",
                                     "- ", "#0", "-#", "+ ", "-+#", " 0#", "+-0 #", "00" };
static const char *const widths[] = { "", "1", "5", "12", "40" };
static const char *const precisions[] = { "", ".", ".0", ".1", ".7", ".30" };

static void check_integer(const char *letters, const char *length, uint64_t value)
{
    char format[32];

    for (size_t f = 0; f < 16; f++) {
        for (size_t w = 0; w < 5; w++) {
            for (size_t p = 0; p < 6; p++) {
                for (const char *letter = letters; *letter; letter++) {
                    snprintf(format, sizeof(format), "%%%s%s%s%s%c", flags[f], widths[w],
                             precisions[p], length, *letter);
                    if (*length == 'h' || !*length)
                        ASSERT_LIKE_LIBC(format, (int)value);
                    else
                        ASSERT_LIKE_LIBC(format, (long)value);
                }
            }
        }
    }
}

static void test_integers(void **state)
{
    static const char *const lengths[] = { "hh", "h", "", "l", "ll", "z", "j", "t" };
    static const uint64_t values[] = { 0,           1,
                                       9,           10,
                                       127,         128,
                                       255,         256,
                                       32767,       32768,
                                       65535,       65536,
                                       0x7fffffff,  0x80000000u,
                                       0xffffffffu, 0x123456789abcdefu,
                                       INT64_MAX,   (uint64_t)INT64_MIN,
                                       UINT64_MAX,  (uint64_t)-10 };

    (void)state;
    for (size_t l = 0; l < 8; l++) {
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++)
            check_integer("diuoxX", lengths[l], values[v]);
    }
}

static void test_random_integers(void **state)
{
    struct unit_random random = { 6 };

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t value = unit_random_u64(&random) >> unit_random_below(&random, 64);
        int width = (int)unit_random_below(&random, 60) - 30;
        int precision = (int)unit_random_below(&random, 30) - 5;

        ASSERT_LIKE_LIBC("<%*.*ld|%#*lx|%-+*ld|%.*lo>", width, precision, (long)value, width, value,
                         width, (long)value, precision, value);
    }
}

static void test_strings_and_characters(void **state)
{
    static const char *const texts[] = {
        "",
        "a",
        "hello",
        "a text longer than the buffer of the formatter, which has 64 characters",
    };
    const char *volatile nothing = NULL; /* the compiler would warn of a plain NULL */
    char format[32];

    (void)state;
    for (size_t t = 0; t < 4; t++) {
        for (size_t w = 0; w < 5; w++) {
            for (size_t p = 0; p < 6; p++) {
                for (int left = 0; left < 2; left++) {
                    snprintf(format, sizeof(format), "[%%%s%s%ss]", left ? "-" : "", widths[w],
                             precisions[p]);
                    ASSERT_LIKE_LIBC(format, texts[t]);
                }
            }
        }
    }
    ASSERT_LIKE_LIBC("%c|%5c|%-5c|%c%%", 'a', 'b', 'c', '%');
    ASSERT_LIKE_LIBC("%s", nothing);
    ASSERT_LIKE_LIBC("%.*s and %.*s", 3, "abcdef", -1, "abcdef");
}

/* A precision bounds the reading: the text need not be terminated. */
static void test_unterminated_string(void **state)
{
    char *text = malloc(3);

    (void)state;
    memcpy(text, "abc", 3);
    ASSERT_LIKE_LIBC("%.3s %.2s", text, text);
    free(text);
}

static void test_pointers(void **state)
{
    (void)state;
    ASSERT_LIKE_LIBC("%p %20p %-20p|", (void *)0x1234abcd, (void *)0xffff800001000000u, (void *)1);
    ASSERT_LIKE_LIBC("%p %8p %-8p|", NULL, NULL, NULL);
}

/* Whatever the size, the buffer is filled, terminated and not overrun; the result is the same. */
static void test_truncation(void **state)
{
    const char *whole = "0000000123 and text";

    (void)state;
    for (size_t size = 0; size < 25; size++) {
        char *buffer = malloc(size + 1); /* the sanitizer guards the end */
        int length;

        buffer[size] = '#';
        length = our_snprintf(buffer, size, "%010d and %s", 123, "text");
        assert_int_equal(length, 19);
        assert_int_equal(buffer[size], '#');
        if (size)
            assert_int_equal(strlen(buffer), size - 1 < 19 ? size - 1 : 19);
        if (size)
            assert_memory_equal(buffer, whole, strlen(buffer));
        free(buffer);
    }
    assert_int_equal(our_snprintf(NULL, 0, "%d", 12345), 5);
}

static void test_scnprintf_returns_what_was_stored(void **state)
{
    char buffer[8];

    (void)state;
    assert_int_equal(scnprintf(buffer, sizeof(buffer), "%s", "abc"), 3);
    assert_int_equal(scnprintf(buffer, sizeof(buffer), "%s", "abcdefgh"), 7);
    assert_string_equal(buffer, "abcdefg");
    assert_int_equal(scnprintf(buffer, 0, "%s", "abc"), 0);
    assert_int_equal(scnprintf(buffer, 1, "%s", "abc"), 0);
    assert_string_equal(buffer, "");
}

/* What is no conversion is copied. */
static void test_unknown_conversions(void **state)
{
    char buffer[64];

    (void)state;
    our_snprintf(buffer, sizeof(buffer), "%y %5k 100%");
    assert_string_equal(buffer, "%y %5k 100%");
    our_snprintf(buffer, sizeof(buffer), "%f%d", 7);
    assert_string_equal(buffer, "%f7");
    our_snprintf(buffer, sizeof(buffer), "%");
    assert_string_equal(buffer, "%");
    our_snprintf(buffer, sizeof(buffer), "%-08.3l");
    assert_string_equal(buffer, "%-08.3l");
}

/* A sink sees all text in order, in pieces that are never empty. */
struct collected {
    char text[5000];
    size_t length;
};

static void collect(void *context, const char *text, size_t length)
{
    struct collected *collected = context;

    assert_true(length > 0);
    assert_true(collected->length + length < sizeof(collected->text));
    memcpy(collected->text + collected->length, text, length);
    collected->length += length;
}

static size_t format_collected(struct collected *collected, const char *format, ...)
{
    va_list arguments;
    size_t total;

    collected->length = 0;
    va_start(arguments, format);
    total = format_to(collect, collected, format, arguments);
    va_end(arguments);
    collected->text[collected->length] = '\0';
    return total;
}

static void test_sink(void **state)
{
    struct collected collected;
    char want[5000];

    (void)state;
    assert_int_equal(format_collected(&collected, "%s", ""), 0);
    for (int width = 0; width < 300; width++) {
        int length =
            snprintf(want, sizeof(want), "%*d%s%-*d|%0*d", width, 1, "", width, 2, width, 3);

        assert_int_equal(
            format_collected(&collected, "%*d%s%-*d|%0*d", width, 1, "", width, 2, width, 3),
            length);
        assert_int_equal(collected.length, length);
    }
    assert_int_equal(format_collected(&collected, "%1000s|%02000d", "x", 7), 3001);
    assert_int_equal(collected.text[999], 'x');
    assert_int_equal(collected.text[3000], '7');
}

UNIT_TESTS(UNIT_TEST(test_integers), UNIT_TEST(test_random_integers),
           UNIT_TEST(test_strings_and_characters), UNIT_TEST(test_unterminated_string),
           UNIT_TEST(test_pointers), UNIT_TEST(test_truncation),
           UNIT_TEST(test_scnprintf_returns_what_was_stored), UNIT_TEST(test_unknown_conversions),
           UNIT_TEST(test_sink))
