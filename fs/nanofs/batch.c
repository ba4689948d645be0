/*
 * Gathering blocks into requests. One user at a time: commit_lock.
 */
#include "fs/nanofs/batch.h"

#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

/* Images and the descriptors for them fit in a slot, behind its commit block. */
static uint32_t slot_capacity(uint64_t slot_blocks, uint32_t *descriptors)
{
    uint64_t room = slot_blocks - 1;

    *descriptors = (uint32_t)DIV_ROUND_UP(room, NANOFS_IMAGES_PER_DESCRIPTOR + 1);
    return (uint32_t)(room - *descriptors);
}

static void *zero_page(void)
{
    void *page = nanofs_page_alloc(NULL);

    if (page)
        memset(page, 0, NANOFS_BLOCK_SIZE);
    return page;
}

struct nanofs_batch *nanofs_batch_create(struct nanofs *fs)
{
    uint32_t descriptors;
    uint32_t capacity = slot_capacity(fs->super.slot_blocks, &descriptors);
    struct nanofs_batch *batch = kzalloc(sizeof(*batch) + descriptors * sizeof(void *));
    bool is_whole;

    if (!batch)
        return NULL;
    batch->device = fs->device;
    batch->capacity = capacity;
    batch->descriptor_count = descriptors;
    wait_queue_init(&batch->idle, "nanofs_batch");
    batch->buffers = kcalloc(capacity, sizeof(batch->buffers[0]));
    batch->commit_page = zero_page();
    is_whole = batch->buffers && batch->commit_page;
    for (uint32_t i = 0; i < descriptors; i++) {
        batch->descriptors[i] = zero_page();
        is_whole = is_whole && batch->descriptors[i];
    }
    for (unsigned int i = 0; i < NANOFS_BATCH_REQUESTS; i++)
        batch->requests[i].batch = batch;
    wait_group_init(&batch->group, "nanofs_batch");
    if (is_whole)
        return batch;
    nanofs_batch_destroy(batch);
    return NULL;
}

void nanofs_batch_destroy(struct nanofs_batch *batch)
{
    if (!batch)
        return;
    if (nanofs_batch_finish(batch)) /* what a failed mount left under way */
        log_warning("nanofs", "%s: metadata is in the journal only", batch->device->name);
    for (uint32_t i = 0; i < batch->descriptor_count; i++)
        nanofs_page_free(batch->descriptors[i]);
    nanofs_page_free(batch->commit_page);
    kfree(batch->buffers);
    kfree(batch);
}

static void batch_io_done(struct nanofs_io *io, int error)
{
    struct nanofs_batch_request *request = container_of(io, struct nanofs_batch_request, io);
    struct nanofs_batch *batch = request->batch;

    atomic_store_release(&request->is_busy, false); /* pairs with the acquire in idle_request() */
    wake_all(&batch->idle);
    wait_group_done(&batch->group, error);
}

static struct nanofs_batch_request *idle_request(struct nanofs_batch *batch)
{
    for (unsigned int i = 0; i < NANOFS_BATCH_REQUESTS; i++) {
        if (!atomic_load_acquire(&batch->requests[i].is_busy))
            return &batch->requests[i];
    }
    return NULL;
}

void nanofs_batch_submit(struct nanofs_batch *batch)
{
    struct nanofs_batch_request *request = batch->current;

    batch->current = NULL;
    if (!request)
        return;
    atomic_store_relaxed(&request->is_busy, true);
    wait_group_add(&batch->group, 1);
    batch->device->ops->submit(batch->device, &request->io);
}

void nanofs_batch_write(struct nanofs_batch *batch, uint64_t block, void *page)
{
    struct nanofs_batch_request *request = batch->current;

    if (!request || request->io.block + request->io.count != block ||
        request->io.count == NANOFS_IO_MAX_BLOCKS) {
        nanofs_batch_submit(batch);
        (void)wait_event_uncancellable(&batch->idle, idle_request(batch) != NULL, DEADLINE_NEVER);
        request = idle_request(batch);
        batch->current = request;
        request->io = (struct nanofs_io){
            .block = block, .is_write = true, .pages = request->pages, .complete = batch_io_done
        };
    }
    request->pages[request->io.count++] = page;
}

int nanofs_batch_finish(struct nanofs_batch *batch)
{
    int error;

    nanofs_batch_submit(batch);
    error = wait_group_wait(&batch->group, DEADLINE_NEVER, WAIT_UNCANCELLABLE);
    wait_group_init(&batch->group, "nanofs_batch");
    return error;
}
