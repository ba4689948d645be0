/*
 * Many blocks to write, gathered into few requests: what a commit uses. Allocated at mount, so that
 * committing needs no memory.
 */
#pragma once

#include "fs/nanofs/nanofs.h"

#define NANOFS_BATCH_REQUESTS 16u

struct nanofs_batch;

struct nanofs_batch_request {
    struct nanofs_io io;
    struct nanofs_batch *batch; /* const */
    atomic_bool is_busy;
    void *pages[NANOFS_IO_MAX_BLOCKS];
};

struct nanofs_batch {
    struct nanofs_device *device; /* const */
    struct nanofs_batch_request *current;
    struct wait_queue idle;
    struct wait_group group;
    struct nanofs_batch_request requests[NANOFS_BATCH_REQUESTS];

    /* Room for one commit. */
    struct nanofs_buffer **buffers;
    uint32_t capacity; /* images a slot can hold */
    uint32_t descriptor_count;
    void *commit_page; /* zeros but for what the commit before wrote, as the descriptors are */
    void *descriptors[];
};

struct nanofs_batch *nanofs_batch_create(struct nanofs *fs);
/** nanofs_batch_destroy() - waits for all, too. */
void nanofs_batch_destroy(struct nanofs_batch *batch);
/** nanofs_batch_write() - @page to @block; neighbours added in a row share a request. */
void nanofs_batch_write(struct nanofs_batch *batch, uint64_t block, void *page);
/** nanofs_batch_submit() - nothing more will be added; does not wait. */
void nanofs_batch_submit(struct nanofs_batch *batch);
/** nanofs_batch_finish() - wait for all. 0 or the first error. */
int __must_check nanofs_batch_finish(struct nanofs_batch *batch);
