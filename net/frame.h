/*
 * Frames: packets on their way up or down.
 *
 * Two objects, so that bytes are shared while descriptors are not:
 *
 *   struct frame_buffer   memory, reference counted. The last put calls its release function: a
 *                         driver's receive buffer goes back to its ring this way, with no copy.
 *   struct frame          a packet: a list of segments, each a stretch of a counted buffer, and
 *                         what the layers know about it. A frame has exactly one owner at a time:
 *                         handing it to a function that says so hands over the frame.
 *
 * TCP retransmits by making a new frame over the same buffers; mergeable receive buffers and TSO
 * are frames of several segments. Headers go in front of the first segment (frame_push) while
 * there is headroom.
 *
 * Buffer memory lies in the direct map and is physically contiguous within one segment, so that a
 * driver takes direct_map_to_phys(segment->data) without further checks.
 *
 * Context of everything here: any, interrupts may be off; nothing sleeps, nothing takes a lock but
 * those of the heap.
 */
#pragma once

#include "lib/atomic.h"
#include "lib/compiler.h"
#include "lib/list.h"

struct netdev;

struct frame_buffer {
    atomic_uint references;
    uint32_t size; /* bytes at data; const */
    uint8_t *data; /* const */
    /* The last reference is gone. Any context, any CPU. The buffer is the function's again. */
    void (*release)(struct frame_buffer *buffer);
};

struct frame_segment {
    struct frame_buffer *buffer; /* one reference held */
    uint8_t *data;               /* within buffer */
    uint32_t length;             /* never 0, but in a frame whose length is 0 */
};

enum frame_flags {
    FRAME_CSUM_VERIFIED = 1u << 0, /* received: the device checked the transport checksum */
    FRAME_CSUM_PARTIAL = 1u << 1,  /* csum_start and csum_offset are valid: the field holds the
                                      pseudo header's sum, whoever puts it on a wire adds the rest */
    FRAME_BROADCAST = 1u << 2,     /* received by link-layer broadcast or multicast */
    FRAME_MORE = 1u << 3, /* transmit: others follow at once, the device need not be told */
};

enum frame_gso {
    FRAME_GSO_NONE,
    FRAME_GSO_TCPV4,
    FRAME_GSO_TCPV6
};

/* Room that everyone who sends leaves: virtio-net header, Ethernet, IPv4 with options, TCP too. */
#define FRAME_HEADROOM 128

/* Most segments in one frame: 64 KiB in pages, plus headers and a page crossed at both ends. */
#define FRAME_SEGMENTS_MAX 20

struct frame {
    struct list_node node; /* for whoever owns the frame */
    struct netdev *netdev; /* received on, or to be sent by */
    uint32_t length;       /* sum over the segments */
    uint16_t csum_start;   /* from the frame's first byte; frame_push() and frame_pull() keep it */
    uint16_t csum_offset;  /* of the 16-bit field, from csum_start */
    uint16_t gso_size;     /* payload bytes per packet on the wire */
    uint8_t gso_type;      /* enum frame_gso */
    uint8_t flags;         /* enum frame_flags */
    uint16_t queue;        /* receive: device queue; transmit: queue to use */
    uint16_t segment_count;
    uint16_t segment_capacity; /* const */
    uint16_t network_offset;   /* receive: length of the link header that was pulled off */
    uint64_t control[3];       /* scratch of the owning layer */
    struct frame_segment segments[];
};

/* ---- buffers ---- */

/** frame_buffer_alloc() - memory of our own, one reference; NULL when there is none. */
struct frame_buffer *frame_buffer_alloc(uint32_t size);

/** frame_buffer_init() - make a driver's memory a buffer with one reference. */
void frame_buffer_init(struct frame_buffer *buffer, void *data, uint32_t size,
                       void (*release)(struct frame_buffer *buffer));

static inline struct frame_buffer *frame_buffer_get(struct frame_buffer *buffer)
{
    atomic_fetch_add_relaxed(&buffer->references, 1);
    return buffer;
}

void frame_buffer_put(struct frame_buffer *buffer);

static inline bool frame_buffer_is_shared(const struct frame_buffer *buffer)
{
    return atomic_load_acquire(&buffer->references) > 1;
}

/* ---- frames ---- */

/**
 * frame_alloc() - a frame of one new segment: @headroom bytes free, then @length bytes (not
 * cleared), room for @segments segments in all (at least 1). NULL when out of memory.
 */
struct frame *frame_alloc(uint32_t headroom, uint32_t length, unsigned int segments);

/** frame_alloc_empty() - no segments yet, room for @segments; frame_add_segment() fills it. */
struct frame *frame_alloc_empty(unsigned int segments);

/** frame_free() - puts its buffers. NULL is ignored. */
void frame_free(struct frame *frame);

/**
 * frame_add_segment() - append a stretch of @buffer
 * The caller's reference to @buffer goes to the frame. Return: false when all segments are used
 * (the reference stays with the caller).
 */
bool __must_check frame_add_segment(struct frame *frame, struct frame_buffer *buffer, uint8_t *data,
                                    uint32_t length);

/** frame_clone() - a second frame over the same bytes, which neither may then change. */
struct frame *frame_clone(const struct frame *frame);

/** frame_copy() - a second frame with bytes of its own, in one segment, with @headroom. */
struct frame *frame_copy(const struct frame *frame, uint32_t headroom);

static inline uint8_t *frame_data(const struct frame *frame)
{
    return frame->segments[0].data;
}

static inline uint32_t frame_headroom(const struct frame *frame)
{
    return (uint32_t)(frame->segments[0].data - frame->segments[0].buffer->data);
}

/** frame_tailroom() - bytes that frame_put() can append in place. */
uint32_t frame_tailroom(const struct frame *frame);

/** frame_push() - @length more bytes in front; NULL when the headroom is less or shared. */
uint8_t *frame_push(struct frame *frame, uint32_t length);

/** frame_put() - @length more bytes at the end of the last segment; NULL without room. */
uint8_t *frame_put(struct frame *frame, uint32_t length);

/** frame_pull() - drop @length bytes (at most frame->length) from the front. */
void frame_pull(struct frame *frame, uint32_t length);

/** frame_trim() - cut the end off, so that @length bytes (at most frame->length) remain. */
void frame_trim(struct frame *frame, uint32_t length);

/**
 * frame_header() - the first @length bytes in one piece, for parsing
 * Rearranges the frame where they are not. Return: NULL when it is shorter, or out of memory.
 */
uint8_t *frame_header(struct frame *frame, uint32_t length);

/** frame_copy_out() - copy @length bytes from @offset on; they must be there. */
void frame_copy_out(const struct frame *frame, uint32_t offset, void *to, uint32_t length);

/** frame_checksum() - lib/checksum.h sum of @length bytes from @offset on, added to @sum. */
uint32_t frame_checksum(const struct frame *frame, uint32_t offset, uint32_t length, uint32_t sum);

/** frame_truesize() - memory that the frame pins: its buffers and itself. */
uint32_t frame_truesize(const struct frame *frame);

/**
 * frame_complete_checksum() - do in software what FRAME_CSUM_PARTIAL asks of the device
 * Return: 0; -EINVAL when the offsets lie outside the frame (a received frame may claim anything).
 */
int __must_check frame_complete_checksum(struct frame *frame);

/* ---- queues of frames; the caller locks ---- */

struct frame_queue {
    struct list frames;
    unsigned int count;
    uint32_t bytes; /* sum of lengths at the time of queueing */
};

void frame_queue_init(struct frame_queue *queue);
void frame_queue_push(struct frame_queue *queue, struct frame *frame);
void frame_queue_push_front(struct frame_queue *queue, struct frame *frame);
/** frame_queue_pop() - the oldest, NULL when empty. */
struct frame *frame_queue_pop(struct frame_queue *queue);
/** frame_queue_move() - all of @from to the end of @to. */
void frame_queue_move(struct frame_queue *to, struct frame_queue *from);
/** frame_queue_purge() - free all. */
void frame_queue_purge(struct frame_queue *queue);

static inline bool frame_queue_is_empty(const struct frame_queue *queue)
{
    return queue->count == 0;
}
