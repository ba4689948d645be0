/*
 * Instance metadata from a disk or partition with the label CIDATA: the file user-data in its root
 * directory. Either FAT, or ISO 9660 with Rock Ridge names; cloud-localds makes both.
 *
 * The file meta-data belongs to the format; nothing in it is of use here, but its absence is told,
 * because other systems will not take such a disk.
 */
#include "block/block_device.h"
#include "fs/fat/disk.h"
#include "fs/iso9660.h"
#include "kernel/log.h"
#include "kernel/metadata.h"
#include "lib/ctype.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

struct search {
    struct metadata_text *text;
    int result;
};

static bool is_label(const char *label)
{
    static const char wanted[] = "cidata";

    for (size_t i = 0; i < sizeof(wanted); i++) /* the NUL too */
        if (to_lower(label[i]) != wanted[i])
            return false;
    return true;
}

/* Whether there is room for user-data of that size; @error: of looking for it. */
static int check_user_data(const char *disk, int error, uint32_t size, struct metadata_text *text)
{
    if (error == -ENOENT)
        snprintf(text->problem, sizeof(text->problem), "%s has no file user-data", disk);
    if (error)
        return error;
    if (size > METADATA_TEXT_MAX) {
        snprintf(text->problem, sizeof(text->problem), "user-data on %s has more than %d bytes",
                 disk, METADATA_TEXT_MAX);
        return -EFBIG;
    }
    text->length = size;
    return 0;
}

static void check_meta_data(const char *disk, int error)
{
    if (error == -ENOENT)
        log_warning("metadata", "%s has no file meta-data: others will not take it", disk);
}

/* ---- FAT ------------------------------------------------------------------------------------- */

static int find_file(struct fat_volume *volume, const char *name, struct fat_entry *entry)
{
    int error = fat_find(volume, 0, name, strlen(name), entry);

    return !error && entry->attributes & FAT_DIRECTORY ? -ENOENT : error;
}

static int read_fat(struct fat_volume *volume, struct metadata_text *text)
{
    struct fat_entry *entry = kmalloc(sizeof(*entry));
    const char *disk = volume->source.name;
    struct fat_chain chain;
    int error = -ENOMEM;

    if (entry) {
        check_meta_data(disk, find_file(volume, "meta-data", entry));
        error = find_file(volume, "user-data", entry);
        error = check_user_data(disk, error, error ? 0 : entry->size, text);
    }
    if (!error) {
        fat_chain_start(&chain, entry->cluster);
        error = fat_read(volume, &chain, 0, text->bytes, entry->size);
    }
    kfree(entry);
    return error;
}

/* Return: false when the disk is no FAT with the label. */
static bool try_fat(struct block_device *device, struct search *search)
{
    struct fat_source source = fat_disk_source(device);
    struct fat_volume *volume;

    if (fat_open(&source, &volume))
        return false;
    bool is_it = is_label(volume->label);
    if (is_it)
        search->result = read_fat(volume, search->text);
    fat_close(volume);
    return is_it;
}

/* ---- ISO 9660 -------------------------------------------------------------------------------- */

static int read_iso(const struct iso_volume *volume, const char *disk, struct metadata_text *text)
{
    struct iso_file file = { 0 };
    int error;

    check_meta_data(disk, iso_find(volume, "meta-data", &file));
    error = iso_find(volume, "user-data", &file);
    error = check_user_data(disk, error, file.bytes, text);
    return error ? error : iso_read(volume, &file, text->bytes);
}

static bool try_iso(struct block_device *device, struct search *search)
{
    struct fat_source source = fat_disk_source(device);
    struct iso_volume volume = { .read = source.read,
                                 .context = source.context,
                                 .sectors = source.sectors };

    if (iso_open(&volume) || !is_label(volume.label))
        return false;
    search->result = read_iso(&volume, device->name, search->text);
    return true;
}

/* ---- all disks ------------------------------------------------------------------------------- */

/* Goes on to the next disk until one has the label. */
static bool visit_disk(struct block_device *device, void *arg)
{
    struct search *search = arg;
    struct metadata_text *text = search->text;

    if (!try_fat(device, search) && !try_iso(device, search))
        return true;
    if (search->result && !text->problem[0])
        snprintf(text->problem, sizeof(text->problem), "%s: %s", device->name,
                 errno_text(search->result));
    return false;
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
