/*
 * nanofs against a model: random operations, remounts, full disks, failing disks.
 */
// links: tests/unit/fs/sim_disk.c tests/unit/fs/model.c tools/nanofs/platform.c
// links: fs/ramfs.c fs/nanofs/super.c
#include "fs/nanofs/nanofs.h"
#include "fs/vfs.h"
#include "lib/errno.h"
#include "tests/unit/fs/model.h"
#include "tests/unit/fs/sim_disk.h"
#include "tools/nanofs/platform.h"

static const uint8_t seed[32] = { 1, 2, 3 };

static void print_problem(void *context, const char *text, size_t length)
{
    (void)context;
    fprintf(stderr, "fsck: %.*s\n", (int)length, text);
}

static const struct filesystem_report report = { .problem = print_problem };

static void start(uint64_t blocks)
{
    sim_disk_current = sim_disk_create(blocks);
    assert_int_equal(nanofs_format_device(&sim_disk_current->device, seed, NULL), 0);
    assert_int_equal(nanofs_check_device(&sim_disk_current->device, &report), 0);
    assert_int_equal(vfs_mount("nanofs", "sim", "/"), 0);
}

static void stop(void)
{
    vfs_unmount_all();
    assert_int_equal(vnode_cache_count(), 0);
    assert_int_equal(nanofs_check_device(&sim_disk_current->device, &report), 0);
    sim_disk_destroy(sim_disk_current);
}

static void remount(struct model *model)
{
    int error;

    vfs_unmount_all();
    assert_int_equal(vnode_cache_count(), 0);
    assert_int_equal(nanofs_check_device(&sim_disk_current->device, &report), 0);
    assert_int_equal(vfs_mount("nanofs", "sim", "/"), 0);
    assert_int_equal(mounted_state(&error), model_state(model));
    assert_int_equal(error, 0);
}

static void run(uint64_t blocks, uint64_t seed_number, unsigned int steps, size_t size_max)
{
    struct model model;

    platform.wall_ns = 1700000000000000000ull;
    start(blocks);
    model_init(&model, seed_number);
    model.size_max = size_max;
    for (unsigned int i = 0; i < steps; i++) {
        (void)model_step(&model);
        if (i % 300 == 299)
            remount(&model);
    }
    model_verify(&model);
    remount(&model);
    model_free(&model);
    stop();
}

static void test_random_operations(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 8; i++)
        run(8192, i, 1500, MODEL_FILE_MAX);
}

/* 4 MiB, of which a third is journal: most of the time it is full. */
static void test_full_disk(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 8; i++)
        run(1024, 100 + i, 1200, MODEL_FILE_MAX);
}

/* Little memory: pages and metadata are evicted and read again. */
static void test_little_memory(void **state)
{
    (void)state;
    platform.total_pages = 16;
    run(8192, 77, 1500, MODEL_FILE_MAX);
    platform.total_pages = 65536;
}

static void test_ramfs(void **state)
{
    struct model model;
    int error;

    (void)state;
    for (uint64_t i = 1; i <= 4; i++) {
        assert_int_equal(vfs_mount("ramfs", NULL, "/"), 0);
        model_init(&model, i);
        model.size_max = 64 * 1024;
        for (unsigned int step = 0; step < 1500; step++) {
            uint64_t before = model.random.state;
            /* the background steps are for nanofs */
            struct unit_random peek = { before };
            uint64_t what = unit_random_below(&peek, 100);

            if (what >= 90 && what < 95) {
                model.random = peek;
                continue;
            }
            (void)model_step(&model);
        }
        assert_int_equal(mounted_state(&error), model_state(&model));
        assert_int_equal(error, 0);
        model_verify(&model);
        model_free(&model);
        vfs_unmount_all();
        assert_int_equal(vnode_cache_count(), 0);
    }
}

static void ignore_log(int level, const char *line)
{
    (void)level;
    (void)line;
}

/* After a fault the disk must hold a state that was synced or later, whole. */
static void fault_run(uint64_t number, void (*break_disk)(struct sim_disk *disk, uint64_t number))
{
    struct model model;
    bool was_read_only = false;

    start(8192);
    model_init(&model, number);
    model.expects_faults = true;
    for (int i = 0; i < 150; i++)
        (void)model_step(&model);
    break_disk(sim_disk_current, number);
    for (int i = 0; i < 200 && !model.has_faulted; i++)
        (void)model_step(&model);
    was_read_only = atomic_load(&mounted_nanofs()->is_read_only);
    if (was_read_only) {
        struct file *file;

        assert_int_equal(vfs_open("/new", VFS_CREATE | VFS_WRITE, &file), -EROFS);
        assert_int_equal(vfs_mkdir("/newdir"), -EROFS);
    }
    vfs_unmount_all();
    assert_int_equal(vnode_cache_count(), 0);
    sim_disk_current->fail_read = sim_disk_current->fail_write = sim_disk_current->fail_flush = 0;
    sim_disk_current->is_lasting = false;
    sim_disk_current->fail_percent = 0;
    assert_int_equal(vfs_mount("nanofs", "sim", "/"), 0);
    model_free(&model);
    stop();
}

static void break_write_once(struct sim_disk *disk, uint64_t number)
{
    disk->fail_write = 1 + number % 40;
}

static void break_writes(struct sim_disk *disk, uint64_t number)
{
    break_write_once(disk, number);
    disk->is_lasting = true;
}

static void break_half_of_writes(struct sim_disk *disk, uint64_t number)
{
    disk->random_state = number;
    disk->fail_percent = 50;
}

static void break_flush(struct sim_disk *disk, uint64_t number)
{
    disk->fail_flush = 1 + number % 5;
}

static void break_all(struct sim_disk *disk, uint64_t number)
{
    disk->fail_read = disk->fail_write = disk->fail_flush = 1 + number % 10;
    disk->is_lasting = true;
}

static void test_faults(void **state)
{
    void (*const ways[])(struct sim_disk *, uint64_t) = { break_write_once, break_writes,
                                                          break_half_of_writes, break_flush,
                                                          break_all };

    (void)state;
    platform.log_hook = ignore_log;
    for (uint64_t i = 0; i < 100; i++)
        fault_run(1000 + i, ways[i % ARRAY_SIZE(ways)]);
    platform.log_hook = NULL;
}

/* An allocation that fails is -ENOMEM for one operation and nothing else. */
static void test_out_of_memory(void **state)
{
    (void)state;
    platform.log_hook = ignore_log;
    for (uint64_t i = 1; i < 300; i++) {
        struct vfs_stat stat;
        struct file *file = NULL;
        char data[10000] = { 1 };
        size_t done = 0;
        int error;

        start(1024);
        assert_int_equal(vfs_mkdir("/d"), 0);
        assert_int_equal(vfs_sync(), 0);
        platform.fail_allocation = i;
        error = vfs_open("/d/file", VFS_CREATE | VFS_WRITE, &file);
        if (!error)
            error = vfs_write(file, data, sizeof(data), 0, &done);
        if (!error)
            error = vfs_sync();
        platform.fail_allocation = 0;
        vfs_close(file);
        if (!error)
            assert_int_equal(vfs_sync(), 0);
        assert_true(error == 0 || error == -ENOMEM);
        assert_int_equal(vfs_stat("/d", &stat), 0);
        stop();
    }
    platform.log_hook = NULL;
}

UNIT_TESTS(UNIT_TEST(test_random_operations), UNIT_TEST(test_full_disk),
           UNIT_TEST(test_little_memory), UNIT_TEST(test_ramfs), UNIT_TEST(test_faults),
           UNIT_TEST(test_out_of_memory))
