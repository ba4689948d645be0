/*
 * Reading and writing files through the page cache. Writing changes pages in memory and promises
 * blocks for them; writeback.c chooses the blocks later. Reading checks every block against its
 * checksum and reads ahead when a file is read in order.
 *
 * The VFS holds the vnode's lock: shared to read, exclusive to write and truncate. map_lock guards
 * pages, extents and sizes against commits.
 */
#include "fs/nanofs/nanofs.h"
#include "kernel/log.h"
#include "kernel/time/clock.h"
#include "lib/crc32.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/page.h"

#define BLOCK_MASK         (NANOFS_BLOCK_SIZE - 1)
#define CHUNK_PAGES        64u /* written under one handle */
#define WRITE_BEHIND_PAGES 256u
#define MAX_CUT_EXTENTS    12u /* per handle: each may touch a bitmap and a group table block */

static uint32_t page_of_offset(uint64_t offset)
{
    return (uint32_t)(offset >> NANOFS_BLOCK_SHIFT);
}

static uint32_t pages_of_size(uint64_t size)
{
    return (uint32_t)((size + BLOCK_MASK) >> NANOFS_BLOCK_SHIFT);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* A run of blocks on its way into the cache. */
struct fill {
    uint32_t index;
    uint32_t count;
    uint64_t block;
    void *data[NANOFS_IO_MAX_BLOCKS];
};

/* Sequential readers get more and more, up to a request. */
static uint32_t read_ahead(struct nanofs_inode *inode, uint32_t index, uint32_t wanted)
{
    if (index == inode->read_next && index)
        inode->read_window = MIN(inode->read_window * 2, NANOFS_IO_MAX_BLOCKS);
    else
        inode->read_window = MIN(MAX(wanted, 4u), NANOFS_IO_MAX_BLOCKS);
    return MAX(inode->read_window, MIN(wanted, NANOFS_IO_MAX_BLOCKS));
}

/* How much of the run from fill->index on to read: neither past the end nor what is there. */
static void fill_limit(struct nanofs_inode *inode, struct fill *fill)
{
    struct nanofs_page *next = nanofs_page_at_or_after(inode, fill->index);
    uint32_t end = pages_of_size(inode->vnode.size);

    if (fill->index + fill->count > end)
        fill->count = end > fill->index ? end - fill->index : 1;
    if (next && next->index - fill->index < fill->count)
        fill->count = next->index - fill->index;
}

static int fill_allocate(struct nanofs *fs, struct fill *fill)
{
    uint32_t got = 0;

    while (got < fill->count && (fill->data[got] = nanofs_page_alloc(fs)))
        got++;
    fill->count = got;
    return got ? 0 : -ENOMEM;
}

static void fill_free(struct fill *fill, uint32_t from)
{
    for (uint32_t i = from; i < fill->count; i++)
        nanofs_page_free(fill->data[i]);
}

static void report_damage(struct nanofs_inode *inode, const struct fill *fill, uint32_t i)
{
    char name[256];

    log_error("nanofs", "%s: %s: bad checksum at offset %llu, block %llu", inode->fs->device->name,
              nanofs_inode_name(inode, name, sizeof(name)),
              (unsigned long long)(fill->index + i) << NANOFS_BLOCK_SHIFT,
              (unsigned long long)fill->block + i);
}

/* Reads and checks. What is bad behind the first block is left for whoever wants it. */
static int fill_read(struct nanofs_inode *inode, struct fill *fill)
{
    uint32_t crcs[NANOFS_IO_MAX_BLOCKS];
    int error = nanofs_checksums_get(inode->fs, fill->block, fill->count, crcs);

    if (!error)
        error = nanofs_device_read(inode->fs->device, fill->block, fill->count, fill->data);
    if (error && fill->count > 1) { /* the others may be at fault */
        fill_free(fill, 1);
        fill->count = 1;
        return fill_read(inode, fill);
    }
    if (error) {
        char name[256];

        log_error("nanofs", "%s: %s: offset %llu, block %llu: %s", inode->fs->device->name,
                  nanofs_inode_name(inode, name, sizeof(name)),
                  (unsigned long long)fill->index << NANOFS_BLOCK_SHIFT,
                  (unsigned long long)fill->block, errno_text(error));
        return error;
    }
    for (uint32_t i = 0; i < fill->count; i++) {
        if (crc32(fill->data[i], NANOFS_BLOCK_SIZE) == crcs[i])
            continue;
        if (!i)
            report_damage(inode, fill, i);
        fill_free(fill, MAX(i, 1u));
        fill->count = MAX(i, 1u);
        return i ? 0 : -EIO;
    }
    return 0;
}

static int fill_insert(struct nanofs_inode *inode, struct fill *fill)
{
    int error = 0;

    mutex_lock(&inode->map_lock);
    for (uint32_t i = 0; i < fill->count; i++) {
        if (nanofs_page_find(inode, fill->index + i) || error)
            nanofs_page_free(fill->data[i]);
        else if (!nanofs_page_insert(inode, fill->index + i, fill->data[i])) {
            nanofs_page_free(fill->data[i]);
            error = i ? 0 : -ENOMEM;
        }
    }
    inode->read_next = fill->index + fill->count;
    mutex_unlock(&inode->map_lock);
    return error;
}

/*
 * Brings pages from @index on into the cache. Called with map_lock, returns without.
 * *@hole: instead, that many pages from @index on are a hole.
 */
static int page_in(struct nanofs_inode *inode, uint32_t index, uint32_t wanted, uint32_t *hole)
    __releases(inode->map_lock)
{
    struct fill fill = { .index = index };
    struct nanofs *fs = inode->fs;
    int error;

    *hole = 0;
    error = nanofs_map_lookup(&inode->map, index, read_ahead(inode, index, wanted), &fill.block,
                              &fill.count);
    if (!error)
        fill_limit(inode, &fill);
    mutex_unlock(&inode->map_lock);
    if (error)
        return error;
    if (!fill.block) {
        *hole = fill.count;
        return 0;
    }
    error = fill_allocate(fs, &fill);
    if (error)
        return error;
    error = fill_read(inode, &fill);
    if (error)
        fill_free(&fill, 0);
    else
        error = fill_insert(inode, &fill);
    if (atomic_load_relaxed(&fs->page_count) > fs->page_limit)
        nanofs_pages_shrink(fs, 64);
    return error;
}

/* Copies what is cached from *@offset on; the map_lock is held. Return: bytes. */
static size_t read_cached(struct nanofs_inode *inode, char *buffer, size_t size, uint64_t offset)
{
    size_t done = 0;

    while (done < size) {
        struct nanofs_page *page = nanofs_page_find(inode, page_of_offset(offset + done));
        size_t start = (offset + done) & BLOCK_MASK;
        size_t length = MIN(size - done, (size_t)NANOFS_BLOCK_SIZE - start);

        if (!page)
            break;
        page->is_used = true;
        memcpy(buffer + done, (char *)page->data + start, length);
        done += length;
    }
    return done;
}

/* One step of a read: from the cache, or a hole, or (0 bytes, no error) after a page_in(). */
static int read_step(struct nanofs_inode *inode, char *buffer, size_t size, uint64_t offset,
                     size_t *done)
{
    uint32_t index = page_of_offset(offset);
    uint32_t hole;
    int error;

    mutex_lock(&inode->map_lock);
    *done = read_cached(inode, buffer, size, offset);
    if (*done) {
        mutex_unlock(&inode->map_lock);
        return 0;
    }
    error = page_in(inode, index, page_of_offset(offset + size - 1) - index + 1, &hole);
    if (!error && hole) {
        *done = MIN(size, ((size_t)hole << NANOFS_BLOCK_SHIFT) - (offset & BLOCK_MASK));
        memset(buffer, 0, *done);
    }
    return error;
}

int nanofs_file_read(struct vnode *vnode, void *buffer, size_t size, uint64_t offset, size_t *done)
{
    uint64_t end = READ_ONCE(vnode->size);

    *done = 0;
    if (offset >= end)
        return 0;
    size = (size_t)MIN((uint64_t)size, end - offset);
    while (*done < size) {
        size_t step;
        int error = read_step(nanofs_inode(vnode), (char *)buffer + *done, size - *done,
                              offset + *done, &step);

        if (error)
            return *done ? 0 : error;
        *done += step;
    }
    return 0;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* An empty page for @index; the map_lock is held. */
static int page_new(struct nanofs_inode *inode, uint32_t index, bool is_zeroed,
                    struct nanofs_page **result)
{
    void *data = nanofs_page_alloc(inode->fs);

    if (!data)
        return -ENOMEM;
    if (is_zeroed)
        memset(data, 0, NANOFS_BLOCK_SIZE);
    *result = nanofs_page_insert(inode, index, data);
    if (*result)
        return 0;
    nanofs_page_free(data);
    return -ENOMEM;
}

/*
 * The page of @index, with its old contents unless all of it @is_overwritten, not in writeback.
 * Called and returns with map_lock, which it drops for I/O.
 */
static int page_for_write(struct nanofs_inode *inode, uint32_t index, bool is_overwritten,
                          struct nanofs_page **result) __must_hold(inode->map_lock)
{
    for (;;) {
        uint32_t hole;
        int error;

        *result = nanofs_page_find(inode, index);
        if (*result && (*result)->state != NANOFS_PAGE_WRITEBACK)
            return 0;
        if (*result) {
            mutex_unlock(&inode->map_lock);
            nanofs_writeback_reap(inode->fs, inode);
            mutex_lock(&inode->map_lock);
            continue;
        }
        if (is_overwritten || index >= pages_of_size(inode->vnode.size))
            return page_new(inode, index, !is_overwritten, result);
        error = page_in(inode, index, 1, &hole);
        mutex_lock(&inode->map_lock);
        if (error)
            return error;
        if (hole)
            return page_new(inode, index, true, result);
    }
}

static void file_listed(struct nanofs_inode *inode)
{
    struct nanofs *fs = inode->fs;

    mutex_lock(&fs->list_lock);
    if (!list_node_is_linked(&inode->data_node)) {
        vnode_get(&inode->vnode);
        list_push_back(&fs->dirty_files, &inode->data_node);
    }
    mutex_unlock(&fs->list_lock);
}

/* Promises blocks and marks dirty. */
static int page_dirty(struct nanofs_page *page, bool is_removal)
{
    struct nanofs_inode *inode = page->inode;
    int error;

    if (page->state == NANOFS_PAGE_DIRTY)
        return 0;
    error = nanofs_reserve_pages(inode, inode->dirty_count + 1, is_removal);
    if (error)
        return error;
    nanofs_page_set_state(page, NANOFS_PAGE_DIRTY);
    file_listed(inode);
    return 0;
}

static int write_page(struct nanofs_inode *inode, const char *data, size_t length, uint64_t offset)
    __must_hold(inode->map_lock)
{
    struct nanofs_page *page;
    uint32_t index = page_of_offset(offset);
    int error = page_for_write(inode, index, length == NANOFS_BLOCK_SIZE, &page);

    if (error)
        return error;
    error = page_dirty(page, false);
    if (error) {
        nanofs_page_forget(page); /* clean, or new without the old contents */
        return error;
    }
    memcpy((char *)page->data + (offset & BLOCK_MASK), data, length);
    page->is_used = true;
    if (offset + length > inode->vnode.size)
        WRITE_ONCE(inode->vnode.size, offset + length);
    return 0;
}

/* Under one handle. */
static int write_chunk(struct nanofs_inode *inode, const char *data, size_t size, uint64_t offset,
                       size_t *done)
{
    int error = nanofs_begin(inode->fs);

    if (error)
        return error;
    mutex_lock(&inode->map_lock);
    for (unsigned int i = 0; i < CHUNK_PAGES && *done < size && !error; i++) {
        uint64_t at = offset + *done;
        size_t length = MIN(size - *done, (size_t)NANOFS_BLOCK_SIZE - (at & BLOCK_MASK));

        error = write_page(inode, data + *done, length, at);
        if (!error)
            *done += length;
    }
    WRITE_ONCE(inode->vnode.modified_ns, clock_wall_ns());
    mutex_unlock(&inode->map_lock);
    nanofs_end(inode->fs);
    return error;
}

/* Keeps what is in memory only within bounds. */
static int write_throttle(struct nanofs_inode *inode)
{
    struct nanofs *fs = inode->fs;

    if (inode->dirty_count >= WRITE_BEHIND_PAGES)
        return nanofs_writeback_file(inode, NANOFS_WRITEBACK_BEHIND);
    if (atomic_load_relaxed(&fs->dirty_pages) > fs->dirty_limit)
        return nanofs_commit(fs);
    if (atomic_load_relaxed(&fs->page_count) > fs->page_limit)
        nanofs_pages_shrink(fs, 64);
    return 0;
}

static bool has_pending_blocks(struct nanofs *fs)
{
    return READ_ONCE(fs->pending_blocks[0]) || READ_ONCE(fs->pending_blocks[1]);
}

int nanofs_file_write(struct vnode *vnode, const void *buffer, size_t size, uint64_t offset,
                      size_t *done)
{
    struct nanofs_inode *inode = nanofs_inode(vnode);
    bool has_committed = false;

    *done = 0;
    if (offset > NANOFS_MAX_SIZE || size > NANOFS_MAX_SIZE - offset)
        return -EFBIG;
    while (*done < size) {
        int error = write_chunk(inode, buffer, size, offset, done);

        if (error == -ENOSPC && !has_committed && has_pending_blocks(inode->fs)) {
            has_committed = true; /* what was freed becomes usable */
            error = nanofs_commit(inode->fs);
        } else if (!error) {
            error = write_throttle(inode);
        }
        if (error)
            return error;
    }
    return 0;
}

/* ---- truncation ----------------------------------------------------------------------------- */

/* The bytes behind the new end become zeros, as in every last block. */
static int clear_tail(struct nanofs_inode *inode, uint64_t size) __must_hold(inode->map_lock)
{
    size_t start = size & BLOCK_MASK;
    struct nanofs_page *page;
    int error;

    if (!start || size >= inode->vnode.size)
        return 0;
    error = page_for_write(inode, page_of_offset(size), false, &page);
    if (!error)
        error = page_dirty(page, true);
    if (!error)
        memset((char *)page->data + start, 0, NANOFS_BLOCK_SIZE - start);
    return error;
}

static void wait_for_writeback(struct nanofs_inode *inode) __must_hold(inode->map_lock)
{
    while (inode->writeback_count) {
        mutex_unlock(&inode->map_lock);
        nanofs_writeback_reap(inode->fs, inode);
        mutex_lock(&inode->map_lock);
    }
}

/* One handle's worth. Return: 1 when done. */
static int cut_some(struct nanofs_inode *inode, uint64_t size) __must_hold(inode->map_lock)
{
    uint32_t from = pages_of_size(size);
    uint64_t reached = size;
    uint32_t end;
    int result = clear_tail(inode, size);

    if (result)
        return result;
    wait_for_writeback(inode);
    nanofs_pages_drop(inode, from);
    result = nanofs_map_cut(&inode->map, from, MAX_CUT_EXTENTS, &end);
    if (result < 0)
        return result;
    if (!result)
        reached = MAX(size, (uint64_t)end << NANOFS_BLOCK_SHIFT);
    WRITE_ONCE(inode->vnode.size, MIN(inode->vnode.size, reached));
    inode->disk_size = MIN(inode->disk_size, reached);
    return result;
}

int nanofs_file_cut(struct nanofs_inode *inode, uint64_t size)
{
    int result;

    do {
        result = nanofs_begin(inode->fs);
        if (result)
            return result;
        mutex_lock(&inode->map_lock);
        result = cut_some(inode, size);
        WRITE_ONCE(inode->vnode.modified_ns, clock_wall_ns());
        nanofs_inode_changed(inode);
        mutex_unlock(&inode->map_lock);
        nanofs_end(inode->fs);
    } while (!result);
    return result < 0 ? result : 0;
}

static int file_extend(struct nanofs_inode *inode, uint64_t size)
{
    int error = nanofs_begin(inode->fs);

    if (error)
        return error;
    mutex_lock(&inode->map_lock);
    WRITE_ONCE(inode->vnode.size, size);
    if (!inode->dirty_count)
        inode->disk_size = size;
    WRITE_ONCE(inode->vnode.modified_ns, clock_wall_ns());
    nanofs_inode_changed(inode);
    mutex_unlock(&inode->map_lock);
    nanofs_end(inode->fs);
    return 0;
}

int nanofs_file_truncate(struct vnode *vnode, uint64_t size)
{
    struct nanofs_inode *inode = nanofs_inode(vnode);

    if (size > NANOFS_MAX_SIZE)
        return -EFBIG;
    if (size >= vnode->size)
        return file_extend(inode, size);
    return nanofs_file_cut(inode, size);
}
