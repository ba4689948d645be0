/*
 * Partitions as block devices of their own, and what their types are called.
 */
#include "block/partition.h"

#include "block/block_device.h"
#include "block/queue.h"
#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

struct partition_device {
    struct block_device device;
    struct partition entry;
};

static int read_disk(void *context, lba_t lba, uint64_t sectors, void *buffer)
{
    return block_read(context, lba, sectors, buffer);
}

static void register_partition(struct block_device *disk, const struct partition *entry)
{
    struct partition_device *pd = kzalloc(sizeof(*pd));

    if (!pd) {
        log_error("partition", "%s: out of memory for partition %u", disk->name, entry->number);
        return;
    }
    pd->entry = *entry;
    pd->device.start = entry->start;
    pd->device.sectors = entry->sectors;
    strlcpy(pd->device.model, entry->label, sizeof(pd->device.model));
    int error = block_partition_register(&pd->device, disk, entry->number);
    if (error) {
        log_error("partition", "%s: partition %u: %s", disk->name, entry->number,
                  errno_text(error));
        kfree(pd);
    }
}

void partitions_scan(struct block_device *disk)
{
    struct partition_reader reader = { .read = read_disk,
                                       .context = disk,
                                       .name = disk->name,
                                       .sectors = disk->sectors,
                                       .logical_block_size = disk->limits.logical_block_size };
    struct partition_table *table = kmalloc(sizeof(*table));
    int error = table ? partition_table_read(&reader, table) : -ENOMEM;

    if (error)
        log_warning("partition", "%s: no partition table read: %s", disk->name, errno_text(error));
    for (size_t i = 0; !error && i < table->count; i++)
        register_partition(disk, &table->partitions[i]);
    kfree(table);
}

const struct partition *partition_of(const struct block_device *device)
{
    return &container_of(device, const struct partition_device, device)->entry;
}

void partition_free(struct block_device *device)
{
    kfree(container_of(device, struct partition_device, device));
}

static const struct {
    uint8_t type;
    const char *name;
} mbr_types[] = {
    { 0x01, "FAT12" },       { 0x04, "FAT16" },      { 0x06, "FAT16" },
    { 0x07, "NTFS/exFAT" },  { 0x0b, "FAT32" },      { 0x0c, "FAT32 (LBA)" },
    { 0x0e, "FAT16 (LBA)" }, { 0x82, "Linux swap" }, { 0x83, "Linux" },
    { 0x8e, "Linux LVM" },   { 0xa5, "FreeBSD" },    { 0xee, "GPT protective" },
    { 0xef, "EFI system" },  { 0xfd, "Linux RAID" },
};

/* As text: the first three fields are little-endian on disk. */
static const struct {
    const char *guid;
    const char *name;
} gpt_types[] = {
    { "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "EFI system" },
    { "21686148-6449-6e6f-744e-656564454649", "BIOS boot" },
    { "0fc63daf-8483-4772-8e79-3d69d8477de4", "Linux" },
    { "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "Linux swap" },
    { "e6d6d379-f507-44c2-a23c-238f2a3df928", "Linux LVM" },
    { "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "Microsoft data" },
};

/* A GUID on disk has its first three fields little-endian (UEFI 2.10, appendix A). */
static void guid_to_text(const uint8_t guid[16], char text[37])
{
    snprintf(text, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             guid[3], guid[2], guid[1], guid[0], guid[5], guid[4], guid[7], guid[6], guid[8],
             guid[9], guid[10], guid[11], guid[12], guid[13], guid[14], guid[15]);
}

const char *partition_type_name(const struct partition *partition, char *buffer, size_t size)
{
    char guid[37];

    if (partition->mbr_type) {
        for (size_t i = 0; i < ARRAY_SIZE(mbr_types); i++)
            if (mbr_types[i].type == partition->mbr_type)
                return mbr_types[i].name;
        snprintf(buffer, size, "type %#04x", partition->mbr_type);
        return buffer;
    }
    guid_to_text(partition->type_guid, guid);
    for (size_t i = 0; i < ARRAY_SIZE(gpt_types); i++)
        if (strcmp(gpt_types[i].guid, guid) == 0)
            return gpt_types[i].name;
    snprintf(buffer, size, "%s", guid);
    return buffer;
}
