/*
 * virtio-net, receiving (VIRTIO 1.2, 5.1.6.3 and 5.1.6.4).
 *
 * Buffers are pages; a frame's data stays in the pages that the device wrote, from here to the
 * reader, and they are freed with the last reference. Small frames are copied instead, so that 60
 * bytes do not pin a page, and the buffer goes straight back to the ring.
 *
 * A device that delivers frames of 64 KiB gets buffers of four pages: each buffer is work for us
 * and more for the device, and 5 of them take what 17 single pages would. There any frame of an
 * ordinary Ethernet is small. A buffer says its size itself: where four pages in a row are not to
 * be had, the ring holds single ones too.
 */
#include "arch/mmu.h"
#include "drivers/net/virtio_net.h"
#include "lib/string.h"
#include "mm/page.h"

#define QUEUE_PAGES     128 /* in the ring: 512 KiB */
#define QUEUE_PAGES_MAX 256 /* with large buffers, while all rings are a small part of memory: */
#define MEMORY_PART     64
#define LARGE_PAGES     4
#define COPY_MAX        256
#define LARGE_COPY_MAX  1536 /* 1500 bytes with their headers; the copy is one of 2 KiB */
#define REFILL_RETRY_NS (10 * NS_PER_MS)

/* Pages that begin with the counted buffer over the rest, which the device fills. */
struct rx_buffer {
    struct frame_buffer base;
    uint8_t data[] __aligned(64);
};

static uint32_t data_size(unsigned int pages)
{
    return (uint32_t)(pages * PAGE_SIZE - offsetof(struct rx_buffer, data));
}

static void release_buffer(struct frame_buffer *base)
{
    page_free(container_of(base, struct rx_buffer, base));
}

static int post(struct net_pair *pair, struct rx_buffer *buffer)
{
    struct scatter_segment segments[2] = { { direct_map_to_phys(buffer->data),
                                             buffer->base.size } };
    size_t count = 1;

    if (!pair->net->has_any_layout) { /* 5.1.6.3.1: the header has a buffer of its own */
        unsigned int header = pair->net->header_size;
        segments[0].length = header;
        segments[1].paddr = segments[0].paddr + header;
        segments[1].length = buffer->base.size - header;
        count = 2;
    }
    return virtq_add(pair->rx.vq, NULL, 0, segments, count, buffer);
}

static struct rx_buffer *new_buffer(unsigned int count)
{
    struct rx_buffer *buffer = page_alloc(count, 0, "virtio_net rx");

    if (buffer)
        frame_buffer_init(&buffer->base, buffer->data, data_size(count), release_buffer);
    return buffer;
}

/* Top the ring up. Return: false when out of memory. */
static bool refill(struct net_pair *pair)
{
    struct virtq *vq = pair->rx.vq;
    unsigned int per_buffer = pair->net->has_any_layout ? 1 : 2;
    unsigned int pages = pair->rx.buffer_pages;
    bool has_memory = true;

    while (has_memory && (vq->size - virtq_free_descriptors(vq)) / per_buffer < pair->rx.fill) {
        struct rx_buffer *buffer = new_buffer(pages);
        if (!buffer && pages > 1) { /* memory is in pieces: no more tries in vain this time */
            pages = 1;
            buffer = new_buffer(pages);
        }
        has_memory = buffer != NULL;
        if (buffer && post(pair, buffer) != 0) {
            page_free(buffer);
            break;
        }
    }
    virtq_kick(vq);
    return has_memory;
}

/* Out of memory with frames still to come: try again from the poll, in a while. */
static void refill_later(struct timer *timer)
{
    struct net_pair *pair = container_of(timer, struct net_pair, rx.refill_timer);

    netdev_poll_schedule_isr(&pair->net->netdev, pair->index);
}

/*
 * Sixteen frames of 64 KiB in the ring let the device's thread and a CPU work at the same time;
 * with eight one waits for the other more often: 1,720 and 1,820 MB/s by one connection, 1,760 and
 * 2,180 by eight.
 */
static unsigned int large_queue_pages(const struct virtio_net *net)
{
    struct page_statistics memory;

    page_statistics(&memory);
    return (unsigned int)CLAMP(memory.total_pages / MEMORY_PART / net->pair_count,
                               (size_t)QUEUE_PAGES, (size_t)QUEUE_PAGES_MAX);
}

void net_rx_init(struct net_pair *pair, struct virtq *vq)
{
    const struct virtio_net *net = pair->net;
    bool is_large = net->has_mergeable && net->has_any_layout && net->netdev.features & NETDEV_LRO4;
    unsigned int pages = is_large ? large_queue_pages(net) : QUEUE_PAGES;

    pair->rx.vq = vq;
    pair->rx.buffer_pages = is_large ? LARGE_PAGES : 1;
    pair->rx.copy_max = is_large ? LARGE_COPY_MAX : COPY_MAX;
    pair->rx.fill = MIN_T(unsigned int, vq->size / (net->has_any_layout ? 1 : 2),
                          pages / pair->rx.buffer_pages);
    timer_init(&pair->rx.refill_timer, "virtio_net refill", refill_later);
}

void net_rx_start(struct net_pair *pair)
{
    netdev_poll_schedule_isr(&pair->net->netdev, pair->index); /* the ring is the poll's alone */
}

unsigned int net_rx_frame_max(const struct virtio_net *net)
{
    return data_size(1) - net->header_size;
}

void net_rx_isr(struct virtq *vq)
{
    struct net_pair *pair = vq->context;

    virtq_disable_interrupts(vq);
    netdev_poll_schedule_isr(&pair->net->netdev, pair->index);
}

/* Hand the buffer over to the frame, or copy a little and post the buffer again. */
static struct frame *first_segment(struct net_pair *pair, struct rx_buffer *buffer, uint32_t length,
                                   unsigned int buffers)
{
    unsigned int header = pair->net->header_size;
    struct frame *frame;

    if (buffers == 1 && length - header <= pair->rx.copy_max) {
        frame = frame_alloc(FRAME_HEADROOM, length - header, 1);
        if (frame)
            memcpy(frame_data(frame), buffer->data + header, length - header);
        if (post(pair, buffer) != 0)
            page_free(buffer);
        return frame;
    }
    frame = frame_alloc_empty(buffers);
    if (!frame ||
        !frame_add_segment(frame, &buffer->base, buffer->data + header, length - header)) {
        frame_free(frame);
        page_free(buffer);
        return NULL;
    }
    return frame;
}

/*
 * The rest of a frame in mergeable buffers. All of them are in the used ring once the first is
 * (5.1.6.4.1). Return: false when the device did not keep to that, or a buffer is empty.
 */
static bool take_rest(struct net_pair *pair, struct frame *frame, unsigned int count)
{
    bool is_good = true;

    while (count-- > 0) {
        uint32_t length;
        struct rx_buffer *buffer = virtq_pop(pair->rx.vq, &length);
        if (!buffer)
            return false;
        if (length == 0 || !frame ||
            !frame_add_segment(frame, &buffer->base, buffer->data, length)) {
            page_free(buffer);
            is_good = false;
        }
    }
    return is_good;
}

static void note_offloads(struct frame *frame, const struct virtio_net_hdr *header)
{
    if (header->flags & VIRTIO_NET_HDR_F_DATA_VALID)
        frame->flags |= FRAME_CSUM_VERIFIED;
    if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        /* Sent on this host and never on a wire: the sum was not computed, nothing got lost. */
        frame->flags |= FRAME_CSUM_PARTIAL | FRAME_CSUM_VERIFIED;
        frame->csum_start = header->csum_start;
        frame->csum_offset = header->csum_offset;
    }
    if ((header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == VIRTIO_NET_HDR_GSO_TCPV4) {
        frame->gso_type = FRAME_GSO_TCPV4;
        frame->gso_size = header->gso_size;
    }
}

/* One frame whose first buffer is @buffer. */
static void receive(struct net_pair *pair, struct rx_buffer *buffer, uint32_t length)
{
    struct netdev *netdev = &pair->net->netdev;
    struct virtio_net_hdr header = { 0 };

    if (length < pair->net->header_size + ETHERNET_HEADER_SIZE || length > buffer->base.size) {
        netdev_count_drop(netdev, NETDEV_DROP_RX_LENGTH);
        page_free(buffer);
        return;
    }
    memcpy(&header, buffer->data, pair->net->header_size);
    unsigned int buffers = pair->net->has_mergeable ? header.num_buffers : 1;
    if (buffers == 0 || buffers > FRAME_SEGMENTS_MAX) {
        page_free(buffer);
        net_fail(pair->net, NETDEV_DROP_RX_ERROR,
                 "the device claims an impossible number of buffers");
        return;
    }
    struct frame *frame = first_segment(pair, buffer, length, buffers);
    if (!take_rest(pair, frame, buffers - 1) || !frame) {
        netdev_count_drop(netdev, frame ? NETDEV_DROP_RX_ERROR : NETDEV_DROP_RX_NO_MEMORY);
        frame_free(frame);
        return;
    }
    note_offloads(frame, &header);
    frame->queue = (uint16_t)pair->index;
    netdev_receive(netdev, frame);
}

unsigned int net_rx_poll(struct net_pair *pair, unsigned int budget)
{
    unsigned int received = 0;
    struct rx_buffer *buffer;
    uint32_t length;

    while (received < budget && (buffer = virtq_pop(pair->rx.vq, &length)) != NULL) {
        receive(pair, buffer, length);
        received++;
    }
    if (pair->rx.vq->is_broken)
        net_fail(pair->net, NETDEV_DROP_RX_ERROR,
                 "the device broke its contract on the receive queue");
    else if (!refill(pair))
        timer_start(&pair->rx.refill_timer, deadline_after_ns(REFILL_RETRY_NS), 0);
    return received;
}

bool net_rx_rearm(struct net_pair *pair)
{
    return virtq_enable_interrupts(pair->rx.vq);
}
