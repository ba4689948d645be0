/*
 * Flipped bits: one in every block of the disk that is in use. fsck must name it, the rest must
 * read on, and nothing may crash, whatever is then done to the damaged file system.
 */
// links: tests/unit/fs/sim_disk.c tests/unit/fs/model.c tools/nanofs/platform.c
// links: fs/ramfs.c fs/nanofs/super.c
#include "fs/nanofs/nanofs.h"
#include "fs/vfs.h"
#include "lib/bitmap.h"
#include "lib/errno.h"
#include "tests/unit/fs/model.h"
#include "tests/unit/fs/sim_disk.h"
#include "tools/nanofs/platform.h"

#define BLOCKS 2048u
#define FILES  120

static const uint8_t seed[32] = { 9, 8, 7 };
static char problems[4096];
static char log_lines[8192];

static void keep_problem(void *context, const char *text, size_t length)
{
    size_t used = strlen(problems);

    (void)context;
    if (used + length + 2 < sizeof(problems)) {
        memcpy(problems + used, text, length);
        strcpy(problems + used + length, "\n");
    }
}

static const struct filesystem_report report = { .problem = keep_problem };

static void keep_log(int level, const char *line)
{
    (void)level;
    if (strlen(log_lines) + strlen(line) + 2 < sizeof(log_lines)) {
        strcat(log_lines, line);
        strcat(log_lines, "\n");
    }
}

static void put_file(const char *path, size_t size, unsigned int holes)
{
    struct file *file;
    char data[4096];
    size_t done;

    assert_int_equal(vfs_open(path, VFS_CREATE | VFS_WRITE, &file), 0);
    for (size_t offset = 0; offset < size; offset += sizeof(data) * (1 + holes)) {
        memset(data, (int)(offset >> 12) + path[strlen(path) - 1], sizeof(data));
        assert_int_equal(vfs_write(file, data, sizeof(data), offset, &done), 0);
    }
    vfs_close(file);
}

/* Files small and large, one with so many extents that they need a tree, a directory of two levels.
 */
static struct sim_disk *make_image(void)
{
    struct sim_disk *disk = sim_disk_create(BLOCKS);
    char path[300];

    sim_disk_current = disk;
    assert_int_equal(nanofs_format_device(&disk->device, seed, NULL), 0);
    assert_int_equal(vfs_mount("nanofs", "sim", "/"), 0);
    assert_int_equal(vfs_mkdir("/many"), 0);
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof(path), "/many/%0100d", i);
        put_file(path, i % 3 ? 0 : 4096, 0);
    }
    put_file("/large", 300000, 0);
    put_file("/sparse", 600000, 1);
    assert_int_equal(vfs_mkdir("/d"), 0);
    assert_int_equal(vfs_mkdir("/d/e"), 0);
    put_file("/d/e/small", 100, 0);
    vfs_unmount_all();
    assert_int_equal(nanofs_check_device(&disk->device, &report), 0);
    return disk;
}

/* What lies where, by the file system's own word. */
struct geography {
    struct nanofs_superblock super;
    uint64_t sequence;
    uint8_t bitmap[4096];
    uint32_t checksums_written;
    bool is_inode_block[BLOCKS], is_inode_bitmap[BLOCKS];
};

static void survey(struct sim_disk *disk, struct geography *map)
{
    struct nanofs_group groups[256];
    struct nanofs *fs;

    memset(map, 0, sizeof(*map));
    assert_int_equal(nanofs_open(&disk->device, true, &fs), 0);
    map->super = fs->super;
    map->sequence = fs->sequence;
    sim_disk_get(disk, fs->super.data_block, map->bitmap);
    sim_disk_get(disk, fs->super.group_table_block, groups);
    map->checksums_written = groups[0].checksums_written;
    for (uint32_t i = 0; i < 2047; i++) {
        uint64_t physical;
        uint32_t count;

        assert_int_equal(nanofs_map_lookup(&fs->table, i, 1, &physical, &count), 0);
        if (physical)
            (i ? map->is_inode_block : map->is_inode_bitmap)[physical] = true;
    }
    nanofs_close(fs);
}

/* Is every bit of that block covered by some check? */
static bool is_live(const struct geography *map, uint64_t block)
{
    const struct nanofs_superblock *super = &map->super;
    uint64_t journal_end = super->journal_block + 2 * super->slot_blocks;

    if (block < super->journal_block || block >= super->total_blocks - 2)
        return true;
    if (block < journal_end)
        return block == super->journal_block + map->sequence % 2 * super->slot_blocks;
    if (block <= super->data_block)
        return true; /* group table, first bitmap */
    block -= super->data_block;
    if (block < NANOFS_GROUP_OVERHEAD)
        return map->checksums_written >> (block - 1) & 1;
    return bitmap_test((const uint64_t *)map->bitmap, block);
}

static void flip(struct sim_disk *disk, uint64_t block, uint32_t bit)
{
    uint8_t data[4096];

    sim_disk_get(disk, block, data);
    data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    sim_disk_put(disk, block, data);
}

/* A bit of an inode that is in use; false if the block has none. */
static bool pick_inode_bit(struct sim_disk *disk, uint64_t block, struct unit_random *random,
                           uint32_t *bit)
{
    struct nanofs_disk_inode inodes[16];

    sim_disk_get(disk, block, inodes);
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t slot = (uint32_t)unit_random_below(random, 16);

        if (inodes[slot].type) {
            *bit = slot * 2048 + (uint32_t)unit_random_below(random, 2048);
            return true;
        }
    }
    return false;
}

/* Everything a user might do, with any result but a crash. */
static void use(void)
{
    struct file *file;
    char data[100] = { 0 };
    char path[300];
    size_t done;

    if (!vfs_open("/new", VFS_CREATE | VFS_WRITE, &file)) {
        (void)!vfs_write(file, data, sizeof(data), 5000, &done);
        vfs_close(file);
    }
    if (!vfs_open("/large", VFS_WRITE, &file)) {
        (void)!vfs_write(file, data, sizeof(data), 5000, &done);
        (void)!vfs_truncate(file, 70000);
        vfs_close(file);
    }
    (void)!vfs_rename("/d/e/small", "/sparse");
    for (int i = 0; i < FILES; i += 7) {
        snprintf(path, sizeof(path), "/many/%0100d", i);
        (void)!vfs_remove(path);
    }
    (void)!vfs_sync();
    (void)!vfs_remove_tree("/d", NULL);
    (void)!vfs_remove_tree("/many", NULL);
    (void)!vfs_sync();
}

/* How many of the files can be read from start to end. */
static unsigned int count_readable(void)
{
    static char buffer[65536];
    unsigned int count = 0;
    char path[300];

    for (int i = 0; i < FILES + 3; i++) {
        static const char *const others[3] = { "/large", "/sparse", "/d/e/small" };
        struct file *file;
        uint64_t offset = 0;
        size_t done = 1;
        int error;

        snprintf(path, sizeof(path), "/many/%0100d", i);
        error = vfs_open(i < FILES ? path : others[i - FILES], VFS_READ, &file);
        if (error)
            continue;
        while (!error && done) {
            error = vfs_read(file, buffer, sizeof(buffer), offset, &done);
            offset += done;
        }
        vfs_close(file);
        count += !error;
    }
    return count;
}

static void check_flip(struct sim_disk *disk, uint64_t block, uint32_t bit,
                       unsigned int *unreadable)
{
    int found;

    problems[0] = log_lines[0] = '\0';
    sim_disk_current = disk;
    flip(disk, block, bit);
    found = nanofs_check_device(&disk->device, &report);
    if (found == 0 || (found < 0 && !log_lines[0]))
        fail_msg("block %llu, bit %u: fsck found nothing", (unsigned long long)block, bit);
    log_lines[0] = '\0';
    if (vfs_mount("nanofs", "sim", "/")) {
        fail_msg("block %llu, bit %u: no mount: %s", (unsigned long long)block, bit, log_lines);
    }
    *unreadable = FILES + 3 - count_readable();
    if (*unreadable && !log_lines[0])
        fail_msg("block %llu, bit %u: files lost without a word", (unsigned long long)block, bit);
    use();
    vfs_unmount_all();
    assert_int_equal(vnode_cache_count(), 0);
}

static void test_one_bit_anywhere(void **state)
{
    struct sim_disk *image = make_image();
    struct unit_random random = { 42 };
    struct geography map;
    unsigned int flips = 0;

    (void)state;
    survey(image, &map);
    platform.log_hook = keep_log;
    for (uint64_t i = 0; i < 3 * BLOCKS; i++) {
        uint32_t bit = (uint32_t)unit_random_below(&random, 32768);
        uint64_t block = i % BLOCKS;
        struct sim_disk *damaged;
        unsigned int unreadable;

        if (!is_live(&map, block))
            continue;
        if (map.is_inode_block[block] && !pick_inode_bit(image, block, &random, &bit))
            continue;
        damaged = sim_disk_overlay(image);
        check_flip(damaged, block, bit, &unreadable);
        sim_disk_destroy(damaged);
        /* An inode block flip loses one file, a directory node at most those in it. */
        if (map.is_inode_block[block])
            assert_true(unreadable <= 1 || block == map.super.data_block + 34);
        flips++;
    }
    assert_true(flips > 600);
    platform.log_hook = NULL;
    sim_disk_destroy(image);
}

static void test_message_names_file_and_block(void **state)
{
    struct sim_disk *image = make_image();
    struct nanofs_inode *inode;
    struct vfs_walk walk;
    char buffer[200], expected[100];
    struct file *file;
    uint64_t physical;
    uint32_t count;
    size_t done;

    (void)state;
    assert_int_equal(vfs_mount("nanofs", "sim", "/"), 0);
    assert_int_equal(vfs_walk("/d/e/small", &walk), 0);
    inode = nanofs_inode(walk.vnode);
    assert_int_equal(nanofs_map_lookup(&inode->map, 0, 1, &physical, &count), 0);
    vfs_walk_end(&walk);
    vfs_unmount_all();
    flip(image, physical, 77);
    platform.log_hook = keep_log;
    log_lines[0] = problems[0] = '\0';
    assert_int_equal(vfs_mount("nanofs", "sim", "/"), 0);
    assert_int_equal(vfs_open("/d/e/small", VFS_READ, &file), 0);
    assert_int_equal(vfs_read(file, buffer, sizeof(buffer), 0, &done), -EIO);
    vfs_close(file);
    snprintf(expected, sizeof(expected), "/d/e/small: bad checksum at offset 0, block %llu",
             (unsigned long long)physical);
    assert_non_null(strstr(log_lines, expected));
    vfs_unmount_all();
    assert_int_equal(nanofs_check_device(&image->device, &report), 1);
    snprintf(expected, sizeof(expected), "(/d/e/small): bad checksum at offset 0, block %llu",
             (unsigned long long)physical);
    assert_non_null(strstr(problems, expected));
    platform.log_hook = NULL;
    sim_disk_destroy(image);
}

/* Refusals, each with its own error, and nothing is written. */
static void expect_mount_error(struct sim_disk *disk, int error)
{
    uint64_t writes = disk->writes;

    sim_disk_current = disk;
    assert_int_equal(vfs_mount("nanofs", "sim", "/"), error);
    assert_int_equal(disk->writes, writes);
    assert_int_equal(vnode_cache_count(), 0);
}

static void test_not_a_nanofs(void **state)
{
    struct sim_disk *image = make_image(), *disk;
    uint8_t block[4096];

    (void)state;
    platform.log_hook = keep_log;
    disk = sim_disk_create(BLOCKS);
    expect_mount_error(disk, -EMEDIUMTYPE); /* blank */
    memset(block, 0xe5, sizeof(block));
    for (uint64_t i = 0; i < BLOCKS; i++)
        sim_disk_put(disk, i, block);
    expect_mount_error(disk, -EMEDIUMTYPE); /* foreign */
    sim_disk_destroy(disk);
    disk = sim_disk_overlay(image);
    disk->device.block_count = disk->blocks = BLOCKS / 2;
    expect_mount_error(disk, -ERANGE); /* truncated */
    disk->blocks = BLOCKS;
    sim_disk_destroy(disk);
    disk = sim_disk_create(3); /* no room for anything */
    expect_mount_error(disk, -EMEDIUMTYPE);
    assert_int_equal(nanofs_format_device(&disk->device, seed, NULL), -ENOSPC);
    sim_disk_destroy(disk);
    platform.log_hook = NULL;
    sim_disk_destroy(image);
}

UNIT_TESTS(UNIT_TEST(test_one_bit_anywhere), UNIT_TEST(test_message_names_file_and_block),
           UNIT_TEST(test_not_a_nanofs))
