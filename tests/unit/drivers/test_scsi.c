/*
 * SCSI: commands as SPC-4 and SBC-3 lay them out, and answers of good, broken and short devices.
 */
#include "tests/unit/unit.h"

#include "drivers/block/scsi.h"
#include "lib/errno.h"

static void test_commands(void **state)
{
    static const uint8_t write[SCSI_CDB_SIZE] = { 0x8a, 0x08, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3 };
    static const uint8_t unmap[SCSI_CDB_SIZE] = { 0x42, 0, 0, 0, 0, 0, 0, 0, 24 };
    static const uint8_t unmap_data[SCSI_UNMAP_SIZE] = { 0, 22, 0, 16, 0, 0, 0, 0, 0, 0,
                                                         0, 0,  0, 0,  0, 9, 0, 0, 1, 0 };
    uint8_t cdb[SCSI_CDB_SIZE], data[SCSI_UNMAP_SIZE];
    (void)state;

    scsi_cdb_write_16(cdb, 0x0102030405060708, 0x10203, true);
    assert_memory_equal(cdb, write, sizeof(cdb));
    scsi_cdb_unmap(cdb, data, 9, 256);
    assert_memory_equal(cdb, unmap, sizeof(cdb));
    assert_memory_equal(data, unmap_data, sizeof(data));
}

static int sense_error(uint8_t key, uint8_t code, uint8_t qualifier)
{
    const uint8_t fixed[18] = { 0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, qualifier };
    const uint8_t descriptor[8] = { 0x72, key, code, qualifier };
    int error = scsi_error(SCSI_CHECK_CONDITION, fixed, sizeof(fixed));

    assert_int_equal(scsi_error(SCSI_CHECK_CONDITION, descriptor, sizeof(descriptor)), error);
    return error;
}

static void test_errors(void **state)
{
    const uint8_t nonsense[18] = { 0x12 };
    (void)state;

    assert_int_equal(sense_error(SENSE_RECOVERED_ERROR, 0, 0), 0);
    assert_int_equal(sense_error(SENSE_MEDIUM_ERROR, 0x11, 0), -EIO);
    assert_int_equal(sense_error(SENSE_UNIT_ATTENTION, 0x29, 0), -EAGAIN);
    assert_int_equal(sense_error(SENSE_ABORTED_COMMAND, 0, 6), -EAGAIN);
    assert_int_equal(sense_error(SENSE_DATA_PROTECT, 0x27, 0), -EROFS);
    assert_int_equal(sense_error(SENSE_DATA_PROTECT, 0x27, 7), -ENOSPC);
    assert_int_equal(sense_error(SENSE_ILLEGAL_REQUEST, 0x20, 0), -ENOTSUP);
    assert_int_equal(sense_error(SENSE_NOT_READY, 4, 1), -EBUSY);
    assert_int_equal(scsi_error(SCSI_GOOD, NULL, 0), 0);
    assert_int_equal(scsi_error(SCSI_TASK_SET_FULL, NULL, 0), -EAGAIN);
    assert_int_equal(scsi_error(SCSI_CHECK_CONDITION, NULL, 0), -EIO);
    assert_int_equal(scsi_error(SCSI_CHECK_CONDITION, nonsense, sizeof(nonsense)), -EIO);
    assert_int_equal(scsi_error(0x77, NULL, 0), -EIO);
}

static void test_capacity(void **state)
{
    uint8_t data[32] = { 0, 0, 0, 0, 0, 0, 0, 99, 0, 0, 2, 0 };
    uint64_t blocks;
    uint32_t size;
    (void)state;

    assert_true(scsi_parse_capacity_16(data, sizeof(data), &blocks, &size));
    assert_int_equal(blocks, 100);
    assert_int_equal(size, 512);
    assert_false(scsi_can_unmap(data, sizeof(data)));
    data[14] = 0x80;
    assert_true(scsi_can_unmap(data, sizeof(data)));
    assert_false(scsi_can_unmap(data, 14));
    assert_false(scsi_parse_capacity_16(data, 11, &blocks, &size));
    data[11] = 1; /* blocks of 513 bytes */
    assert_false(scsi_parse_capacity_16(data, sizeof(data), &blocks, &size));
    data[11] = 0;
    memset(data, 0xff, 8); /* one block more than there are numbers */
    assert_false(scsi_parse_capacity_16(data, sizeof(data), &blocks, &size));
}

static void test_luns(void **state)
{
    uint8_t data[40] = { 0, 0, 0, 32 };
    uint16_t luns[8];
    (void)state;

    data[8 + 1] = 3;                   /* peripheral form */
    data[16] = 0x41, data[16 + 1] = 2; /* flat form: 0x102 */
    data[24] = 0xc1;                   /* a well-known unit: left out */
    assert_int_equal(scsi_parse_luns(data, sizeof(data), luns, 8), 3);
    assert_int_equal(luns[0], 3);
    assert_int_equal(luns[1], 0x102);
    assert_int_equal(luns[2], 0);
    assert_int_equal(scsi_parse_luns(data, 20, luns, 8), 1); /* cut short */
    assert_int_equal(scsi_parse_luns(data, 7, luns, 8), 0);
    assert_int_equal(scsi_parse_luns(data, sizeof(data), luns, 1), 1);
    memset(data, 0xff, 4); /* says that it is 4 GiB long */
    assert_int_equal(scsi_parse_luns(data, sizeof(data), luns, 8), 3);
}

static void test_inquiry(void **state)
{
    uint8_t data[36] = { 0 };
    struct scsi_inquiry inquiry;
    (void)state;

    memcpy(data + 8, "QEMU    ", 8);
    memcpy(data + 16, "HARD\033DISK       ", 16);
    assert_true(scsi_parse_inquiry(data, sizeof(data), &inquiry));
    assert_string_equal(inquiry.vendor, "QEMU");
    assert_string_equal(inquiry.product, "HARD?DISK");
    data[0] = 0x60; /* nothing connected */
    assert_true(scsi_parse_inquiry(data, sizeof(data), &inquiry));
    assert_int_equal(inquiry.type, 0x1f);
    assert_false(scsi_parse_inquiry(data, 35, &inquiry));
}

UNIT_TESTS(UNIT_TEST(test_commands), UNIT_TEST(test_errors), UNIT_TEST(test_capacity),
           UNIT_TEST(test_luns), UNIT_TEST(test_inquiry))
