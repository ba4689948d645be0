/*
 * Instance metadata from a disk or partition with the label CIDATA: the file user-data in its root
 * directory. That is what cloud-localds makes (--filesystem vfat), and mtools.
 *
 * The file meta-data belongs to the format; nothing in it is of use here, but its absence is told,
 * because other systems will not take such a disk.
 */
#include "block/block_device.h"
#include "fs/fat/disk.h"
#include "kernel/log.h"
#include "kernel/metadata.h"
#include "lib/ctype.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define LABEL          "cidata"
#define ISO_SECTOR     64 /* 512 bytes each: the primary volume descriptor (ECMA-119, 8.4) */
#define ISO_LABEL_AT   40
#define ISO_LABEL_SIZE 32

struct search {
    struct metadata_text *text;
    int result;
};

static bool is_label(const char *label, size_t size)
{
    size_t length = strlen(LABEL);

    for (size_t i = 0; i < size; i++) {
        char c = to_lower(label[i]);
        if (i < length ? c != LABEL[i] : c != ' ' && c != '\0')
            return false;
    }
    return true;
}

/* The other form, which is not read here: say so, rather than nothing. */
static bool is_iso_image(struct block_device *device)
{
    char sector[SECTOR_SIZE];

    return device->sectors > ISO_SECTOR && block_read(device, ISO_SECTOR, 1, sector) == 0 &&
           memcmp(sector + 1, "CD001", 5) == 0 && is_label(sector + ISO_LABEL_AT, ISO_LABEL_SIZE);
}

static int find_file(struct fat_volume *volume, const char *name, struct fat_entry *entry)
{
    int error = fat_find(volume, 0, name, strlen(name), entry);

    return !error && entry->attributes & FAT_DIRECTORY ? -ENOENT : error;
}

static int read_user_data(struct fat_volume *volume, struct fat_entry *entry,
                          struct metadata_text *text)
{
    const char *disk = volume->source.name;
    struct fat_chain chain;
    int error = find_file(volume, "meta-data", entry);

    if (error == -ENOENT)
        log_warning("metadata", "%s has no file meta-data: others will not take it", disk);
    error = find_file(volume, "user-data", entry);
    if (error == -ENOENT)
        snprintf(text->problem, sizeof(text->problem), "%s has no file user-data", disk);
    if (error)
        return error;
    if (entry->size > METADATA_TEXT_MAX) {
        snprintf(text->problem, sizeof(text->problem), "user-data on %s has more than %d bytes",
                 disk, METADATA_TEXT_MAX);
        return -EFBIG;
    }
    fat_chain_start(&chain, entry->cluster);
    text->length = entry->size;
    return fat_read(volume, &chain, 0, text->bytes, entry->size);
}

static int read_volume(struct fat_volume *volume, struct metadata_text *text)
{
    struct fat_entry *entry = kmalloc(sizeof(*entry));
    int error = entry ? read_user_data(volume, entry, text) : -ENOMEM;

    kfree(entry);
    if (error && !text->problem[0])
        snprintf(text->problem, sizeof(text->problem), "%s: %s", volume->source.name,
                 errno_text(error));
    return error;
}

/* Goes on to the next disk until one has the label. */
static bool visit_disk(struct block_device *device, void *arg)
{
    struct search *search = arg;
    struct fat_source source = fat_disk_source(device);
    struct fat_volume *volume;

    if (fat_open(&source, &volume) == 0) {
        bool is_it = is_label(volume->label, sizeof(volume->label));

        if (is_it)
            search->result = read_volume(volume, search->text);
        fat_close(volume);
        return !is_it;
    }
    if (is_iso_image(device))
        snprintf(search->text->problem, sizeof(search->text->problem),
                 "%s is an ISO 9660 image; only FAT is read (cloud-localds --filesystem vfat)",
                 device->name);
    return true;
}

static int nocloud_read(struct metadata_text *text)
{
    struct search search = { .text = text, .result = -ENOENT };

    block_device_for_each(visit_disk, &search);
    if (search.result == -ENOENT && !text->problem[0])
        snprintf(text->problem, sizeof(text->problem), "no disk has the label CIDATA");
    return search.result;
}
METADATA_SOURCE(nocloud, { .name = "nocloud", .has_mark = true, .read = nocloud_read });
