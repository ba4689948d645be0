/*
 * SCSI commands of disks: see scsi.h.
 */
#include "drivers/block/scsi.h"

#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/string.h"

enum operation_code {
    OP_TEST_UNIT_READY = 0x00,
    OP_INQUIRY = 0x12,
    OP_MODE_SENSE_6 = 0x1a,
    OP_SYNCHRONIZE_CACHE_10 = 0x35,
    OP_UNMAP = 0x42,
    OP_READ_16 = 0x88,
    OP_WRITE_16 = 0x8a,
    OP_SERVICE_ACTION_IN_16 = 0x9e,
    OP_REPORT_LUNS = 0xa0,
};
#define SERVICE_READ_CAPACITY_16 0x10
#define WRITE_FUA                0x08

static void begin(uint8_t cdb[SCSI_CDB_SIZE], enum operation_code operation)
{
    memset(cdb, 0, SCSI_CDB_SIZE);
    cdb[0] = (uint8_t)operation;
}

void scsi_cdb_inquiry(uint8_t cdb[SCSI_CDB_SIZE], uint8_t allocation)
{
    begin(cdb, OP_INQUIRY);
    cdb[4] = allocation;
}

void scsi_cdb_report_luns(uint8_t cdb[SCSI_CDB_SIZE], uint32_t allocation)
{
    begin(cdb, OP_REPORT_LUNS);
    store_be32(cdb + 6, allocation);
}

void scsi_cdb_test_unit_ready(uint8_t cdb[SCSI_CDB_SIZE])
{
    begin(cdb, OP_TEST_UNIT_READY);
}

void scsi_cdb_read_capacity_16(uint8_t cdb[SCSI_CDB_SIZE], uint32_t allocation)
{
    begin(cdb, OP_SERVICE_ACTION_IN_16);
    cdb[1] = SERVICE_READ_CAPACITY_16;
    store_be32(cdb + 10, allocation);
}

void scsi_cdb_mode_sense_6(uint8_t cdb[SCSI_CDB_SIZE], uint8_t page, uint8_t allocation)
{
    begin(cdb, OP_MODE_SENSE_6);
    cdb[2] = page;
    cdb[4] = allocation;
}

void scsi_cdb_read_16(uint8_t cdb[SCSI_CDB_SIZE], uint64_t lba, uint32_t blocks)
{
    begin(cdb, OP_READ_16);
    store_be64(cdb + 2, lba);
    store_be32(cdb + 10, blocks);
}

void scsi_cdb_write_16(uint8_t cdb[SCSI_CDB_SIZE], uint64_t lba, uint32_t blocks, bool fua)
{
    begin(cdb, OP_WRITE_16);
    cdb[1] = fua ? WRITE_FUA : 0;
    store_be64(cdb + 2, lba);
    store_be32(cdb + 10, blocks);
}

void scsi_cdb_synchronize_cache(uint8_t cdb[SCSI_CDB_SIZE])
{
    begin(cdb, OP_SYNCHRONIZE_CACHE_10); /* LBA 0, count 0: all of it */
}

/* SBC-3, 5.28: lengths of what follows each, then LBA and count. */
void scsi_cdb_unmap(uint8_t cdb[SCSI_CDB_SIZE], uint8_t data[SCSI_UNMAP_SIZE], uint64_t lba,
                    uint32_t blocks)
{
    begin(cdb, OP_UNMAP);
    store_be16(cdb + 7, SCSI_UNMAP_SIZE);
    memset(data, 0, SCSI_UNMAP_SIZE);
    store_be16(data, SCSI_UNMAP_SIZE - 2);
    store_be16(data + 2, SCSI_UNMAP_SIZE - 8);
    store_be64(data + 8, lba);
    store_be32(data + 16, blocks);
}

bool scsi_parse_sense(const uint8_t *sense, size_t length, struct scsi_sense *result)
{
    uint8_t format = length > 0 ? sense[0] & 0x7f : 0;

    if ((format == 0x70 || format == 0x71) && length >= 14) { /* fixed (SPC-4, 4.5.3) */
        *result = (struct scsi_sense){ sense[2] & 0x0f, sense[12], sense[13] };
        return true;
    }
    if ((format == 0x72 || format == 0x73) && length >= 4) { /* descriptor (4.5.2) */
        *result = (struct scsi_sense){ sense[1] & 0x0f, sense[2], sense[3] };
        return true;
    }
    return false;
}

static int sense_error(const struct scsi_sense *sense)
{
    switch (sense->key) {
    case SENSE_NONE:
    case SENSE_RECOVERED_ERROR:
        return 0;
    case SENSE_UNIT_ATTENTION:
    case SENSE_ABORTED_COMMAND:
        return -EAGAIN;
    case SENSE_NOT_READY:
        return sense->code == 0x04 && sense->qualifier == 0x01 ? -EBUSY : -EIO;
    case SENSE_ILLEGAL_REQUEST:
        return sense->code == 0x20 || sense->code == 0x24 ? -ENOTSUP : -EIO;
    case SENSE_DATA_PROTECT:
        return sense->code == 0x27 && sense->qualifier == 0x07 ? -ENOSPC : -EROFS;
    default:
        return -EIO;
    }
}

int scsi_error(uint8_t status, const uint8_t *sense, size_t sense_length)
{
    struct scsi_sense parsed;

    switch (status) {
    case SCSI_GOOD:
        return 0;
    case SCSI_BUSY:
    case SCSI_TASK_SET_FULL:
        return -EAGAIN;
    case SCSI_CHECK_CONDITION:
        return scsi_parse_sense(sense, sense_length, &parsed) ? sense_error(&parsed) : -EIO;
    default:
        return -EIO;
    }
}

/* Fields are padded with blanks, and go to the screen. */
static void copy_text(char *to, const uint8_t *from, size_t length)
{
    for (size_t i = 0; i < length; i++)
        to[i] = from[i] >= ' ' && from[i] < 0x7f ? (char)from[i] : '?';
    while (length > 0 && to[length - 1] == ' ')
        length--;
    to[length] = '\0';
}

bool scsi_parse_inquiry(const uint8_t *data, size_t length, struct scsi_inquiry *inquiry)
{
    if (length < 36)
        return false;
    inquiry->type = data[0] & 0x1f;
    if (data[0] >> 5) /* peripheral qualifier: nothing connected */
        inquiry->type = 0x1f;
    copy_text(inquiry->vendor, data + 8, 8);
    copy_text(inquiry->product, data + 16, 16);
    return true;
}

bool scsi_parse_capacity_16(const uint8_t *data, size_t length, uint64_t *blocks,
                            uint32_t *block_size)
{
    if (length < 12)
        return false;
    uint64_t last = load_be64(data);
    *block_size = load_be32(data + 8);
    *blocks = last + 1;
    return last < UINT64_MAX >> 16 && *block_size >= 512 && *block_size <= 65536 &&
           (*block_size & (*block_size - 1)) == 0;
}

bool scsi_can_unmap(const uint8_t *data, size_t length)
{
    return length >= 16 && data[14] & 0x80;
}

size_t scsi_parse_luns(const uint8_t *data, size_t length, uint16_t *luns, size_t max)
{
    size_t count = 0;

    if (length < 8)
        return 0;
    size_t end = MIN((size_t)load_be32(data), length - 8) + 8;
    for (size_t at = 8; at + 8 <= end && count < max; at += 8) {
        uint8_t method = data[at] >> 6;
        if (method == 0 || method == 1) /* peripheral (SAM-5, 4.7.7.2) or flat (4.7.7.3) */
            luns[count++] = (uint16_t)((data[at] & 0x3f) << 8 | data[at + 1]);
    }
    return count;
}
