/*
 * SCSI commands of disks (SPC-4, SBC-3): building command blocks, and understanding answers. Pure
 * functions of bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

#define SCSI_CDB_SIZE   16
#define SCSI_SENSE_SIZE 96
#define SCSI_UNMAP_SIZE 24 /* a header and one block descriptor */

enum scsi_status { /* SAM-5, 5.3.1 */
    SCSI_GOOD = 0x00,
    SCSI_CHECK_CONDITION = 0x02,
    SCSI_BUSY = 0x08,
    SCSI_RESERVATION_CONFLICT = 0x18,
    SCSI_TASK_SET_FULL = 0x28,
};

enum scsi_sense_key { /* SPC-4, table 43 */
    SENSE_NONE = 0x0,
    SENSE_RECOVERED_ERROR = 0x1,
    SENSE_NOT_READY = 0x2,
    SENSE_MEDIUM_ERROR = 0x3,
    SENSE_HARDWARE_ERROR = 0x4,
    SENSE_ILLEGAL_REQUEST = 0x5,
    SENSE_UNIT_ATTENTION = 0x6,
    SENSE_DATA_PROTECT = 0x7,
    SENSE_ABORTED_COMMAND = 0xb,
};

struct scsi_sense {
    enum scsi_sense_key key;
    uint8_t code, qualifier; /* ASC, ASCQ */
};

void scsi_cdb_inquiry(uint8_t cdb[SCSI_CDB_SIZE], uint8_t allocation);
void scsi_cdb_report_luns(uint8_t cdb[SCSI_CDB_SIZE], uint32_t allocation);
void scsi_cdb_test_unit_ready(uint8_t cdb[SCSI_CDB_SIZE]);
void scsi_cdb_read_capacity_16(uint8_t cdb[SCSI_CDB_SIZE], uint32_t allocation);
void scsi_cdb_mode_sense_6(uint8_t cdb[SCSI_CDB_SIZE], uint8_t page, uint8_t allocation);
/* LBA and count in logical blocks of the disk. */
void scsi_cdb_read_16(uint8_t cdb[SCSI_CDB_SIZE], uint64_t lba, uint32_t blocks);
void scsi_cdb_write_16(uint8_t cdb[SCSI_CDB_SIZE], uint64_t lba, uint32_t blocks, bool fua);
void scsi_cdb_synchronize_cache(uint8_t cdb[SCSI_CDB_SIZE]);
/* UNMAP of one range, with the data that goes with it. */
void scsi_cdb_unmap(uint8_t cdb[SCSI_CDB_SIZE], uint8_t data[SCSI_UNMAP_SIZE], uint64_t lba,
                    uint32_t blocks);

/** scsi_parse_sense() - fixed or descriptor format; false when it is neither. */
bool scsi_parse_sense(const uint8_t *sense, size_t length, struct scsi_sense *result);

/**
 * scsi_error() - what a command's status and sense data mean
 * Return: 0; -EAGAIN worth another try (unit attention, busy, aborted); -EIO; -EROFS; -ENOTSUP;
 * -ENOSPC; -EBUSY (becoming ready).
 */
int scsi_error(uint8_t status, const uint8_t *sense, size_t sense_length);

struct scsi_inquiry {
    uint8_t type; /* 0: disk; 0x1f: nothing there */
    char vendor[9], product[17];
};
/** scsi_parse_inquiry() - false when it is too short. */
bool scsi_parse_inquiry(const uint8_t *data, size_t length, struct scsi_inquiry *inquiry);

/** scsi_parse_capacity_16() - false when too short or impossible. */
bool scsi_parse_capacity_16(const uint8_t *data, size_t length, uint64_t *blocks,
                            uint32_t *block_size);

/** scsi_can_unmap() - does READ CAPACITY (16) say that UNMAP has a use (LBPME)? */
bool scsi_can_unmap(const uint8_t *data, size_t length);

/** scsi_parse_luns() - LUNs of REPORT LUNS in flat or peripheral form. Return: how many stored. */
size_t scsi_parse_luns(const uint8_t *data, size_t length, uint16_t *luns, size_t max);
