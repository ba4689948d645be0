/*
 * /metrics, where Prometheus looks.
 */
#include "kernel/metrics.h"
#include "shell/httpd/site.h"

static void write_text(void *context, const char *text, size_t length)
{
    http_response_write(context, text, length);
}

static void write_metrics(struct http_response *response)
{
    metrics_write(write_text, response);
}
HTTPD_PAGE(metrics, "/metrics", "text/plain; version=0.0.4; charset=utf-8", write_metrics);
