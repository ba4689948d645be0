/*
 * Tables of the machine's state, as HTML and as JSON.
 */
#include "shell/httpd/status.h"

#include "kernel/time/clock.h"

typedef unsigned long long ull;

static const char *const kind_names[] = {
    [STATUS_TEXT] = "text",    [STATUS_NUMBER] = "number",
    [STATUS_BYTES] = "bytes",  [STATUS_COUNTER] = "counter",
    [STATUS_BUSY_NS] = "busy", [STATUS_BYTES_COUNTER] = "bytes-counter",
    [STATUS_SHARE] = "share",
};

static enum status_kind next_kind(struct status *status)
{
    return status->table->columns[status->column++ % status->table->column_count].kind;
}

static void write_bytes(struct http_response *response, uint64_t bytes)
{
    static const char units[] = "KMGTP";
    uint64_t tenths = bytes / 1024 * 10 + bytes % 1024 * 10 / 1024;
    int unit = 0;

    if (bytes < 1024) {
        http_response_printf(response, "%llu B", (ull)bytes);
        return;
    }
    for (; tenths >= 10240 && unit < 4; unit++)
        tenths /= 1024;
    http_response_printf(response, "%llu.%llu %ciB", (ull)(tenths / 10), (ull)(tenths % 10),
                         units[unit]);
}

/* Hundredths of a percent. */
static void write_share(struct http_response *response, uint64_t share)
{
    http_response_printf(
        response, "<span class=bar><i style=\"width:%llu.%02llu%%\"></i></span>%llu.%llu%%",
        (ull)(share / 100), (ull)(share % 100), (ull)(share / 100), (ull)(share % 100 / 10));
}

static void write_number_html(struct status *status, enum status_kind kind, uint64_t value)
{
    struct http_response *response = status->response;

    http_response_printf(response, "<td%s>",
                         kind == STATUS_BUSY_NS || kind == STATUS_SHARE ? "" : " class=n");
    if (kind == STATUS_BYTES || kind == STATUS_BYTES_COUNTER)
        write_bytes(response, value);
    else if (kind == STATUS_BUSY_NS)
        write_share(response, status->now_ns ? value / (status->now_ns / 10000 + 1) : 0);
    else if (kind == STATUS_SHARE)
        write_share(response, value);
    else
        http_response_printf(response, "%llu", (ull)value);
}

/* ---- cells ---- */

void status_row(struct status *status)
{
    if (status->is_json)
        http_response_printf(status->response, "%s[", status->row ? "],\n" : "");
    else
        http_response_printf(status->response, "\n<tr>");
    status->row++;
    status->column = 0;
}

static void separate(struct status *status)
{
    if (status->is_json && status->column > 0)
        http_response_write(status->response, ",", 1);
}

void status_text(struct status *status, const char *text)
{
    separate(status);
    next_kind(status);
    if (status->is_json) {
        http_write_json(status->response, text);
    } else {
        http_response_printf(status->response, "<td>");
        http_write_html(status->response, text);
    }
}

void status_number(struct status *status, uint64_t value)
{
    separate(status);
    enum status_kind kind = next_kind(status);
    if (status->is_json)
        http_response_printf(status->response, "%llu", (ull)value);
    else
        write_number_html(status, kind, value);
}

/* ---- tables ---- */

static void write_json(struct status *status)
{
    const struct status_table *table = status->table;
    struct http_response *response = status->response;

    http_response_printf(response, "\"%s\":{\"sort\":%s,\"columns\":[", table->name,
                         table->flags & STATUS_BY_BUSY ? "true" : "false");
    for (size_t i = 0; i < table->column_count; i++)
        http_response_printf(response, "%s[\"%s\",\"%s\"]", i ? "," : "", table->columns[i].title,
                             kind_names[table->columns[i].kind]);
    http_response_printf(response, "],\n\"rows\":[");
    table->rows(status);
    http_response_printf(response, "%s]}", status->row ? "]" : "");
}

static void write_html(struct status *status)
{
    const struct status_table *table = status->table;
    struct http_response *response = status->response;

    http_response_printf(response, "<section class=card><h2>%s</h2><table id=\"%s\"><thead><tr>",
                         table->title, table->name);
    for (size_t i = 0; i < table->column_count; i++) {
        enum status_kind kind = table->columns[i].kind;
        bool is_left = kind == STATUS_TEXT || kind == STATUS_BUSY_NS || kind == STATUS_SHARE;
        http_response_printf(response, "<th%s>%s", is_left ? "" : " class=n",
                             table->columns[i].title);
    }
    http_response_printf(response, "</thead><tbody>");
    table->rows(status);
    http_response_printf(response, "</tbody></table></section>\n");
}

/* The table that comes after the one of @order. */
static const struct status_table *next_table(unsigned int order)
{
    const struct status_table *table, *next = NULL;

    registry_for_each(table, status_table) {
        if (table->order > order && (!next || table->order < next->order))
            next = table;
    }
    return next;
}

/* Narrow tables stand in two columns, if there is room for two. */
static void write_columns(struct http_response *response, bool *is_open, bool is_half)
{
    if (is_half != *is_open)
        http_response_printf(response, is_half ? "<div class=columns>\n" : "</div>\n");
    *is_open = is_half;
}

void status_write_tables(struct http_response *response, bool is_json, uint64_t now_ns)
{
    const struct status_table *table = next_table(0);
    bool has_columns = false;

    for (; table; table = next_table(table->order)) {
        struct status status = {
            .response = response, .is_json = is_json, .table = table, .now_ns = now_ns
        };

        if (is_json) {
            write_json(&status);
            http_response_printf(response, "%s\n", next_table(table->order) ? "," : "");
        } else {
            write_columns(response, &has_columns, table->flags & STATUS_HALF);
            write_html(&status);
        }
    }
    write_columns(response, &has_columns, false);
}
