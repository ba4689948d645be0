/*
 * The boot sector: what kind of FAT it is, and where its parts are.
 */
#include "fs/fat/fat.h"
#include "kernel/log.h"
#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define FAT12_CLUSTERS_MAX 4084u
#define FAT16_CLUSTERS_MAX 65524u
#define FAT32_CLUSTERS_MAX 0x0FFFFFF5u
#define CLUSTER_BYTES_MAX  (256u * 1024)

/* The BIOS parameter block, in numbers. */
struct bpb {
    uint32_t sector_size, sectors_per_cluster, reserved, tables, root_slots;
    uint64_t sectors, table_sectors;
    bool is_fat32;
    uint32_t root_cluster, flags;
};

static bool is_power_of_two(uint32_t value)
{
    return value && !(value & (value - 1));
}

static void parse_bpb(const uint8_t *sector, struct bpb *bpb)
{
    bpb->sector_size = load_le16(sector + 11);
    bpb->sectors_per_cluster = sector[13];
    bpb->reserved = load_le16(sector + 14);
    bpb->tables = sector[16];
    bpb->root_slots = load_le16(sector + 17);
    bpb->sectors = load_le16(sector + 19) ? load_le16(sector + 19) : load_le32(sector + 32);
    bpb->table_sectors = load_le16(sector + 22);
    bpb->is_fat32 = bpb->table_sectors == 0;
    if (bpb->is_fat32) {
        bpb->table_sectors = load_le32(sector + 36);
        bpb->flags = load_le16(sector + 40);
        bpb->root_cluster = load_le32(sector + 44);
    }
}

/* Could this be a FAT at all? Other boot sectors have the signature too. */
static bool is_plausible(const uint8_t *sector, const struct bpb *bpb)
{
    return sector[510] == 0x55 && sector[511] == 0xAA && is_power_of_two(bpb->sector_size) &&
           bpb->sector_size >= FAT_SECTOR_SIZE && bpb->sector_size <= 4096 &&
           is_power_of_two(bpb->sectors_per_cluster) && bpb->reserved > 0 && bpb->tables > 0 &&
           bpb->tables <= 4 && bpb->sectors > 0 && bpb->table_sectors > 0 &&
           (bpb->is_fat32 ? bpb->root_slots == 0 && load_le16(sector + 42) == 0
                          : bpb->root_slots > 0) &&
           bpb->sector_size * bpb->sectors_per_cluster <= CLUSTER_BYTES_MAX;
}

/* The kind follows from the number of clusters, but for FAT32, which has another boot sector. */
static int set_width(struct fat_volume *volume, bool is_fat32)
{
    uint32_t most = is_fat32 ? FAT32_CLUSTERS_MAX : FAT16_CLUSTERS_MAX;

    if (volume->cluster_count == 0 || volume->cluster_count > most)
        return fat_damaged(volume, "an impossible number of clusters", volume->cluster_count);
    volume->width = is_fat32 ? 32 : volume->cluster_count <= FAT12_CLUSTERS_MAX ? 12 : 16;
    return 0;
}

static int check_table(struct fat_volume *volume)
{
    uint64_t bits = ((uint64_t)volume->cluster_count + 2) * volume->width;

    if (volume->table_sectors * FAT_SECTOR_SIZE * 8 < bits)
        return fat_damaged(volume,
                           "the table is too short for its clusters:", volume->cluster_count);
    if (volume->width == 32 &&
        (volume->root_cluster < 2 || volume->root_cluster - 2 >= volume->cluster_count))
        return fat_damaged(volume, "no root directory at cluster", volume->root_cluster);
    return 0;
}

/* Turn the parameters into places on the disk, in sectors of 512 bytes. */
static int lay_out(struct fat_volume *volume, const struct bpb *bpb)
{
    uint32_t scale = bpb->sector_size / FAT_SECTOR_SIZE;
    uint32_t active = bpb->flags & 0x80 ? bpb->flags & 0x0F : 0; /* FAT32: mirroring may be off */
    uint64_t root_bytes = (uint64_t)bpb->root_slots * FAT_SLOT_SIZE;
    uint64_t root_sectors = (root_bytes + bpb->sector_size - 1) / bpb->sector_size;
    uint64_t root = bpb->reserved + bpb->tables * bpb->table_sectors;
    uint64_t data = root + root_sectors;

    if (bpb->sectors * scale > volume->source.sectors)
        return -ERANGE;
    if (data >= bpb->sectors || active >= bpb->tables)
        return fat_damaged(volume, "no room for data in sectors", bpb->sectors);
    volume->cluster_bytes = bpb->sector_size * bpb->sectors_per_cluster;
    volume->cluster_count =
        (uint32_t)MIN((bpb->sectors - data) / bpb->sectors_per_cluster, (uint64_t)UINT32_MAX);
    volume->table_sector = (bpb->reserved + active * bpb->table_sectors) * scale;
    volume->table_sectors = bpb->table_sectors * scale;
    volume->root_sector = root * scale;
    volume->root_slots = bpb->root_slots;
    volume->root_cluster = bpb->root_cluster;
    volume->data_sector = data * scale;
    return set_width(volume, bpb->is_fat32);
}

static void set_label(struct fat_volume *volume, const void *text, size_t length)
{
    const char *from = text;

    while (length > 0 && (from[length - 1] == ' ' || from[length - 1] == '\0'))
        length--;
    length = MIN(length, (size_t)FAT_LABEL_SIZE - 1);
    memset(volume->label, 0, sizeof(volume->label));
    memcpy(volume->label, from, length);
}

/* The label is an entry of the root directory; a copy in the boot sector may be out of date. */
static int find_label(struct fat_volume *volume, const uint8_t *boot)
{
    const uint8_t *extended = boot + (volume->width == 32 ? 64 : 36);
    struct fat_walk *walk = kmalloc(sizeof(*walk));
    struct fat_entry *entry = kmalloc(sizeof(*entry));
    int error = walk && entry ? 0 : -ENOMEM;

    if (extended[2] == 0x29 && memcmp(extended + 7, "NO NAME    ", 11) != 0)
        set_label(volume, extended + 7, 11);
    if (!error)
        fat_walk_start(walk, volume, 0, 0);
    while (!error) {
        error = fat_walk_next(walk, entry);
        if (!error && entry->attributes & FAT_LABEL) {
            set_label(volume, walk->sector + (walk->slot - 1) * FAT_SLOT_SIZE % FAT_SECTOR_SIZE,
                      11);
            break;
        }
    }
    kfree(walk);
    kfree(entry);
    return error == -ENOENT ? 0 : error;
}

static int open_volume(struct fat_volume *volume)
{
    uint8_t boot[FAT_SECTOR_SIZE];
    struct bpb bpb = { 0 };
    int error;

    if (volume->source.sectors == 0)
        return -EMEDIUMTYPE;
    error = volume->source.read(volume->source.context, 0, 1, boot);
    if (error)
        return error;
    parse_bpb(boot, &bpb);
    if (!is_plausible(boot, &bpb))
        return -EMEDIUMTYPE;
    error = lay_out(volume, &bpb);
    if (!error)
        error = check_table(volume);
    if (!error)
        error = find_label(volume, boot);
    return error;
}

int fat_open(const struct fat_source *source, struct fat_volume **result)
{
    struct fat_volume *volume = kzalloc(sizeof(*volume));
    int error;

    if (!volume)
        return -ENOMEM;
    volume->source = *source;
    volume->window_sector = UINT64_MAX;
    mutex_init(&volume->lock, "fat_table", LOCK_RANK_FS_TABLE);
    error = open_volume(volume);
    if (error)
        kfree(volume);
    else
        *result = volume;
    return error;
}

void fat_close(struct fat_volume *volume)
{
    kfree(volume);
}

int fat_damaged(const struct fat_volume *volume, const char *what, uint64_t number)
{
    log_warning("fat", "%s is damaged: %s %llu", volume->source.name, what,
                (unsigned long long)number);
    return -EUCLEAN;
}
