/*
 * FAT12, 16 and 32: names, contents, and volumes damaged on purpose.
 */
// links: tests/unit/fs/fat_image.c tools/nanofs/platform.c
// links: fs/ramfs.c fs/fat/mount.c
#include "fs/fat/fat.h"
#include "fs/vfs.h"
#include "kernel/time/clock.h"
#include "lib/byteorder.h"
#include "lib/errno.h"
#include "tests/unit/fs/fat_image.h"
#include "tests/unit/unit.h"
#include "tools/nanofs/platform.h"

static const unsigned int widths[] = { 12, 16, 32 };
#define FOR_EACH_WIDTH(width)                                                                      \
    for (unsigned int width##_i = 0, width = widths[0]; width##_i < 3;                             \
         width##_i++, width = widths[width##_i % 3])

static char logged[4096];
static uint8_t content[40000];

static void take_log(int level, const char *line)
{
    (void)level;
    strncat(logged, line, sizeof(logged) - strlen(logged) - 1);
}

static void prepare(void)
{
    platform.log_hook = take_log;
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (uint8_t)(i * 7 + i / 256);
}

static struct fat_volume *open_image(struct fat_image *image)
{
    struct fat_source source = fat_image_source(image);
    struct fat_volume *volume;

    assert_int_equal(fat_open(&source, &volume), 0);
    return volume;
}

static int try_open(struct fat_image *image)
{
    struct fat_source source = fat_image_source(image);
    struct fat_volume *volume;
    int error = fat_open(&source, &volume);

    if (!error)
        fat_close(volume);
    return error;
}

static int find(struct fat_volume *volume, uint32_t directory, const char *name,
                struct fat_entry *entry)
{
    return fat_find(volume, directory, name, strlen(name), entry);
}

/* ---- volumes and labels ---------------------------------------------------------------------- */

static void test_volumes(void **state)
{
    (void)state;
    FOR_EACH_WIDTH(width)
    {
        struct fat_image *image = fat_image_create(width, 2, "BOOTLABEL");
        struct fat_volume *volume = open_image(image);

        assert_int_equal(volume->width, width);
        assert_int_equal(volume->cluster_bytes, 1024);
        assert_int_equal(volume->cluster_count, image->cluster_count);
        assert_string_equal(volume->label, "BOOTLABEL");
        fat_close(volume);
        fat_image_add(image, 0, "OTHER   TXT", NULL, 0, "x", 1);
        fat_image_add(image, 0, "CIDATA     ", NULL, FAT_LABEL, NULL, 0);
        volume = open_image(image);
        assert_string_equal(volume->label, "CIDATA"); /* that of the root directory counts */
        fat_close(volume);
        fat_image_destroy(image);
    }
}

static void test_no_fat(void **state)
{
    static const struct {
        unsigned int at;
        uint8_t value;
    } rows[] = {
        { 510, 0 }, { 11, 1 }, { 12, 0 }, { 12, 64 }, { 13, 0 },
        { 13, 3 },  { 14, 0 }, { 16, 0 }, { 16, 5 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fat_image *image = fat_image_create(12, 1, "X");

        image->bytes[rows[i].at] = rows[i].value;
        assert_int_equal(try_open(image), -EMEDIUMTYPE);
        fat_image_destroy(image);
    }
}

/* It looks like one, and cannot be. */
static void test_impossible_volumes(void **state)
{
    struct fat_image *image = fat_image_create(12, 1, "X");

    (void)state;
    store_le32(image->bytes + 32, 100000);
    assert_int_equal(try_open(image), -ERANGE);
    store_le32(image->bytes + 32, 2); /* ends before its data */
    assert_int_equal(try_open(image), -EUCLEAN);
    image->size = 0;
    assert_int_equal(try_open(image), -EMEDIUMTYPE);
    fat_image_destroy(image);

    image = fat_image_create(16, 1, "X"); /* a table for fewer clusters than there are */
    store_le16(image->bytes + 22, 2);
    assert_int_equal(try_open(image), -EUCLEAN);
    fat_image_destroy(image);

    image = fat_image_create(32, 1, "X");
    store_le32(image->bytes + 44, 1); /* no cluster */
    assert_int_equal(try_open(image), -EUCLEAN);
    store_le32(image->bytes + 44, 302);
    assert_int_equal(try_open(image), -EUCLEAN);
    store_le32(image->bytes + 44, 2);
    store_le16(image->bytes + 40, 0x82); /* the active table is the third of two */
    assert_int_equal(try_open(image), -EUCLEAN);
    fat_image_destroy(image);
}

/* FAT32 with mirroring off: the second table counts. */
static void test_active_table(void **state)
{
    struct fat_image *image = fat_image_create(32, 1, "X");
    uint32_t first = fat_image_add(image, 0, "FILE       ", NULL, 0, content, 2000);
    uint8_t *table = image->bytes + image->table_at;
    struct fat_volume *volume;
    struct fat_chain chain;
    uint8_t data[2000];

    (void)state;
    memcpy(table + image->table_bytes, table, image->table_bytes);
    memset(table, 0, image->table_bytes);
    store_le16(image->bytes + 40, 0x81);
    volume = open_image(image);
    fat_chain_start(&chain, first);
    assert_int_equal(fat_read(volume, &chain, 0, data, sizeof(data)), 0);
    assert_memory_equal(data, content, sizeof(data));
    fat_close(volume);
    fat_image_destroy(image);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void test_names(void **state)
{
    static const struct {
        const char *short_name;
        const uint16_t *long_name;
        const char *shown, *shown_short;
        uint8_t lower;
    } rows[] = {
        { "README  TXT", NULL, "README.TXT", "README.TXT", 0 },
        { "README  TXT", NULL, "readme.TXT", "readme.TXT", 8 },
        { "README  TXT", NULL, "README.txt", "README.txt", 16 },
        { "NOSUFFIX   ", NULL, "NOSUFFIX", "NOSUFFIX", 0 },
        { "A B     C  ", NULL, "A_B.C", "A_B.C", 0 },
        { "\x05\x80/\x01    X\xFF ", NULL, "____.X_", "____.X_", 0 },
        { "USER-D~1   ", u"user-data", "user-data", "USER-D~1", 0 },
        { "LONG~1     ", u"exactly26units12345678.txt", "exactly26units12345678.txt", "LONG~1", 0 },
        { "UMLAUT~1   ", u"m\u00FCller \u20AC \U0001F600", "müller € 😀", "UMLAUT~1", 0 },
        { "SLASH~1    ", u"a/b", "SLASH~1", "SLASH~1", 0 },
        { "DOTS~1     ", u"..", "DOTS~1", "DOTS~1", 0 },
        { "NEWLIN~1   ", u"a\nb", "NEWLIN~1", "NEWLIN~1", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fat_image *image = fat_image_create(12, 1, "X");
        struct fat_volume *volume;
        struct fat_entry entry;

        fat_image_add(image, 0, rows[i].short_name, rows[i].long_name, 0, NULL, 0);
        fat_image_last_slot()[12] = rows[i].lower;
        volume = open_image(image);
        assert_int_equal(find(volume, 0, rows[i].shown, &entry), 0);
        assert_string_equal(entry.name, rows[i].shown);
        assert_string_equal(entry.short_name, rows[i].shown_short);
        assert_int_equal(find(volume, 0, rows[i].shown_short, &entry), 0);
        assert_int_equal(find(volume, 0, "other", &entry), -ENOENT);
        fat_close(volume);
        fat_image_destroy(image);
    }
}

/* The case of ASCII letters does not matter; prefixes are not names. */
static void test_look_up(void **state)
{
    struct fat_image *image = fat_image_create(16, 1, "X");
    struct fat_volume *volume;
    struct fat_entry entry;

    (void)state;
    fat_image_add(image, 0, "USER-D~1   ", u"User-Data", 0, "hello", 5);
    fat_image_add(image, 0, "X          ", NULL, FAT_LABEL, NULL, 0);
    fat_image_add(image, 0, "SUB        ", NULL, FAT_DIRECTORY, NULL, 0);
    volume = open_image(image);
    assert_int_equal(find(volume, 0, "user-data", &entry), 0);
    assert_int_equal(entry.size, 5);
    assert_true(entry.modified_ns == 1709210096 * NS_PER_S); /* 2024-02-29 12:34:56 */
    assert_int_equal(find(volume, 0, "user-dat", &entry), -ENOENT);
    assert_int_equal(find(volume, 0, "user-data2", &entry), -ENOENT);
    assert_int_equal(find(volume, 0, "x", &entry), -ENOENT); /* the label is no file */
    assert_int_equal(find(volume, 0, "sub", &entry), 0);
    assert_true(entry.attributes & FAT_DIRECTORY);
    fat_close(volume);
    fat_image_destroy(image);
}

/* A piece is missing, of another name, or out of order: the short name is what there is. */
static void test_broken_long_names(void **state)
{
    static const struct {
        unsigned int slot, at;
        uint8_t value;
    } rows[] = {
        { 0, 0, 0x43 }, { 0, 0, 0x02 }, { 1, 0, 0x02 }, { 0, 13, 0 },   { 1, 13, 0 },
        { 0, 0, 0x55 }, { 0, 0, 0x40 }, { 0, 0, 0x7F }, { 1, 0, 0xE5 }, { 0, 0, 0xE5 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fat_image *image = fat_image_create(12, 1, "X");
        struct fat_volume *volume;
        struct fat_entry entry;

        fat_image_add(image, 0, "TWO     TXT", u"a name in two pieces.txt", 0, NULL, 0);
        image->bytes[image->root_at + rows[i].slot * 32 + rows[i].at] = rows[i].value;
        volume = open_image(image);
        assert_int_equal(find(volume, 0, "TWO.TXT", &entry), 0);
        assert_string_equal(entry.name, "TWO.TXT");
        fat_close(volume);
        fat_image_destroy(image);
    }
}

/* 255 units are a name; in bytes it may be too long for one. */
static void test_longest_names(void **state)
{
    struct fat_image *image = fat_image_create(16, 1, "X");
    struct fat_volume *volume;
    struct fat_entry entry;
    uint16_t units[256] = { 0 };

    (void)state;
    for (int i = 0; i < 255; i++)
        units[i] = 'n';
    fat_image_add(image, 0, "LONG       ", units, 0, NULL, 0);
    units[7] = 0xE9; /* two bytes */
    fat_image_add(image, 0, "LONGER     ", units, 0, NULL, 0);
    volume = open_image(image);
    assert_int_equal(find(volume, 0, "LONG", &entry), 0);
    assert_int_equal(strlen(entry.name), 255);
    assert_int_equal(find(volume, 0, "LONGER", &entry), 0);
    assert_string_equal(entry.name, "LONGER");
    fat_close(volume);
    fat_image_destroy(image);
}

/* ---- through the VFS ------------------------------------------------------------------------- */

static void with_mount(struct fat_image *image, void (*body)(struct fat_image *image))
{
    fat_image_current = image;
    assert_int_equal(vfs_mount("fat", "image", "/"), 0);
    body(image);
    vfs_unmount_all();
    assert_int_equal(vnode_cache_count(), 0);
    fat_image_destroy(image);
}

static int read_whole(const char *path, uint8_t *data, size_t size, size_t *done)
{
    struct file *file;
    int error = vfs_open(path, VFS_READ, &file);

    *done = 0;
    if (error)
        return error;
    error = vfs_read(file, data, size, 0, done);
    vfs_close(file);
    return error;
}

static void check_contents(struct fat_image *image)
{
    static uint8_t data[sizeof(content) + 1];
    struct unit_random random = { 1 };
    struct vfs_stat stat;
    struct file *file;
    size_t done;

    (void)image;
    assert_int_equal(vfs_stat("/sub/Deep/big file", &stat), 0);
    assert_int_equal(stat.size, sizeof(content));
    assert_int_equal(read_whole("/sub/Deep/big file", data, sizeof(data), &done), 0);
    assert_int_equal(done, sizeof(content));
    assert_memory_equal(data, content, sizeof(content));
    assert_int_equal(read_whole("/empty", data, sizeof(data), &done), 0);
    assert_int_equal(done, 0);
    assert_int_equal(vfs_open("/sub/Deep/big file", VFS_READ, &file), 0);
    for (int i = 0; i < 200; i++) {
        size_t offset = unit_random_below(&random, sizeof(content));
        size_t size = unit_random_below(&random, sizeof(content) - offset + 1);

        assert_int_equal(vfs_read(file, data, size, offset, &done), 0);
        assert_int_equal(done, size);
        assert_memory_equal(data, content + offset, size);
    }
    vfs_close(file);
}

static void check_read_only(void)
{
    struct file *file;

    assert_int_equal(vfs_open("/new", VFS_WRITE | VFS_CREATE, &file), -EROFS);
    assert_int_equal(vfs_open("/empty", VFS_WRITE, &file), -EROFS);
    assert_int_equal(vfs_mkdir("/new"), -EROFS);
    assert_int_equal(vfs_remove("/empty"), -EROFS);
    assert_int_equal(vfs_remove_tree("/sub", NULL), -EROFS);
    assert_int_equal(vfs_rename("/empty", "/full"), -EROFS);
}

static void check_tree(struct fat_image *image)
{
    check_contents(image);
    check_read_only();
}

static void test_contents(void **state)
{
    (void)state;
    FOR_EACH_WIDTH(width)
    {
        struct fat_image *image = fat_image_create(width, 1, "X");
        uint32_t sub = fat_image_add(image, 0, "SUB        ", NULL, FAT_DIRECTORY, NULL, 0);
        uint32_t deep = fat_image_add(image, sub, "DEEP       ", NULL, FAT_DIRECTORY, NULL, 0);
        uint32_t big;

        fat_image_add(image, 0, "EMPTY      ", NULL, 0, NULL, 0);
        big = fat_image_add(image, deep, "BIGFIL~1   ", u"big file", 0, content, sizeof(content));
        for (uint32_t i = 0; i < 5; i++) { /* not all in a row: two clusters change places */
            uint32_t a = big + 3 + i * 9, b = a + 4;
            uint8_t bytes[512];
            uint32_t after_a = fat_image_get(image, a), after_b = fat_image_get(image, b);

            memcpy(bytes, fat_image_cluster(image, a), 512);
            memcpy(fat_image_cluster(image, a), fat_image_cluster(image, b), 512);
            memcpy(fat_image_cluster(image, b), bytes, 512);
            fat_image_set(image, a - 1, b);
            fat_image_set(image, b, after_a);
            fat_image_set(image, b - 1, a);
            fat_image_set(image, a, after_b);
        }
        with_mount(image, check_tree);
    }
}

static unsigned int emitted;

static bool count_entry(void *context, const char *name, size_t length, enum vnode_type type,
                        uint64_t inode)
{
    unsigned int *room = context;

    (void)name;
    (void)length;
    (void)inode;
    if (*room == 0)
        return false;
    (*room)--;
    emitted++;
    return type == VNODE_FILE;
}

/* A directory of many clusters, read three entries at a time, is read once. */
static void check_large_directory(struct fat_image *image)
{
    struct file *file;
    uint64_t cursor = 0;

    (void)image;
    emitted = 0;
    assert_int_equal(vfs_open("/many", VFS_READ, &file), 0);
    while (cursor != UINT64_MAX) {
        unsigned int room = 3;
        assert_int_equal(vfs_readdir(file, &cursor, count_entry, &room), 0);
    }
    vfs_close(file);
    assert_int_equal(emitted, 200);
}

static void test_large_directory(void **state)
{
    (void)state;
    FOR_EACH_WIDTH(width)
    {
        struct fat_image *image = fat_image_create(width, 1, "X");
        uint32_t many = fat_image_add(image, 0, "MANY       ", NULL, FAT_DIRECTORY, NULL, 0);
        char name[16];

        for (int i = 0; i < 200; i++) {
            snprintf(name, sizeof(name), "FILE%04d   ", i);
            fat_image_add(image, many, name, u"a longer name", 0, NULL, 0);
        }
        with_mount(image, check_large_directory);
    }
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* A file of twenty clusters, whose chain then leads from its fourth to @next. */
static void with_bad_chain(unsigned int width, uint32_t next, const char *complaint)
{
    struct fat_image *image = fat_image_create(width, 1, "X");
    uint32_t first = fat_image_add(image, 0, "FILE       ", NULL, 0, content, 20 * 512);
    static uint8_t data[20 * 512];
    size_t done;

    fat_image_set(image, first + 3, next ? next : first);
    logged[0] = '\0';
    fat_image_current = image;
    assert_int_equal(vfs_mount("fat", "image", "/"), 0);
    assert_int_equal(read_whole("/file", data, 4 * 512, &done), 0); /* what is whole can be read */
    assert_int_equal(read_whole("/file", data, sizeof(data), &done), -EUCLEAN);
    assert_non_null(strstr(logged, complaint));
    vfs_unmount_all();
    fat_image_destroy(image);
}

static void test_bad_chains(void **state)
{
    (void)state;
    FOR_EACH_WIDTH(width)
    {
        with_bad_chain(width, 0, "in a circle");
        with_bad_chain(width, UINT32_MAX, "longer than its clusters");
        with_bad_chain(width, 1, "leads out of it");
        with_bad_chain(width, width == 16 ? 5000 : 1000, "leads out of it");
        with_bad_chain(width,
                       width == 12   ? 0xFF7
                       : width == 16 ? 0xFFF7
                                     : 0x0FFFFFF7,
                       "leads out of it"); /* marked as bad */
    }
}

static void list(const char *path, int expected)
{
    struct file *file;
    uint64_t cursor = 0;
    unsigned int room = 1000000;
    int error = vfs_open(path, VFS_READ, &file);

    if (!error) {
        error = vfs_readdir(file, &cursor, count_entry, &room);
        vfs_close(file);
    }
    assert_int_equal(error, expected);
}

static void check_bad_directories(struct fat_image *image)
{
    (void)image;
    list("/circle", -EUCLEAN);
    list("/self", 0);
    list("/self/again", -EUCLEAN); /* in itself */
    list("/nowhere", -EUCLEAN);
    list("/far", -EUCLEAN);
    list("/", 0);
}

static void test_bad_directories(void **state)
{
    struct fat_image *image = fat_image_create(16, 1, "X");
    uint32_t circle = fat_image_add(image, 0, "CIRCLE     ", NULL, FAT_DIRECTORY, NULL, 0);
    uint32_t self = fat_image_add(image, 0, "SELF       ", NULL, FAT_DIRECTORY, NULL, 0);

    (void)state;
    for (int i = 0; i < 14; i++)
        fat_image_add(image, circle, "FILE       ", NULL, 0, NULL, 0);
    fat_image_set(image, circle, circle);
    fat_image_add(image, self, "AGAIN      ", NULL, FAT_DIRECTORY, NULL, 0);
    store_le16(fat_image_last_slot() + 26, (uint16_t)self);
    fat_image_add(image, 0, "NOWHERE    ", NULL, FAT_DIRECTORY, NULL, 0);
    store_le16(fat_image_last_slot() + 26, 0);
    fat_image_add(image, 0, "FAR        ", NULL, FAT_DIRECTORY, NULL, 0);
    store_le16(fat_image_last_slot() + 26, 60000);
    with_mount(image, check_bad_directories);
}

/* A FAT32 root in a circle: found at the mount, which looks there for the label. */
static void test_root_in_a_circle(void **state)
{
    struct fat_image *image = fat_image_create(32, 1, "X");

    (void)state;
    for (int i = 0; i < 16; i++)
        fat_image_add(image, 0, "FILE       ", NULL, 0, NULL, 0);
    fat_image_set(image, image->root_cluster, image->root_cluster);
    assert_int_equal(try_open(image), -EUCLEAN);
    fat_image_destroy(image);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 40; n++) {
        struct fat_image *image = fat_image_create(12, 1, "X");
        uint8_t data[16];
        size_t done;

        fat_image_add(image, 0, "FILE       ", NULL, 0, content, 16);
        fat_image_current = image;
        platform.fail_allocation = n;
        if (!vfs_mount("fat", "image", "/")) {
            int error = read_whole("/file", data, sizeof(data), &done);
            assert_true(error == 0 || error == -ENOMEM);
            vfs_unmount_all();
        }
        platform.fail_allocation = 0;
        assert_int_equal(vnode_cache_count(), 0);
        fat_image_destroy(image);
    }
}

UNIT_TESTS_SETUP(prepare, UNIT_TEST(test_volumes), UNIT_TEST(test_no_fat),
                 UNIT_TEST(test_impossible_volumes), UNIT_TEST(test_active_table),
                 UNIT_TEST(test_names), UNIT_TEST(test_look_up), UNIT_TEST(test_broken_long_names),
                 UNIT_TEST(test_longest_names), UNIT_TEST(test_contents),
                 UNIT_TEST(test_large_directory), UNIT_TEST(test_bad_chains),
                 UNIT_TEST(test_bad_directories), UNIT_TEST(test_root_in_a_circle),
                 UNIT_TEST(test_no_memory))
