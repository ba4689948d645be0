/*
 * ISO 9660: an image made by hand, and damaged.
 */
#include "fs/iso9660.h"
#include "lib/byteorder.h"
#include "lib/errno.h"
#include "tests/unit/unit.h"

#define BLOCK  2048u
#define BLOCKS 24u
#define ROOT   18u

static uint8_t image[BLOCKS * BLOCK];
static uint32_t root_end; /* where the next record goes */

static int read_image(void *context, uint64_t sector, uint32_t count, void *buffer)
{
    (void)context;
    assert_true(sector + count <= sizeof(image) / 512);
    memcpy(buffer, image + sector * 512, count * 512ul);
    return 0;
}

static struct iso_volume volume;

static int open_image(void)
{
    volume = (struct iso_volume){ .read = read_image, .sectors = sizeof(image) / 512 };
    return iso_open(&volume);
}

static uint8_t *add(const char *name, const char *rock_ridge, uint32_t block, uint32_t bytes)
{
    uint8_t *record = image + root_end;
    size_t at = 33 + strlen(name);

    at += at % 2;
    store_le32(record + 2, block);
    store_le32(record + 10, bytes);
    record[32] = (uint8_t)strlen(name);
    memcpy(record + 33, name, strlen(name));
    if (rock_ridge) {
        memcpy(record + at, "PX\5\1x", 5); /* a field of something else */
        at += 5;
        memcpy(record + at, "NM\0\1\0", 5);
        record[at + 2] = (uint8_t)(5 + strlen(rock_ridge));
        memcpy(record + at + 5, rock_ridge, strlen(rock_ridge));
        at += 5 + strlen(rock_ridge);
    }
    record[0] = (uint8_t)at;
    root_end += (uint32_t)at;
    return record;
}

static void make_image(void)
{
    uint8_t *descriptor = image + 16 * BLOCK;

    memset(image, 0, sizeof(image));
    descriptor[0] = 1;
    memcpy(descriptor + 1, "CD001\1", 6);
    memset(descriptor + 40, ' ', 32);
    memcpy(descriptor + 40, "cidata", 6);
    store_le16(descriptor + 128, BLOCK);
    store_le32(descriptor + 156 + 2, ROOT);
    store_le32(descriptor + 156 + 10, 2 * BLOCK);
    root_end = ROOT * BLOCK;
    add("\1", NULL, ROOT, BLOCK)[25] = 2;
    add("USER_DAT.;1", "user-data", 20, 3000);
    root_end = (ROOT + 1) * BLOCK;
    add("PLAIN.TXT;1", NULL, 22, 5);
    for (uint32_t i = 0; i < 3000; i++)
        image[20 * BLOCK + i] = (uint8_t)(i * 3);
}

static void test_read(void **state)
{
    struct iso_file file;
    uint8_t data[3000];

    (void)state;
    make_image();
    assert_int_equal(open_image(), 0);
    assert_string_equal(volume.label, "cidata");
    assert_int_equal(iso_find(&volume, "user-data", &file), 0);
    assert_int_equal(file.bytes, sizeof(data));
    assert_int_equal(iso_read(&volume, &file, data), 0);
    assert_memory_equal(data, image + 20 * BLOCK, sizeof(data));
    assert_int_equal(iso_find(&volume, "plain.txt", &file), 0);
    assert_int_equal(file.bytes, 5);
    assert_int_equal(iso_find(&volume, "USER_DAT", &file), -ENOENT);
    assert_int_equal(iso_find(&volume, "user-dat", &file), -ENOENT);
    assert_int_equal(iso_find(&volume, "user-data2", &file), -ENOENT);
    assert_int_equal(iso_find(&volume, "", &file), -ENOENT);
}

static void test_no_image(void **state)
{
    (void)state;
    make_image();
    image[16 * BLOCK + 3] = 'X';
    assert_int_equal(open_image(), -EMEDIUMTYPE);
    make_image();
    image[16 * BLOCK] = 2;
    assert_int_equal(open_image(), -EMEDIUMTYPE);
    make_image();
    store_le16(image + 16 * BLOCK + 128, 512);
    assert_int_equal(open_image(), -EUCLEAN);
    volume = (struct iso_volume){ .read = read_image, .sectors = 67 };
    assert_int_equal(iso_open(&volume), -EMEDIUMTYPE);
}

static void test_damage(void **state)
{
    static const uint8_t lengths[] = { 1, 33, 255 }; /* of the second record, a directory's is 34 */
    struct iso_file file;
    uint8_t data[BLOCK];

    (void)state;
    for (size_t i = 0; i < sizeof(lengths); i++) {
        make_image();
        image[ROOT * BLOCK + 34] = lengths[i];
        image[ROOT * BLOCK + 34 + 32] = lengths[i] == 255 ? 250 : 11;
        assert_int_equal(open_image(), 0);
        assert_int_equal(iso_find(&volume, "plain.txt", &file), -EUCLEAN);
    }
    make_image(); /* a record that would cross its block */
    image[ROOT * BLOCK + 34] = 250;
    memset(image + ROOT * BLOCK + 284, 250, BLOCK - 284);
    assert_int_equal(open_image(), 0);
    assert_int_equal(iso_find(&volume, "plain.txt", &file), -EUCLEAN);
    make_image(); /* contents, and a root, behind the end of the disk */
    assert_int_equal(open_image(), 0);
    file = (struct iso_file){ .block = BLOCKS, .bytes = 5 };
    assert_int_equal(iso_read(&volume, &file, data), -EUCLEAN);
    store_le32(image + 16 * BLOCK + 158, UINT32_MAX);
    assert_int_equal(open_image(), 0);
    assert_int_equal(iso_find(&volume, "x", &file), -EUCLEAN);
}

UNIT_TESTS(UNIT_TEST(test_read), UNIT_TEST(test_no_image), UNIT_TEST(test_damage))
