/*
 * The journal at mount and unmount: find the newest commit, replay it, mark it clean.
 *
 * When the disk cannot be written (and for fsck) the images are kept in memory instead, on top of
 * what is in place.
 */
#include "fs/nanofs/batch.h"
#include "kernel/log.h"
#include "lib/crc32.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

struct replay {
    struct nanofs *fs;
    struct nanofs_commit commit;
    uint64_t slot;
    struct nanofs_descriptor *descriptor; /* a page */
    void *page;
};

static bool is_record_valid(const struct nanofs *fs, const struct nanofs_commit *record,
                            uint64_t slot)
{
    return record->magic == NANOFS_COMMIT_MAGIC &&
           memcmp(record->uuid, fs->super.uuid, sizeof(record->uuid)) == 0 &&
           record->crc == crc32(record, offsetof(struct nanofs_commit, crc)) &&
           fs->super.journal_block + record->sequence % 2 * fs->super.slot_blocks == slot &&
           record->image_count <= fs->batch->capacity;
}

/* The newest record of a commit block; some sectors may be older or torn. */
static int commit_block_read(struct nanofs *fs, uint64_t slot, void *page,
                             struct nanofs_commit *newest)
{
    int error = nanofs_device_read(fs->device, slot, 1, &page);

    if (error)
        return error;
    for (uint32_t offset = 0; offset < NANOFS_BLOCK_SIZE; offset += NANOFS_COMMIT_STRIDE) {
        struct nanofs_commit record;

        memcpy(&record, (char *)page + offset, sizeof(record));
        if (is_record_valid(fs, &record, slot) && record.sequence >= newest->sequence &&
            !(record.sequence == newest->sequence && newest->is_clean))
            *newest = record;
    }
    return 0;
}

static int find_newest(struct replay *replay)
{
    struct nanofs *fs = replay->fs;

    for (unsigned int i = 0; i < 2; i++) {
        int error = commit_block_read(fs, fs->super.journal_block + i * fs->super.slot_blocks,
                                      replay->page, &replay->commit);

        if (error)
            return error;
    }
    replay->slot = fs->super.journal_block + replay->commit.sequence % 2 * fs->super.slot_blocks;
    return replay->commit.sequence ? 0 : -EUCLEAN;
}

/* Not the superblocks, not the journal itself. */
static bool is_target(const struct nanofs *fs, uint64_t block)
{
    uint64_t journal_end = fs->super.journal_block + 2 * fs->super.slot_blocks;

    return block && block < fs->super.total_blocks - 1 &&
           (block < fs->super.journal_block || block >= journal_end);
}

static int image_check(struct replay *replay, const struct nanofs_image *image)
{
    struct nanofs *fs = replay->fs;

    if (!is_target(fs, image->block) || image->kind >= NANOFS_KIND_COUNT ||
        !nanofs_is_sealed(fs, image->block, image->kind, replay->page) ||
        nanofs_image_crc(fs, image->block, image->kind, replay->page) != image->crc)
        return -EUCLEAN;
    if ((image->kind == NANOFS_KIND_EXTENTS || image->kind == NANOFS_KIND_DIRECTORY) &&
        nanofs_node_check(image->kind, replay->page))
        return -EUCLEAN;
    return 0;
}

static int image_apply(struct replay *replay, const struct nanofs_image *image)
{
    int error;

    if (!replay->fs->is_device_read_only)
        return nanofs_device_write(replay->fs->device, image->block, 1, &replay->page);
    error = nanofs_buffer_insert(replay->fs, image->block, image->kind, replay->page);
    if (error)
        return error;
    replay->page = nanofs_page_alloc(replay->fs);
    return replay->page ? 0 : -ENOMEM;
}

static int descriptor_read(struct replay *replay, uint32_t index)
{
    struct nanofs *fs = replay->fs;
    uint64_t block = replay->slot + 1 + index;
    void *page = replay->descriptor;
    int error = nanofs_device_read(fs->device, block, 1, &page);

    if (error)
        return error;
    if (!nanofs_is_sealed(fs, block, NANOFS_KIND_DESCRIPTOR, page) ||
        replay->descriptor->sequence != replay->commit.sequence ||
        replay->descriptor->count > NANOFS_IMAGES_PER_DESCRIPTOR)
        return -EUCLEAN;
    return 0;
}

/* Visits every image: once to check them all, then to apply them. */
static int for_each_image(struct replay *replay,
                          int (*visit)(struct replay *replay, const struct nanofs_image *image))
{
    uint32_t left = replay->commit.image_count;
    uint32_t descriptors = (uint32_t)DIV_ROUND_UP(left, NANOFS_IMAGES_PER_DESCRIPTOR);
    uint64_t block = replay->slot + 1 + descriptors;
    uint32_t crc = 0;

    for (uint32_t i = 0; i < descriptors; i++) {
        int error = descriptor_read(replay, i);

        if (error)
            return error;
        crc = crc32_update(crc, (char *)replay->descriptor + NANOFS_PAYLOAD, 4);
        if (replay->descriptor->count > left)
            return -EUCLEAN;
        left -= replay->descriptor->count;
        for (uint32_t j = 0; j < replay->descriptor->count; j++) {
            error = nanofs_device_read(replay->fs->device, block++, 1, &replay->page);
            if (!error)
                error = visit(replay, &replay->descriptor->images[j]);
            if (error)
                return error;
        }
    }
    return left || crc != replay->commit.descriptor_crc ? -EUCLEAN : 0;
}

static int replay_newest(struct replay *replay)
{
    struct nanofs *fs = replay->fs;
    int error = find_newest(replay);

    if (error) {
        log_error("nanofs", "%s: the journal has no valid commit block", fs->device->name);
        return error;
    }
    fs->sequence = replay->commit.sequence;
    if (replay->commit.is_clean)
        return 0;
    error = for_each_image(replay, image_check);
    if (!error)
        error = for_each_image(replay, image_apply);
    if (!error && !fs->is_device_read_only)
        error = fs->device->ops->flush(fs->device);
    if (error)
        log_error("nanofs", "%s: transaction %llu in the journal cannot be replayed: %s",
                  fs->device->name, (unsigned long long)fs->sequence, errno_text(error));
    else
        log_info("nanofs", "%s: replayed %u blocks of transaction %llu", fs->device->name,
                 replay->commit.image_count, (unsigned long long)fs->sequence);
    return error;
}

int nanofs_journal_open(struct nanofs *fs)
{
    struct replay replay = { .fs = fs };
    int error = -ENOMEM;

    replay.page = nanofs_page_alloc(fs);
    replay.descriptor = nanofs_page_alloc(fs);
    if (replay.page && replay.descriptor)
        error = replay_newest(&replay);
    nanofs_page_free(replay.page);
    nanofs_page_free(replay.descriptor);
    return error;
}

/* Everything is committed and in place: say so, so that the next mount has nothing to do. */
int nanofs_journal_close(struct nanofs *fs)
{
    struct nanofs_commit record = { .sequence = fs->sequence, .is_clean = 1 };
    uint64_t slot = fs->super.journal_block + fs->sequence % 2 * fs->super.slot_blocks;
    int error = fs->device->ops->flush(fs->device);

    if (error)
        return error;
    nanofs_commit_record(fs, fs->batch->commit_page, &record);
    error = nanofs_device_write(fs->device, slot, 1, &fs->batch->commit_page);
    return error ? error : fs->device->ops->flush(fs->device);
}
