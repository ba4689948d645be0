/*
 * Benchmark of growth: what it costs to look at a file, and to make and remove one, in a directory
 * of 100 files and in one of 100,000.
 */
#include "fs/vfs.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "shell/bench/bench.h"
#include "shell/bench/bench_random.h"

#define FILES_SMALL 100
#define FILES_LARGE 100000
#define LOOKS       20000
#define MAKINGS     5000

struct growth {
    struct bench *bench;
    unsigned int count;
    char directory[VFS_PATH_MAX];
    char path[VFS_PATH_MAX];
};

static const char *path_of(struct growth *growth, uint32_t number)
{
    snprintf(growth->path, sizeof(growth->path), "%s/file%u", growth->directory, number);
    return growth->path;
}

static int make_file(struct growth *growth, uint32_t number)
{
    struct file *file;
    int error = vfs_open(path_of(growth, number), VFS_WRITE | VFS_CREATE | VFS_EXCLUSIVE, &file);

    if (!error)
        vfs_close(file);
    return error;
}

static int fill(struct growth *growth)
{
    int error = vfs_mkdir(growth->directory);

    for (uint32_t i = 0; i < growth->count && !error; i++) {
        error = make_file(growth, i);
        if (i % 256 == 0)
            shell_progress(growth->bench->shell, "%u of %u files", i, growth->count);
        if (task_is_cancelled())
            error = -ECANCELED;
    }
    shell_progress(growth->bench->shell, "%s", "");
    return error ? error : vfs_sync();
}

static void report(struct growth *growth, const char *what, uint64_t ns, uint64_t count)
{
    char name[40];

    snprintf(name, sizeof(name), "growth_%s_%u", what, growth->count);
    bench_report_per(growth->bench, name, ns, count);
}

static int measure_looks(struct growth *growth)
{
    uint64_t looks = bench_count(growth->bench, LOOKS);
    uint32_t random = BENCH_SEED;
    struct vfs_stat stat;
    int error = 0;
    uint64_t start = bench_now_ns();

    for (uint64_t i = 0; i < looks && !error; i++)
        error = vfs_stat(path_of(growth, bench_random_below(&random, growth->count)), &stat);
    if (!error)
        report(growth, "stat", bench_now_ns() - start, looks);
    return error;
}

/* One more file comes and goes. */
static int measure_makings(struct growth *growth)
{
    uint64_t makings = bench_count(growth->bench, MAKINGS);
    int error = 0;
    uint64_t start = bench_now_ns();

    for (uint64_t i = 0; i < makings && !error; i++) {
        error = make_file(growth, growth->count);
        if (!error)
            error = vfs_remove(path_of(growth, growth->count));
    }
    if (!error)
        error = vfs_sync();
    if (!error)
        report(growth, "make", bench_now_ns() - start, makings);
    return error;
}

static int measure_directory(struct growth *growth, unsigned int count)
{
    growth->count = count;
    int error = fill(growth);

    if (!error)
        error = measure_looks(growth);
    if (!error)
        error = measure_makings(growth);
    if (error)
        shell_error(growth->bench->shell, "%s: %s", growth->path, errno_text(error));
    int cleanup_error = vfs_remove_tree(growth->directory, NULL);
    return error ? error : cleanup_error;
}

static int run(struct growth *growth, char *base)
{
    struct bench *bench = growth->bench;
    int error = vfs_resolve(shell_directory(bench->shell), bench->argv[0], base);

    if (!error && strlen(base) + 32 > VFS_PATH_MAX)
        error = -ENAMETOOLONG;
    if (error) {
        shell_error(bench->shell, "%s: %s", bench->argv[0], errno_text(error));
        return error;
    }
    snprintf(growth->directory, sizeof(growth->directory), "%s/growth",
             strcmp(base, "/") ? base : "");
    error = measure_directory(growth, FILES_SMALL);
    return error ? error : measure_directory(growth, (unsigned int)bench_count(bench, FILES_LARGE));
}

static int growth_files_bench(struct bench *bench)
{
    if (bench->argc != 1) {
        shell_error(bench->shell, "usage: bench growth_files DIRECTORY");
        return -EINVAL;
    }
    struct growth *growth = kzalloc(sizeof(*growth));
    char *base = kmalloc(VFS_PATH_MAX);
    int error = -ENOMEM;

    if (growth && base) {
        growth->bench = bench;
        error = run(growth, base);
    }
    kfree(base);
    kfree(growth);
    return error;
}
BENCH(growth_files, "a file looked at, and made and removed, among 100 and 100,000", "DIRECTORY",
      growth_files_bench);
