/*
 * Metrics: numbers about this machine for monitoring, in the text format of Prometheus (0.0.4).
 * Each room registers its own:
 *
 *     static void collect_disk_reads(struct metric_writer *writer)
 *     {
 *         metric_label(writer, "device", "vda");
 *         metric_value(writer, reads);
 *     }
 *     METRIC(disk_reads, METRIC_COUNTER, "nos_disk_reads_total", "Read requests completed.",
 *            collect_disk_reads);
 *
 * Names as Prometheus would have them: base units (seconds, bytes), counters end in _total.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/printf.h"
#include "lib/registry.h"

enum metric_type {
    METRIC_COUNTER, /* since boot; only grows */
    METRIC_GAUGE,
};

struct metric_writer;

struct metric {
    const char *name;
    enum metric_type type;
    const char *help; /* a sentence */
    /* Writes the samples: labels, then the value, for each. Context: task; may sleep. */
    void (*collect)(struct metric_writer *writer);
};

#define METRIC(symbol, type_, name_, help_, collect_)                                              \
    REGISTRY_ENTRY(metric, symbol##_metric,                                                        \
                   { .name = (name_), .type = (type_), .help = (help_), .collect = (collect_) })

/** metric_label() - of the sample that the next value ends; any text. */
void metric_label(struct metric_writer *writer, const char *name, const char *value);
void metric_label_number(struct metric_writer *writer, const char *name, uint64_t value);
/** metric_value() - ends a sample. */
void metric_value(struct metric_writer *writer, uint64_t value);
/** metric_seconds() - the same, given nanoseconds. */
void metric_seconds(struct metric_writer *writer, uint64_t ns);

/** metrics_write() - all metrics, by name, as text. Context: task, may sleep. */
void metrics_write(format_sink *sink, void *context);
