/*
 * The vnode cache: who is found, who stays, who goes when memory runs low, and that nothing is
 * lost by it.
 */
// links: tests/unit/fs/sim_disk.c tools/nanofs/platform.c
// links: fs/ramfs.c fs/nanofs/super.c
#include "fs/nanofs/nanofs.h"
#include "fs/vfs.h"
#include "lib/errno.h"
#include "tests/unit/fs/sim_disk.h"
#include "tests/unit/unit.h"
#include "tools/nanofs/platform.h"

#define FILES 3000u

static const uint8_t seed[32] = { 9 };

static void start(void)
{
    sim_disk_current = sim_disk_create(16384);
    assert_int_equal(nanofs_format_device(&sim_disk_current->device, seed, NULL), 0);
    assert_int_equal(vfs_mount("nanofs", "sim", "/"), 0);
}

static void stop(void)
{
    platform.is_memory_low = false;
    vfs_unmount_all();
    assert_int_equal(vnode_cache_count(), 0);
    assert_int_equal(nanofs_check_device(&sim_disk_current->device, NULL), 0);
    sim_disk_destroy(sim_disk_current);
}

static const char *path_of(unsigned int number)
{
    static char path[32];

    snprintf(path, sizeof(path), "/file%u", number);
    return path;
}

static void make_files(unsigned int from, unsigned int to)
{
    struct file *file;

    for (unsigned int i = from; i < to; i++) {
        size_t done;

        assert_int_equal(vfs_open(path_of(i), VFS_CREATE | VFS_WRITE, &file), 0);
        assert_int_equal(vfs_write(file, &i, i % 5, 0, &done), 0);
        vfs_close(file);
    }
}

static void look_at_all(unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        struct vfs_stat stat;

        assert_int_equal(vfs_stat(path_of(i), &stat), 0);
        assert_int_equal(stat.size, i % 5);
    }
}

/* Was it in the cache? */
static bool look(unsigned int number)
{
    unsigned int before = vnode_cache_count();
    struct vfs_stat stat;

    assert_int_equal(vfs_stat(path_of(number), &stat), 0);
    return vnode_cache_count() == before;
}

static void test_what_nobody_uses_goes(void **state)
{
    unsigned int before, gone;
    struct file *file;

    (void)state;
    start();
    make_files(0, FILES);
    assert_int_equal(vfs_sync(), 0); /* until then all are to be written */
    assert_int_equal(vfs_open(path_of(7), VFS_READ, &file), 0);
    before = vnode_cache_count();
    assert_true(before > FILES);
    gone = vnode_cache_shrink(1000);
    assert_int_equal(gone, 1000);
    assert_int_equal(vnode_cache_count(), before - gone);
    gone += vnode_cache_shrink(FILES);
    assert_int_equal(vnode_cache_count(), before - gone);
    assert_true(before - gone <= 4); /* the root, the orphans, the open one */
    assert_true(look(7));
    look_at_all(FILES);
    vfs_close(file);
    stop();
}

/* Those looked at since they came outlive those that were not. */
static void test_what_is_used_stays(void **state)
{
    (void)state;
    start();
    make_files(0, FILES);
    assert_int_equal(vfs_sync(), 0);
    while (vnode_cache_shrink(100) > 0)
        ;
    look_at_all(1000);
    for (unsigned int i = 0; i < 1000; i += 10)
        assert_true(look(i));
    for (unsigned int round = 0; round < 850; round++)
        (void)vnode_cache_shrink(1);
    for (unsigned int i = 0; i < 1000; i += 10)
        assert_true(look(i));
    stop();
}

static void test_low_memory_bounds_it(void **state)
{
    (void)state;
    start();
    make_files(0, FILES);
    assert_int_equal(vfs_sync(), 0);
    assert_true(vnode_cache_count() > FILES);
    platform.is_memory_low = true;
    make_files(FILES, FILES + 600);
    assert_int_equal(vfs_sync(), 0);
    look_at_all(FILES + 600);
    assert_true(vnode_cache_count() < 32);
    stop();
}

static void check_name(const char *path, bool is_there)
{
    struct vfs_stat stat;

    assert_int_equal(vfs_stat(path, &stat), is_there ? 0 : -ENOENT);
}

/* Short names lie in the vnode, long ones do not: all four ways from one to the other. */
static void test_short_and_long_names(void **state)
{
    static const size_t lengths[] = { 1, 22, 23, 24, 25, 255 };
    char from[300], to[300];
    struct file *file;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lengths) * ARRAY_SIZE(lengths); i++) {
        assert_int_equal(vfs_mount("ramfs", NULL, "/"), 0);
        snprintf(from, sizeof(from), "/%0*u", (int)lengths[i / ARRAY_SIZE(lengths)], 1u);
        snprintf(to, sizeof(to), "/%0*u", (int)lengths[i % ARRAY_SIZE(lengths)], 2u);
        assert_int_equal(vfs_open(from, VFS_CREATE, &file), 0);
        assert_int_equal(vfs_rename(from, to), 0);
        check_name(from, false);
        check_name(to, true);
        assert_int_equal(vfs_rename(to, from), 0);
        check_name(from, true);
        check_name(to, false);
        assert_int_equal(vfs_remove(from), 0);
        check_name(from, false);
        vfs_close(file);
        vfs_unmount_all();
        assert_int_equal(vnode_cache_count(), 0);
    }
}

UNIT_TESTS(UNIT_TEST(test_what_nobody_uses_goes), UNIT_TEST(test_what_is_used_stays),
           UNIT_TEST(test_low_memory_bounds_it), UNIT_TEST(test_short_and_long_names))
