/*
 * Many small files, created, looked at, read and removed; and the same with each change synced.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rows.h"

#define FILE_SIZE 4096

static const char *directory;
static bool is_synced_each;
static int opened; /* the directory, when each removal is synced */
static uint8_t data[FILE_SIZE];

static const char *path_of(long number)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/bench/file%ld", directory, number);
    return path;
}

static void create_one(long number)
{
    int fd = open(path_of(number), O_WRONLY | O_CREAT | O_EXCL, 0644);

    if (fd < 0 || write(fd, data, FILE_SIZE) != FILE_SIZE || (is_synced_each && fsync(fd)))
        rows_fail("create");
    close(fd);
}

static void stat_one(long number)
{
    struct stat status;

    if (stat(path_of(number), &status) || status.st_size != FILE_SIZE)
        rows_fail("stat");
}

static void read_one(long number)
{
    int fd = open(path_of(number), O_RDONLY);

    if (fd < 0 || read(fd, data, FILE_SIZE) != FILE_SIZE)
        rows_fail("read");
    close(fd);
}

static void remove_one(long number)
{
    if (unlink(path_of(number)) || (is_synced_each && fsync(opened)))
        rows_fail("unlink");
}

static void measure_files(const char *name, long count, void (*step)(long), bool ends_in_sync)
{
    uint64_t start = rows_now_ns();

    for (long i = 0; i < count; i++)
        step(i);
    if (ends_in_sync)
        sync();
    rows_report_per(name, rows_now_ns() - start, (uint64_t)count);
}

static void measure_synced(const char *path, long count)
{
    opened = open(path, O_RDONLY | O_DIRECTORY);
    if (opened < 0)
        rows_fail(path);
    measure_files("files_create_synced", count, create_one, false);
    measure_files("files_remove_synced", count, remove_one, false);
    close(opened);
}

void files_rows(const char *where, long count, bool is_synced)
{
    char path[256];

    directory = where;
    is_synced_each = is_synced;
    snprintf(path, sizeof(path), "%s/bench", directory);
    if (mkdir(path, 0755))
        rows_fail(path);
    if (is_synced) {
        measure_synced(path, count);
    } else {
        measure_files("files_create", count, create_one, true);
        measure_files("files_stat", count, stat_one, false);
        measure_files("files_read", count, read_one, false);
        measure_files("files_remove", count, remove_one, true);
    }
    rmdir(path);
}
