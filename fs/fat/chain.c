/*
 * The table: which cluster comes after which; and reading along such a chain.
 */
#include "fs/fat/fat.h"
#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/string.h"

/* A stretch read in one go is bounded, so that looking ahead costs no more than reading. */
#define RUN_BYTES_MAX (1024u * 1024)

uint64_t fat_cluster_sector(const struct fat_volume *volume, uint32_t cluster)
{
    return volume->data_sector +
           (uint64_t)(cluster - 2) * (volume->cluster_bytes / FAT_SECTOR_SIZE);
}

static bool is_cluster(const struct fat_volume *volume, uint32_t number)
{
    return number >= 2 && number - 2 < volume->cluster_count;
}

/* ---- table entries --------------------------------------------------------------------------- */

/* The byte at @offset of the table, through the window. */
static int table_byte_locked(struct fat_volume *volume, uint64_t offset, uint8_t *byte)
    __must_hold(volume->lock)
{
    uint64_t sector = offset / sizeof(volume->window) * FAT_WINDOW_SECTORS;

    if (sector != volume->window_sector) {
        uint32_t count =
            (uint32_t)MIN(volume->table_sectors - sector, (uint64_t)FAT_WINDOW_SECTORS);
        int error = volume->source.read(volume->source.context, volume->table_sector + sector,
                                        count, volume->window);
        volume->window_sector = error ? UINT64_MAX : sector;
        if (error)
            return error;
    }
    *byte = volume->window[offset % sizeof(volume->window)];
    return 0;
}

static int table_entry(struct fat_volume *volume, uint32_t cluster, uint32_t *value)
{
    uint64_t offset = (uint64_t)cluster * volume->width / 8;
    uint8_t bytes[4] = { 0 };
    int error = 0;

    mutex_lock(&volume->lock);
    for (unsigned int i = 0; i < (volume->width + 7) / 8 && !error; i++)
        error = table_byte_locked(volume, offset + i, &bytes[i]);
    mutex_unlock(&volume->lock);
    *value = load_le32(bytes);
    if (volume->width == 12)
        *value = cluster & 1 ? *value >> 4 : *value & 0xFFF;
    else if (volume->width == 32)
        *value &= 0x0FFFFFFF; /* the upper four bits are reserved */
    return error;
}

/* *@next: 0 at the end of the chain. */
static int next_cluster(struct fat_volume *volume, uint32_t cluster, uint32_t *next)
{
    uint32_t all_ones = volume->width == 32 ? 0x0FFFFFFF : (1u << volume->width) - 1;
    int error = table_entry(volume, cluster, next);

    if (error)
        return error;
    if (*next >= all_ones - 7) /* 0xFF8 to 0xFFF */
        *next = 0;
    else if (!is_cluster(volume, *next))
        return fat_damaged(volume, "the table leads out of it at cluster", cluster);
    return 0;
}

/* ---- chains ---------------------------------------------------------------------------------- */

void fat_chain_start(struct fat_chain *chain, uint32_t first)
{
    *chain = (struct fat_chain){ .first = first, .cluster = first, .mark = 0 };
}

/*
 * One step. The mark is set at indexes that are powers of two, and to come upon it again means to
 * walk in a circle (R. P. Brent, 1980): found within three times round it at the latest, or once
 * when it leads back to the start. A file that ends before that shows what the circle gives.
 */
static int chain_step(struct fat_volume *volume, struct fat_chain *chain)
{
    uint32_t next;
    int error = next_cluster(volume, chain->cluster, &next);

    if (error)
        return error;
    if ((chain->index & (chain->index - 1)) == 0)
        chain->mark = chain->cluster;
    if (next == chain->mark || next == chain->first)
        return fat_damaged(volume, "clusters in a circle from", chain->first);
    chain->cluster = next;
    chain->index++;
    return 0;
}

int fat_chain_seek(struct fat_volume *volume, struct fat_chain *chain, uint32_t index)
{
    if (index < chain->index || chain->cluster == 0)
        fat_chain_start(chain, chain->first);
    if (chain->cluster == 0)
        return -ENODATA;
    if (!is_cluster(volume, chain->cluster))
        return fat_damaged(volume, "something starts at cluster", chain->cluster);
    while (chain->index < index) {
        int error = chain_step(volume, chain);

        if (!error && chain->cluster == 0)
            error = -ENODATA;
        if (error) {
            fat_chain_start(chain, chain->first);
            return error;
        }
    }
    return 0;
}

/* ---- contents -------------------------------------------------------------------------------- */

/* Bytes of the disk at any place: whole sectors go straight to @buffer. */
static int read_bytes(struct fat_volume *volume, uint64_t position, uint8_t *buffer, size_t size)
{
    const struct fat_source *source = &volume->source;
    uint8_t sector[FAT_SECTOR_SIZE];

    while (size > 0) {
        uint32_t start = position % FAT_SECTOR_SIZE;
        size_t part = MIN(size, (size_t)FAT_SECTOR_SIZE - start);
        bool is_whole = part == FAT_SECTOR_SIZE;
        int error;

        if (is_whole)
            part = size - size % FAT_SECTOR_SIZE;
        error = source->read(source->context, position / FAT_SECTOR_SIZE,
                             is_whole ? (uint32_t)(part / FAT_SECTOR_SIZE) : 1,
                             is_whole ? buffer : sector);
        if (error)
            return error;
        if (!is_whole)
            memcpy(buffer, sector + start, part);
        position += part;
        buffer += part;
        size -= part;
    }
    return 0;
}

/* How many bytes from the cluster that @chain is at lie together, at most @wanted; @chain moves to
 * the last of them. */
static int find_run(struct fat_volume *volume, struct fat_chain *chain, size_t wanted, size_t *run)
{
    *run = volume->cluster_bytes;
    wanted = MIN(wanted, (size_t)RUN_BYTES_MAX);
    while (*run < wanted) {
        struct fat_chain ahead = *chain;
        int error = fat_chain_seek(volume, &ahead, chain->index + 1);

        if (error && error != -ENODATA)
            return error;
        if (error || ahead.cluster != chain->cluster + 1)
            break;
        *chain = ahead;
        *run += volume->cluster_bytes;
    }
    return 0;
}

int fat_read(struct fat_volume *volume, struct fat_chain *chain, uint64_t offset, void *buffer,
             size_t size)
{
    for (size_t done = 0; done < size;) {
        uint64_t at = offset + done;
        uint32_t within = (uint32_t)(at % volume->cluster_bytes);
        size_t run;
        int error = fat_chain_seek(volume, chain, (uint32_t)(at / volume->cluster_bytes));

        if (error == -ENODATA)
            return fat_damaged(volume, "a file is longer than its clusters, from", chain->first);
        if (error)
            return error;
        uint64_t position = fat_cluster_sector(volume, chain->cluster) * FAT_SECTOR_SIZE + within;
        error = find_run(volume, chain, within + size - done, &run);
        if (error)
            return error;
        size_t part = MIN(size - done, run - within);
        error = read_bytes(volume, position, (uint8_t *)buffer + done, part);
        if (error)
            return error;
        done += part;
    }
    return 0;
}
