/*
 * Metrics of the HTTP server itself.
 */
#include "kernel/metrics.h"
#include "net/httpd/server.h"

static void collect_requests(struct metric_writer *writer)
{
    static const char *const codes[] = { "2xx", "3xx", "4xx", "5xx" };

    for (unsigned int i = 0; i < ARRAY_SIZE(codes); i++) {
        metric_label(writer, "code", codes[i]);
        metric_value(writer, httpd_counter(HTTPD_REQUESTS_2XX + i));
    }
}
METRIC(httpd_requests, METRIC_COUNTER, "nos_httpd_requests_total",
       "Requests answered, by the class of the status.", collect_requests);

#define HTTPD_METRIC(symbol, type, name, help, counter)                                            \
    static void symbol##_collect(struct metric_writer *writer)                                     \
    {                                                                                              \
        metric_value(writer, httpd_counter(counter));                                              \
    }                                                                                              \
    METRIC(symbol, type, name, help, symbol##_collect)

HTTPD_METRIC(httpd_connections, METRIC_GAUGE, "nos_httpd_connections", "Connections open now.",
             HTTPD_CONNECTIONS_OPEN);
HTTPD_METRIC(httpd_accepted, METRIC_COUNTER, "nos_httpd_connections_accepted_total",
             "Connections that were served.", HTTPD_CONNECTIONS_ACCEPTED);
HTTPD_METRIC(httpd_refused, METRIC_COUNTER, "nos_httpd_connections_refused_total",
             "Connections that were too many.", HTTPD_CONNECTIONS_REFUSED);
HTTPD_METRIC(httpd_body_bytes, METRIC_COUNTER, "nos_httpd_body_bytes_total",
             "Bytes sent in the bodies of responses.", HTTPD_BODY_BYTES);
HTTPD_METRIC(httpd_broken, METRIC_COUNTER, "nos_httpd_responses_broken_total",
             "Responses that did not get to their end.", HTTPD_RESPONSES_BROKEN);
