/*
 * FAT from forged disks: mounted, walked, read. Anything may fail, nothing may crash or go on for
 * ever.
 *
 * Input: the first byte chooses. 0: what follows is the disk. Else one of three good volumes
 * (FAT12, 16, 32) with some bytes changed, by records of four: place (2) among the bytes that say
 * something (boot sector, table, directories), value, and how (0 store, 1 add, 2 the next cluster
 * of something, as 16 bits).
 */
// links: tests/unit/fs/fat_image.c tools/nanofs/platform.c
// links: fs/ramfs.c fs/fat/mount.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/vfs.h"
#include "lib/byteorder.h"
#include "tests/fuzz/file_walk.h"
#include "tests/unit/fs/fat_image.h"
#include "tools/nanofs/platform.h"

#define TABLE_BYTES 200u /* of the table, and of each directory: what may be changed */
#define CHANGES_MAX 64u
#define READS_MAX   20000u
#define DIRECTORIES 4u

static struct fat_image *images[3];
static uint32_t directories[3][DIRECTORIES]; /* where they start, in bytes */

static void ignore_log(int level, const char *line)
{
    (void)level;
    (void)line;
}

static void build(unsigned int which)
{
    struct fat_image *image = fat_image_create((unsigned int[]){ 12, 16, 32 }[which], 1, "FUZZ");
    static uint8_t data[5000];
    uint32_t a, b;

    memset(data, 'd', sizeof(data));
    a = fat_image_add(image, 0, "A          ", NULL, FAT_DIRECTORY, NULL, 0);
    b = fat_image_add(image, a, "B          ", u"a name for b", FAT_DIRECTORY, NULL, 0);
    fat_image_add(image, 0, "FUZZ       ", NULL, FAT_LABEL, NULL, 0);
    fat_image_add(image, 0, "USER-D~1   ", u"user-data", 0, data, 100);
    fat_image_add(image, a, "LONG       ", u"forty letters in more than three pieces!", 0, data,
                  5000);
    fat_image_add(image, b, "SHORT   TXT", NULL, 0, data, 700);
    directories[which][0] =
        image->root_slots ? image->root_at : image->data_at; /* the root is FAT32's cluster 2 */
    directories[which][1] = (uint32_t)(fat_image_cluster(image, a) - image->bytes);
    directories[which][2] = (uint32_t)(fat_image_cluster(image, b) - image->bytes);
    directories[which][3] = image->table_at;
    images[which] = image;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    platform.log_hook = ignore_log;
    for (unsigned int i = 0; i < 3; i++)
        build(i);
    return 0;
}

static bool is_enough(void)
{
    return fat_image_current->reads > READS_MAX;
}

static void use(struct fat_image *image)
{
    image->reads = 0;
    fat_image_current = image;
    if (!vfs_mount("fat", "image", "/")) {
        file_walk("/", is_enough, 0);
        walk_read("/user-data");
        vfs_unmount_all();
    }
    if (vnode_cache_count())
        abort();
}

/* ---- inputs ---------------------------------------------------------------------------------- */

static uint32_t place_of(const struct fat_image *image, unsigned int which, uint32_t number)
{
    if (number % 5 == 0)
        return number / 5 % 512;
    return (directories[which][number % 5 - 1] + number / 5 % TABLE_BYTES) % (uint32_t)image->size;
}

static void use_changed(unsigned int which, const uint8_t *data, size_t size)
{
    struct fat_image *image = images[which];
    uint32_t places[CHANGES_MAX];
    uint8_t old[CHANGES_MAX][2];
    unsigned int count = 0;

    for (; size >= 4 && count < CHANGES_MAX; data += 4, size -= 4, count++) {
        uint8_t *at = image->bytes + (places[count] = place_of(image, which, load_le16(data)));

        memcpy(old[count], at, 2);
        if (data[3] % 3 == 2)
            store_le16(at, data[2]);
        else
            *at = data[3] % 3 ? (uint8_t)(*at + data[2]) : data[2];
    }
    use(image);
    while (count-- > 0)
        memcpy(image->bytes + places[count], old[count], 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 4) {
        use_changed(data[0] % 4 - 1, data + 1, size - 1);
    } else {
        struct fat_image raw = { .bytes = (uint8_t *)data + 1, .size = (size - 1) / 512 * 512 };
        use(&raw);
    }
    return 0;
}
