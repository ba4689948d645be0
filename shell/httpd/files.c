/*
 * Files over HTTP: conditions, ranges, and the bytes, which go from the file system into counted
 * memory and from there to the network without another copy.
 *
 * The path of a request is plain (net/httpd/request.h), and the file systems know no links: it
 * cannot lead out of the root.
 */
#include "fs/vfs.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/frame.h"
#include "net/httpd/condition.h"
#include "shell/httpd/site.h"

#define PIECE_BYTES 65536u
#define SNIFF_BYTES 256

/* The status that says to a client what the file system says to us. */
static unsigned int status_of(int error)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -EINVAL:
    case -ENAMETOOLONG:
        return 404;
    case -EACCES:
    case -EPERM:
        return 403;
    case -ENOMEM:
        return 503;
    default:
        return 500;
    }
}

/* ---- the bytes ---- */

/* One piece. Return: 0, or an error that ends the response. */
static int send_piece(struct http_response *response, struct file *file, uint64_t offset,
                      uint32_t size, size_t *done)
{
    struct frame_buffer *buffer = frame_buffer_alloc(size);
    int error = buffer ? vfs_read(file, buffer->data, size, offset, done) : -ENOMEM;

    if (!error && *done == 0)
        error = -ENODATA; /* somebody has made the file shorter */
    if (!error)
        http_response_write_buffer(response, buffer, buffer->data, (uint32_t)*done);
    if (buffer)
        frame_buffer_put(buffer);
    return error;
}

/* What does not come is noticed when the response ends. */
static void send_range(struct http_response *response, struct file *file, struct http_range range)
{
    size_t done;

    for (; range.length > 0 && http_response_wants_body(response); range.length -= done) {
        if (send_piece(response, file, range.first,
                       (uint32_t)MIN(range.length, (uint64_t)PIECE_BYTES), &done))
            break;
        range.first += done;
    }
}

/* ---- the fields ---- */

static void get_validators(const struct vfs_stat *stat, struct http_validators *validators)
{
    uint64_t now = clock_wall_ns();

    validators->modified = MIN(stat->modified_ns, now) / NS_PER_S;
    snprintf(validators->etag, sizeof(validators->etag), "\"%llx-%llx-%llx\"",
             (unsigned long long)stat->inode, (unsigned long long)stat->size,
             (unsigned long long)stat->modified_ns);
}

static void start_response(struct http_response *response, unsigned int status,
                           const struct http_validators *validators)
{
    char date[HTTP_DATE_SIZE];

    http_response_start(response, status);
    http_response_field(response, "ETag", "%s", validators->etag);
    if (validators->modified) {
        http_date_format(validators->modified, date);
        http_response_field(response, "Last-Modified", "%s", date);
    }
    http_response_field(response, "Accept-Ranges", "bytes");
}

static void add_content_type(struct http_response *response, struct file *file, const char *name)
{
    uint8_t start[SNIFF_BYTES];
    size_t length = 0;

    if (vfs_read(file, start, sizeof(start), 0, &length))
        length = 0;
    http_response_field(response, "Content-Type", "%s", httpd_content_type(name, start, length));
    http_response_field(response, "X-Content-Type-Options", "nosniff");
}

static void send_file(struct http_response *response, const struct http_request *request,
                      struct file *file, const char *path, const struct vfs_stat *stat)
{
    struct http_range range = { .first = 0, .length = stat->size };
    struct http_validators validators;
    uint64_t now = clock_wall_ns() / NS_PER_S;

    get_validators(stat, &validators);
    unsigned int status = http_condition(request, &validators, now);
    if (status == 412) {
        http_response_error(response, status);
        return;
    }
    if (status == 200)
        status = http_range(request, &validators, stat->size, &range);
    start_response(response, status, &validators);
    if (status == 304)
        return;
    if (status == 416) {
        http_response_field(response, "Content-Range", "bytes */%llu",
                            (unsigned long long)stat->size);
        http_response_length(response, 0);
        return;
    }
    if (status == 206)
        http_response_field(
            response, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)range.first,
            (unsigned long long)(range.first + range.length - 1), (unsigned long long)stat->size);
    add_content_type(response, file, path);
    http_response_length(response, range.length);
    send_range(response, file, range);
}

/* ---- directories ---- */

/* Its index.html, or a list of what is in it. @path has VFS_PATH_MAX bytes. */
static void serve_directory(struct http_response *response, const struct http_request *request,
                            struct file *directory, char *path)
{
    struct vfs_stat stat;
    struct file *index;
    size_t length = strlen(path);

    if (strlcat(path, "index.html", VFS_PATH_MAX) < VFS_PATH_MAX &&
        vfs_open(path, VFS_READ, &index) == 0) {
        vfs_file_stat(index, &stat);
        if (stat.type == VNODE_FILE)
            send_file(response, request, index, path, &stat);
        vfs_close(index);
        if (stat.type == VNODE_FILE)
            return;
    }
    path[length] = '\0';
    http_response_start(response, 200);
    http_response_field(response, "Content-Type", "text/html; charset=utf-8");
    http_response_field(response, "Cache-Control", "no-cache");
    httpd_write_listing(response, directory, path, request->path);
}

static void serve_path(struct http_response *response, const struct http_request *request,
                       char *path)
{
    struct vfs_stat stat;
    struct file *file;
    int error = vfs_open(path, VFS_READ, &file);

    if (error) {
        http_response_error(response, status_of(error));
        return;
    }
    vfs_file_stat(file, &stat);
    if (stat.type == VNODE_FILE)
        send_file(response, request, file, path, &stat);
    else if (path[strlen(path) - 1] == '/')
        serve_directory(response, request, file, path);
    else
        httpd_redirect_to_directory(response, request);
    vfs_close(file);
}

void httpd_serve_file(const char *root, const struct http_request *request,
                      struct http_response *response)
{
    char *path = kmalloc(VFS_PATH_MAX);

    if (!path) {
        http_response_error(response, 503);
        return;
    }
    strlcpy(path, strcmp(root, "/") == 0 ? "" : root, VFS_PATH_MAX);
    if (strlcat(path, request->path, VFS_PATH_MAX) < VFS_PATH_MAX)
        serve_path(response, request, path);
    else
        http_response_error(response, 404);
    kfree(path);
}
