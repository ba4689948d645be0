/*
 * Metrics as text: order, labels with anything in them, seconds.
 */
#include "kernel/metrics.h"
#include "tests/unit/unit.h"

static void collect_plain(struct metric_writer *writer)
{
    metric_value(writer, UINT64_MAX);
}
METRIC(plain, METRIC_COUNTER, "test_b_total", "Last in order.", collect_plain);

static void collect_labels(struct metric_writer *writer)
{
    metric_label(writer, "a", "x");
    metric_label_number(writer, "b", 7);
    metric_value(writer, 1);
    metric_label(writer, "a", "\"\\\n%s{}");
    metric_value(writer, 0);
}
METRIC(labels, METRIC_GAUGE, "test_a", "First.", collect_labels);

static void collect_seconds(struct metric_writer *writer)
{
    metric_seconds(writer, 0);
    metric_seconds(writer, 12000000034);
}
METRIC(seconds, METRIC_GAUGE, "test_a_seconds", "Between.", collect_seconds);

static void collect_nothing(struct metric_writer *writer)
{
    (void)writer;
}
METRIC(nothing, METRIC_GAUGE, "test_0", "No samples.", collect_nothing);

static char text[4096];

static void append(void *context, const char *piece, size_t length)
{
    (void)context;
    assert_true(strlen(text) + length < sizeof(text));
    strncat(text, piece, length);
}

static void test_text(void **state)
{
    (void)state;
    metrics_write(append, NULL);
    assert_string_equal(text, "# HELP test_0 No samples.\n"
                              "# TYPE test_0 gauge\n"
                              "# HELP test_a First.\n"
                              "# TYPE test_a gauge\n"
                              "test_a{a=\"x\",b=\"7\"} 1\n"
                              "test_a{a=\"\\\"\\\\\\n%s{}\"} 0\n"
                              "# HELP test_a_seconds Between.\n"
                              "# TYPE test_a_seconds gauge\n"
                              "test_a_seconds 0.000000000\n"
                              "test_a_seconds 12.000000034\n"
                              "# HELP test_b_total Last in order.\n"
                              "# TYPE test_b_total counter\n"
                              "test_b_total 18446744073709551615\n");
}

UNIT_TESTS(UNIT_TEST(test_text))
