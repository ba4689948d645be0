/*
 * wget: fetch a URL, and show it, save it, or sum it.
 *
 * Joins the network and the file system. A download goes to PATH.part first and takes its name when
 * it is whole, so that a broken one never looks like a file.
 */
#include "fs/vfs.h"
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/sha256.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/http.h"
#include "shell/command.h"

#define PROGRESS_PERIOD_NS (200 * NS_PER_MS)
#define PROBLEM_SIZE       384

struct download {
    struct shell *shell;
    const char *path;  /* absolute; NULL: to the screen */
    bool is_discarded; /* -O /dev/null */
    bool has_sum;
    bool is_error_page;
    struct file *file;
    char *part; /* the file's name until it is whole */
    uint64_t bytes;
    uint64_t total; /* 0: unknown */
    uint64_t started_ns;
    uint64_t shown_ns;
    struct sha256 sum;
    char last; /* byte shown */
};

static void show_progress(struct download *download)
{
    uint64_t now = clock_now_ns();

    if (now - download->shown_ns < PROGRESS_PERIOD_NS)
        return;
    download->shown_ns = now;
    uint64_t ms = MAX_T(uint64_t, (now - download->started_ns) / NS_PER_MS, 1);
    unsigned long long rate = download->bytes / ms * 1000 / 1024;
    if (download->total)
        shell_progress(download->shell, "%llu of %llu KiB, %llu %%, %llu KiB/s",
                       (unsigned long long)(download->bytes / 1024),
                       (unsigned long long)(download->total / 1024),
                       (unsigned long long)(download->bytes * 100 / download->total), rate);
    else
        shell_progress(download->shell, "%llu KiB, %llu KiB/s",
                       (unsigned long long)(download->bytes / 1024), rate);
}

static int on_headers(void *context, const struct http_parser *response)
{
    struct download *download = context;

    download->total = response->has_length ? response->length : 0;
    download->is_error_page = response->status >= 400;
    if (download->is_error_page || !download->path || download->is_discarded)
        return 0;
    int error = vfs_open(download->part, VFS_WRITE | VFS_CREATE | VFS_TRUNCATE, &download->file);
    if (error)
        shell_error(download->shell, "%s: %s", download->part, errno_text(error));
    return error;
}

/* The screen gets text only. */
static int show(struct download *download, const uint8_t *data, size_t length)
{
    if (memchr(data, '\0', length)) {
        shell_error(download->shell, "the body is not text: save it by -O PATH");
        return -EILSEQ;
    }
    shell_write(download->shell, (const char *)data, length);
    download->last = (char)data[length - 1];
    return task_is_cancelled() ? -ECANCELED : 0;
}

static int save(struct download *download, const uint8_t *data, size_t length)
{
    size_t written;
    int error = vfs_write(download->file, data, length, download->bytes, &written);

    if (error)
        shell_error(download->shell, "%s: %s", download->part, errno_text(error));
    return error;
}

static int on_body(void *context, const uint8_t *data, size_t length)
{
    struct download *download = context;
    int error = 0;

    if (download->is_error_page)
        return 0;
    if (download->has_sum)
        sha256_update(&download->sum, data, length);
    if (download->file)
        error = save(download, data, length);
    else if (!download->is_discarded)
        error = show(download, data, length);
    download->bytes += length;
    if (download->path)
        show_progress(download);
    return error;
}

static void on_redirect(void *context, unsigned int status, const char *url)
{
    struct download *download = context;

    if (download->path)
        shell_printf(download->shell, "%u %s: %s\n", status, http_status_text(status), url);
}

/* Give the whole file its name, or remove what there is of it. */
static int finish_file(struct download *download, int error)
{
    int problem = 0;

    if (!download->file)
        return error;
    vfs_close(download->file);
    if (!error)
        problem = error = vfs_rename(download->part, download->path);
    if (error && !problem)
        problem = vfs_remove(download->part);
    if (problem)
        shell_error(download->shell, "%s: %s", download->part, errno_text(problem));
    return error;
}

static void print_result(struct download *download)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    uint64_t ms = MAX_T(uint64_t, (clock_now_ns() - download->started_ns) / NS_PER_MS, 1);

    if (!download->path && download->bytes && download->last != '\n')
        shell_printf(download->shell, "\n");
    if (download->path)
        shell_printf(download->shell, "%s: %llu bytes in %llu.%03llu s, %llu KiB/s\n",
                     download->path, (unsigned long long)download->bytes,
                     (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000),
                     (unsigned long long)(download->bytes / ms * 1000 / 1024));
    if (!download->has_sum)
        return;
    sha256_final(&download->sum, digest);
    shell_printf(download->shell, "sha256 ");
    for (size_t i = 0; i < sizeof(digest); i++)
        shell_printf(download->shell, "%02x", digest[i]);
    shell_printf(download->shell, "\n");
}

static int fetch(struct download *download, const struct http_url *url)
{
    const struct http_receiver receiver = {
        .headers = on_headers, .body = on_body, .redirect = on_redirect, .context = download
    };
    char problem[PROBLEM_SIZE];
    unsigned int status = 0;

    download->started_ns = download->shown_ns = clock_now_ns();
    int error = http_get(url, &receiver, &status, problem, sizeof(problem));
    shell_progress(download->shell, "%s", "");
    if (error && problem[0])
        shell_error(download->shell, "%s", problem);
    if (!error && status >= 400) {
        shell_error(download->shell, "the server answers %u %s", status, http_status_text(status));
        error = status == 404 ? -ENOENT : -EIO;
    }
    error = finish_file(download, error);
    if (!error)
        print_result(download);
    return error;
}

static int parse_url(struct shell *shell, const char *text, struct http_url *url)
{
    int error = http_url_parse(text, url);

    if (error == -EPROTONOSUPPORT)
        shell_error(shell, "%s: only http:// is spoken here; https and others are not", text);
    else if (error)
        shell_error(shell, "%s: not a URL; it looks like http://host[:port]/path", text);
    return error == -EINVAL ? -EILSEQ : error;
}

/* Where -O leads: an absolute path, and the name beside it that the download has meanwhile. */
static int resolve_output(struct download *download, const char *output, char *path, char *part)
{
    int error = vfs_resolve(shell_directory(download->shell), output, path);

    if (!error && strlen(path) + 6 > VFS_PATH_MAX)
        error = -ENAMETOOLONG;
    if (error) {
        shell_error(download->shell, "%s: %s", output, errno_text(error));
        return error;
    }
    strlcpy(part, path, VFS_PATH_MAX);
    strlcat(part, ".part", VFS_PATH_MAX);
    download->path = path;
    download->part = part;
    download->is_discarded = strcmp(path, "/dev/null") == 0;
    return 0;
}

struct arguments {
    const char *url;
    const char *output;
    bool has_sum;
};

static bool parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-O") == 0 && i + 1 < argc)
            arguments->output = argv[++i];
        else if (strcmp(argv[i], "--sum") == 0)
            arguments->has_sum = true;
        else if (argv[i][0] != '-' && !arguments->url)
            arguments->url = argv[i];
        else
            return false;
    }
    return arguments->url != NULL;
}

static int wget_command(struct shell *shell, int argc, char **argv)
{
    struct arguments arguments = { 0 };

    if (!parse_arguments(argc, argv, &arguments))
        return -EINVAL;
    struct download *download = kzalloc(sizeof(*download));
    struct http_url *url = kmalloc(sizeof(*url));
    char *paths = kmalloc(2 * VFS_PATH_MAX);
    int error = download && url && paths ? parse_url(shell, arguments.url, url) : -ENOMEM;

    if (!error) {
        download->shell = shell;
        download->has_sum = arguments.has_sum;
        sha256_init(&download->sum);
        if (arguments.output)
            error = resolve_output(download, arguments.output, paths, paths + VFS_PATH_MAX);
    }
    if (!error)
        error = fetch(download, url);
    kfree(paths);
    kfree(url);
    kfree(download);
    return error;
}
SHELL_COMMAND(
    wget, "wget URL [-O PATH] [--sum]",
    "fetch a URL by HTTP and show or save it\n"
    "Redirects are followed. -O saves the body, with a progress line; /dev/null discards it.\n"
    "--sum prints the body's SHA-256. Ctrl-C stops; a part of a file is not kept.",
    wget_command, CMD_NORMAL);
