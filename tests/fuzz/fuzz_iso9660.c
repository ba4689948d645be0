/*
 * ISO 9660 from forged disks. The input is what follows the first sixteen blocks of 2 KiB, which
 * mean nothing here.
 */
#include <stdlib.h>
#include <string.h>

#include "fs/iso9660.h"
#include "lib/errno.h"

#define BEFORE 64u /* sectors */
#define ROOM   65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *bytes;
static unsigned int reads;

static int read_sectors(void *context, uint64_t sector, uint32_t count, void *buffer)
{
    const uint64_t *sectors = context;

    if (sector < BEFORE || sector + count > *sectors)
        return -EIO;
    if (++reads > 10000)
        abort();
    memcpy(buffer, bytes + (sector - BEFORE) * 512, count * 512ul);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "user-data", "meta-data", "x" };
    static uint8_t buffer[ROOM];
    uint64_t sectors = BEFORE + size / 512;
    struct iso_volume volume = { .read = read_sectors, .context = &sectors, .sectors = sectors };

    bytes = data;
    reads = 0;
    if (iso_open(&volume))
        return 0;
    if (strlen(volume.label) >= ISO_LABEL_SIZE)
        abort();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct iso_file file;

        if (iso_find(&volume, names[i], &file) == 0 && file.bytes <= ROOM)
            (void)!iso_read(&volume, &file, buffer);
    }
    return 0;
}
