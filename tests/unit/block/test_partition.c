/*
 * Partition tables: good ones are read as sfdisk would, hostile ones cost a line each.
 */
#include "tests/unit/unit.h"

#include "arch/host/host.h"
#include "block/partition.h"
#include "lib/byteorder.h"
#include "lib/crc32.h"
#include "lib/errno.h"
#include "lib/string.h"

#define DISK_SECTORS 4096
#define BLOCK        512

static uint8_t disk[DISK_SECTORS * BLOCK];
static struct partition_table table;
static uint32_t block_size = BLOCK;
static lba_t failing_lba = UINT64_MAX;

static int read_disk(void *context, lba_t lba, uint64_t sectors, void *buffer)
{
    assert_ptr_equal(context, disk);
    assert_true(lba < DISK_SECTORS && sectors <= DISK_SECTORS - lba);
    assert_int_equal(lba % (block_size / 512), 0);
    if (failing_lba >= lba && failing_lba < lba + sectors)
        return -EIO;
    memcpy(buffer, disk + lba * BLOCK, sectors * BLOCK);
    return 0;
}

static int read_table(void *arg __maybe_unused)
{
    const struct partition_reader reader = { .read = read_disk,
                                             .context = disk,
                                             .name = "test",
                                             .sectors = DISK_SECTORS,
                                             .logical_block_size = block_size };
    return partition_table_read(&reader, &table);
}

static void scan(int expected)
{
    host_kernel_start();
    assert_int_equal(host_run(read_table, NULL), expected);
}

static int setup(void **state __maybe_unused)
{
    memset(disk, 0, sizeof(disk));
    block_size = BLOCK;
    failing_lba = UINT64_MAX;
    return 0;
}

/* ---- MBR ----------------------------------------------------------------------------------- */

static void put_entry(uint32_t block, int index, uint8_t type, uint32_t first, uint32_t count)
{
    uint8_t *record = disk + (size_t)block * block_size;
    uint8_t *entry = record + 446 + index * 16;

    entry[4] = type;
    store_le32(entry + 8, first);
    store_le32(entry + 12, count);
    store_le16(record + 510, 0xaa55);
}

static void expect(size_t index, unsigned int number, lba_t start, uint64_t sectors)
{
    assert_true(index < table.count);
    assert_int_equal(table.partitions[index].number, number);
    assert_int_equal(table.partitions[index].start, start);
    assert_int_equal(table.partitions[index].sectors, sectors);
}

static void test_blank_disk(void **state __maybe_unused)
{
    scan(0);
    assert_null(table.scheme);
    assert_int_equal(table.count, 0);
}

static void test_file_system_without_table(void **state __maybe_unused)
{
    memset(disk, 0x6e, 510); /* boot code where the entries would be: no valid status bytes */
    store_le16(disk + 510, 0xaa55);
    scan(0);
    assert_null(table.scheme);
}

static void test_mbr_primary(void **state __maybe_unused)
{
    put_entry(0, 0, 0x83, 64, 100);
    put_entry(0, 2, 0x0c, 164, 10);
    put_entry(0, 3, 0xef, 4000, 96);
    scan(0);
    assert_string_equal(table.scheme, "MBR");
    assert_int_equal(table.count, 3);
    expect(0, 1, 64, 100);
    expect(1, 3, 164, 10);
    expect(2, 4, 4000, 96);
}

static void test_mbr_logical(void **state __maybe_unused)
{
    put_entry(0, 0, 0x83, 1, 63);
    put_entry(0, 1, 0x05, 1000, 1000);
    put_entry(1000, 0, 0x83, 10, 90);   /* logical 5 at 1010 */
    put_entry(1000, 1, 0x05, 100, 200); /* next record at 1100 */
    put_entry(1100, 0, 0x82, 1, 50);    /* logical 6 at 1101 */
    put_entry(1100, 1, 0x05, 300, 100); /* next record at 1300 */
    put_entry(1300, 0, 0x83, 5, 5);     /* logical 7 */
    scan(0);
    assert_int_equal(table.count, 4);
    expect(1, 5, 1010, 90);
    expect(2, 6, 1101, 50);
    expect(3, 7, 1305, 5);
}

static void test_mbr_chain_loop(void **state __maybe_unused)
{
    put_entry(0, 0, 0x0f, 1000, 1000);
    put_entry(1000, 0, 0x83, 10, 90);
    put_entry(1000, 1, 0x05, 200, 100);
    put_entry(1200, 0, 0x83, 10, 90);
    put_entry(1200, 1, 0x05, 0, 100); /* back to the first record */
    scan(0);
    assert_int_equal(table.count, 2);
}

static void test_mbr_chain_leaves_extended(void **state __maybe_unused)
{
    put_entry(0, 0, 0x05, 1000, 100);
    put_entry(1000, 0, 0x83, 10, 20);
    put_entry(1000, 1, 0x05, 500, 100);
    put_entry(1500, 0, 0x83, 1, 1);
    scan(0);
    assert_int_equal(table.count, 1);
}

static void test_mbr_refuses(void **state __maybe_unused)
{
    put_entry(0, 0, 0x83, 100, 100);
    put_entry(0, 1, 0x83, 150, 100);         /* overlaps 1 */
    put_entry(0, 2, 0x83, 4000, 1000);       /* past the end */
    put_entry(0, 3, 0x83, 0xfffffff0u, 100); /* far past the end */
    scan(0);
    assert_int_equal(table.count, 1);
    expect(0, 1, 100, 100);
}

static void test_mbr_record_unreadable(void **state __maybe_unused)
{
    put_entry(0, 0, 0x05, 1000, 1000);
    failing_lba = 1000;
    scan(-EIO);
}

static void test_mbr_of_4096(void **state __maybe_unused)
{
    block_size = 4096;
    put_entry(0, 0, 0x83, 16, 100); /* in blocks of 4096 */
    scan(0);
    assert_int_equal(table.count, 1);
    expect(0, 1, 128, 800);
}

/* ---- GPT ----------------------------------------------------------------------------------- */

static uint8_t *block_at(uint64_t lba)
{
    return disk + lba * block_size;
}

static void put_gpt_entry(uint64_t array, int index, uint64_t first, uint64_t last,
                          const char *name)
{
    uint8_t *entry = block_at(array) + index * 128;

    memset(entry, 0x11, 32);
    store_le64(entry + 32, first);
    store_le64(entry + 40, last);
    for (size_t i = 0; name[i]; i++)
        store_le16(entry + 56 + 2 * i, (uint8_t)name[i]);
}

static void put_gpt_header(uint64_t lba, uint64_t other, uint64_t array, uint32_t entries)
{
    uint8_t *header = block_at(lba);
    uint64_t blocks = sizeof(disk) / block_size;

    memset(header, 0, block_size);
    memcpy(header, "EFI PART", 8);
    store_le32(header + 8, 0x10000);
    store_le32(header + 12, 92);
    store_le64(header + 24, lba);
    store_le64(header + 32, other);
    store_le64(header + 40, 34);
    store_le64(header + 48, blocks - 34);
    store_le64(header + 72, array);
    store_le32(header + 80, entries);
    store_le32(header + 84, 128);
    store_le32(header + 88, crc32(block_at(array), entries * 128));
    store_le32(header + 16, crc32(header, 92));
}

static void make_gpt(void)
{
    uint64_t blocks = sizeof(disk) / block_size, array2 = blocks - 33;

    put_entry(0, 0, 0xee, 1, UINT32_MAX);
    put_gpt_entry(2, 0, 40, 99, "boot");
    put_gpt_entry(2, 5, 100, 299, "data \xe9");
    memcpy(block_at(array2), block_at(2), 16 * 1024);
    put_gpt_header(1, blocks - 1, 2, 128);
    put_gpt_header(blocks - 1, 1, array2, 128);
}

static void expect_gpt(void)
{
    scan(0);
    assert_string_equal(table.scheme, "GPT");
    assert_int_equal(table.count, 2);
    expect(0, 1, 40 * (block_size / 512), 60 * (block_size / 512));
    expect(1, 6, 100 * (block_size / 512), 200 * (block_size / 512));
    assert_string_equal(table.partitions[0].label, "boot");
    assert_string_equal(table.partitions[1].label, "data ?");
}

static void test_gpt(void **state __maybe_unused)
{
    make_gpt();
    expect_gpt();
}

static void test_gpt_of_4096(void **state __maybe_unused)
{
    block_size = 4096;
    make_gpt();
    expect_gpt();
}

static void test_gpt_any_flipped_header_byte(void **state __maybe_unused)
{
    for (size_t byte = 0; byte < 92; byte++) {
        memset(disk, 0, sizeof(disk));
        make_gpt();
        block_at(1)[byte] ^= 0x40;
        expect_gpt(); /* by the second header */
    }
}

static void test_gpt_first_entries_damaged(void **state __maybe_unused)
{
    make_gpt();
    block_at(2)[5 * 128 + 40] ^= 1;
    expect_gpt();
}

static void test_gpt_first_header_unreadable(void **state __maybe_unused)
{
    make_gpt();
    failing_lba = 1;
    expect_gpt();
}

/* Both gone: the protective entry says that this is no MBR disk either; it overlaps all of it. */
static void test_gpt_both_damaged(void **state __maybe_unused)
{
    make_gpt();
    block_at(1)[20] ^= 1;
    block_at(DISK_SECTORS - 1)[20] ^= 1;
    scan(0);
    assert_int_equal(table.count, 0);
}

static void reseal(void)
{
    put_gpt_header(1, DISK_SECTORS - 1, 2, 128);
}

static void test_gpt_entry_outside_usable(void **state __maybe_unused)
{
    make_gpt();
    put_gpt_entry(2, 1, 3, 10, "low");
    put_gpt_entry(2, 2, 300, DISK_SECTORS + 5, "high");
    put_gpt_entry(2, 3, 500, 400, "backwards");
    put_gpt_entry(2, 4, 90, 120, "overlap");
    reseal();
    scan(0);
    assert_int_equal(table.count, 2); /* boot and data; "overlap" overlaps boot */
    expect(0, 1, 40, 60);
    expect(1, 6, 100, 200);
}

static void test_gpt_impossible_sizes(void **state __maybe_unused)
{
    static const struct {
        size_t offset;
        uint32_t value;
    } lies[] = { { 12, 91 },  { 12, 4096 },       { 80, 0 },          { 80, UINT32_MAX },
                 { 84, 127 }, { 84, 0x7fffff80 }, { 72, 0x7fffffff }, { 48, UINT32_MAX } };

    for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
        uint8_t *header = block_at(1);
        memset(disk, 0, sizeof(disk));
        make_gpt();
        store_le32(header + lies[i].offset, lies[i].value);
        store_le32(header + 16, 0);
        store_le32(header + 16, crc32(header, 92));
        expect_gpt();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_blank_disk, setup),
        cmocka_unit_test_setup(test_file_system_without_table, setup),
        cmocka_unit_test_setup(test_mbr_primary, setup),
        cmocka_unit_test_setup(test_mbr_logical, setup),
        cmocka_unit_test_setup(test_mbr_chain_loop, setup),
        cmocka_unit_test_setup(test_mbr_chain_leaves_extended, setup),
        cmocka_unit_test_setup(test_mbr_refuses, setup),
        cmocka_unit_test_setup(test_mbr_record_unreadable, setup),
        cmocka_unit_test_setup(test_mbr_of_4096, setup),
        cmocka_unit_test_setup(test_gpt, setup),
        cmocka_unit_test_setup(test_gpt_of_4096, setup),
        cmocka_unit_test_setup(test_gpt_any_flipped_header_byte, setup),
        cmocka_unit_test_setup(test_gpt_first_entries_damaged, setup),
        cmocka_unit_test_setup(test_gpt_first_header_unreadable, setup),
        cmocka_unit_test_setup(test_gpt_both_damaged, setup),
        cmocka_unit_test_setup(test_gpt_entry_outside_usable, setup),
        cmocka_unit_test_setup(test_gpt_impossible_sizes, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
