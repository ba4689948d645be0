/*
 * virtio-net, receiving (VIRTIO 1.2, 5.1.6.3 and 5.1.6.4).
 *
 * Buffers are pages; a frame's data stays in the page that the device wrote, from here to the
 * reader, and the page is freed with its last reference. Small frames are copied instead, so that
 * 60 bytes do not pin a page, and the page goes straight back to the ring.
 */
#include "arch/mmu.h"
#include "drivers/net/virtio_net.h"
#include "lib/string.h"
#include "mm/page.h"

#define FILL_MAX        128 /* 512 KiB of pages for a queue */
#define COPY_MAX        256
#define REFILL_RETRY_NS (10 * NS_PER_MS)

/* A page: the counted buffer, then what the device fills. */
struct rx_page {
    struct frame_buffer buffer;
    uint8_t data[] __aligned(64);
};
#define RX_PAGE_DATA (PAGE_SIZE - offsetof(struct rx_page, data))

static void release_page(struct frame_buffer *buffer)
{
    page_free(container_of(buffer, struct rx_page, buffer));
}

static int post(struct net_pair *pair, struct rx_page *page)
{
    struct scatter_segment segments[2] = { { direct_map_to_phys(page->data), RX_PAGE_DATA } };
    size_t count = 1;

    if (!pair->net->has_any_layout) { /* 5.1.6.3.1: the header has a buffer of its own */
        unsigned int header = pair->net->header_size;
        segments[0].length = header;
        segments[1].paddr = segments[0].paddr + header;
        segments[1].length = (uint32_t)(RX_PAGE_DATA - header);
        count = 2;
    }
    return virtq_add(pair->rx.vq, NULL, 0, segments, count, page);
}

/* Top the ring up. Return: false when out of memory. */
static bool refill(struct net_pair *pair)
{
    struct virtq *vq = pair->rx.vq;
    unsigned int per_buffer = pair->net->has_any_layout ? 1 : 2;
    bool has_memory = true;

    while ((vq->size - virtq_free_descriptors(vq)) / per_buffer < pair->rx.fill) {
        struct rx_page *page = page_alloc(1, 0, "virtio_net rx");
        has_memory = page != NULL;
        if (!page)
            break;
        frame_buffer_init(&page->buffer, page->data, RX_PAGE_DATA, release_page);
        if (post(pair, page) != 0) {
            page_free(page);
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

void net_rx_init(struct net_pair *pair, struct virtq *vq)
{
    pair->rx.vq = vq;
    pair->rx.fill = MIN_T(unsigned int, vq->size / (pair->net->has_any_layout ? 1 : 2), FILL_MAX);
    timer_init(&pair->rx.refill_timer, "virtio_net refill", refill_later);
}

void net_rx_start(struct net_pair *pair)
{
    netdev_poll_schedule_isr(&pair->net->netdev, pair->index); /* the ring is the poll's alone */
}

unsigned int net_rx_frame_max(const struct virtio_net *net)
{
    return (unsigned int)RX_PAGE_DATA - net->header_size;
}

void net_rx_isr(struct virtq *vq)
{
    struct net_pair *pair = vq->context;

    virtq_disable_interrupts(vq);
    netdev_poll_schedule_isr(&pair->net->netdev, pair->index);
}

/* Hand the page over to the frame, or copy a little and post the page again. */
static struct frame *first_segment(struct net_pair *pair, struct rx_page *page, uint32_t length,
                                   unsigned int buffers)
{
    unsigned int header = pair->net->header_size;
    struct frame *frame;

    if (buffers == 1 && length - header <= COPY_MAX) {
        frame = frame_alloc(FRAME_HEADROOM, length - header, 1);
        if (frame)
            memcpy(frame_data(frame), page->data + header, length - header);
        if (post(pair, page) != 0)
            page_free(page);
        return frame;
    }
    frame = frame_alloc_empty(buffers);
    if (!frame || !frame_add_segment(frame, &page->buffer, page->data + header, length - header)) {
        frame_free(frame);
        page_free(page);
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
        struct rx_page *page = virtq_pop(pair->rx.vq, &length);
        if (!page)
            return false;
        if (length == 0 || !frame || !frame_add_segment(frame, &page->buffer, page->data, length)) {
            page_free(page);
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

/* One frame whose first buffer is @page. */
static void receive(struct net_pair *pair, struct rx_page *page, uint32_t length)
{
    struct netdev *netdev = &pair->net->netdev;
    struct virtio_net_hdr header = { 0 };

    if (length < pair->net->header_size + ETHERNET_HEADER_SIZE || length > RX_PAGE_DATA) {
        netdev_count_drop(netdev, NETDEV_DROP_RX_LENGTH);
        page_free(page);
        return;
    }
    memcpy(&header, page->data, pair->net->header_size);
    unsigned int buffers = pair->net->has_mergeable ? header.num_buffers : 1;
    if (buffers == 0 || buffers > FRAME_SEGMENTS_MAX) {
        page_free(page);
        net_fail(pair->net, NETDEV_DROP_RX_ERROR,
                 "the device claims an impossible number of buffers");
        return;
    }
    struct frame *frame = first_segment(pair, page, length, buffers);
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
    struct rx_page *page;
    uint32_t length;

    while (received < budget && (page = virtq_pop(pair->rx.vq, &length)) != NULL) {
        receive(pair, page, length);
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
