/*
 * Any bytes as a disk: the partition table readers end, stay in bounds, and give a table in which
 * nothing overlaps or leaves the disk. The first byte chooses the block size and whether checksums
 * are made right, so that the fuzzer gets past them.
 */
#include <stdlib.h>
#include <string.h>

#include "arch/host/host.h"
#include "block/partition.h"
#include "lib/byteorder.h"
#include "lib/crc32.h"
#include "lib/errno.h"

#define SECTOR 512

struct image {
    uint8_t *bytes;
    uint64_t sectors;
    uint32_t block_size;
};

static int read_image(void *context, lba_t lba, uint64_t sectors, void *buffer)
{
    const struct image *image = context;

    if (lba > image->sectors || sectors > image->sectors - lba)
        abort(); /* the reader must not ask for what is not there */
    memcpy(buffer, image->bytes + lba * SECTOR, sectors * SECTOR);
    return 0;
}

static void repair_gpt(struct image *image, uint64_t block)
{
    uint64_t blocks = image->sectors * SECTOR / image->block_size;
    uint8_t *header = image->bytes + block * image->block_size;
    uint64_t array = load_le64(header + 72);
    uint64_t bytes = (uint64_t)load_le32(header + 80) * load_le32(header + 84);

    memcpy(header, "EFI PART", 8);
    store_le32(header + 12, 92);
    store_le64(header + 24, block);
    if (array < blocks && bytes <= (blocks - array) * image->block_size)
        store_le32(header + 88, crc32(image->bytes + array * image->block_size, bytes));
    store_le32(header + 16, 0);
    store_le32(header + 16, crc32(header, 92));
}

static void check(const struct partition_table *table, const struct image *image)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct partition *p = &table->partitions[i];
        if (p->start == 0 || p->sectors == 0 || p->start >= image->sectors ||
            p->sectors > image->sectors - p->start)
            abort();
        for (size_t j = 0; j < i; j++) {
            const struct partition *q = &table->partitions[j];
            if (p->start < q->start + q->sectors && q->start < p->start + p->sectors)
                abort();
        }
    }
}

static int scan(void *arg)
{
    static struct partition_table table;
    struct image *image = arg;
    const struct partition_reader reader = { .read = read_image,
                                             .context = image,
                                             .name = "fuzz",
                                             .sectors = image->sectors,
                                             .logical_block_size = image->block_size };

    if (partition_table_read(&reader, &table) == 0)
        check(&table, image);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image image = { .block_size = SECTOR };

    if (size < 1)
        return 0;
    uint8_t choice = data[0];
    if (choice & 1)
        image.block_size = 4096;
    size_t blocks = (size - 1 + image.block_size - 1) / image.block_size;
    if (blocks == 0)
        return 0;
    image.sectors = blocks * image.block_size / SECTOR;
    image.bytes = calloc(blocks, image.block_size);
    memcpy(image.bytes, data + 1, size - 1);
    if (choice & 2 && blocks > 1)
        repair_gpt(&image, 1);
    if (choice & 4 && blocks > 2)
        repair_gpt(&image, blocks - 1);
    host_kernel_start();
    host_run(scan, &image);
    free(image.bytes);
    return 0;
}
