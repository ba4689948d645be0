/*
 * The master boot record: four primary entries, and a chain of extended ones.
 *
 * A logical partition's record (EBR) has its entry relative to itself, and a link to the next EBR
 * relative to the extended partition. Links must go forward, so a loop cannot be.
 */
#include "block/partition.h"

#include "kernel/log.h"
#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define MBR_SIGNATURE_OFFSET 510
#define MBR_SIGNATURE        0xaa55
#define MBR_ENTRIES_OFFSET   446
#define MBR_ENTRY_SIZE       16
#define MBR_PRIMARY_COUNT    4
#define MBR_FIRST_LOGICAL    5
#define MBR_PROTECTIVE       0xee

struct mbr_entry {
    uint8_t status;
    uint8_t type;
    uint32_t first; /* logical blocks */
    uint32_t count;
};

static bool has_signature(const uint8_t *block)
{
    return load_le16(block + MBR_SIGNATURE_OFFSET) == MBR_SIGNATURE;
}

static struct mbr_entry read_entry(const uint8_t *block, unsigned int index)
{
    const uint8_t *entry = block + MBR_ENTRIES_OFFSET + (size_t)index * MBR_ENTRY_SIZE;

    return (struct mbr_entry){ .status = entry[0],
                               .type = entry[4],
                               .first = load_le32(entry + 8),
                               .count = load_le32(entry + 12) };
}

static bool is_extended(const struct mbr_entry *entry)
{
    return entry->type == 0x05 || entry->type == 0x0f || entry->type == 0x85;
}

/* A boot sector of a file system has the signature too; its "entries" have no valid status. */
static bool looks_like_table(const uint8_t *block)
{
    if (!has_signature(block))
        return false;
    for (unsigned int i = 0; i < MBR_PRIMARY_COUNT; i++) {
        struct mbr_entry entry = read_entry(block, i);
        if (entry.status != 0x00 && entry.status != 0x80)
            return false;
    }
    return true;
}

static void add_entry(const struct partition_reader *reader, struct partition_table *table,
                      const struct mbr_entry *entry, uint64_t base, unsigned int number)
{
    uint64_t scale = reader->logical_block_size / 512;
    struct partition partition = { .number = number,
                                   .start = (base + entry->first) * scale,
                                   .sectors = (uint64_t)entry->count * scale,
                                   .mbr_type = entry->type };

    partition_table_add(reader, table, &partition);
}

/* The logical partition in the record at @at. Return: the next record, 0 at the end. */
static uint64_t read_record(const struct partition_reader *reader, const uint8_t *block,
                            const struct mbr_entry *extended, uint64_t at, unsigned int number,
                            struct partition_table *table)
{
    struct mbr_entry logical = read_entry(block, 0);
    struct mbr_entry link = read_entry(block, 1);

    if (logical.type && logical.count)
        add_entry(reader, table, &logical, at, number);
    if (!is_extended(&link) || link.count == 0)
        return 0;
    uint64_t next = (uint64_t)extended->first + link.first;
    if (next <= at || link.first >= extended->count) {
        log_warning("partition", "%s: the chain of logical partitions leads back or out after %u",
                    reader->name, number);
        return 0;
    }
    return next;
}

static int read_extended(const struct partition_reader *reader, const struct mbr_entry *extended,
                         struct partition_table *table, unsigned int *number)
{
    uint64_t scale = reader->logical_block_size / 512;
    uint64_t at = extended->first;
    uint8_t *block = kmalloc(reader->logical_block_size);
    int error = 0;

    if (!block)
        return -ENOMEM;
    while (at != 0 && *number <= PARTITIONS_MAX) {
        if (at * scale >= reader->sectors) {
            log_warning("partition", "%s: the extended partition lies past the end", reader->name);
            break;
        }
        error = reader->read(reader->context, at * scale, scale, block);
        if (error)
            break;
        if (!has_signature(block)) {
            log_warning("partition", "%s: no signature in the record of logical partition %u",
                        reader->name, *number);
            break;
        }
        at = read_record(reader, block, extended, at, *number, table);
        (*number)++;
    }
    kfree(block);
    return error;
}

int mbr_read(const struct partition_reader *reader, const uint8_t *sector0,
             struct partition_table *table)
{
    unsigned int next_logical = MBR_FIRST_LOGICAL;

    if (!looks_like_table(sector0))
        return 0;
    for (unsigned int i = 0; i < MBR_PRIMARY_COUNT; i++) {
        struct mbr_entry entry = read_entry(sector0, i);
        if (entry.type == 0 || entry.count == 0)
            continue;
        if (entry.type == MBR_PROTECTIVE) {
            log_warning("partition", "%s: partition %u stands for a GPT that cannot be read",
                        reader->name, i + 1);
            continue;
        }
        table->scheme = "MBR";
        if (!is_extended(&entry)) {
            add_entry(reader, table, &entry, 0, i + 1);
            continue;
        }
        int error = read_extended(reader, &entry, table, &next_logical);
        if (error)
            return error;
    }
    return table->scheme ? 1 : 0;
}
