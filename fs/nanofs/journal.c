/*
 * Handles and commits. docs/NANOFS.md tells the protocol and its crash cases; journal_replay.c is
 * the other half, at mount.
 *
 * commit_lock serialises commits; transaction_lock is held shared by handles and exclusively during
 * the freeze.
 */
#include "fs/nanofs/batch.h"
#include "kernel/log.h"
#include "lib/crc32.h"
#include "lib/errno.h"
#include "lib/sort.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"

#define WRITEBACK_ATTEMPTS 3

void nanofs_fail(struct nanofs *fs, int error, const char *what)
{
    if (atomic_exchange(&fs->is_read_only, true))
        return;
    atomic_store(&fs->failure, error);
    if (fs->mount)
        WRITE_ONCE(fs->mount->is_read_only, true);
    log_error("nanofs", "%s: %s: %s; the file system is read-only from now on", fs->device->name,
              what, errno_text(error));
}

/* ---- handles -------------------------------------------------------------------------------- */

/* Pages with which a handle can copy frozen blocks when memory is out. */
static int spare_pages_fill(struct nanofs *fs)
{
    while (atomic_load_relaxed(&fs->spare_count) < NANOFS_HANDLE_BLOCKS) {
        void *page = nanofs_page_alloc(fs);

        if (!page)
            return -ENOMEM;
        mutex_lock(&fs->buffer_lock);
        memcpy(page, &fs->spare_pages, sizeof(fs->spare_pages));
        fs->spare_pages = page;
        atomic_fetch_add(&fs->spare_count, 1);
        mutex_unlock(&fs->buffer_lock);
    }
    return 0;
}

static bool has_room(struct nanofs *fs, uint32_t other_handles)
{
    uint32_t dirty = atomic_load_relaxed(&fs->dirty_count);

    if (!other_handles && !dirty)
        return true;
    return dirty + (other_handles + 1) * NANOFS_HANDLE_BLOCKS <= fs->transaction_limit;
}

int nanofs_try_begin(struct nanofs *fs) __no_thread_safety_analysis
{
    int error;

    if (atomic_load_relaxed(&fs->is_read_only))
        return -EROFS;
    error = spare_pages_fill(fs);
    if (error)
        return error;
    rwlock_read_lock(&fs->transaction_lock);
    if (has_room(fs, atomic_fetch_add(&fs->handles, 1)))
        return 0;
    atomic_fetch_sub(&fs->handles, 1);
    rwlock_read_unlock(&fs->transaction_lock);
    return -EAGAIN;
}

int nanofs_begin(struct nanofs *fs)
{
    for (;;) {
        int error = nanofs_try_begin(fs);

        if (error != -EAGAIN)
            return error;
        atomic_fetch_add(&fs->changes, 1);
        error = nanofs_commit(fs);
        if (error)
            return error;
    }
}

void nanofs_end(struct nanofs *fs) __no_thread_safety_analysis
{
    atomic_fetch_sub(&fs->handles, 1);
    atomic_fetch_add(&fs->changes, 1);
    rwlock_read_unlock(&fs->transaction_lock);
}

/* ---- freeze --------------------------------------------------------------------------------- */

/* Stores the inodes that have changed. Their references go to @stored, since dropping one may take
 * long; from here on a change lists the inode for the next commit. */
static void store_inodes(struct nanofs *fs, struct list *stored)
{
    struct nanofs_inode *inode;

    mutex_lock(&fs->list_lock);
    while ((inode = list_entry(list_front(&fs->unstored), struct nanofs_inode, store_node))) {
        list_remove(&inode->store_node);
        list_push_back(stored, &inode->stored_node);
    }
    mutex_unlock(&fs->list_lock);
    list_for_each_entry(inode, stored, stored_node)
        nanofs_inode_store(inode);
}

static void put_inodes(struct list *stored)
{
    while (!list_is_empty(stored)) {
        struct nanofs_inode *inode =
            list_entry(list_front(stored), struct nanofs_inode, stored_node);

        list_remove(&inode->stored_node);
        vnode_put(&inode->vnode);
    }
}

static int anchor_write(struct nanofs *fs, const struct nanofs_anchor *anchor, uint64_t block)
{
    struct nanofs_buffer *buffer;
    int error = nanofs_buffer_get(fs, block, NANOFS_KIND_ANCHOR, NANOFS_NEW, &buffer);

    if (error)
        return error;
    nanofs_buffer_modify(buffer);
    memcpy(buffer->data, anchor, sizeof(*anchor));
    nanofs_buffer_put(buffer);
    return 0;
}

static int anchors_write(struct nanofs *fs)
{
    struct nanofs_anchor anchor = {
        .sequence = fs->sequence + 1,
        .free_blocks = fs->free_blocks,
        .inode_count = fs->inode_count,
        .inode_file = { .type = VNODE_FILE, .number = NANOFS_INODE_FILE },
    };
    int error;

    nanofs_map_store(&fs->table, &anchor.inode_file);
    anchor.inode_file.crc = nanofs_inode_crc(fs, &anchor.inode_file);
    error = anchor_write(fs, &anchor, 1);
    return error ? error : anchor_write(fs, &anchor, fs->super.total_blocks - 2);
}

static void freeze_buffers(struct nanofs *fs)
{
    struct nanofs_buffer *buffer;

    list_for_each_entry(buffer, &fs->dirty_buffers, dirty_node)
        nanofs_seal(fs, buffer->block, buffer->kind, buffer->data);
    mutex_lock(&fs->alloc_lock);
    fs->pending_blocks[1] = fs->pending_blocks[0];
    fs->pending_blocks[0] = 0;
    mutex_lock(&fs->buffer_lock);
    while (!list_is_empty(&fs->dirty_buffers)) {
        buffer = list_entry(list_front(&fs->dirty_buffers), struct nanofs_buffer, dirty_node);
        list_remove(&buffer->dirty_node);
        WRITE_ONCE(buffer->is_dirty, false);
        atomic_fetch_sub(&fs->dirty_count, 1);
        buffer->frozen = buffer->data;
        buffer->frozen_kind = buffer->kind;
        buffer->busy[1] = buffer->busy[0]; /* what it frees; the last commit's are gone */
        buffer->busy[0] = NULL;
        fs->batch->buffers[fs->committing_count++] = buffer;
        list_push_back(&fs->committing, &buffer->commit_node);
    }
    mutex_unlock(&fs->buffer_lock);
    mutex_unlock(&fs->alloc_lock);
}

/* Handles are held off. Return: 0; -EAGAIN when some files have to wait for the next commit. */
static int write_last_files(struct nanofs *fs)
{
    for (int i = 0; i < WRITEBACK_ATTEMPTS; i++) {
        int error = nanofs_writeback_all(fs, NANOFS_WRITEBACK_FREEZE);

        nanofs_writeback_reap(fs, NULL);
        (void)wait_event_uncancellable(&fs->writeback_wait, !atomic_load(&fs->writeback_pages),
                                       DEADLINE_NEVER);
        if (error || list_is_empty(&fs->dirty_files))
            return error;
    }
    return -EIO;
}

/* Return: 0; -EAGAIN: frozen, but not all files; other: failed. */
static int freeze(struct nanofs *fs, struct list *stored)
{
    int unfinished;
    int error;

    rwlock_write_lock(&fs->transaction_lock);
    fs->changes_committed = atomic_load(&fs->changes);
    unfinished = write_last_files(fs);
    error = unfinished == -EAGAIN ? 0 : unfinished;
    if (!error && atomic_load(&fs->is_read_only))
        error = -EROFS;
    if (!error && (atomic_load(&fs->dirty_count) || !list_is_empty(&fs->unstored))) {
        store_inodes(fs, stored);
        error = anchors_write(fs);
        if (!error && atomic_load(&fs->dirty_count) > fs->batch->capacity)
            error = -EOVERFLOW;
        if (!error)
            freeze_buffers(fs);
    }
    rwlock_write_unlock(&fs->transaction_lock);
    return error ? error : unfinished;
}

/* ---- the journal ---------------------------------------------------------------------------- */

static int compare_blocks(const void *a, const void *b, void *context)
{
    const struct nanofs_buffer *first = *(struct nanofs_buffer *const *)a;
    const struct nanofs_buffer *second = *(struct nanofs_buffer *const *)b;

    (void)context;
    return first->block < second->block ? -1 : first->block > second->block;
}

uint32_t nanofs_image_crc(const struct nanofs *fs, uint64_t block, enum nanofs_kind kind,
                          const void *data)
{
    const char *tail = (const char *)data + NANOFS_PAYLOAD;
    uint32_t crc;

    if (kind == NANOFS_KIND_INODES)
        crc = nanofs_block_crc(fs, block, kind, data);
    else
        memcpy(&crc, tail, sizeof(crc)); /* sealed: that is the CRC of what comes before */
    return crc32_update(crc, tail, sizeof(crc));
}

/* Descriptor @index, sealed. */
static void descriptor_fill(struct nanofs *fs, uint32_t index, uint64_t block)
{
    struct nanofs_batch *batch = fs->batch;
    struct nanofs_descriptor *descriptor = batch->descriptors[index];
    uint32_t first = index * (uint32_t)NANOFS_IMAGES_PER_DESCRIPTOR;
    uint32_t count = MIN(fs->committing_count - first, (uint32_t)NANOFS_IMAGES_PER_DESCRIPTOR);

    if (descriptor->count > count) /* of an earlier commit; what lies behind is zeros */
        memset(descriptor->images + count, 0,
               (descriptor->count - count) * sizeof(descriptor->images[0]));
    descriptor->sequence = fs->sequence + 1;
    descriptor->count = count;
    for (uint32_t i = 0; i < count; i++) {
        const struct nanofs_buffer *buffer = batch->buffers[first + i];

        descriptor->images[i] = (struct nanofs_image){
            .block = buffer->block,
            .crc = nanofs_image_crc(fs, buffer->block, buffer->frozen_kind, buffer->frozen),
            .kind = buffer->frozen_kind,
        };
    }
    nanofs_seal(fs, block, NANOFS_KIND_DESCRIPTOR, descriptor);
}

void nanofs_commit_record(const struct nanofs *fs, void *page, const struct nanofs_commit *record)
{
    struct nanofs_commit filled = *record;

    filled.magic = NANOFS_COMMIT_MAGIC;
    memcpy(filled.uuid, fs->super.uuid, sizeof(filled.uuid));
    filled.crc = crc32(&filled, offsetof(struct nanofs_commit, crc));
    for (uint32_t offset = 0; offset < NANOFS_BLOCK_SIZE; offset += NANOFS_COMMIT_STRIDE)
        memcpy((char *)page + offset, &filled, sizeof(filled));
}

static uint64_t slot_block(const struct nanofs *fs, uint64_t sequence)
{
    return fs->super.journal_block + sequence % 2 * fs->super.slot_blocks;
}

/* Body, flush, commit block, flush. */
static int journal_write(struct nanofs *fs)
{
    struct nanofs_batch *batch = fs->batch;
    uint64_t slot = slot_block(fs, fs->sequence + 1);
    uint64_t block = slot + 1;
    uint32_t descriptors =
        (uint32_t)DIV_ROUND_UP(fs->committing_count, NANOFS_IMAGES_PER_DESCRIPTOR);
    struct nanofs_commit record = { .sequence = fs->sequence + 1,
                                    .image_count = fs->committing_count };
    int error;

    sort(batch->buffers, fs->committing_count, sizeof(batch->buffers[0]), compare_blocks, NULL);
    for (uint32_t i = 0; i < descriptors; i++, block++) {
        descriptor_fill(fs, i, block);
        record.descriptor_crc =
            crc32_update(record.descriptor_crc, (char *)batch->descriptors[i] + NANOFS_PAYLOAD, 4);
        nanofs_batch_write(batch, block, batch->descriptors[i]);
    }
    for (uint32_t i = 0; i < fs->committing_count; i++)
        nanofs_batch_write(batch, block++, batch->buffers[i]->frozen);
    error = nanofs_batch_finish(batch);
    if (!error)
        error = fs->device->ops->flush(fs->device);
    if (!error && atomic_load(&fs->is_read_only)) /* an image was changed: nanofs_buffer_modify() */
        error = -EROFS;
    if (error)
        return error;
    nanofs_commit_record(fs, batch->commit_page, &record);
    error = nanofs_device_write(fs->device, slot, 1, &batch->commit_page);
    return error ? error : fs->device->ops->flush(fs->device);
}

/* The blocks that the transaction freed may be used again. */
static void transaction_is_durable(struct nanofs *fs)
{
    fs->sequence++;
    mutex_lock(&fs->alloc_lock);
    fs->pending_blocks[1] = 0;
    for (uint32_t i = 0; i < fs->committing_count; i++) {
        struct nanofs_buffer *buffer = fs->batch->buffers[i];

        nanofs_page_free(buffer->busy[1]);
        buffer->busy[1] = NULL;
    }
    mutex_unlock(&fs->alloc_lock);
}

/* ---- in place ------------------------------------------------------------------------------- */

static void thaw_all(struct nanofs *fs)
{
    mutex_lock(&fs->buffer_lock);
    for (uint32_t i = 0; i < fs->committing_count; i++) {
        struct nanofs_buffer *buffer = fs->batch->buffers[i];

        if (buffer->frozen != buffer->data)
            nanofs_page_free(buffer->frozen);
        buffer->frozen = NULL;
        list_remove(&buffer->commit_node);
        if (!buffer->references && !list_node_is_linked(&buffer->lru_node))
            list_push_back(&fs->buffer_lru, &buffer->lru_node);
    }
    fs->committing_count = 0;
    mutex_unlock(&fs->buffer_lock);
}

static void checkpoint_start(struct nanofs *fs)
{
    for (uint32_t i = 0; i < fs->committing_count; i++)
        nanofs_batch_write(fs->batch, fs->batch->buffers[i]->block, fs->batch->buffers[i]->frozen);
    nanofs_batch_submit(fs->batch);
    fs->is_checkpointing = true;
}

/* In a file system that has failed, images may have been changed: what is in the journal counts. */
static int checkpoint_locked(struct nanofs *fs)
{
    int error;

    if (!fs->committing_count)
        return 0;
    if (!fs->is_checkpointing && !atomic_load(&fs->is_read_only))
        checkpoint_start(fs);
    error = nanofs_batch_finish(fs->batch);
    fs->is_checkpointing = false;
    if (error)
        nanofs_fail(fs, error, "writing metadata");
    else if (atomic_load(&fs->is_read_only))
        error = -EROFS;
    else
        thaw_all(fs);
    return error;
}

int nanofs_checkpoint(struct nanofs *fs)
{
    int error;

    mutex_lock(&fs->commit_lock);
    error = checkpoint_locked(fs);
    mutex_unlock(&fs->commit_lock);
    return error;
}

/* ---- commit --------------------------------------------------------------------------------- */

/* What can be written while others go on. Errors come again, and count, in the freeze. */
static void write_files(struct nanofs *fs)
{
    if (!nanofs_writeback_all(fs, NANOFS_WRITEBACK_COMMIT))
        nanofs_writeback_reap(fs, NULL);
}

static int commit_locked(struct nanofs *fs, struct list *stored)
{
    int error = checkpoint_locked(fs);
    int unfinished;

    if (error)
        return error;
    write_files(fs);
    unfinished = freeze(fs, stored);
    if (unfinished && unfinished != -EAGAIN) {
        nanofs_fail(fs, unfinished, "writing files");
        return unfinished;
    }
    if (!fs->committing_count)
        return unfinished;
    error = journal_write(fs);
    if (error) {
        nanofs_fail(fs, error, "writing the journal");
        return error;
    }
    transaction_is_durable(fs);
    if (fs->committing_count <= NANOFS_BATCH_REQUESTS) /* it need not wait for any of them */
        checkpoint_start(fs);
    return unfinished;
}

/* What a failed file system says to those who want their data safe. */
static int failure(struct nanofs *fs)
{
    int error = atomic_load(&fs->failure);

    return error ? error : fs->is_device_read_only ? 0 : -EROFS;
}

int nanofs_commit(struct nanofs *fs)
{
    uint64_t wanted = atomic_load(&fs->changes);
    struct list stored = LIST_INIT(stored);
    int error = 0;

    mutex_lock(&fs->commit_lock);
    while (!error && fs->changes_committed < wanted) {
        if (atomic_load(&fs->is_read_only)) {
            error = failure(fs);
            break;
        }
        error = commit_locked(fs, &stored);
        if (error == -EAGAIN) {
            fs->changes_committed = 0; /* there is more: another round */
            error = 0;
        }
        put_inodes(&stored);
    }
    if (!error && atomic_load(&fs->failure))
        error = failure(fs);
    mutex_unlock(&fs->commit_lock);
    return error;
}
