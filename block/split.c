/*
 * Requests that the device cannot take as they are: cut into pieces that fit, copied through a
 * bounce buffer where the memory is not laid out as the device wants it, and read-modify-write
 * where a write covers part of a logical block.
 *
 * Above: block_submit(). Below: block_queue_add(). A split request and all of its pieces are one
 * allocation each; none is a -ENOMEM of the request, never a hang. Pieces are sent as fast as the
 * ring takes them; when the last has ended the request ends, with the first error.
 *
 * Writes of part of a logical block (512 B on a 4 KiB disk) need the rest of the block: such a
 * request goes to the "block-partial" task, one at a time per disk, which may sleep.
 */
#include "arch/mmu.h"
#include "block/queue.h"
#include "kernel/init.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"

/* One piece; segments follow. */
struct piece {
    struct block_request request;
    struct split *split;
    struct scatter_segment segments[];
};

struct split {
    struct block_request *parent;
    unsigned int pieces_left; /* atomic; one is the splitter's own */
    int error;                /* atomic; the first */
};

static uint32_t block_sectors(const struct block_device *device)
{
    return device->limits.logical_block_size / SECTOR_SIZE;
}

static bool covers_whole_blocks(const struct block_request *request)
{
    uint32_t sectors = block_sectors(request->device);

    return request->device_lba % sectors == 0 && request->sectors % sectors == 0;
}

/* Every inner edge lies on the boundary, if there is one. */
static bool respects_boundary(const struct block_request *request)
{
    uint32_t mask = request->device->limits.boundary_mask;

    for (size_t i = 0; mask && i < request->segment_count; i++) {
        const struct scatter_segment *segment = &request->segments[i];
        bool is_last = i + 1 == request->segment_count;
        if (i > 0 && (segment->paddr & mask))
            return false;
        if (!is_last && ((segment->paddr + segment->length) & mask))
            return false;
        if (segment->paddr & 3)
            return false; /* such devices want dwords */
    }
    return true;
}

bool block_fits(const struct block_request *request)
{
    const struct block_limits *limits = &request->device->limits;

    if (request->operation == BLOCK_FLUSH)
        return true;
    if (!covers_whole_blocks(request))
        return false;
    if (request->operation == BLOCK_DISCARD)
        return request->sectors <= limits->max_discard_sectors;
    if (request->sectors > limits->max_sectors || request->segment_count > limits->max_segments)
        return false;
    for (size_t i = 0; i < request->segment_count; i++)
        if (request->segments[i].length > limits->max_segment_bytes)
            return false;
    return respects_boundary(request);
}

/* ---- pieces -------------------------------------------------------------------------------- */

static void split_put(struct split *split)
{
    struct block_request *parent = split->parent;

    if (__atomic_sub_fetch(&split->pieces_left, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    int error = split->error;
    kfree(split);
    block_end_request(parent, error);
}

static void note_error(struct split *split, int error)
{
    int none = 0;

    if (error)
        __atomic_compare_exchange_n(&split->error, &none, error, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED);
}

static void piece_complete(struct block_request *request)
{
    struct piece *piece = container_of(request, struct piece, request);
    struct split *split = piece->split;

    note_error(split, request->error);
    kfree(piece);
    split_put(split);
}

/* A walk over the parent's scatter list. */
struct cursor {
    const struct block_request *parent;
    size_t segment;
    uint32_t offset; /* into the segment */
    uint64_t sector; /* done so far */
};

/* The next stretch of memory, at most @most bytes; moves on. */
static struct scatter_segment take(struct cursor *cursor, uint64_t most)
{
    const struct scatter_segment *segment = &cursor->parent->segments[cursor->segment];
    uint32_t length = (uint32_t)MIN((uint64_t)(segment->length - cursor->offset), most);
    struct scatter_segment stretch = { segment->paddr + cursor->offset, length };

    cursor->offset += length;
    if (cursor->offset == segment->length) {
        cursor->segment++;
        cursor->offset = 0;
    }
    return stretch;
}

/*
 * Fill @piece with as much as one request of the device holds, in whole logical blocks. A piece
 * that would end inside a block (segments run out) gives the part of the block back.
 */
static void fill_piece(struct piece *piece, struct cursor *cursor)
{
    const struct block_limits *limits = &cursor->parent->device->limits;
    uint64_t sectors = MIN(cursor->parent->sectors - cursor->sector, (uint64_t)limits->max_sectors);
    uint64_t wanted = ALIGN_DOWN(sectors * SECTOR_SIZE, limits->logical_block_size);
    uint64_t bytes = 0;
    size_t count = 0;
    struct cursor start = *cursor;

    while (bytes < wanted && count < limits->max_segments) {
        piece->segments[count] =
            take(cursor, MIN(wanted - bytes, (uint64_t)limits->max_segment_bytes));
        bytes += piece->segments[count++].length;
    }
    uint64_t whole = ALIGN_DOWN(bytes, limits->logical_block_size);
    if (whole < bytes) {
        *cursor = start;
        for (bytes = 0, count = 0; bytes < whole; count++) {
            piece->segments[count] =
                take(cursor, MIN(whole - bytes, (uint64_t)limits->max_segment_bytes));
            bytes += piece->segments[count].length;
        }
    }
    cursor->sector += bytes / SECTOR_SIZE;
    piece->request.segments = piece->segments;
    piece->request.segment_count = count;
    piece->request.sectors = bytes / SECTOR_SIZE;
}

static struct piece *new_piece(struct split *split, const struct cursor *cursor)
{
    const struct block_request *parent = split->parent;
    size_t segments = MIN((size_t)parent->device->limits.max_segments,
                          parent->segment_count - cursor->segment +
                              parent->device->limits.max_sectors * SECTOR_SIZE /
                                  parent->device->limits.max_segment_bytes +
                              1);
    struct piece *piece = kzalloc(sizeof(*piece) + segments * sizeof(piece->segments[0]));

    if (!piece)
        return NULL;
    piece->split = split;
    piece->request.device = parent->device;
    piece->request.operation = parent->operation;
    piece->request.flags = block_piece_flags(parent);
    piece->request.lba = parent->lba + cursor->sector;
    piece->request.device_lba = parent->device_lba + cursor->sector;
    piece->request.deadline_ns = parent->deadline_ns;
    piece->request.submitted_ns = parent->submitted_ns;
    piece->request.complete = piece_complete;
    return piece;
}

static int send_piece(struct split *split, struct cursor *cursor)
{
    struct block_request *parent = split->parent;
    struct piece *piece = new_piece(split, cursor);

    if (!piece)
        return -ENOMEM;
    if (parent->operation == BLOCK_DISCARD) {
        piece->request.sectors = MIN(parent->sectors - cursor->sector,
                                     (uint64_t)parent->device->limits.max_discard_sectors);
        cursor->sector += piece->request.sectors;
    } else {
        fill_piece(piece, cursor);
    }
    if (piece->request.sectors == 0) { /* one logical block in more segments than there may be */
        kfree(piece);
        return -EINVAL;
    }
    __atomic_add_fetch(&split->pieces_left, 1, __ATOMIC_RELAXED);
    block_queue_add(&piece->request);
    return 0;
}

static void send_pieces(struct block_request *request)
{
    struct split *split = kzalloc(sizeof(*split));
    struct cursor cursor = { .parent = request };

    if (!split) {
        block_end_request(request, -ENOMEM);
        return;
    }
    split->parent = request;
    split->pieces_left = 1;
    __atomic_add_fetch(&request->device->statistics.splits, 1, __ATOMIC_RELAXED);
    block_plug(request->device);
    while (cursor.sector < request->sectors) {
        int error = send_piece(split, &cursor);
        if (error) {
            note_error(split, error);
            break;
        }
    }
    block_unplug(request->device);
    split_put(split);
}

/* ---- bounce buffers and parts of blocks: in a task ----------------------------------------- */

#define BOUNCE_SECTORS 256 /* 128 KiB at a time */

static DEFINE_WAIT_QUEUE(partial_wait, "block partial");
static DEFINE_SPINLOCK(partial_queue_lock, "block_partial_queue", LOCK_RANK_BLOCK_QUEUE);
static struct list partial_queue __guarded_global(partial_queue_lock) = LIST_INIT(partial_queue);

/* Copy @bytes between @buffer and the request's memory at the cursor. */
static void copy_stretch(struct cursor *cursor, uint8_t *buffer, uint64_t bytes, bool to_memory)
{
    while (bytes > 0) {
        struct scatter_segment stretch = take(cursor, bytes);
        void *memory = phys_to_virt(stretch.paddr);
        if (to_memory)
            memcpy(memory, buffer, stretch.length);
        else
            memcpy(buffer, memory, stretch.length);
        buffer += stretch.length;
        bytes -= stretch.length;
    }
}

/* Whole logical blocks of the disk through the bounce buffer. */
static int transfer_blocks(const struct block_request *request, enum block_operation operation,
                           lba_t lba, uint64_t sectors, void *buffer)
{
    return block_transfer(request->device->whole, operation, lba, sectors, buffer,
                          operation == BLOCK_WRITE ? block_piece_flags(request) : 0);
}

/* One stretch of @request that lies within [@lba, @lba + @sectors) of the whole disk. */
static int bounce_stretch(struct cursor *cursor, uint8_t *bounce, lba_t lba, uint64_t sectors)
{
    const struct block_request *request = cursor->parent;
    lba_t position = request->device_lba + cursor->sector;
    uint64_t count = MIN(lba + sectors - position, request->sectors - cursor->sector);
    uint8_t *inside = bounce + (position - lba) * SECTOR_SIZE;
    bool is_partial = count < sectors;
    int error = 0;

    if (request->operation == BLOCK_READ || is_partial)
        error = transfer_blocks(request, BLOCK_READ, lba, sectors, bounce);
    if (!error)
        copy_stretch(cursor, inside, count * SECTOR_SIZE, request->operation == BLOCK_READ);
    if (!error && request->operation == BLOCK_WRITE)
        error = transfer_blocks(request, BLOCK_WRITE, lba, sectors, bounce);
    cursor->sector += count;
    return error;
}

static int bounce_request(const struct block_request *request)
{
    uint32_t block = block_sectors(request->device);
    uint32_t most =
        MAX(block, MIN_T(uint32_t, BOUNCE_SECTORS, request->device->limits.max_sectors));
    struct cursor cursor = { .parent = request };
    uint8_t *bounce = page_alloc(DIV_ROUND_UP(most * SECTOR_SIZE, PAGE_SIZE), 0, "block bounce");
    int error = 0;

    if (!bounce)
        return -ENOMEM;
    while (!error && cursor.sector < request->sectors) {
        lba_t position = request->device_lba + cursor.sector;
        lba_t lba = ALIGN_DOWN(position, block);
        uint64_t left = request->sectors - cursor.sector + (position - lba);
        uint64_t sectors = MIN(ALIGN_UP(left, block), (uint64_t)ALIGN_DOWN(most, block));
        error = bounce_stretch(&cursor, bounce, lba, sectors);
    }
    page_free(bounce);
    return error;
}

static struct block_request *next_partial(void)
{
    irqflags_t flags = spin_lock_irqsave(&partial_queue_lock);
    struct list_node *node = list_pop_front(&partial_queue);

    spin_unlock_irqrestore(&partial_queue_lock, flags);
    return node ? container_of(node, struct block_request, node) : NULL;
}

static int partial_task(void *arg __maybe_unused)
{
    struct block_request *request = NULL;

    while (wait_event_uncancellable(&partial_wait, (request = next_partial()) != NULL,
                                    DEADLINE_NEVER) == 0) {
        __atomic_add_fetch(&request->device->statistics.bounces, 1, __ATOMIC_RELAXED);
        block_end_request(request, bounce_request(request));
    }
    return 0;
}

static int __init block_partial_init(void)
{
    return task_create("block-partial", partial_task, NULL, NULL);
}
INIT_HOOK(block_partial_init, INIT_BUS);

void block_split(struct block_request *request)
{
    bool is_transfer = request->operation == BLOCK_READ || request->operation == BLOCK_WRITE;

    if (is_transfer && (!covers_whole_blocks(request) || !respects_boundary(request))) {
        irqflags_t flags = spin_lock_irqsave(&partial_queue_lock);
        list_push_back(&partial_queue, &request->node);
        spin_unlock_irqrestore(&partial_queue_lock, flags);
        wake_one(&partial_wait);
    } else if (!covers_whole_blocks(request)) {
        block_end_request(request, -EINVAL); /* part of a block cannot be discarded */
    } else {
        send_pieces(request);
    }
}
