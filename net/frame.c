/*
 * Frames and their buffers. See frame.h for who owns what.
 */
#include "net/frame.h"

#include "kernel/panic.h"
#include "lib/checksum.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define UDP_CHECKSUM_OFFSET 6 /* in its header, as no other protocol has it */

/* ---- buffers ---- */

/* A buffer of our own: the header and the bytes in one allocation. */
static void release_allocated(struct frame_buffer *buffer)
{
    kfree(buffer);
}

struct frame_buffer *frame_buffer_alloc(uint32_t size)
{
    struct frame_buffer *buffer = kmalloc(sizeof(*buffer) + size);

    if (buffer)
        frame_buffer_init(buffer, buffer + 1, size, release_allocated);
    return buffer;
}

void frame_buffer_init(struct frame_buffer *buffer, void *data, uint32_t size,
                       void (*release)(struct frame_buffer *buffer))
{
    atomic_store_relaxed(&buffer->references, 1);
    buffer->data = data;
    buffer->size = size;
    buffer->release = release;
}

void frame_buffer_put(struct frame_buffer *buffer)
{
    /* Release what this holder did to the bytes; acquire what the others did, before reuse. */
    if (atomic_fetch_sub(&buffer->references, 1) == 1)
        buffer->release(buffer);
}

/* ---- frames ---- */

struct frame *frame_alloc_empty(unsigned int segments)
{
    struct frame *frame;

    if (segments == 0 || segments > FRAME_SEGMENTS_MAX)
        return NULL;
    frame = kmalloc(sizeof(*frame) + segments * sizeof(frame->segments[0]));
    if (!frame)
        return NULL;
    memset(frame, 0, sizeof(*frame));
    list_node_init(&frame->node);
    frame->segment_capacity = (uint16_t)segments;
    return frame;
}

struct frame *frame_alloc(uint32_t headroom, uint32_t length, unsigned int segments)
{
    struct frame *frame = frame_alloc_empty(segments);
    struct frame_buffer *buffer;

    if (!frame)
        return NULL;
    buffer = frame_buffer_alloc(headroom + length);
    if (!buffer) {
        frame_free(frame);
        return NULL;
    }
    frame->segments[0] = (struct frame_segment){ buffer, buffer->data + headroom, length };
    frame->segment_count = 1;
    frame->length = length;
    return frame;
}

void frame_free(struct frame *frame)
{
    if (!frame)
        return;
    debug_assert(!list_node_is_linked(&frame->node));
    for (unsigned int i = 0; i < frame->segment_count; i++)
        frame_buffer_put(frame->segments[i].buffer);
    kfree(frame);
}

bool frame_add_segment(struct frame *frame, struct frame_buffer *buffer, uint8_t *data,
                       uint32_t length)
{
    if (frame->segment_count == frame->segment_capacity)
        return false;
    debug_assert(data >= buffer->data && data + length <= buffer->data + buffer->size);
    frame->segments[frame->segment_count++] = (struct frame_segment){ buffer, data, length };
    frame->length += length;
    return true;
}

/* Everything that describes the packet, and nothing that describes the object. */
static void copy_description(struct frame *to, const struct frame *from)
{
    to->netdev = from->netdev;
    to->csum_start = from->csum_start;
    to->csum_offset = from->csum_offset;
    to->gso_size = from->gso_size;
    to->gso_type = from->gso_type;
    to->flags = from->flags;
    to->queue = from->queue;
    to->network_offset = from->network_offset;
}

struct frame *frame_clone(const struct frame *frame)
{
    struct frame *clone = frame_alloc_empty(MAX_CONST(frame->segment_count, 1));

    if (!clone)
        return NULL;
    copy_description(clone, frame);
    clone->length = frame->length;
    clone->segment_count = frame->segment_count;
    for (unsigned int i = 0; i < frame->segment_count; i++) {
        clone->segments[i] = frame->segments[i];
        frame_buffer_get(clone->segments[i].buffer);
    }
    return clone;
}

struct frame *frame_copy(const struct frame *frame, uint32_t headroom)
{
    struct frame *copy = frame_alloc(headroom, frame->length, 1);

    if (!copy)
        return NULL;
    copy_description(copy, frame);
    frame_copy_out(frame, 0, frame_data(copy), frame->length);
    return copy;
}

static struct frame_segment *last_segment(const struct frame *frame)
{
    return (struct frame_segment *)&frame->segments[frame->segment_count - 1];
}

uint32_t frame_tailroom(const struct frame *frame)
{
    const struct frame_segment *last;

    if (frame->segment_count == 0)
        return 0;
    last = last_segment(frame);
    if (frame_buffer_is_shared(last->buffer))
        return 0;
    return (uint32_t)(last->buffer->data + last->buffer->size - (last->data + last->length));
}

uint8_t *frame_push(struct frame *frame, uint32_t length)
{
    struct frame_segment *first = &frame->segments[0];

    if (frame->segment_count == 0 || frame_headroom(frame) < length ||
        frame_buffer_is_shared(first->buffer))
        return NULL;
    first->data -= length;
    first->length += length;
    frame->length += length;
    frame->csum_start = (uint16_t)(frame->csum_start + length);
    return first->data;
}

uint8_t *frame_put(struct frame *frame, uint32_t length)
{
    struct frame_segment *last;
    uint8_t *end;

    if (frame_tailroom(frame) < length)
        return NULL;
    last = last_segment(frame);
    end = last->data + last->length;
    last->length += length;
    frame->length += length;
    return end;
}

static void drop_first_segment(struct frame *frame)
{
    frame_buffer_put(frame->segments[0].buffer);
    frame->segment_count--;
    memmove(&frame->segments[0], &frame->segments[1],
            frame->segment_count * sizeof(frame->segments[0]));
}

void frame_pull(struct frame *frame, uint32_t length)
{
    debug_assert(length <= frame->length);
    frame->length -= length;
    frame->csum_start = (uint16_t)(frame->csum_start - length);
    while (length >= frame->segments[0].length && frame->segment_count > 1) {
        length -= frame->segments[0].length;
        drop_first_segment(frame);
    }
    frame->segments[0].data += length;
    frame->segments[0].length -= length;
}

void frame_trim(struct frame *frame, uint32_t length)
{
    debug_assert(length <= frame->length);
    while (frame->segment_count > 1 && frame->length - last_segment(frame)->length >= length) {
        frame->length -= last_segment(frame)->length;
        frame_buffer_put(last_segment(frame)->buffer);
        frame->segment_count--;
    }
    last_segment(frame)->length -= frame->length - length;
    frame->length = length;
}

uint8_t *frame_header(struct frame *frame, uint32_t length)
{
    struct frame_buffer *buffer;
    uint32_t whole = 0;

    if (frame->length < length || frame->segment_count == 0)
        return NULL;
    if (frame->segments[0].length >= length)
        return frame->segments[0].data;

    /* Gather whole segments into a new first one, so that no more segments are needed than now. */
    for (unsigned int i = 0; whole < length; i++)
        whole += frame->segments[i].length;
    buffer = frame_buffer_alloc(FRAME_HEADROOM + whole);
    if (!buffer)
        return NULL;
    frame_copy_out(frame, 0, buffer->data + FRAME_HEADROOM, whole);
    for (uint32_t rest = whole - frame->segments[0].length; rest > 0;) {
        drop_first_segment(frame);
        rest -= frame->segments[0].length;
    }
    frame_buffer_put(frame->segments[0].buffer);
    frame->segments[0] = (struct frame_segment){ buffer, buffer->data + FRAME_HEADROOM, whole };
    return frame->segments[0].data;
}

void frame_copy_out(const struct frame *frame, uint32_t offset, void *to, uint32_t length)
{
    uint8_t *out = to;

    debug_assert(offset <= frame->length && length <= frame->length - offset);
    for (unsigned int i = 0; length > 0; i++) {
        const struct frame_segment *segment = &frame->segments[i];
        uint32_t part;

        if (offset >= segment->length) {
            offset -= segment->length;
            continue;
        }
        part = MIN(segment->length - offset, length);
        memcpy(out, segment->data + offset, part);
        out += part;
        length -= part;
        offset = 0;
    }
}

uint32_t frame_checksum(const struct frame *frame, uint32_t offset, uint32_t length, uint32_t sum)
{
    uint32_t done = 0;

    debug_assert(offset <= frame->length && length <= frame->length - offset);
    for (unsigned int i = 0; done < length; i++) {
        const struct frame_segment *segment = &frame->segments[i];
        uint32_t part;

        if (offset >= segment->length) {
            offset -= segment->length;
            continue;
        }
        part = MIN(segment->length - offset, length - done);
        sum = checksum_combine(sum, checksum_partial(segment->data + offset, part, 0), done);
        done += part;
        offset = 0;
    }
    return sum;
}

uint32_t frame_truesize(const struct frame *frame)
{
    uint32_t size = sizeof(*frame) + frame->segment_capacity * sizeof(frame->segments[0]);

    for (unsigned int i = 0; i < frame->segment_count; i++)
        size += frame->segments[i].buffer->size;
    return size;
}

int frame_complete_checksum(struct frame *frame)
{
    uint32_t field = (uint32_t)frame->csum_start + frame->csum_offset;
    uint16_t value;
    uint8_t *header;

    if (!(frame->flags & FRAME_CSUM_PARTIAL))
        return 0;
    header = frame_header(frame, field + sizeof(value));
    if (!header)
        return -EINVAL;
    /* The field itself holds the pseudo header's sum and is part of what is added up. */
    value = checksum_fold(
        frame_checksum(frame, frame->csum_start, frame->length - frame->csum_start, 0));
    if (value == 0 && frame->csum_offset == UDP_CHECKSUM_OFFSET)
        value = 0xFFFF; /* the same sum, but 0 would say "no checksum" (RFC 768) */
    memcpy(header + field, &value, sizeof(value));
    frame->flags &= (uint8_t)~FRAME_CSUM_PARTIAL;
    return 0;
}

/* ---- queues ---- */

void frame_queue_init(struct frame_queue *queue)
{
    list_init(&queue->frames);
    queue->count = 0;
    queue->bytes = 0;
}

void frame_queue_push(struct frame_queue *queue, struct frame *frame)
{
    list_push_back(&queue->frames, &frame->node);
    queue->count++;
    queue->bytes += frame->length;
}

void frame_queue_push_front(struct frame_queue *queue, struct frame *frame)
{
    list_push_front(&queue->frames, &frame->node);
    queue->count++;
    queue->bytes += frame->length;
}

struct frame *frame_queue_pop(struct frame_queue *queue)
{
    struct frame *frame = list_entry(list_pop_front(&queue->frames), struct frame, node);

    if (frame) {
        queue->count--;
        queue->bytes -= frame->length;
    }
    return frame;
}

void frame_queue_move(struct frame_queue *to, struct frame_queue *from)
{
    if (from->count == 0)
        return;
    list_splice(&to->frames, &from->frames);
    to->count += from->count;
    to->bytes += from->bytes;
    from->count = 0;
    from->bytes = 0;
}

void frame_queue_purge(struct frame_queue *queue)
{
    struct frame *frame;

    while ((frame = frame_queue_pop(queue)) != NULL)
        frame_free(frame);
}
