/*
 * Benchmark of file systems: many small files, created, looked at, read and removed.
 */
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "shell/bench/bench.h"
#include "shell/bench/bench_directory.h"

#define FILES_DEFAULT 10000
#define FILE_SIZE     4096

struct files_run {
    struct bench *bench;
    uint32_t count;
    bool is_synced_each;
    struct file *opened; /* the directory, when each removal is synced */
    uint8_t data[FILE_SIZE];
    struct bench_directory files;
};

static int create_one(struct files_run *run, uint32_t number)
{
    struct file *file;
    size_t done;
    int error = vfs_open(bench_directory_file(&run->files, number),
                         VFS_WRITE | VFS_CREATE | VFS_EXCLUSIVE, &file);

    if (error)
        return error;
    error = vfs_write(file, run->data, FILE_SIZE, 0, &done);
    if (!error && run->is_synced_each)
        error = vfs_fsync(file);
    vfs_close(file);
    return error;
}

static int stat_one(struct files_run *run, uint32_t number)
{
    struct vfs_stat stat;
    int error = vfs_stat(bench_directory_file(&run->files, number), &stat);

    return error ? error : stat.size == FILE_SIZE ? 0 : -EIO;
}

static int read_one(struct files_run *run, uint32_t number)
{
    struct file *file;
    size_t done = 0;
    int error = vfs_open(bench_directory_file(&run->files, number), VFS_READ, &file);

    if (error)
        return error;
    error = vfs_read(file, run->data, FILE_SIZE, 0, &done);
    vfs_close(file);
    return error ? error : done == FILE_SIZE ? 0 : -EIO;
}

static int remove_one(struct files_run *run, uint32_t number)
{
    int error = vfs_remove(bench_directory_file(&run->files, number));

    if (!error && run->is_synced_each)
        error = vfs_fsync(run->opened);
    return error;
}

static int measure(struct files_run *run, const char *name,
                   int (*step)(struct files_run *run, uint32_t number), bool ends_in_sync)
{
    uint64_t start = bench_now_ns();
    int error = 0;

    for (uint32_t i = 0; i < run->count && !error; i++) {
        error = step(run, i);
        if (task_is_cancelled())
            error = -ECANCELED;
        if (i % 256 == 0)
            shell_progress(run->bench->shell, "%s %u of %u", name, i, run->count);
    }
    if (!error && ends_in_sync)
        error = vfs_sync();
    uint64_t ns = bench_now_ns() - start;
    shell_progress(run->bench->shell, "%s", "");
    if (error)
        shell_error(run->bench->shell, "%s: %s", run->files.path, errno_text(error));
    else
        bench_report_per(run->bench, name, ns, run->count);
    return error;
}

static int measure_one_sync(struct files_run *run)
{
    int error = measure(run, "files_create", create_one, true);

    if (!error)
        error = measure(run, "files_stat", stat_one, false);
    if (!error)
        error = measure(run, "files_read", read_one, false);
    if (!error)
        error = measure(run, "files_remove", remove_one, true);
    return error;
}

static int measure_synced(struct files_run *run)
{
    int error = vfs_open(run->files.directory, VFS_READ, &run->opened);

    if (error)
        return error;
    error = measure(run, "files_create_synced", create_one, false);
    if (!error)
        error = measure(run, "files_remove_synced", remove_one, false);
    vfs_close(run->opened);
    return error;
}

static int run_files(struct files_run *run)
{
    int error = vfs_mkdir(run->files.directory);

    if (error) {
        shell_error(run->bench->shell, "%s: %s", run->files.directory, errno_text(error));
        return error;
    }
    error = run->is_synced_each ? measure_synced(run) : measure_one_sync(run);
    return bench_directory_end(&run->files, error);
}

static int files_bench(struct bench *bench)
{
    uint32_t count = FILES_DEFAULT;
    bool is_synced_each = bench->argc == 3 && strcmp(bench->argv[2], "sync") == 0;

    if (bench->argc < 1 || bench->argc > 3 || (bench->argc == 3 && !is_synced_each) ||
        (bench->argc > 1 && (parse_u32(bench->argv[1], &count) || count == 0))) {
        shell_error(bench->shell, "usage: bench files DIRECTORY [COUNT [sync]]");
        return -EINVAL;
    }
    struct files_run *run = kzalloc(sizeof(*run));
    if (!run)
        return -ENOMEM;
    run->bench = bench;
    run->count = count;
    run->is_synced_each = is_synced_each;
    int error = bench_directory_init(&run->files, bench, "bench");
    if (!error)
        error = run_files(run);
    kfree(run);
    return error;
}
BENCH(files, "create, stat, read and remove files of 4 KiB; sync: each one by itself",
      "DIRECTORY [COUNT [sync]]", files_bench);
