/*
 * The GUID partition table (UEFI 2.10, 5.3): a header and an entry array at the start of the disk,
 * and copies of both at its end; each pair is checked by CRC-32. The first good pair is used.
 */
#include "block/partition.h"

#include "kernel/log.h"
#include "lib/byteorder.h"
#include "lib/crc32.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define GPT_SIGNATURE    "EFI PART"
#define GPT_HEADER_MIN   92
#define GPT_ENTRY_MIN    128
#define GPT_ENTRY_MAX    4096
#define GPT_ARRAY_MAX    (256 * 1024) /* bytes; 16 KiB is usual */
#define MBR_PROTECTIVE   0xee
#define MBR_TYPE_OFFSET  (446 + 4)
#define MBR_ENTRY_STRIDE 16

enum header_field {
    HEADER_SIZE = 12,
    HEADER_CRC = 16,
    HEADER_MY_LBA = 24,
    HEADER_FIRST_USABLE = 40,
    HEADER_LAST_USABLE = 48,
    HEADER_ENTRIES_LBA = 72,
    HEADER_ENTRY_COUNT = 80,
    HEADER_ENTRY_SIZE = 84,
    HEADER_ENTRIES_CRC = 88,
};

enum entry_field {
    ENTRY_TYPE = 0,
    ENTRY_FIRST = 32,
    ENTRY_LAST = 40,
    ENTRY_NAME = 56
};
#define ENTRY_NAME_UNITS 36

struct gpt_header {
    uint64_t first_usable, last_usable; /* logical blocks */
    uint64_t entries_lba;
    uint32_t entry_count, entry_size;
    uint32_t entries_crc;
};

static bool has_protective_mbr(const uint8_t *sector0)
{
    if (load_le16(sector0 + 510) != 0xaa55)
        return false;
    for (int i = 0; i < 4; i++)
        if (sector0[MBR_TYPE_OFFSET + i * MBR_ENTRY_STRIDE] == MBR_PROTECTIVE)
            return true;
    return false;
}

/* Return: NULL with @header filled, or what is wrong. @block is changed. */
static const char *check_header(uint8_t *block, uint32_t block_size, uint64_t lba, uint64_t blocks,
                                struct gpt_header *header)
{
    uint32_t size = load_le32(block + HEADER_SIZE);
    uint32_t crc = load_le32(block + HEADER_CRC);

    if (memcmp(block, GPT_SIGNATURE, 8) != 0)
        return "has no signature";
    if (size < GPT_HEADER_MIN || size > block_size)
        return "has an impossible size";
    store_le32(block + HEADER_CRC, 0);
    if (crc32(block, size) != crc)
        return "has a bad CRC";
    if (load_le64(block + HEADER_MY_LBA) != lba)
        return "belongs elsewhere";
    header->first_usable = load_le64(block + HEADER_FIRST_USABLE);
    header->last_usable = load_le64(block + HEADER_LAST_USABLE);
    header->entries_lba = load_le64(block + HEADER_ENTRIES_LBA);
    header->entry_count = load_le32(block + HEADER_ENTRY_COUNT);
    header->entry_size = load_le32(block + HEADER_ENTRY_SIZE);
    header->entries_crc = load_le32(block + HEADER_ENTRIES_CRC);
    if (header->entry_size < GPT_ENTRY_MIN || header->entry_size > GPT_ENTRY_MAX ||
        header->entry_size % 8 != 0)
        return "has an impossible entry size";
    if (header->entry_count == 0 || header->entry_count > GPT_ARRAY_MAX / header->entry_size)
        return "has an impossible number of entries";
    if (header->first_usable > header->last_usable || header->last_usable >= blocks)
        return "has an impossible usable range";
    return NULL;
}

/* The entry array, from the heap; NULL with a line when it cannot be had. */
static uint8_t *read_entries(const struct partition_reader *reader, const char *which,
                             const struct gpt_header *header)
{
    uint32_t scale = reader->logical_block_size / 512;
    uint64_t bytes = (uint64_t)header->entry_count * header->entry_size;
    uint64_t sectors = ALIGN_UP(bytes, reader->logical_block_size) / 512;
    uint64_t blocks = reader->sectors / scale;
    const char *problem = "out of memory";

    if (header->entries_lba >= blocks || sectors > reader->sectors - header->entries_lba * scale) {
        log_warning("partition", "%s: %s GPT: entries past the end", reader->name, which);
        return NULL;
    }
    uint8_t *entries = kmalloc(sectors * 512);
    if (entries) {
        problem = "entries cannot be read";
        if (reader->read(reader->context, header->entries_lba * scale, sectors, entries) == 0) {
            if (crc32(entries, bytes) == header->entries_crc)
                return entries;
            problem = "entries have a bad CRC";
        }
    }
    log_warning("partition", "%s: %s GPT: %s", reader->name, which, problem);
    kfree(entries);
    return NULL;
}

/* The table at logical block @lba. Return: its entries, or NULL with a line. */
static uint8_t *read_table(const struct partition_reader *reader, const char *which, uint64_t lba,
                           struct gpt_header *header)
{
    uint32_t scale = reader->logical_block_size / 512;
    uint8_t *block = kmalloc(reader->logical_block_size);
    const char *problem = "cannot be read";

    if (!block)
        return NULL;
    if (reader->read(reader->context, lba * scale, scale, block) == 0)
        problem =
            check_header(block, reader->logical_block_size, lba, reader->sectors / scale, header);
    kfree(block);
    if (!problem)
        return read_entries(reader, which, header);
    log_warning("partition", "%s: %s GPT header %s", reader->name, which, problem);
    return NULL;
}

static void read_label(const uint8_t *entry, char label[PARTITION_LABEL_MAX])
{
    size_t i;

    for (i = 0; i < ENTRY_NAME_UNITS; i++) {
        uint16_t unit = load_le16(entry + ENTRY_NAME + 2 * i);
        if (unit == 0)
            break;
        label[i] = unit >= 0x20 && unit < 0x7f ? (char)unit : '?';
    }
    label[i] = '\0';
}

static void add_entry(const struct partition_reader *reader, const struct gpt_header *header,
                      const uint8_t *entry, unsigned int number, struct partition_table *table)
{
    static const uint8_t unused[16];
    uint64_t scale = reader->logical_block_size / 512;
    uint64_t first = load_le64(entry + ENTRY_FIRST), last = load_le64(entry + ENTRY_LAST);
    struct partition partition = { .number = number };

    if (memcmp(entry + ENTRY_TYPE, unused, sizeof(unused)) == 0)
        return;
    if (first > last || first < header->first_usable || last > header->last_usable) {
        log_warning("partition", "%s: partition %u lies outside of the usable blocks: left out",
                    reader->name, number);
        return;
    }
    partition.start = first * scale;
    partition.sectors = (last - first + 1) * scale;
    memcpy(partition.type_guid, entry + ENTRY_TYPE, sizeof(partition.type_guid));
    read_label(entry, partition.label);
    partition_table_add(reader, table, &partition);
}

int gpt_read(const struct partition_reader *reader, const uint8_t *sector0,
             struct partition_table *table)
{
    uint64_t blocks = reader->sectors / (reader->logical_block_size / 512);
    struct gpt_header header;

    if (!has_protective_mbr(sector0) || blocks < 6)
        return 0;
    uint8_t *entries = read_table(reader, "first", 1, &header);
    if (!entries) {
        entries = read_table(reader, "second", blocks - 1, &header);
        if (!entries)
            return 0;
        log_warning("partition", "%s: using the second GPT; the first should be repaired",
                    reader->name);
    }
    table->scheme = "GPT";
    for (uint32_t i = 0; i < header.entry_count; i++)
        add_entry(reader, &header, entries + (size_t)i * header.entry_size, i + 1, table);
    kfree(entries);
    return 1;
}
