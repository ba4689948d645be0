/*
 * What `httpd` serves: pages that the kernel writes, and the files under a folder.
 *
 * A page is registered, in a file of its own:
 *
 *     static void write_metrics(struct http_response *response) { ... }
 *     HTTPD_PAGE(metrics, "/metrics", "text/plain; version=0.0.4; charset=utf-8", write_metrics);
 *
 * Pages come before files of the same path. Nothing here changes anything: it is all for reading.
 */
#pragma once

#include <stdbool.h>

#include "lib/registry.h"
#include "net/httpd/request.h"
#include "net/httpd/response.h"

struct httpd_page {
    const char *path; /* exact */
    const char *content_type;
    /* Writes the body. Context: task, may sleep; many at once. */
    void (*write)(struct http_response *response);
};

#define HTTPD_PAGE(symbol, path_, content_type_, write_)                                           \
    REGISTRY_ENTRY(httpd_page, symbol##_httpd_page,                                                \
                   { .path = (path_), .content_type = (content_type_), .write = (write_) })

#define HTTPD_LIVE_FOLDER "/.nos"
#define HTTPD_LIVE_PATH   HTTPD_LIVE_FOLDER "/"

struct httpd_site {
    const char *root; /* absolute, no slash at its end but that of "/"; NULL: no files */
};

/** httpd_site_handle() - httpd_config.handle; @context is a struct httpd_site. */
__hidden void httpd_site_handle(void *context, const struct http_request *request,
                                struct http_response *response);

/** httpd_redirect_to_directory() - "/folder" is "/folder/", so that links are read from there. */
void httpd_redirect_to_directory(struct http_response *response,
                                 const struct http_request *request);

/** httpd_serve_file() - the file or directory that @request means, below @root. */
void httpd_serve_file(const char *root, const struct http_request *request,
                      struct http_response *response);

struct file;

/** httpd_write_listing() - the page of a directory; @path is its own, @name what the client asked
 * for. */
void httpd_write_listing(struct http_response *response, struct file *directory, char *path,
                         const char *name);

/** httpd_content_type() - by the name's end; else by the first @length bytes: text, or not. */
const char *httpd_content_type(const char *name, const uint8_t *start, size_t length);

/** httpd_write_page_start() - the head of an HTML page, with the style that all share. */
void httpd_write_page_start(struct http_response *response, const char *title);
