/*
 * Benchmark of growth: what it costs to look at a file, and to make and remove one, in a directory
 * of 100 files and in one of 100,000.
 */
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "mm/kmalloc.h"
#include "shell/bench/bench.h"
#include "shell/bench/bench_directory.h"
#include "shell/bench/bench_random.h"

#define FILES_SMALL 100
#define FILES_LARGE 100000
#define LOOKS       20000
#define MAKINGS     5000

struct growth {
    struct bench *bench;
    unsigned int count;
    struct bench_directory files;
};

static int make_file(struct growth *growth, uint32_t number)
{
    struct file *file;
    int error = vfs_open(bench_directory_file(&growth->files, number),
                         VFS_WRITE | VFS_CREATE | VFS_EXCLUSIVE, &file);

    if (!error)
        vfs_close(file);
    return error;
}

static int fill(struct growth *growth)
{
    int error = vfs_mkdir(growth->files.directory);

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
        error = vfs_stat(
            bench_directory_file(&growth->files, bench_random_below(&random, growth->count)),
            &stat);
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
            error = vfs_remove(bench_directory_file(&growth->files, growth->count));
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
        shell_error(growth->bench->shell, "%s: %s", growth->files.path, errno_text(error));
    return bench_directory_end(&growth->files, error);
}

static int run(struct growth *growth)
{
    int error = bench_directory_init(&growth->files, growth->bench, "growth");

    if (!error)
        error = measure_directory(growth, FILES_SMALL);
    if (!error)
        error = measure_directory(growth, (unsigned int)bench_count(growth->bench, FILES_LARGE));
    return error;
}

static int growth_files_bench(struct bench *bench)
{
    if (bench->argc != 1) {
        shell_error(bench->shell, "usage: bench growth_files DIRECTORY");
        return -EINVAL;
    }
    struct growth *growth = kzalloc(sizeof(*growth));
    if (!growth)
        return -ENOMEM;
    growth->bench = bench;
    int error = run(growth);
    kfree(growth);
    return error;
}
BENCH(growth_files, "a file looked at, and made and removed, among 100 and 100,000", "DIRECTORY",
      growth_files_bench);
