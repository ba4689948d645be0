/*
 * The page of a directory: names, sizes, dates. Entries are read in batches, each sorted, so that a
 * directory of any size takes bounded memory; one of up to a batch is sorted whole.
 */
#include "fs/vfs.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/sort.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "shell/httpd/site.h"

#define BATCH 1024

struct entry {
    char *name;
    bool is_directory;
};

struct batch {
    size_t count;
    bool is_short; /* of memory: what there is is shown */
    struct entry entries[BATCH];
};

static bool collect(void *context, const char *name, size_t length, enum vnode_type type,
                    uint64_t inode)
{
    struct batch *batch = context;

    (void)inode;
    if (batch->count == BATCH)
        return false;
    char *copy = kmalloc(length + 1);
    batch->is_short = !copy;
    if (!copy)
        return false;
    memcpy(copy, name, length);
    copy[length] = '\0';
    batch->entries[batch->count++] = (struct entry){ copy, type == VNODE_DIRECTORY };
    return true;
}

/* Directories first, then by name. */
static int compare(const void *a, const void *b, void *context)
{
    const struct entry *first = a, *second = b;

    (void)context;
    if (first->is_directory != second->is_directory)
        return first->is_directory ? -1 : 1;
    return strcmp(first->name, second->name);
}

static void write_size(struct http_response *response, uint64_t bytes)
{
    static const char units[] = "KMGT";
    uint64_t tenths = bytes * 10;
    int unit = -1;

    if (bytes < 1024) {
        http_response_printf(response, "%llu B", (unsigned long long)bytes);
        return;
    }
    if (bytes > UINT64_MAX / 10)
        tenths = UINT64_MAX;
    for (; tenths >= 10240 && unit < 3; unit++)
        tenths /= 1024;
    http_response_printf(response, "%llu.%llu %ciB", (unsigned long long)(tenths / 10),
                         (unsigned long long)(tenths % 10), units[unit]);
}

static void write_date(struct http_response *response, uint64_t unix_ns)
{
    struct calendar_time time;

    if (unix_ns == 0)
        return;
    calendar_from_unix(unix_ns / NS_PER_S, &time);
    http_response_printf(response, "%04u-%02u-%02u %02u:%02u", time.year, time.month, time.day,
                         time.hour, time.minute);
}

/* @path is the directory's own and has VFS_PATH_MAX bytes. */
static void write_entry(struct http_response *response, char *path, const struct entry *entry)
{
    size_t length = strlen(path);
    struct vfs_stat stat = { 0 };

    if (strlcat(path, entry->name, VFS_PATH_MAX) >= VFS_PATH_MAX || vfs_stat(path, &stat))
        stat = (struct vfs_stat){ 0 }; /* it has gone meanwhile */
    path[length] = '\0';
    http_response_printf(response, "<tr><td><a href=\"./");
    http_write_url(response, entry->name);
    http_response_printf(response, entry->is_directory ? "/\">" : "\">");
    http_write_html(response, entry->name);
    http_response_printf(response, entry->is_directory ? "/</a><td class=n><td class=n>"
                                                       : "</a><td class=n>");
    if (!entry->is_directory) {
        write_size(response, stat.size);
        http_response_printf(response, "<td class=n>");
    }
    write_date(response, stat.modified_ns);
    http_response_printf(response, "\n");
}

static void free_entries(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        kfree(batch->entries[i].name);
    batch->count = 0;
}

/* Return: entries shown. */
static size_t write_entries(struct http_response *response, struct file *directory, char *path,
                            struct batch *batch)
{
    uint64_t cursor = 0;
    size_t total = 0;

    while (cursor != UINT64_MAX && !batch->is_short && http_response_wants_body(response)) {
        if (vfs_readdir(directory, &cursor, collect, batch) || batch->count == 0)
            break;
        sort(batch->entries, batch->count, sizeof(batch->entries[0]), compare, NULL);
        for (size_t i = 0; i < batch->count; i++)
            write_entry(response, path, &batch->entries[i]);
        total += batch->count;
        free_entries(batch);
    }
    free_entries(batch);
    return total;
}

void httpd_write_listing(struct http_response *response, struct file *directory, char *path,
                         const char *name)
{
    struct batch *batch = kzalloc(sizeof(*batch));
    size_t count = 0;

    httpd_write_page_start(response, name);
    http_response_printf(response, "<main class=card><h1>");
    http_write_html(response, name);
    http_response_printf(response, "</h1>\n<table><thead><tr><th>Name<th class=n>Size<th "
                                   "class=n>Modified</thead>\n<tbody>\n");
    if (strcmp(name, "/") != 0)
        http_response_printf(response, "<tr><td><a href=\"../\">../</a><td><td>\n");
    if (batch)
        count = write_entries(response, directory, path, batch);
    http_response_printf(response, "</tbody></table>\n<p class=dim>%zu %s", count,
                         count == 1 ? "entry" : "entries");
    if (!batch || batch->is_short)
        http_response_printf(response, ", and more for which there is no memory");
    http_response_printf(response, " &middot; <a href=\"" HTTPD_LIVE_PATH "\">this machine</a>"
                                   "</p></main>\n");
    kfree(batch);
}
