/*
 * ISO 9660: the volume descriptor, the records of the root directory, contents. See iso9660.h.
 */
#include "fs/iso9660.h"

#include "lib/byteorder.h"
#include "lib/ctype.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define BLOCK_SIZE       2048u
#define BLOCK_SECTORS    (BLOCK_SIZE / 512)
#define DESCRIPTOR_BLOCK 16u /* ECMA-119, 6.7.1; the primary one is the first in practice */
#define ROOT_BYTES_MAX   (1024u * 1024)

enum { /* ECMA-119, 9.1: places in a directory record */
    RECORD_LENGTH = 0,
    RECORD_BLOCK = 2,
    RECORD_BYTES = 10,
    RECORD_FLAGS = 25,
    RECORD_NAME_LENGTH = 32,
    RECORD_NAME = 33,
};
#define FLAG_DIRECTORY    0x02
#define FLAG_MORE_EXTENTS 0x80

static int read_block(const struct iso_volume *volume, uint32_t block, void *buffer)
{
    uint64_t sector = (uint64_t)block * BLOCK_SECTORS;

    if (sector + BLOCK_SECTORS > volume->sectors)
        return -EUCLEAN;
    return volume->read(volume->context, sector, BLOCK_SECTORS, buffer);
}

static void set_label(struct iso_volume *volume, const uint8_t *text)
{
    size_t length = ISO_LABEL_SIZE - 1;

    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\0'))
        length--;
    memset(volume->label, 0, sizeof(volume->label));
    memcpy(volume->label, text, length);
}

static int parse_descriptor(struct iso_volume *volume, const uint8_t *descriptor)
{
    const uint8_t *root = descriptor + 156;

    if (descriptor[0] != 1 || memcmp(descriptor + 1, "CD001", 5) != 0)
        return -EMEDIUMTYPE;
    set_label(volume, descriptor + 40);
    volume->root_block = load_le32(root + RECORD_BLOCK);
    volume->root_bytes = load_le32(root + RECORD_BYTES);
    if (load_le16(descriptor + 128) != BLOCK_SIZE || volume->root_bytes > ROOT_BYTES_MAX)
        return -EUCLEAN;
    return 0;
}

int iso_open(struct iso_volume *volume)
{
    uint8_t *descriptor;
    int error;

    if (volume->sectors < (DESCRIPTOR_BLOCK + 1) * BLOCK_SECTORS)
        return -EMEDIUMTYPE;
    descriptor = kmalloc(BLOCK_SIZE);
    if (!descriptor)
        return -ENOMEM;
    error = read_block(volume, DESCRIPTOR_BLOCK, descriptor);
    if (!error)
        error = parse_descriptor(volume, descriptor);
    kfree(descriptor);
    return error;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool is_same(const uint8_t *candidate, size_t size, const char *name)
{
    for (size_t i = 0; i < size; i++)
        if (to_lower((char)candidate[i]) != to_lower(name[i]) || !name[i])
            return false;
    return name[size] == '\0';
}

/* The Rock Ridge name behind the other one, if it is there in one piece. */
static const uint8_t *rock_ridge_name(const uint8_t *record, size_t *size)
{
    size_t at = RECORD_NAME + record[RECORD_NAME_LENGTH];
    size_t end = record[RECORD_LENGTH];

    at += at % 2; /* fields are padded to even places */
    while (at + 4 <= end) {
        const uint8_t *field = record + at;

        if (field[2] < 4 || field[2] > end - at)
            return NULL;
        if (field[0] == 'N' && field[1] == 'M' && field[2] > 5 && field[4] == 0) {
            *size = field[2] - 5u;
            return field + 5;
        }
        at += field[2];
    }
    return NULL;
}

/* "USER.TXT;1" is USER.TXT, and "README.;1" README. */
static bool has_name(const uint8_t *record, const char *name)
{
    size_t size = record[RECORD_NAME_LENGTH];
    const uint8_t *bytes = rock_ridge_name(record, &size);

    if (bytes)
        return is_same(bytes, size, name);
    bytes = record + RECORD_NAME;
    if (size > 2 && bytes[size - 2] == ';')
        size -= 2;
    if (size > 1 && bytes[size - 1] == '.')
        size--;
    return is_same(bytes, size, name);
}

/* ---- the root directory ---------------------------------------------------------------------- */

static bool is_record(const uint8_t *record, size_t room)
{
    return record[RECORD_LENGTH] > RECORD_NAME && record[RECORD_LENGTH] <= room &&
           record[RECORD_NAME_LENGTH] <= record[RECORD_LENGTH] - RECORD_NAME;
}

/* Records do not cross blocks; a length of 0 ends one. */
static int find_in_block(const uint8_t *block, const char *name, struct iso_file *file)
{
    size_t at = 0;

    while (at < BLOCK_SIZE && block[at]) {
        const uint8_t *record = block + at;

        if (BLOCK_SIZE - at <= RECORD_NAME || !is_record(record, BLOCK_SIZE - at))
            return -EUCLEAN;
        if (!(record[RECORD_FLAGS] & (FLAG_DIRECTORY | FLAG_MORE_EXTENTS)) &&
            has_name(record, name)) {
            file->block = load_le32(record + RECORD_BLOCK);
            file->bytes = load_le32(record + RECORD_BYTES);
            return 0;
        }
        at += record[RECORD_LENGTH];
    }
    return -ENOENT;
}

int iso_find(const struct iso_volume *volume, const char *name, struct iso_file *file)
{
    uint32_t blocks = (volume->root_bytes + BLOCK_SIZE - 1) / BLOCK_SIZE;
    uint8_t *block = kmalloc(BLOCK_SIZE);
    int error = block ? -ENOENT : -ENOMEM;

    for (uint32_t i = 0; i < blocks && error == -ENOENT; i++) {
        error = read_block(volume, volume->root_block + i, block);
        if (!error)
            error = find_in_block(block, name, file);
    }
    kfree(block);
    return error;
}

int iso_read(const struct iso_volume *volume, const struct iso_file *file, void *buffer)
{
    uint8_t *block = kmalloc(BLOCK_SIZE);
    int error = block ? 0 : -ENOMEM;

    for (uint32_t done = 0; done < file->bytes && !error;) {
        uint32_t part = MIN(file->bytes - done, BLOCK_SIZE);

        error = read_block(volume, file->block + done / BLOCK_SIZE, block);
        if (!error)
            memcpy((uint8_t *)buffer + done, block, part);
        done += part;
    }
    kfree(block);
    return error;
}
