/*
 * The text format of Prometheus, version 0.0.4: for each metric HELP, TYPE, and its samples.
 */
#include "kernel/metrics.h"

#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "shell/command.h"

struct metric_writer {
    format_sink *sink;
    void *context;
    const struct metric *metric;
    bool has_labels; /* of the sample under way */
};

static void put(struct metric_writer *writer, const char *format, ...) __printf_format(2, 3);

static void put(struct metric_writer *writer, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    format_to(writer->sink, writer->context, format, arguments);
    va_end(arguments);
}

static void begin_label(struct metric_writer *writer, const char *name)
{
    if (writer->has_labels)
        put(writer, ",%s=\"", name);
    else
        put(writer, "%s{%s=\"", writer->metric->name, name);
    writer->has_labels = true;
}

void metric_label(struct metric_writer *writer, const char *name, const char *value)
{
    begin_label(writer, name);
    for (; *value; value++) {
        if (*value == '\n')
            put(writer, "\\n");
        else
            put(writer, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    }
    put(writer, "\"");
}

void metric_label_number(struct metric_writer *writer, const char *name, uint64_t value)
{
    begin_label(writer, name);
    put(writer, "%llu\"", (unsigned long long)value);
}

static void begin_value(struct metric_writer *writer)
{
    if (writer->has_labels)
        put(writer, "} ");
    else
        put(writer, "%s ", writer->metric->name);
    writer->has_labels = false;
}

void metric_value(struct metric_writer *writer, uint64_t value)
{
    begin_value(writer);
    put(writer, "%llu\n", (unsigned long long)value);
}

void metric_seconds(struct metric_writer *writer, uint64_t ns)
{
    begin_value(writer);
    put(writer, "%llu.%09llu\n", (unsigned long long)(ns / NS_PER_S),
        (unsigned long long)(ns % NS_PER_S));
}

/* The one whose name comes after @name; the first for NULL. */
static const struct metric *next_metric(const char *name)
{
    const struct metric *metric, *next = NULL;

    registry_for_each(metric, metric) {
        if ((!name || strcmp(metric->name, name) > 0) &&
            (!next || strcmp(metric->name, next->name) < 0))
            next = metric;
    }
    return next;
}

void metrics_write(format_sink *sink, void *context)
{
    struct metric_writer writer = { .sink = sink, .context = context };

    for (writer.metric = next_metric(NULL); writer.metric;
         writer.metric = next_metric(writer.metric->name)) {
        put(&writer, "# HELP %s %s\n# TYPE %s %s\n", writer.metric->name, writer.metric->help,
            writer.metric->name, writer.metric->type == METRIC_COUNTER ? "counter" : "gauge");
        writer.metric->collect(&writer);
    }
}

static void write_shell(void *context, const char *text, size_t length)
{
    shell_write(context, text, length);
}

static int metrics_command(struct shell *shell, int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return -EINVAL;
    metrics_write(write_shell, shell);
    return 0;
}
SHELL_COMMAND(metrics, "metrics", "what httpd serves as /metrics, in Prometheus text",
              metrics_command, CMD_NORMAL);
