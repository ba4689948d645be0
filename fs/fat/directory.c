/*
 * Directories: slots of 32 bytes, one after the other.
 */
#include "fs/fat/fat.h"
#include "kernel/time/clock.h"
#include "lib/byteorder.h"
#include "lib/ctype.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define SLOT_END  0x00 /* first byte: this one and all behind it were never used */
#define SLOT_FREE 0xE5

void fat_walk_start(struct fat_walk *walk, struct fat_volume *volume, uint32_t cluster,
                    uint32_t slot)
{
    walk->volume = volume;
    walk->slot = slot;
    walk->loaded = UINT64_MAX;
    walk->long_name.is_begun = false;
    fat_chain_start(&walk->chain, cluster ? cluster : volume->root_cluster);
}

/* The sector that holds the next slot. Return: 0; -ENOENT behind the end. */
static int find_sector(struct fat_walk *walk, uint64_t *sector)
{
    struct fat_volume *volume = walk->volume;
    uint64_t offset = (uint64_t)walk->slot * FAT_SLOT_SIZE;
    int error;

    if (walk->slot >= FAT_SLOTS_MAX)
        return -ENOENT;
    if (walk->chain.first == 0) {
        *sector = volume->root_sector + offset / FAT_SECTOR_SIZE;
        return walk->slot < volume->root_slots ? 0 : -ENOENT;
    }
    error = fat_chain_seek(volume, &walk->chain, (uint32_t)(offset / volume->cluster_bytes));
    if (error)
        return error == -ENODATA ? -ENOENT : error;
    *sector = fat_cluster_sector(volume, walk->chain.cluster) +
              offset % volume->cluster_bytes / FAT_SECTOR_SIZE;
    return 0;
}

static int next_slot(struct fat_walk *walk, const uint8_t **slot)
{
    uint64_t sector;
    int error = find_sector(walk, &sector);

    if (!error && sector != walk->loaded) {
        walk->loaded = UINT64_MAX;
        error = walk->volume->source.read(walk->volume->source.context, sector, 1, walk->sector);
    }
    if (error)
        return error;
    walk->loaded = sector;
    *slot = walk->sector + walk->slot * FAT_SLOT_SIZE % FAT_SECTOR_SIZE;
    if ((*slot)[0] == SLOT_END)
        return -ENOENT;
    walk->slot++;
    return 0;
}

/* Local time of wherever it was written: taken as it is. */
static uint64_t time_ns(uint16_t date, uint16_t time)
{
    struct calendar_time parts = {
        .year = 1980 + (date >> 9),
        .month = date >> 5 & 15,
        .day = date & 31,
        .hour = time >> 11,
        .minute = time >> 5 & 63,
        .second = (time & 31) * 2,
    };

    if (parts.month < 1 || parts.month > 12 || parts.day < 1 || parts.hour > 23 ||
        parts.minute > 59 || parts.second > 59)
        return 0;
    return calendar_to_unix(&parts) * NS_PER_S;
}

static void parse_slot(const struct fat_walk *walk, const uint8_t *slot, struct fat_entry *entry)
{
    entry->attributes = slot[11];
    entry->cluster = load_le16(slot + 26);
    if (walk->volume->width == 32)
        entry->cluster |= (uint32_t)load_le16(slot + 20) << 16 & 0x0FFFFFFF;
    entry->size = entry->attributes & FAT_DIRECTORY ? 0 : load_le32(slot + 28);
    entry->created_ns = time_ns(load_le16(slot + 16), load_le16(slot + 14));
    entry->modified_ns = time_ns(load_le16(slot + 24), load_le16(slot + 22));
    entry->position =
        (walk->loaded * FAT_SECTOR_SIZE + (size_t)(slot - walk->sector)) / FAT_SLOT_SIZE;
}

int fat_walk_next(struct fat_walk *walk, struct fat_entry *entry)
{
    const uint8_t *slot;

    for (;;) {
        int error = next_slot(walk, &slot);

        if (error)
            return error;
        if (slot[0] == SLOT_FREE) {
            walk->long_name.is_begun = false;
            continue;
        }
        if ((slot[11] & 0x3F) == FAT_LONG_NAME) {
            fat_long_name_add(&walk->long_name, slot);
            continue;
        }
        if (fat_names_of(&walk->long_name, slot, entry) && slot[0] != '.') {
            parse_slot(walk, slot, entry);
            return 0;
        }
    }
}

/* ---- by name --------------------------------------------------------------------------------- */

static bool is_name(const char *candidate, const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (to_lower(candidate[i]) != to_lower(name[i])) /* its NUL is none of the name's */
            return false;
    return candidate[length] == '\0';
}

int fat_find(struct fat_volume *volume, uint32_t cluster, const char *name, size_t length,
             struct fat_entry *entry)
{
    struct fat_walk *walk = kmalloc(sizeof(*walk));
    int error;

    if (!walk)
        return -ENOMEM;
    fat_walk_start(walk, volume, cluster, 0);
    do {
        error = fat_walk_next(walk, entry);
    } while (!error &&
             (entry->attributes & FAT_LABEL ||
              (!is_name(entry->name, name, length) && !is_name(entry->short_name, name, length))));
    kfree(walk);
    return error;
}
