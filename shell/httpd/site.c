/*
 * Who answers a request: a page of the kernel's, or a file.
 */
#include "shell/httpd/site.h"

#include "fs/vfs.h"
#include "lib/string.h"

static const struct httpd_page *find_page(const char *path)
{
    const struct httpd_page *page;

    registry_for_each(page, httpd_page) {
        if (strcmp(page->path, path) == 0)
            return page;
    }
    return NULL;
}

void httpd_redirect_to_directory(struct http_response *response, const struct http_request *request)
{
    char name[3 * VFS_NAME_MAX + 1];

    http_response_start(response, 301);
    http_response_field(response, "Location", "%s/%s%s",
                        http_escape_url(name, sizeof(name), strrchr(request->path, '/') + 1),
                        *request->query ? "?" : "", request->query);
    http_response_length(response, 0);
}

static void serve_page(const struct httpd_page *page, struct http_response *response)
{
    http_response_start(response, 200);
    http_response_field(response, "Content-Type", "%s", page->content_type);
    http_response_field(response, "Cache-Control", "no-store");
    http_response_field(response, "X-Content-Type-Options", "nosniff");
    page->write(response);
}

void httpd_site_handle(void *context, const struct http_request *request,
                       struct http_response *response)
{
    const struct httpd_site *site = context;
    const char *path = request->path;

    if (!site->root && strcmp(path, "/") == 0)
        path = HTTPD_LIVE_PATH;
    const struct httpd_page *page = find_page(path);
    if (page)
        serve_page(page, response);
    else if (strcmp(path, HTTPD_LIVE_FOLDER) == 0)
        httpd_redirect_to_directory(response, request);
    else if (site->root)
        httpd_serve_file(site->root, request, response);
    else
        http_response_error(response, 404);
}
