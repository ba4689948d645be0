/*
 * File systems under load from all CPUs: many tasks change files side by side while others sync,
 * and in the end everything is where it belongs and fsck is content.
 */
#include "arch/cpu.h"
#include "fs/vfs.h"
#include "kernel/sched/task.h"
#include "kernel/sync/wait_queue.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "tests/boot/memory_disk.h"
#include "tests/boot/workers.h"
#include "tests/boot_test.h"

#define WORKERS 6
#define ROUNDS  40

static atomic_u32 next_worker;

static void print_problem(void *context, const char *text, size_t length)
{
    (void)length;
    ++*(unsigned int *)context;
    boot_test_fail(__FILE__, __LINE__, "fsck: %s", text);
}

/* Each file holds its own number, repeated. */
static int fill(const char *path, uint32_t number, size_t words, uint64_t offset)
{
    uint32_t *buffer = kmalloc(words * sizeof(uint32_t));
    struct file *file;
    size_t done;
    int error;

    if (!buffer)
        return -ENOMEM;
    for (size_t i = 0; i < words; i++)
        buffer[i] = number;
    error = vfs_open(path, VFS_CREATE | VFS_WRITE, &file);
    if (!error) {
        error = vfs_write(file, buffer, words * sizeof(uint32_t), offset, &done);
        vfs_close(file);
    }
    kfree(buffer);
    return error;
}

static int verify(const char *path, uint32_t number, size_t size)
{
    uint32_t *buffer = kmalloc(size + 1);
    struct file *file;
    size_t done = 0;
    int error = buffer ? vfs_open(path, VFS_READ, &file) : -ENOMEM;

    if (!error) {
        error = vfs_read(file, buffer, size + 1, 0, &done);
        vfs_close(file);
    }
    if (!error && done != size)
        error = -ENODATA;
    for (size_t i = 0; !error && i < size / sizeof(uint32_t); i++) {
        if (buffer[i] != number)
            error = -EILSEQ;
    }
    kfree(buffer);
    return error;
}

/* Creates, rewrites, renames over the last one, removes, reads back. */
static int churn_round(uint32_t worker, uint32_t round, uint64_t *random)
{
    uint32_t number = worker << 16 | round;
    size_t words = 1 + random_next(random) % 20000;
    char path[64], kept[64];
    int error;

    snprintf(path, sizeof(path), "/t/w%u/new%u", worker, round);
    snprintf(kept, sizeof(kept), "/t/w%u/kept%u", worker, round % 5);
    error = fill(path, number, words, 0);
    if (!error)
        error = fill(path, number, words / 2 + 1, 0); /* over data that may be on its way */
    if (!error)
        error = verify(path, number, words * sizeof(uint32_t));
    if (!error)
        error = vfs_rename(path, kept);
    if (!error && round % 3 == 0)
        error = verify(kept, number, words * sizeof(uint32_t));
    if (!error && round % 7 == 0)
        error = vfs_remove(kept);
    if (!error && round % 4 == worker % 4)
        error = vfs_sync();
    return error;
}

static int churn(void *arg)
{
    uint32_t worker = atomic_fetch_add(&next_worker, 1);
    uint64_t random = worker + 1;
    char path[32];
    int error;

    (void)arg;
    snprintf(path, sizeof(path), "/t/w%u", worker);
    error = vfs_mkdir(path);
    for (uint32_t round = 0; round < ROUNDS && !error; round++)
        error = churn_round(worker, round, &random);
    return error;
}

/* All in one directory, over the same few names. */
static int collide(void *arg)
{
    uint32_t worker = atomic_fetch_add(&next_worker, 1);
    uint64_t random = worker + 77;
    char from[32], to[32];

    (void)arg;
    for (uint32_t i = 0; i < ROUNDS * 3; i++) {
        int error;

        snprintf(from, sizeof(from), "/t/c%u", (unsigned int)(random_next(&random) % 8));
        snprintf(to, sizeof(to), "/t/c%u", (unsigned int)(random_next(&random) % 8));
        if (i % 3 == 0)
            error = fill(from, worker, 2000, 0);
        else if (i % 3 == 1)
            error = vfs_rename(from, to);
        else
            error = vfs_remove(to);
        if (error && error != -ENOENT)
            return error;
    }
    return vfs_sync();
}

static void run_all(void)
{
    atomic_store(&next_worker, 0);
    workers_run(WORKERS, churn, NULL);
    atomic_store(&next_worker, 0);
    workers_run(WORKERS, collide, NULL);
}

BOOT_TEST(fs, ramfs_under_load)
{
    EXPECT_EQ(vfs_mkdir("/t"), 0);
    EXPECT_EQ(vfs_mount("ramfs", NULL, "/t"), 0);
    run_all();
    EXPECT_EQ(vfs_unmount("/t"), 0);
    EXPECT_EQ(vfs_remove("/t"), 0);
}

BOOT_TEST(fs, nanofs_under_load)
{
    struct block_device *disk = memory_disk_create(16);
    unsigned int problems = 0;
    struct filesystem_report report = { .problem = print_problem, .context = &problems };
    const struct filesystem *nanofs = filesystem_find("nanofs");

    EXPECT(disk && nanofs);
    EXPECT_EQ(nanofs->ops->format(disk->name, NULL), 0);
    EXPECT_EQ(vfs_mkdir("/t"), 0);
    EXPECT_EQ(vfs_mount("nanofs", disk->name, "/t"), 0);
    run_all();
    EXPECT_EQ(vfs_unmount("/t"), 0);
    EXPECT_EQ(nanofs->ops->check(disk->name, &report), 0);
    EXPECT_EQ(vfs_mount("nanofs", disk->name, "/t"), 0);
    EXPECT_EQ(vfs_remove_tree("/t/w0", NULL), 0);
    EXPECT_EQ(vfs_unmount("/t"), 0);
    EXPECT_EQ(nanofs->ops->check(disk->name, &report), 0);
    EXPECT_EQ(vfs_remove("/t"), 0);
    memory_disk_destroy(disk);
}
