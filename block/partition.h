/*
 * Partition tables: MBR with extended partitions, and GPT.
 *
 * The parsers are pure: they read sectors through a callback and fill a table, so that they run on
 * the host under a fuzzer. Entries that overlap, lie past the end or make no sense are refused,
 * each with a line; the rest is used.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/types.h"

struct block_device;

#define PARTITIONS_MAX      128
#define PARTITION_LABEL_MAX 37 /* GPT: 36 UTF-16 units, shown as ASCII, others as '?' */

struct partition {
    unsigned int number; /* as the field counts: MBR logical ones from 5, GPT by entry from 1 */
    lba_t start;         /* 512-byte sectors */
    uint64_t sectors;
    uint8_t mbr_type;      /* 0 for GPT */
    uint8_t type_guid[16]; /* GPT, as on disk */
    char label[PARTITION_LABEL_MAX];
};

struct partition_table {
    const char *scheme; /* "MBR", "GPT"; NULL: the disk has no table */
    struct partition partitions[PARTITIONS_MAX];
    size_t count;
};

/* Where the sectors come from. */
struct partition_reader {
    int (*read)(void *context, lba_t lba, uint64_t sectors, void *buffer); /* 0 or -errno */
    void *context;
    const char *name; /* of the disk, for the lines */
    uint64_t sectors;
    uint32_t logical_block_size; /* what LBAs on the disk count in */
};

/**
 * partition_table_read() - find and check the table of a disk
 * @table is large: from the heap. Context: task.
 * Return: 0 (also without a table: scheme is NULL); -EIO the disk cannot be read; -ENOMEM.
 */
int __must_check partition_table_read(const struct partition_reader *reader,
                                      struct partition_table *table);

/** partition_table_add() - for the parsers: check @partition and add it, or say why not. */
void partition_table_add(const struct partition_reader *reader, struct partition_table *table,
                         const struct partition *partition);

/* Each: 1 found and read, 0 not this scheme, or -errno. @sector0 is the first logical block. */
int mbr_read(const struct partition_reader *reader, const uint8_t *sector0,
             struct partition_table *table);
int gpt_read(const struct partition_reader *reader, const uint8_t *sector0,
             struct partition_table *table);

/** partition_type_name() - "Linux", "EFI system" ...; a number as text for unknown ones. */
const char *partition_type_name(const struct partition *partition, char *buffer, size_t size);

/** partitions_scan() - read @disk's table and register a device for each partition. Task. */
void partitions_scan(struct block_device *disk);
/** partition_of() - the table entry of a registered partition. */
const struct partition *partition_of(const struct block_device *device);
/** partition_free() - the last reference of a partition is gone. */
void partition_free(struct block_device *device);
