/*
 * nanofs against forged disks: a small image with some bytes changed and, since that alone would
 * only test checksums, the checksums put right again. Mounted, walked, changed, unmounted, checked:
 * anything may fail, nothing may crash or go on for ever.
 *
 * Input: records of 6 bytes: block (2), offset (2), value (1), how (1: bit 0 fix the checksum of
 * the block, bits 1-2: width of the value; bit 3: add instead of store).
 */
// links: tests/unit/fs/sim_disk.c tools/nanofs/platform.c
// links: fs/ramfs.c fs/nanofs/super.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/nanofs/nanofs.h"
#include "fs/vfs.h"
#include "lib/crc32.h"
#include "tests/fuzz/file_walk.h"
#include "tests/unit/fs/sim_disk.h"
#include "tools/nanofs/platform.h"

#define BLOCKS 1024u

static struct sim_disk *image;
static struct nanofs *frame; /* enough of one to seal blocks */
static enum nanofs_kind kinds[BLOCKS];
static uint16_t live[BLOCKS]; /* blocks worth changing */
static unsigned int live_count;

static void put_file(const char *path, size_t size, unsigned int holes)
{
    char data[4096];
    struct file *file;
    size_t done;

    if (vfs_open(path, VFS_CREATE | VFS_WRITE, &file))
        abort();
    memset(data, path[1], sizeof(data));
    for (size_t offset = 0; offset < size; offset += sizeof(data) * (1 + holes)) {
        if (vfs_write(file, data, sizeof(data), offset, &done))
            abort();
    }
    vfs_close(file);
}

static void note(uint64_t block, enum nanofs_kind kind)
{
    kinds[block] = kind;
    live[live_count++] = (uint16_t)block;
}

/* The kind of a tree block is told by its position in the tree of its inode. */
static void note_tree(uint64_t block, enum nanofs_kind kind)
{
    union {
        struct nanofs_node node;
        uint8_t bytes[4096];
    } data;

    note(block, kind);
    sim_disk_get(image, block, &data);
    for (unsigned int i = 0; data.node.level && i < data.node.count; i++)
        note_tree(((struct nanofs_branch *)(&data.node + 1))[i].child, kind);
}

static void note_inodes(uint64_t block)
{
    struct nanofs_disk_inode inodes[16];

    note(block, NANOFS_KIND_INODES);
    sim_disk_get(image, block, inodes);
    for (int i = 0; i < 16; i++) {
        if (inodes[i].type && inodes[i].levels)
            note_tree(inodes[i].root, inodes[i].type == VNODE_DIRECTORY ? NANOFS_KIND_DIRECTORY
                                                                        : NANOFS_KIND_EXTENTS);
    }
}

static void survey(void)
{
    struct nanofs *fs;

    if (nanofs_open(&image->device, true, &fs))
        abort();
    memcpy(&frame->super, &fs->super, sizeof(fs->super));
    frame->crc_seed = fs->crc_seed;
    note(0, NANOFS_KIND_SUPERBLOCK);
    note(BLOCKS - 1, NANOFS_KIND_SUPERBLOCK);
    note(1, NANOFS_KIND_ANCHOR);
    note(BLOCKS - 2, NANOFS_KIND_ANCHOR);
    note(fs->super.group_table_block, NANOFS_KIND_GROUP_TABLE);
    note(fs->super.data_block, NANOFS_KIND_BITMAP);
    note(fs->super.data_block + 1, NANOFS_KIND_CHECKSUMS);
    note(fs->super.journal_block, NANOFS_KIND_NONE);
    note(fs->super.journal_block + 1, NANOFS_KIND_DESCRIPTOR);
    note(fs->super.journal_block + fs->super.slot_blocks, NANOFS_KIND_NONE);
    note(fs->super.journal_block + fs->super.slot_blocks + 1, NANOFS_KIND_DESCRIPTOR);
    for (uint32_t i = 0; i < 20; i++) {
        uint64_t physical;
        uint32_t count;

        if (nanofs_map_lookup(&fs->table, i, 1, &physical, &count) || !physical)
            continue;
        if (i)
            note_inodes(physical);
        else
            note(physical, NANOFS_KIND_INODE_BITMAP);
    }
    nanofs_close(fs);
}

static void ignore_log(int level, const char *line)
{
    (void)level;
    (void)line;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const uint8_t seed[32] = { 5 };
    char path[64];

    (void)argc;
    (void)argv;
    platform.wall_ns = 1700000000000000000ull;
    platform.log_hook = ignore_log;
    frame = calloc(1, sizeof(*frame));
    image = sim_disk_overlay(sim_disk_create(BLOCKS));
    sim_disk_current = image;
    if (nanofs_format_device(&image->device, seed, NULL) || vfs_mount("nanofs", "sim", "/") ||
        vfs_mkdir("/d") || vfs_mkdir("/d/e"))
        abort();
    for (int i = 0; i < 60; i++) {
        snprintf(path, sizeof(path), "/d/%050d", i);
        put_file(path, i % 8 ? 0 : 4096, 0);
    }
    put_file("/sparse", 200000, 1);
    put_file("/plain", 50000, 0);
    put_file("/d/e/f", 10, 0);
    vfs_unmount_all();
    survey();
    return 0;
}

static void fix(uint64_t block, uint8_t *data)
{
    enum nanofs_kind kind = kinds[block];

    if (kind == NANOFS_KIND_SUPERBLOCK) {
        uint32_t crc = crc32(data, NANOFS_PAYLOAD);

        memcpy(data + NANOFS_PAYLOAD, &crc, sizeof(crc));
    } else if (kind == NANOFS_KIND_INODES) {
        struct nanofs_disk_inode *inodes = (struct nanofs_disk_inode *)data;

        for (int i = 0; i < 16; i++)
            inodes[i].crc = nanofs_inode_crc(frame, &inodes[i]);
    } else if (kind == NANOFS_KIND_NONE) { /* a commit block: the first copy counts for all */
        struct nanofs_commit *record = (struct nanofs_commit *)data;

        record->crc = crc32(record, offsetof(struct nanofs_commit, crc));
        for (int i = 1; i < 8; i++)
            memcpy(data + i * 512, data, 512);
    } else {
        if (kind == NANOFS_KIND_ANCHOR) {
            struct nanofs_disk_inode *table = &((struct nanofs_anchor *)data)->inode_file;

            table->crc = nanofs_inode_crc(frame, table);
        }
        nanofs_seal(frame, block, kind, data);
    }
}

static void apply(struct sim_disk *disk, const uint8_t *record)
{
    static const size_t widths[4] = { 1, 2, 4, 8 };
    uint64_t block = live[(record[0] | record[1] << 8) % live_count];
    uint32_t offset = (record[2] | (uint32_t)record[3] << 8) % 4096;
    size_t width = widths[record[5] >> 1 & 3];
    uint64_t value = record[4];
    uint64_t old = 0;
    uint8_t data[4096] __aligned(8);

    if (offset > 4096 - width)
        offset = (uint32_t)(4096 - width);
    sim_disk_get(disk, block, data);
    memcpy(&old, data + offset, width);
    value = record[5] & 8 ? old + (uint64_t)(int64_t)(int8_t)record[4] : value;
    memcpy(data + offset, &value, width);
    if (record[5] & 1)
        fix(block, data);
    sim_disk_put(disk, block, data);
}

/* ---- what a user might do besides reading ---------------------------------------------------- */

static void change(void)
{
    struct file *file;
    char path[64];
    size_t done;

    if (!vfs_open("/d/new", VFS_CREATE | VFS_WRITE, &file)) {
        (void)!vfs_write(file, path, sizeof(path), 9000, &done);
        vfs_close(file);
    }
    if (!vfs_open("/sparse", VFS_WRITE, &file)) {
        (void)!vfs_write(file, path, sizeof(path), 5000, &done);
        (void)!vfs_truncate(file, 60000);
        vfs_close(file);
    }
    (void)!vfs_rename("/plain", "/d/e/f");
    for (int i = 0; i < 60; i += 3) {
        snprintf(path, sizeof(path), "/d/%050d", i);
        (void)!vfs_remove(path);
    }
    (void)!vfs_sync();
    (void)!vfs_remove("/sparse");
    (void)!vfs_remove_tree("/d", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sim_disk *disk = sim_disk_overlay(image);

    for (size_t i = 0; i + 6 <= size && i < 6 * 32; i += 6)
        apply(disk, data + i);
    sim_disk_current = disk;
    if (nanofs_check_device(&disk->device, NULL) < -4096)
        abort();
    if (!vfs_mount("nanofs", "sim", "/")) {
        file_walk("/", NULL, 0);
        change();
        vfs_unmount_all();
    }
    if (vnode_cache_count())
        abort();
    if (nanofs_check_device(&disk->device, NULL) < -4096)
        abort();
    sim_disk_destroy(disk);
    return 0;
}
