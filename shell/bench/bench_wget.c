/*
 * Benchmark of a download into a file: network, HTTP and file system together, until the disk has
 * it.
 */
#include "fs/vfs.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "mm/kmalloc.h"
#include "shell/bench/bench.h"

#define LINE_MAX (2 * VFS_PATH_MAX)

static int fetch(struct bench *bench, char *line)
{
    struct vfs_stat stat;
    const char *url = bench->argv[0], *path = bench->argv[1];

    snprintf(line, LINE_MAX, "wget '%s' -O '%s'", url, path);
    uint64_t start = bench_now_ns();
    int error = shell_execute(bench->shell, line);
    if (!error)
        error = vfs_sync();
    uint64_t ns = bench_now_ns() - start;
    if (!error)
        error = vfs_resolve(shell_directory(bench->shell), path, line);
    if (!error)
        error = vfs_stat(line, &stat);
    if (!error)
        bench_report(bench, "wget_to_disk", bench_rate(stat.size, ns), "MB/s");
    return error;
}

static int wget_bench(struct bench *bench)
{
    if (bench->argc != 2) {
        shell_error(bench->shell, "usage: bench wget URL PATH");
        return -EINVAL;
    }
    char *line = kmalloc(LINE_MAX);
    int error = line ? fetch(bench, line) : -ENOMEM;

    kfree(line);
    return error;
}
BENCH(wget, "a download into a file, sync included", "URL PATH", wget_bench);
