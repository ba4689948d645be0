/*
 * Writing dirty pages: blocks are chosen here, not when the data was written, so that what lies
 * together in a file lies together on the disk, and small files written one after the other share
 * a request. Data goes to free blocks only; the blocks it replaces are freed in the same
 * transaction.
 *
 * A page in writeback is left alone until its request is reaped: completions only count down, in
 * interrupt context; the states change here, in tasks.
 */
#include "fs/nanofs/nanofs.h"
#include "kernel/log.h"
#include "lib/crc32.h"
#include "lib/errno.h"
#include "mm/kmalloc.h"

#define PIECES_PER_HANDLE 4 /* each may touch a path of the map, bitmap, checksums, group table */
#define IN_FLIGHT_PAGES   2048

/* One request. It holds a reference on the inode of each of its pages. */
struct writeback {
    struct nanofs_io io;
    struct wait_group done;
    struct list_node node; /* fs->writebacks, once submitted */
    void *data[NANOFS_IO_MAX_BLOCKS];
    struct nanofs_page *pages[NANOFS_IO_MAX_BLOCKS];
};

/* What is being gathered. */
struct plug {
    struct nanofs *fs;
    struct writeback *open;
    struct writeback *spare;
};

static void writeback_done(struct nanofs_io *io, int error)
{
    wait_group_done(&container_of(io, struct writeback, io)->done, error);
}

static void plug_submit(struct plug *plug)
{
    struct writeback *writeback = plug->open;
    struct nanofs *fs = plug->fs;

    plug->open = NULL;
    if (!writeback)
        return;
    mutex_lock(&fs->list_lock);
    list_push_back(&fs->writebacks, &writeback->node);
    mutex_unlock(&fs->list_lock);
    fs->device->ops->submit(fs->device, &writeback->io);
}

static int plug_prepare(struct plug *plug)
{
    if (!plug->spare)
        plug->spare = kmalloc(sizeof(*plug->spare));
    return plug->spare ? 0 : -ENOMEM;
}

/* Room for a run that goes to @block. A successful plug_prepare() comes before. */
static struct writeback *plug_room(struct plug *plug, uint64_t block, uint32_t count)
{
    struct writeback *writeback = plug->open;

    if (writeback && writeback->io.count + count <= NANOFS_IO_MAX_BLOCKS &&
        writeback->io.block + writeback->io.count == block)
        return writeback;
    plug_submit(plug);
    writeback = plug->spare;
    plug->spare = NULL;
    writeback->io = (struct nanofs_io){
        .block = block, .is_write = true, .pages = writeback->data, .complete = writeback_done
    };
    wait_group_init(&writeback->done, "nanofs_writeback");
    wait_group_add(&writeback->done, 1);
    list_node_init(&writeback->node);
    plug->open = writeback;
    return writeback;
}

static void plug_close(struct plug *plug)
{
    plug_submit(plug);
    kfree(plug->spare);
}

static void plug_add(struct writeback *writeback, struct nanofs_page *page)
{
    writeback->data[writeback->io.count] = page->data;
    writeback->pages[writeback->io.count++] = page;
    vnode_get(&page->inode->vnode);
    nanofs_page_set_state(page, NANOFS_PAGE_WRITEBACK);
}

/* ---- completion ----------------------------------------------------------------------------- */

static void page_written(struct nanofs_page *page, bool is_failed)
{
    struct nanofs_inode *inode = page->inode;
    struct nanofs *fs = inode->fs;

    mutex_lock(&inode->map_lock);
    if (is_failed) {
        nanofs_page_set_state(page, NANOFS_PAGE_DIRTY);
        /* Promised again even where the disk is full: the block it failed on becomes free. */
        if (nanofs_reserve_pages(inode, inode->dirty_count, true))
            log_warning("nanofs", "%s: no block left to write elsewhere", fs->device->name);
        mutex_lock(&fs->list_lock);
        if (!list_node_is_linked(&inode->data_node)) {
            vnode_get(&inode->vnode);
            list_push_back(&fs->dirty_files, &inode->data_node);
        }
        mutex_unlock(&fs->list_lock);
    } else {
        nanofs_page_set_state(page, NANOFS_PAGE_CLEAN);
    }
    mutex_unlock(&inode->map_lock);
    wake_all(&fs->writeback_wait);
    vnode_put(&inode->vnode);
}

static void writeback_finish(struct nanofs *fs, struct writeback *writeback)
{
    int error = wait_group_wait(&writeback->done, DEADLINE_NEVER, WAIT_UNCANCELLABLE);
    char name[128];

    if (error)
        log_error("nanofs", "%s: %s: writing blocks %llu to %llu: %s", fs->device->name,
                  nanofs_inode_name(writeback->pages[0]->inode, name, sizeof(name)),
                  (unsigned long long)writeback->io.block,
                  (unsigned long long)writeback->io.block + writeback->io.count - 1,
                  errno_text(error));
    for (uint32_t i = 0; i < writeback->io.count; i++)
        page_written(writeback->pages[i], error != 0);
    kfree(writeback);
}

static bool concerns(const struct writeback *writeback, const struct nanofs_inode *inode)
{
    for (uint32_t i = 0; inode && i < writeback->io.count; i++) {
        if (writeback->pages[i]->inode == inode)
            return true;
    }
    return !inode;
}

/* The oldest request (of @inode), taken off the list. */
static struct writeback *take_oldest(struct nanofs *fs, const struct nanofs_inode *inode)
{
    struct writeback *writeback;

    mutex_lock(&fs->list_lock);
    list_for_each_entry(writeback, &fs->writebacks, node) {
        if (concerns(writeback, inode)) {
            list_remove(&writeback->node);
            mutex_unlock(&fs->list_lock);
            return writeback;
        }
    }
    mutex_unlock(&fs->list_lock);
    return NULL;
}

void nanofs_writeback_reap(struct nanofs *fs, struct nanofs_inode *inode)
{
    struct writeback *writeback;

    while ((writeback = take_oldest(fs, inode)))
        writeback_finish(fs, writeback);
    if (inode) /* others may be at it */
        (void)wait_event_uncancellable(&fs->writeback_wait, !READ_ONCE(inode->writeback_count),
                                       DEADLINE_NEVER);
}

/* Before more is started. */
static void bound_in_flight(struct nanofs *fs)
{
    while (atomic_load_relaxed(&fs->writeback_pages) > IN_FLIGHT_PAGES) {
        struct writeback *writeback = take_oldest(fs, NULL);

        if (!writeback)
            break;
        writeback_finish(fs, writeback);
    }
}

/* ---- one piece: pages in a row to blocks in a row ---------------------------------------------
 */

static struct nanofs_page *first_dirty(struct nanofs_inode *inode)
{
    struct rb_node *node = rb_first(&inode->dirty_pages);

    return node ? container_of(node, struct nanofs_page, dirty_node) : NULL;
}

static struct nanofs_page *next_dirty(struct nanofs_page *page)
{
    struct rb_node *node = rb_next(&page->dirty_node);
    struct nanofs_page *next = node ? container_of(node, struct nanofs_page, dirty_node) : NULL;

    return next && next->index == page->index + 1 ? next : NULL;
}

/* Pages to write now, in a row: at most a request, before @end. */
static uint32_t gather(struct nanofs_inode *inode, uint32_t end, struct nanofs_page **pages)
{
    struct nanofs_page *page = first_dirty(inode);
    uint32_t count = 0;

    while (page && count < NANOFS_IO_MAX_BLOCKS && page->index < end) {
        pages[count++] = page;
        page = next_dirty(page);
    }
    return count;
}

/* Behind the block of the page before. */
static uint64_t allocation_goal(struct nanofs_inode *inode, uint32_t index)
{
    uint64_t physical;
    uint32_t count;

    if (!index || nanofs_map_lookup(&inode->map, index - 1, 1, &physical, &count))
        return 0;
    return physical ? physical + 1 : 0;
}

/* Blocks for the pages with their checksums noted. Closes damaged groups and goes elsewhere. */
static int blocks_get(struct nanofs_inode *inode, struct nanofs_page **pages, uint32_t *count,
                      uint64_t *block)
{
    uint64_t goal = allocation_goal(inode, pages[0]->index);
    uint32_t crcs[NANOFS_IO_MAX_BLOCKS];
    uint32_t want = *count;
    int error;

    for (uint32_t i = 0; i < want; i++)
        crcs[i] = crc32(pages[i]->data, NANOFS_BLOCK_SIZE);
    do {
        error = nanofs_alloc(inode->fs, NANOFS_FOR_RESERVED, goal, want, block, count);
        if (error)
            return error;
        error = nanofs_checksums_set(inode->fs, *block, *count, crcs);
        if (error)
            nanofs_free(inode->fs, *block, *count);
    } while (error == -EIO);
    return error;
}

static int map_blocks(struct nanofs_inode *inode, uint32_t index, uint64_t block, uint32_t *count)
{
    uint32_t mapped = 0, done;
    int error = 0;

    while (mapped < *count && !error) {
        error = nanofs_map_set(&inode->map, NANOFS_FOR_RESERVED, index + mapped, block + mapped,
                               *count - mapped, &done);
        if (!error)
            mapped += done;
    }
    if (mapped < *count)
        nanofs_free(inode->fs, block + mapped, *count - mapped);
    *count = mapped;
    return mapped ? 0 : error;
}

/* What the disk may say about the size: all before the first page that is still dirty. */
static void update_disk_size(struct nanofs_inode *inode)
{
    struct nanofs_page *page = first_dirty(inode);
    uint64_t size = inode->vnode.size;

    if (page)
        size = MIN(size, (uint64_t)page->index << NANOFS_BLOCK_SHIFT);
    inode->disk_size = MAX(inode->disk_size, size);
}

/* Return: pages started, 0 when there are none, or -errno. */
static int write_piece(struct nanofs_inode *inode, struct plug *plug, uint32_t end)
{
    struct nanofs_page *pages[NANOFS_IO_MAX_BLOCKS];
    uint32_t count = gather(inode, end, pages);
    struct writeback *writeback;
    uint64_t block;
    int error;

    if (!count)
        return 0;
    error = plug_prepare(plug);
    if (!error)
        error = blocks_get(inode, pages, &count, &block);
    if (!error)
        error = map_blocks(inode, pages[0]->index, block, &count);
    if (error)
        return error;
    writeback = plug_room(plug, block, count);
    for (uint32_t i = 0; i < count; i++)
        plug_add(writeback, pages[i]);
    (void)nanofs_reserve_pages(inode, inode->dirty_count, true);
    return (int)count;
}

/* ---- files ---------------------------------------------------------------------------------- */

/* Return: 1 when there is more, 0, or -errno. */
static int write_some(struct nanofs_inode *inode, struct plug *plug,
                      enum nanofs_writeback_mode mode)
{
    uint32_t end = UINT32_MAX;
    int result = 1;

    mutex_lock(&inode->map_lock);
    if (mode == NANOFS_WRITEBACK_BEHIND)
        end = (uint32_t)(inode->vnode.size >> NANOFS_BLOCK_SHIFT);
    for (int i = 0; i < PIECES_PER_HANDLE && result > 0; i++)
        result = write_piece(inode, plug, end);
    update_disk_size(inode);
    nanofs_inode_changed(inode);
    if (mode == NANOFS_WRITEBACK_BEHIND) /* a commit may wait for it once the handle is closed */
        plug_submit(plug);
    mutex_unlock(&inode->map_lock);
    return result > 0 ? 1 : result;
}

static int handle_open(struct nanofs *fs, enum nanofs_writeback_mode mode)
{
    if (mode == NANOFS_WRITEBACK_BEHIND)
        return nanofs_begin(fs);
    if (mode == NANOFS_WRITEBACK_COMMIT)
        return nanofs_try_begin(fs);
    return atomic_load(&fs->dirty_count) + NANOFS_HANDLE_BLOCKS <= fs->freeze_limit ? 0 : -EAGAIN;
}

static int write_file(struct nanofs_inode *inode, struct plug *plug,
                      enum nanofs_writeback_mode mode)
{
    int result;

    do {
        bound_in_flight(inode->fs);
        result = handle_open(inode->fs, mode);
        if (result)
            return result;
        result = write_some(inode, plug, mode);
        if (mode != NANOFS_WRITEBACK_FREEZE)
            nanofs_end(inode->fs);
    } while (result > 0);
    return result;
}

int nanofs_writeback_file(struct nanofs_inode *inode, enum nanofs_writeback_mode mode)
{
    struct plug plug = { .fs = inode->fs };
    int error = write_file(inode, &plug, mode);

    plug_close(&plug);
    return error;
}

/* The next file with dirty pages, with the reference of the list. */
static struct nanofs_inode *next_dirty_file(struct nanofs *fs)
{
    struct nanofs_inode *inode;

    mutex_lock(&fs->list_lock);
    inode = list_entry(list_front(&fs->dirty_files), struct nanofs_inode, data_node);
    if (inode)
        list_remove(&inode->data_node);
    mutex_unlock(&fs->list_lock);
    return inode;
}

static void return_dirty_file(struct nanofs *fs, struct nanofs_inode *inode)
{
    bool is_listed;

    mutex_lock(&fs->list_lock);
    is_listed = list_node_is_linked(&inode->data_node);
    if (!is_listed)
        list_push_front(&fs->dirty_files, &inode->data_node);
    mutex_unlock(&fs->list_lock);
    if (is_listed)
        vnode_put(&inode->vnode);
}

int nanofs_writeback_all(struct nanofs *fs, enum nanofs_writeback_mode mode)
{
    struct plug plug = { .fs = fs };
    struct nanofs_inode *inode;
    size_t files;
    int error = 0;

    mutex_lock(&fs->list_lock);
    files = list_length(&fs->dirty_files); /* others may add more while this goes on */
    mutex_unlock(&fs->list_lock);
    while (!error && files-- && (inode = next_dirty_file(fs))) {
        error = write_file(inode, &plug, mode);
        if (error)
            return_dirty_file(fs, inode);
        else
            vnode_put(&inode->vnode);
    }
    plug_close(&plug);
    return error;
}
