/*
 * The kernel command line.
 */
#include "tests/unit/unit.h"

#include "kernel/parameter.h"
#include "lib/errno.h"
#include "tests/unit/log_capture.h"

static char values[4096];

static int set_text(const char *value)
{
    snprintf(values + strlen(values), sizeof(values) - strlen(values), "[%s]", value);
    return 0;
}
PARAMETER(test_text, "text", "ANYTHING", "any text", set_text);

static int set_switch(const char *value)
{
    return strcmp(value, "on") == 0 || strcmp(value, "off") == 0 ? 0 : -EINVAL;
}
PARAMETER(test_switch, "switch", "on|off", "a switch", set_switch);

static void expect(const char *line, const char *seen, const char *complaint)
{
    char *copy = strdup(line);

    values[0] = '\0';
    forget_logged();
    parameters_parse(copy);
    assert_string_equal(values, seen);
    if (complaint)
        assert_non_null(strstr(logged, complaint));
    else
        assert_string_equal(logged, "");
    free(copy);
}

static void test_words(void **state)
{
    (void)state;
    expect("", "", NULL);
    expect("   ", "", NULL);
    expect("text=a  text=b\ttext=", "[a][b][]", NULL);
    expect("text=a=b switch=on", "[a=b]", NULL);
    expect("text", "[]", NULL);
}

static void test_quotes(void **state)
{
    (void)state;
    expect("text=\"a b; c\" text=d", "[a b; c][d]", NULL);
    expect("\"text=a b\"", "[a b]", NULL);
    expect("text=a\" \"b\"\"", "[a b]", NULL);
    expect("text=\"say \\\"hi\\\" \\\\ \\n\"", "[say \"hi\" \\ \\n]", NULL);
    expect("text=a\\b", "[a\\b]", NULL);
}

static void test_bad_input_is_named(void **state)
{
    (void)state;
    expect("nonsense=1 text=a", "[a]", "unknown: nonsense=1 (ignored)");
    expect("nonsense", "", "unknown: nonsense (ignored)");
    expect("=x text=a", "[a]", "unknown: =x (ignored)");
    expect("switch=maybe text=a", "[a]",
           "bad value: switch=maybe (ignored), expected switch=on|off");
    expect("text=a text=\"open switch=on", "[a]", "quote without its end: text=open switch=on");
}

static void test_4_kib(void **state)
{
    char line[4097];
    (void)state;

    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    expect(line, "", "unknown: xxxx");
    memcpy(line, "text=", 5);
    char *copy = strdup(line);
    values[0] = '\0';
    parameters_parse(copy);
    assert_int_equal(strlen(values), 4096 - 5 + 2);
    free(copy);
}

UNIT_TESTS(UNIT_TEST(test_words), UNIT_TEST(test_quotes), UNIT_TEST(test_bad_input_is_named),
           UNIT_TEST(test_4_kib))
