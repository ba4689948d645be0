/*
 * The state of the machine as tables: said once, written as HTML for the page and as JSON for the
 * script in it, which fills the same tables again each second.
 *
 *     static void cpu_rows(struct status *status)
 *     {
 *         for_each_online_cpu(cpu) {
 *             status_row(status);
 *             status_number(status, cpu);
 *             status_text(status, name);
 *         }
 *     }
 *     static const struct status_column cpu_columns[] = { { "CPU", STATUS_NUMBER }, ... };
 *     STATUS_TABLE(cpus, 10, "CPUs", STATUS_HALF, cpu_columns, cpu_rows);
 *
 * A row has a cell for each column, in order.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/registry.h"
#include "net/httpd/response.h"

/* What a cell's number is. The script shows counters as what they grow by in a second. */
enum status_kind {
    STATUS_TEXT,
    STATUS_NUMBER,
    STATUS_BYTES,
    STATUS_COUNTER,       /* events since boot */
    STATUS_BYTES_COUNTER, /* bytes since boot */
    STATUS_BUSY_NS,       /* a counter of nanoseconds: the part of the time, as a bar */
    STATUS_SHARE,         /* hundredths of a percent of something, as a bar */
};

struct status_column {
    const char *title;
    enum status_kind kind;
};

enum status_flags {
    STATUS_HALF = 1u << 0,    /* narrow: two such tables stand beside each other */
    STATUS_BY_BUSY = 1u << 1, /* the script sorts by the STATUS_BUSY_NS column */
};

struct status;

struct status_table {
    const char *name; /* an identifier */
    unsigned int order;
    const char *title;
    unsigned int flags;
    const struct status_column *columns;
    size_t column_count;
    void (*rows)(struct status *status);
};

#define STATUS_TABLE(symbol, order_, title_, flags_, columns_, rows_)                              \
    REGISTRY_ENTRY(status_table, symbol##_status_table,                                            \
                   { .name = #symbol,                                                              \
                     .order = (order_),                                                            \
                     .title = (title_),                                                            \
                     .flags = (flags_),                                                            \
                     .columns = (columns_),                                                        \
                     .column_count = ARRAY_SIZE(columns_),                                         \
                     .rows = (rows_) })

/* Where a table's rows go. */
struct status {
    struct http_response *response;
    bool is_json;
    const struct status_table *table;
    uint64_t now_ns; /* of the whole page */
    size_t row, column;
};

void status_row(struct status *status);
void status_text(struct status *status, const char *text);
void status_number(struct status *status, uint64_t value);

/** status_write_tables() - all tables, in their order. */
void status_write_tables(struct http_response *response, bool is_json, uint64_t now_ns);
