/*
 * nanofs at its limits: many names, large files, large disks, holes.
 */
// links: tests/unit/fs/sim_disk.c tests/unit/fs/model.c tools/nanofs/platform.c
// links: fs/ramfs.c fs/nanofs/super.c
#include "fs/nanofs/nanofs.h"
#include "fs/vfs.h"
#include "lib/errno.h"
#include "tests/unit/fs/sim_disk.h"
#include "tests/unit/unit.h"
#include "tools/nanofs/platform.h"

#define GIB (1ull << 30)

static const uint8_t seed[32] = { 3 };

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
    assert_int_equal(vfs_mount("nanofs", "sim", "/"), 0);
}

static void remount(void)
{
    vfs_unmount_all();
    assert_int_equal(vnode_cache_count(), 0);
    assert_int_equal(nanofs_check_device(&sim_disk_current->device, &report), 0);
    assert_int_equal(vfs_mount("nanofs", "sim", "/"), 0);
}

static void stop(void)
{
    remount();
    vfs_unmount_all();
    sim_disk_destroy(sim_disk_current);
}

struct seen {
    uint8_t times[100000];
    unsigned int count, stop_after;
};

static bool note_name(void *context, const char *name, size_t length, enum vnode_type type,
                      uint64_t inode)
{
    struct seen *seen = context;
    char text[16] = { 0 };

    (void)type;
    (void)inode;
    if (seen->stop_after && seen->count && seen->count % seen->stop_after == 0) {
        seen->count++;
        return false;
    }
    memcpy(text, name, MIN(length, sizeof(text) - 1));
    seen->times[strtoul(text + 1, NULL, 10)]++;
    seen->count++;
    return true;
}

static void test_100000_names(void **state)
{
    static struct seen seen;
    struct file *file;
    uint64_t cursor = 0, reads;
    char path[32];

    (void)state;
    start(65536);
    assert_int_equal(vfs_mkdir("/d"), 0);
    for (unsigned int i = 0; i < 100000; i++) {
        snprintf(path, sizeof(path), "/d/f%u", i);
        assert_int_equal(vfs_open(path, VFS_CREATE, &file), 0);
        vfs_close(file);
    }
    remount();
    /* A look-up reads a path of the tree and a block of inodes, not the directory. */
    reads = sim_disk_current->reads;
    assert_int_equal(vfs_open("/d/f77777", 0, &file), 0);
    vfs_close(file);
    assert_true(sim_disk_current->reads - reads <= 10);
    assert_int_equal(vfs_open("/d/f100000", 0, &file), -ENOENT);
    /* Read in pieces while names go and come: what stays is seen once. */
    seen.stop_after = 1000;
    assert_int_equal(vfs_open("/d", VFS_READ, &file), 0);
    for (unsigned int i = 0; cursor != UINT64_MAX; i++) {
        assert_int_equal(vfs_readdir(file, &cursor, note_name, &seen), 0);
        snprintf(path, sizeof(path), "/d/f%u", i);
        assert_int_equal(vfs_remove(path), 0);
        snprintf(path, sizeof(path), "/d/g%u", i);
        assert_int_equal(vfs_mkdir(path), 0);
    }
    vfs_close(file);
    for (unsigned int i = 1000; i < 100000; i++)
        assert_int_equal(seen.times[i], 1);
    assert_int_equal(vfs_remove_tree("/d", NULL), 0);
    stop();
}

static void write_word(const char *path, uint64_t offset, uint64_t word)
{
    struct file *file;
    size_t done;

    assert_int_equal(vfs_open(path, VFS_CREATE | VFS_WRITE, &file), 0);
    assert_int_equal(vfs_write(file, &word, sizeof(word), offset, &done), 0);
    vfs_close(file);
}

static uint64_t read_word(const char *path, uint64_t offset)
{
    struct file *file;
    uint64_t word = 0;
    size_t done;

    assert_int_equal(vfs_open(path, VFS_READ, &file), 0);
    assert_int_equal(vfs_read(file, &word, sizeof(word), offset, &done), 0);
    assert_int_equal(done, sizeof(word));
    vfs_close(file);
    return word;
}

static void test_holes(void **state)
{
    struct vfs_statfs before, after;
    struct vfs_stat stat;
    struct file *file;

    (void)state;
    start(8192);
    assert_int_equal(vfs_sync(), 0);
    assert_int_equal(vfs_statfs("/", &before), 0);
    write_word("/sparse", 16 * GIB - 8, 42);
    assert_int_equal(vfs_sync(), 0);
    assert_int_equal(vfs_statfs("/", &after), 0);
    assert_true(before.free_blocks - after.free_blocks < 8);
    assert_int_equal(vfs_stat("/sparse", &stat), 0);
    assert_int_equal(stat.size, 16 * GIB);
    remount();
    assert_int_equal(read_word("/sparse", 16 * GIB - 8), 42);
    assert_int_equal(read_word("/sparse", 7 * GIB), 0);
    assert_int_equal(vfs_open("/sparse", VFS_WRITE, &file), 0);
    assert_int_equal(vfs_truncate(file, 5), 0);
    assert_int_equal(vfs_truncate(file, NANOFS_MAX_SIZE + 1), -EFBIG);
    assert_int_equal(vfs_truncate(file, GIB), 0);
    vfs_close(file);
    assert_int_equal(read_word("/sparse", GIB - 8), 0);
    stop();
}

/* 4 GiB, most of it a hole, on a disk of 1 TiB: mounting does not look at all of it. */
static void test_large_disk(void **state)
{
    uint64_t reads;

    (void)state;
    start(1ull << 28);
    for (uint64_t offset = 0; offset < 4 * GIB; offset += 16 << 20)
        write_word("/large", offset, offset);
    vfs_unmount_all();
    reads = sim_disk_current->reads;
    assert_int_equal(vfs_mount("nanofs", "sim", "/"), 0);
    assert_true(sim_disk_current->reads - reads < 20);
    for (uint64_t offset = 0; offset < 4 * GIB; offset += 16 << 20)
        assert_int_equal(read_word("/large", offset), offset);
    stop();
}

/* Every byte of 4 GiB takes a while: LONG=1 in the environment. Otherwise 64 MiB. */
static void test_large_file(void **state)
{
    static uint64_t buffer[128 * 1024];
    uint64_t size = getenv("LONG") ? 4 * GIB : 64 << 20;
    struct file *file;
    size_t done;

    (void)state;
    start(getenv("LONG") ? 1 << 21 : 32768);
    assert_int_equal(vfs_open("/file", VFS_CREATE | VFS_WRITE | VFS_READ, &file), 0);
    for (uint64_t offset = 0; offset < size; offset += sizeof(buffer)) {
        for (size_t i = 0; i < ARRAY_SIZE(buffer); i++)
            buffer[i] = offset + i;
        assert_int_equal(vfs_write(file, buffer, sizeof(buffer), offset, &done), 0);
    }
    assert_int_equal(vfs_fsync(file), 0);
    vfs_close(file);
    remount();
    /* In requests of 128 KiB or more, but for the metadata. */
    assert_true(sim_disk_current->blocks_written / sim_disk_current->writes >= 32);
    assert_int_equal(vfs_open("/file", VFS_READ, &file), 0);
    sim_disk_current->reads = sim_disk_current->blocks_read = 0;
    for (uint64_t offset = 0; offset < size; offset += sizeof(buffer)) {
        assert_int_equal(vfs_read(file, buffer, sizeof(buffer), offset, &done), 0);
        assert_int_equal(done, sizeof(buffer));
        for (size_t i = 0; i < ARRAY_SIZE(buffer); i++)
            assert_true(buffer[i] == offset + i);
    }
    assert_true(sim_disk_current->blocks_read / sim_disk_current->reads >= 32);
    vfs_close(file);
    stop();
}

static void test_paths(void **state)
{
    char *long_path = calloc(1, 6000);
    char name[300], path[400];
    struct vfs_stat stat;
    struct file *file;

    (void)state;
    start(1024);
    memset(name, 'n', sizeof(name));
    snprintf(path, sizeof(path), "/%.255s", name);
    assert_int_equal(vfs_mkdir(path), 0);
    assert_int_equal(vfs_stat(path, &stat), 0);
    snprintf(path, sizeof(path), "/%.256s", name);
    assert_int_equal(vfs_mkdir(path), -ENAMETOOLONG);
    memset(long_path, '/', 5000);
    assert_int_equal(vfs_stat(long_path, &stat), -ENAMETOOLONG);
    for (int i = 0; i < 1300; i++)
        memcpy(long_path + i * 3, "/..", 4);
    assert_int_equal(vfs_stat(long_path, &stat), 0); /* above the root is the root */
    assert_int_equal(stat.inode, NANOFS_INODE_ROOT);
    assert_int_equal(vfs_open("/file", VFS_CREATE, &file), 0);
    vfs_close(file);
    assert_int_equal(vfs_stat("/file/x", &stat), -ENOTDIR);
    assert_int_equal(vfs_stat("/file/", &stat), -ENOTDIR);
    assert_int_equal(vfs_stat("/file/..", &stat), -ENOTDIR);
    assert_int_equal(vfs_mkdir("/d"), 0);
    assert_int_equal(vfs_stat("/d/./../d//", &stat), 0);
    assert_int_equal(vfs_stat("/nothing/../d", &stat), -ENOENT);
    assert_int_equal(vfs_open("/d", VFS_WRITE, &file), -EISDIR);
    assert_int_equal(vfs_open("/d", VFS_CREATE | VFS_WRITE, &file), -EISDIR);
    assert_int_equal(vfs_stat("d", &stat), -EINVAL);
    assert_int_equal(vfs_remove("/"), -EBUSY);
    assert_int_equal(vfs_remove("/d/."), -EINVAL);
    assert_int_equal(vfs_rename("/d", "/d/e"), -EINVAL);
    assert_int_equal(vfs_rename("/", "/e"), -EBUSY);
    /* mounts: what is covered, what is in use */
    assert_int_equal(vfs_mount("ramfs", NULL, "/d"), 0);
    assert_int_equal(vfs_mount("ramfs", NULL, "/d"), -EBUSY);
    assert_int_equal(vfs_mount("ramfs", NULL, "/file"), -ENOTDIR);
    assert_int_equal(vfs_mount("ramfs", NULL, "/nothing"), -ENOENT);
    assert_int_equal(vfs_mount("nofs", NULL, "/"), -ENODEV);
    assert_int_equal(vfs_remove("/d"), -EBUSY);
    assert_int_equal(vfs_rename("/d", "/x"), -EBUSY);
    assert_int_equal(vfs_rename("/file", "/d/file"), -EXDEV);
    assert_int_equal(vfs_mkdir("/d/in"), 0);
    assert_int_equal(vfs_stat("/d/in/../..", &stat), 0);
    assert_int_equal(stat.inode, NANOFS_INODE_ROOT);
    assert_int_equal(vfs_open("/d/in", VFS_READ, &file), 0);
    assert_int_equal(vfs_unmount("/d"), -EBUSY);
    vfs_close(file);
    assert_int_equal(vfs_unmount("/d/in"), -ENXIO);
    assert_int_equal(vfs_unmount("/d"), 0);
    assert_int_equal(vfs_unmount("/"), -EBUSY);
    free(long_path);
    stop();
}

/* A file removed while it is open can be used until it is closed; then its space comes back. */
static void test_removed_while_open(void **state)
{
    static char data[200000];
    struct vfs_statfs before, after;
    struct file *file;
    size_t done;

    (void)state;
    start(8192);
    assert_int_equal(vfs_sync(), 0);
    assert_int_equal(vfs_statfs("/", &before), 0);
    assert_int_equal(vfs_open("/file", VFS_CREATE | VFS_WRITE | VFS_READ, &file), 0);
    memset(data, 7, sizeof(data));
    assert_int_equal(vfs_write(file, data, sizeof(data), 0, &done), 0);
    assert_int_equal(vfs_remove("/file"), 0);
    assert_int_equal(vfs_sync(), 0);
    assert_int_equal(vfs_write(file, data, sizeof(data), 100000, &done), 0);
    memset(data, 0, sizeof(data));
    assert_int_equal(vfs_read(file, data, sizeof(data), 50000, &done), 0);
    assert_int_equal(data[0], 7);
    assert_int_equal(vfs_sync(), 0);
    vfs_close(file);
    assert_int_equal(vfs_sync(), 0);
    assert_int_equal(vfs_statfs("/", &after), 0);
    assert_true(before.free_blocks - after.free_blocks <= 2);
    assert_int_equal(before.inodes, after.inodes);
    stop();
}

/* One that is too fragmented to be freed at once takes the same way when nobody has it open. */
static void test_removed_in_pieces(void **state)
{
    struct vfs_statfs before, after;

    (void)state;
    start(8192);
    assert_int_equal(vfs_sync(), 0);
    assert_int_equal(vfs_statfs("/", &before), 0);
    for (uint64_t offset = 0; offset < 300 * 8192; offset += 8192)
        write_word("/pieces", offset, offset);
    remount();
    assert_int_equal(vfs_remove("/pieces"), 0);
    vfs_unmount_all();
    assert_int_equal(vnode_cache_count(), 0);
    assert_int_equal(vfs_mount("nanofs", "sim", "/"), 0);
    assert_int_equal(vfs_statfs("/", &after), 0);
    assert_true(before.free_blocks - after.free_blocks <= 1);
    stop();
}

/* Of a small commit nothing is left to be written but that all of it is in place. */
static void test_small_commit(void **state)
{
    uint64_t written;

    (void)state;
    start(8192);
    for (uint64_t i = 0; i < 20; i++) {
        write_word("/small", i * NANOFS_BLOCK_SIZE, i);
        assert_int_equal(vfs_sync(), 0);
    }
    written = sim_disk_current->blocks_written;
    vfs_unmount_all();
    assert_int_equal(sim_disk_current->blocks_written - written, 1); /* the commit block */
    assert_int_equal(vfs_mount("nanofs", "sim", "/"), 0);
    assert_int_equal(read_word("/small", 19 * NANOFS_BLOCK_SIZE), 19);
    stop();
}

UNIT_TESTS(UNIT_TEST(test_100000_names), UNIT_TEST(test_holes), UNIT_TEST(test_large_disk),
           UNIT_TEST(test_large_file), UNIT_TEST(test_paths), UNIT_TEST(test_removed_while_open),
           UNIT_TEST(test_removed_in_pieces), UNIT_TEST(test_small_commit))
