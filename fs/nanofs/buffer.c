/*
 * Metadata blocks in memory: found by number, read once and checked then, so that everything above
 * can believe its structure. Clean ones nobody uses are evicted, least recently used first; those
 * changed by the running transaction stay until it is committed.
 *
 * A buffer whose image is being committed is frozen: the first change copies it, so that the
 * journal and the block in place get one and the same image.
 *
 * buffer_lock guards the hash, the lists and the flags; what is in a buffer belongs to the lock of
 * whatever it describes (nanofs.h).
 */
#include "arch/mmu.h"
#include "fs/nanofs/nanofs.h"
#include "kernel/log.h"
#include "lib/byteorder.h"
#include "lib/crc32.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"

#define EVICT_TRIES 8u  /* buffers looked at when one is made */
#define ZEROS_STEP  64u /* bytes looked at in one step */

BUILD_ASSERT(NANOFS_BLOCK_SIZE == PAGE_SIZE, "a block lives in a page");

static const char *const kind_names[NANOFS_KIND_COUNT] = {
    [NANOFS_KIND_NONE] = "unknown",
    [NANOFS_KIND_SUPERBLOCK] = "superblock",
    [NANOFS_KIND_ANCHOR] = "anchor",
    [NANOFS_KIND_GROUP_TABLE] = "group table",
    [NANOFS_KIND_BITMAP] = "block bitmap",
    [NANOFS_KIND_CHECKSUMS] = "data checksums",
    [NANOFS_KIND_INODE_BITMAP] = "inode bitmap",
    [NANOFS_KIND_INODES] = "inodes",
    [NANOFS_KIND_EXTENTS] = "extent tree",
    [NANOFS_KIND_DIRECTORY] = "directory",
    [NANOFS_KIND_DESCRIPTOR] = "journal",
};

void *nanofs_page_alloc(struct nanofs *fs)
{
    void *page;

    do
        page = page_alloc(1, 0, "nanofs");
    while (!page && fs && nanofs_pages_shrink(fs, 32));
    return page;
}

void nanofs_page_free(void *page)
{
    page_free(page);
}

/* ---- checksums ------------------------------------------------------------------------------ */

/* How much of a block comes before the zeros that bitmaps and tables of a young disk end in. */
static uint32_t used_length(const void *data)
{
    uint32_t used = NANOFS_PAYLOAD;

    while (used >= ZEROS_STEP) {
        const char *end = (const char *)data + used;

        if (load_le64(end - 8) | load_le64(end - 16) | load_le64(end - 24) | load_le64(end - 32) |
            load_le64(end - 40) | load_le64(end - 48) | load_le64(end - 56) | load_le64(end - 64))
            break;
        used -= ZEROS_STEP;
    }
    return used;
}

uint32_t nanofs_block_crc(const struct nanofs *fs, uint64_t block, enum nanofs_kind kind,
                          const void *data)
{
    uint64_t seed[2] = { block, kind };
    uint32_t used = used_length(data);
    uint32_t crc = crc32_update(crc32_update(fs->crc_seed, seed, sizeof(seed)), data, used);

    return crc32_zeros(crc, NANOFS_PAYLOAD - used);
}

void nanofs_seal(const struct nanofs *fs, uint64_t block, enum nanofs_kind kind, void *data)
{
    uint32_t crc;

    if (kind == NANOFS_KIND_INODES)
        return;
    crc = nanofs_block_crc(fs, block, kind, data);
    memcpy((char *)data + NANOFS_PAYLOAD, &crc, sizeof(crc));
}

bool nanofs_is_sealed(const struct nanofs *fs, uint64_t block, enum nanofs_kind kind,
                      const void *data)
{
    uint32_t crc;

    if (kind == NANOFS_KIND_INODES)
        return true;
    crc = nanofs_block_crc(fs, block, kind, data);
    return memcmp((const char *)data + NANOFS_PAYLOAD, &crc, sizeof(crc)) == 0;
}

/* NULL when sound. Inodes are checked one by one when they are loaded. */
static const char *contents_check(const struct nanofs *fs, uint64_t block, enum nanofs_kind kind,
                                  const void *data)
{
    if (!nanofs_is_sealed(fs, block, kind, data))
        return "bad checksum";
    if (kind == NANOFS_KIND_EXTENTS || kind == NANOFS_KIND_DIRECTORY)
        return nanofs_node_check(kind, data);
    return NULL;
}

/* ---- the cache ------------------------------------------------------------------------------ */

void nanofs_buffers_init(struct nanofs *fs)
{
    static const struct hash_table_memory memory = { .alloc = kmalloc, .free = kfree };

    hash_table_init(&fs->buffers, &memory);
    mutex_init(&fs->buffer_lock, "nanofs_buffer", LOCK_RANK_FS_BUFFER);
    wait_queue_init(&fs->buffer_wait, "nanofs_buffer");
    list_init(&fs->buffer_lru);
    list_init(&fs->dirty_buffers);
}

/* Blocks that follow each other are what most lists of blocks are. */
static uint32_t block_hash(uint64_t block)
{
    return (uint32_t)(block * 0x9e3779b97f4a7c15ull >> 32);
}

static struct nanofs_buffer *find_locked(struct nanofs *fs, uint64_t block)
{
    struct nanofs_buffer *buffer;

    hash_table_for_each_entry(buffer, &fs->buffers, block_hash(block), struct nanofs_buffer,
                              hash_node) {
        if (buffer->block == block)
            return buffer;
    }
    return NULL;
}

static void buffer_destroy_locked(struct nanofs *fs, struct nanofs_buffer *buffer)
{
    hash_table_remove(&fs->buffers, &buffer->hash_node);
    list_remove(&buffer->lru_node);
    list_remove(&buffer->dirty_node);
    list_remove(&buffer->commit_node);
    if (buffer->frozen != buffer->data)
        nanofs_page_free(buffer->frozen);
    nanofs_page_free(buffer->busy[0]);
    nanofs_page_free(buffer->busy[1]);
    nanofs_page_free(buffer->data);
    kfree(buffer);
}

void nanofs_buffers_destroy(struct nanofs *fs)
{
    struct hash_node *node;

    while ((node = hash_table_any(&fs->buffers)))
        buffer_destroy_locked(fs, container_of(node, struct nanofs_buffer, hash_node));
    hash_table_clear(&fs->buffers);
}

static bool is_evictable(const struct nanofs_buffer *buffer)
{
    return !buffer->references && !buffer->is_dirty && !buffer->frozen && !buffer->is_overlay &&
           !buffer->busy[0] && !buffer->busy[1];
}

/* Down to @limit. Those that cannot go now come back to the list when that changes. */
static void evict_locked(struct nanofs *fs, uint32_t limit, unsigned int tries)
{
    while (fs->buffers.count > limit && !list_is_empty(&fs->buffer_lru) && tries--) {
        struct nanofs_buffer *buffer =
            list_entry(list_front(&fs->buffer_lru), struct nanofs_buffer, lru_node);

        list_remove(&buffer->lru_node);
        if (is_evictable(buffer))
            buffer_destroy_locked(fs, buffer);
        else if (!buffer->references)
            list_push_back(&fs->buffer_lru, &buffer->lru_node);
    }
}

unsigned int nanofs_buffers_shrink(struct nanofs *fs, unsigned int count)
{
    uint32_t before;

    mutex_lock(&fs->buffer_lock);
    before = fs->buffers.count;
    evict_locked(fs, before > count ? before - count : 0, count * 2);
    count = before - fs->buffers.count;
    mutex_unlock(&fs->buffer_lock);
    return count;
}

static struct nanofs_buffer *buffer_create_locked(struct nanofs *fs, uint64_t block,
                                                  enum nanofs_kind kind, void *page)
{
    struct nanofs_buffer *buffer = kzalloc(sizeof(*buffer));

    if (!buffer)
        return NULL;
    buffer->block = block;
    buffer->fs = fs;
    buffer->kind = kind;
    buffer->data = page;
    buffer->references = 1;
    list_node_init(&buffer->lru_node);
    list_node_init(&buffer->dirty_node);
    list_node_init(&buffer->commit_node);
    hash_table_insert(&fs->buffers, &buffer->hash_node, block_hash(block));
    evict_locked(fs, fs->buffer_limit, EVICT_TRIES);
    return buffer;
}

struct nanofs_buffer *nanofs_buffer_hold(struct nanofs_buffer *buffer)
{
    mutex_lock(&buffer->fs->buffer_lock);
    buffer->references++;
    mutex_unlock(&buffer->fs->buffer_lock);
    return buffer;
}

static void put_locked(struct nanofs_buffer *buffer)
{
    if (--buffer->references)
        return;
    if (buffer->error && !buffer->is_dirty)
        buffer_destroy_locked(buffer->fs, buffer);
    else if (!list_node_is_linked(&buffer->lru_node))
        list_push_back(&buffer->fs->buffer_lru, &buffer->lru_node);
}

void nanofs_buffer_put(struct nanofs_buffer *buffer)
{
    struct nanofs *fs;

    if (!buffer)
        return;
    fs = buffer->fs;
    mutex_lock(&fs->buffer_lock);
    put_locked(buffer);
    mutex_unlock(&fs->buffer_lock);
}

/* Somebody made it or is reading it. */
static int share_locked(struct nanofs *fs, struct nanofs_buffer *buffer, enum nanofs_kind kind)
    __must_hold(fs->buffer_lock)
{
    int error;

    list_remove(&buffer->lru_node);
    buffer->references++;
    while (buffer->is_reading) {
        mutex_unlock(&fs->buffer_lock);
        (void)wait_event_uncancellable(&fs->buffer_wait, !READ_ONCE(buffer->is_reading),
                                       DEADLINE_NEVER);
        mutex_lock(&fs->buffer_lock);
    }
    error = buffer->error;
    if (!error && buffer->kind != kind) {
        log_error("nanofs", "%s: block %llu is used as %s and as %s", fs->device->name,
                  (unsigned long long)buffer->block, kind_names[buffer->kind], kind_names[kind]);
        error = -EIO;
    }
    return error;
}

static int read_block(struct nanofs *fs, struct nanofs_buffer *buffer)
{
    int error = nanofs_device_read(fs->device, buffer->block, 1, &buffer->data);
    const char *problem;

    if (error) {
        log_error("nanofs", "%s: block %llu (%s): %s", fs->device->name,
                  (unsigned long long)buffer->block, kind_names[buffer->kind], errno_text(error));
        return error;
    }
    problem = contents_check(fs, buffer->block, buffer->kind, buffer->data);
    if (!problem)
        return 0;
    log_error("nanofs", "%s: block %llu (%s): %s", fs->device->name,
              (unsigned long long)buffer->block, kind_names[buffer->kind], problem);
    return -EIO;
}

/* Not in memory: with the lock dropped around the reading. */
static int fetch_locked(struct nanofs *fs, struct nanofs_buffer *buffer)
    __must_hold(fs->buffer_lock)
{
    int error;

    buffer->is_reading = true;
    mutex_unlock(&fs->buffer_lock);
    error = read_block(fs, buffer);
    mutex_lock(&fs->buffer_lock);
    buffer->error = error;
    WRITE_ONCE(buffer->is_reading, false);
    wake_all(&fs->buffer_wait);
    return error;
}

/* A block that is new now may have been something else before it was freed. */
static void renew_locked(struct nanofs *fs, struct nanofs_buffer *buffer, enum nanofs_kind kind,
                         void *page)
{
    if (buffer->data != buffer->frozen)
        nanofs_page_free(buffer->data);
    if (buffer->is_dirty) {
        list_remove(&buffer->dirty_node);
        buffer->is_dirty = false;
        atomic_fetch_sub(&fs->dirty_count, 1);
    }
    buffer->data = page;
    buffer->kind = kind;
    buffer->error = 0;
}

int nanofs_buffer_get(struct nanofs *fs, uint64_t block, enum nanofs_kind kind, unsigned int flags,
                      struct nanofs_buffer **result)
{
    struct nanofs_buffer *buffer;
    void *page = NULL;
    int error = 0;

    mutex_lock(&fs->buffer_lock);
    buffer = find_locked(fs, block);
    if (!buffer || (flags & NANOFS_NEW)) {
        mutex_unlock(&fs->buffer_lock);
        page = nanofs_page_alloc(fs);
        if (!page)
            return -ENOMEM;
        if (flags & NANOFS_NEW)
            memset(page, 0, NANOFS_BLOCK_SIZE);
        mutex_lock(&fs->buffer_lock);
        buffer = find_locked(fs, block); /* the lock was dropped */
    }
    if (buffer) {
        if (flags & NANOFS_NEW) {
            renew_locked(fs, buffer, kind, page);
            page = NULL;
        }
        error = share_locked(fs, buffer, kind);
    } else {
        buffer = buffer_create_locked(fs, block, kind, page);
        if (!buffer) {
            error = -ENOMEM;
            goto unlock;
        }
        page = NULL;
        if (!(flags & NANOFS_NEW))
            error = fetch_locked(fs, buffer);
    }
    *result = error ? NULL : buffer;
    if (error)
        put_locked(buffer);
unlock:
    mutex_unlock(&fs->buffer_lock);
    nanofs_page_free(page);
    return error;
}

int nanofs_buffer_insert(struct nanofs *fs, uint64_t block, enum nanofs_kind kind, void *page)
{
    struct nanofs_buffer *buffer;

    mutex_lock(&fs->buffer_lock);
    buffer = find_locked(fs, block) ? NULL : buffer_create_locked(fs, block, kind, page);
    if (buffer) {
        buffer->is_overlay = true;
        put_locked(buffer);
    }
    mutex_unlock(&fs->buffer_lock);
    return buffer ? 0 : -ENOMEM;
}

/* ---- changes -------------------------------------------------------------------------------- */

/* A page for a copy: the spare ones are for when memory is out. */
static void *copy_page_locked(struct nanofs *fs)
{
    void *page = page_alloc(1, 0, "nanofs");

    if (page || !fs->spare_pages)
        return page;
    page = fs->spare_pages;
    memcpy(&fs->spare_pages, page, sizeof(fs->spare_pages));
    atomic_fetch_sub(&fs->spare_count, 1);
    return page;
}

static void thaw_locked(struct nanofs_buffer *buffer)
{
    void *copy = copy_page_locked(buffer->fs);

    if (!copy) {
        /* The commit sees the failure before it becomes valid, so changing its image is safe. */
        nanofs_fail(buffer->fs, -ENOMEM, "no memory to copy a block that is being committed");
        return;
    }
    memcpy(copy, buffer->data, NANOFS_BLOCK_SIZE);
    buffer->data = copy;
}

void nanofs_buffer_modify(struct nanofs_buffer *buffer)
{
    struct nanofs *fs = buffer->fs;

    if (READ_ONCE(buffer->is_dirty)) /* set and cleared while handles are inside or held off */
        return;
    mutex_lock(&fs->buffer_lock);
    if (!buffer->is_dirty) {
        if (buffer->frozen == buffer->data)
            thaw_locked(buffer);
        list_push_back(&fs->dirty_buffers, &buffer->dirty_node);
        atomic_fetch_add(&fs->dirty_count, 1);
        WRITE_ONCE(buffer->is_dirty, true);
    }
    mutex_unlock(&fs->buffer_lock);
}

void nanofs_buffer_forget(struct nanofs_buffer *buffer)
{
    struct nanofs *fs = buffer->fs;

    mutex_lock(&fs->buffer_lock);
    if (buffer->is_dirty) {
        list_remove(&buffer->dirty_node);
        buffer->is_dirty = false;
        atomic_fetch_sub(&fs->dirty_count, 1);
    }
    put_locked(buffer);
    mutex_unlock(&fs->buffer_lock);
}
