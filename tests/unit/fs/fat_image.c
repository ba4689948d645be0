/*
 * FAT volumes made by hand; see fat_image.h.
 */
#include "tests/unit/fs/fat_image.h"

#include "fs/fat/disk.h"
#include "lib/byteorder.h"
#include "lib/errno.h"

#define SLOT 32u

struct fat_image *fat_image_current;
static uint8_t *last_slot;

uint8_t *fat_image_last_slot(void)
{
    return last_slot;
}

static void write_boot_sector(struct fat_image *image, uint32_t sectors_per_cluster,
                              uint32_t reserved, const char *label)
{
    uint8_t *boot = image->bytes;
    uint8_t *extended = boot + (image->width == 32 ? 64 : 36);
    uint32_t table_sectors = image->table_bytes / 512;

    memcpy(boot, "\xEB\x3C\x90TESTTEST", 11);
    store_le16(boot + 11, 512);
    boot[13] = (uint8_t)sectors_per_cluster;
    store_le16(boot + 14, (uint16_t)reserved);
    boot[16] = 2;
    store_le16(boot + 17, (uint16_t)image->root_slots);
    boot[21] = 0xF8;
    store_le32(boot + 32, (uint32_t)(image->size / 512));
    if (image->width == 32) {
        store_le32(boot + 36, table_sectors);
        store_le32(boot + 44, image->root_cluster);
    } else {
        store_le16(boot + 22, (uint16_t)table_sectors);
    }
    extended[2] = 0x29;
    memset(extended + 7, ' ', 11);
    memcpy(extended + 7, label, strlen(label));
    boot[510] = 0x55;
    boot[511] = 0xAA;
}

struct fat_image *fat_image_create(unsigned int width, uint32_t sectors_per_cluster,
                                   const char *label)
{
    struct fat_image *image = calloc(1, sizeof(*image));
    uint32_t reserved = width == 32 ? 32 : 1;

    image->width = width;
    image->cluster_bytes = sectors_per_cluster * 512;
    image->cluster_count = width == 16 ? 4085 : 300;
    image->table_bytes = ((image->cluster_count + 2) * width / 8 + 512) / 512 * 512;
    image->table_at = reserved * 512;
    image->root_at = image->table_at + 2 * image->table_bytes;
    image->root_slots = width == 32 ? 0 : 64;
    image->data_at = image->root_at + image->root_slots * SLOT;
    image->size = image->data_at + (size_t)image->cluster_count * image->cluster_bytes;
    image->bytes = calloc(1, image->size);
    image->next_free = 2;
    if (width == 32) {
        image->root_cluster = image->next_free++;
        fat_image_set(image, image->root_cluster, UINT32_MAX);
    }
    write_boot_sector(image, sectors_per_cluster, reserved, label);
    return image;
}

void fat_image_destroy(struct fat_image *image)
{
    free(image->bytes);
    free(image);
}

/* ---- the table ------------------------------------------------------------------------------- */

uint32_t fat_image_get(const struct fat_image *image, uint32_t cluster)
{
    const uint8_t *table = image->bytes + image->table_at;

    if (image->width == 32)
        return load_le32(table + 4 * cluster) & 0x0FFFFFFF;
    if (image->width == 16)
        return load_le16(table + 2 * cluster);
    uint32_t pair = load_le16(table + cluster * 3 / 2);
    return cluster % 2 ? pair >> 4 : pair & 0xFFF;
}

void fat_image_set(struct fat_image *image, uint32_t cluster, uint32_t next)
{
    uint8_t *table = image->bytes + image->table_at;

    if (image->width == 32) {
        store_le32(table + 4 * cluster, next);
    } else if (image->width == 16) {
        store_le16(table + 2 * cluster, (uint16_t)next);
    } else {
        uint8_t *at = table + cluster * 3 / 2;
        uint32_t pair = load_le16(at);

        next &= 0xFFF;
        pair = cluster % 2 ? (pair & 0x000F) | next << 4 : (pair & 0xF000) | next;
        store_le16(at, (uint16_t)pair);
    }
}

uint8_t *fat_image_cluster(const struct fat_image *image, uint32_t cluster)
{
    return image->bytes + image->data_at + (size_t)(cluster - 2) * image->cluster_bytes;
}

static uint32_t take_cluster(struct fat_image *image)
{
    uint32_t cluster = image->next_free++;

    if (cluster >= image->cluster_count + 2)
        abort();
    fat_image_set(image, cluster, UINT32_MAX);
    return cluster;
}

static bool is_end(const struct fat_image *image, uint32_t next)
{
    return next >= (image->width == 12 ? 0xFF8 : image->width == 16 ? 0xFFF8 : 0x0FFFFFF8);
}

/* ---- directories ----------------------------------------------------------------------------- */

/* The first unused slot; a directory that is full gets another cluster. */
static uint8_t *free_slot(struct fat_image *image, uint32_t directory)
{
    uint32_t cluster = directory ? directory : image->root_cluster;

    if (!cluster) {
        for (uint32_t i = 0; i < image->root_slots; i++)
            if (!image->bytes[image->root_at + i * SLOT])
                return image->bytes + image->root_at + i * SLOT;
        abort();
    }
    for (;;) {
        uint8_t *slots = fat_image_cluster(image, cluster);

        for (uint32_t i = 0; i < image->cluster_bytes / SLOT; i++)
            if (!slots[i * SLOT])
                return slots + i * SLOT;
        uint32_t next = fat_image_get(image, cluster);
        if (is_end(image, next)) {
            next = take_cluster(image);
            fat_image_set(image, cluster, next);
        }
        cluster = next;
    }
}

static void add_long_name(struct fat_image *image, uint32_t directory, const char *short_name,
                          const uint16_t *name)
{
    uint8_t sum = 0;
    unsigned int length = 0, pieces;

    for (int i = 0; i < 11; i++)
        sum = (uint8_t)(((sum & 1) << 7) + (sum >> 1) + (uint8_t)short_name[i]);
    while (name[length])
        length++;
    pieces = (length + 12) / 13;
    for (unsigned int piece = pieces; piece > 0; piece--) {
        uint8_t *slot = free_slot(image, directory);

        slot[0] = (uint8_t)(piece | (piece == pieces ? 0x40 : 0));
        slot[11] = FAT_LONG_NAME;
        slot[13] = sum;
        for (unsigned int i = 0; i < 13; i++) {
            unsigned int at = (piece - 1) * 13 + i;
            unsigned int place = i < 5 ? 1 + 2 * i : i < 11 ? 14 + 2 * (i - 5) : 28 + 2 * (i - 11);

            store_le16(slot + place, at < length ? name[at] : at == length ? 0 : 0xFFFF);
        }
    }
}

static uint32_t put_data(struct fat_image *image, const void *data, uint32_t size)
{
    uint32_t first = 0, last = 0;

    for (uint32_t at = 0; at < size; at += image->cluster_bytes) {
        uint32_t cluster = take_cluster(image);
        uint32_t part = size - at < image->cluster_bytes ? size - at : image->cluster_bytes;

        memcpy(fat_image_cluster(image, cluster), (const char *)data + at, part);
        if (last)
            fat_image_set(image, last, cluster);
        else
            first = cluster;
        last = cluster;
    }
    return first;
}

static void put_entry(uint8_t *slot, const char *short_name, unsigned int attributes,
                      uint32_t cluster, uint32_t size)
{
    memcpy(slot, short_name, 11);
    slot[11] = (uint8_t)attributes;
    store_le16(slot + 22, 12 << 11 | 34 << 5 | 28);          /* 12:34:56 */
    store_le16(slot + 24, (2024 - 1980) << 9 | 2 << 5 | 29); /* 2024-02-29 */
    store_le16(slot + 20, (uint16_t)(cluster >> 16));
    store_le16(slot + 26, (uint16_t)cluster);
    store_le32(slot + 28, size);
}

uint32_t fat_image_add(struct fat_image *image, uint32_t directory, const char *short_name,
                       const uint16_t *long_name, unsigned int attributes, const void *data,
                       uint32_t size)
{
    uint32_t cluster =
        attributes & FAT_DIRECTORY ? take_cluster(image) : put_data(image, data, size);

    if (attributes & FAT_DIRECTORY) {
        uint8_t *slots = fat_image_cluster(image, cluster);

        put_entry(slots, ".          ", FAT_DIRECTORY, cluster, 0);
        put_entry(slots + SLOT, "..         ", FAT_DIRECTORY, directory, 0);
    }
    if (long_name)
        add_long_name(image, directory, short_name, long_name);
    last_slot = free_slot(image, directory);
    put_entry(last_slot, short_name, attributes, cluster, size);
    return cluster;
}

/* ---- as a disk ------------------------------------------------------------------------------- */

static int read_image(void *context, uint64_t sector, uint32_t count, void *buffer)
{
    struct fat_image *image = context;

    image->reads++;
    if (sector > image->size / 512 || count > image->size / 512 - sector)
        return -EIO;
    memcpy(buffer, image->bytes + sector * 512, count * 512ul);
    return 0;
}

struct fat_source fat_image_source(struct fat_image *image)
{
    return (struct fat_source){
        .read = read_image, .context = image, .sectors = image->size / 512, .name = "image"
    };
}

int fat_disk_open(const char *name, const char *user, struct fat_volume **result)
{
    (void)name;
    (void)user;
    if (!fat_image_current)
        return -ENODEV;
    struct fat_source source = fat_image_source(fat_image_current);
    return fat_open(&source, result);
}

void fat_disk_close(struct fat_volume *volume)
{
    fat_close(volume);
}
