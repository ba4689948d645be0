/*
 * virtio-net, sending (VIRTIO 1.2, 5.1.6.2).
 *
 * The virtio header goes into the frame's headroom, so that a small frame is one descriptor; where
 * there is none (a frame over shared buffers) or the device wants them apart, it has a slot beside
 * the ring.
 *
 * Sent frames are freed at the next transmit or poll, or by a timer when neither comes. There is no
 * interrupt for them while the queue is short. When the ring is full, or somebody may wait for
 * room, one is asked for after half of what is in flight, so that the device has something to do
 * until more comes.
 *
 * Who sends holds the lock for the ring only: not while frames are freed, nor while the device is
 * told, which takes as long as a dozen packets where it is emulated.
 */
#include "arch/mmu.h"
#include "drivers/net/virtio_net.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define RECLAIM_NS (5 * NS_PER_MS) /* so long may a frame stay that has been sent */

static void reclaim_timer_expired(struct timer *timer)
{
    struct net_pair *pair = container_of(timer, struct net_pair, tx.reclaim_timer);
    irqflags_t flags = spin_lock_irqsave(&pair->tx.lock);

    pair->tx.is_timer_armed = false;
    spin_unlock_irqrestore(&pair->tx.lock, flags);
    net_tx_reclaim(pair);
}

int net_tx_init(struct net_pair *pair, struct virtq *vq)
{
    struct net_tx *tx = &pair->tx;

    spin_lock_init(&tx->lock, "virtio_net_tx", LOCK_RANK_DEVICE);
    tx->vq = vq;
    timer_init(&tx->reclaim_timer, "virtio_net sent", reclaim_timer_expired);
    tx->headers = kcalloc(vq->size, sizeof(tx->headers[0]));
    virtq_disable_interrupts(vq);
    return tx->headers ? 0 : -ENOMEM;
}

static void fill_header(struct virtio_net_hdr *header, unsigned int size, const struct frame *frame)
{
    memset(header, 0, size);
    if (frame->flags & FRAME_CSUM_PARTIAL) {
        header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        header->csum_start = frame->csum_start;
        header->csum_offset = frame->csum_offset;
    }
    if (frame->gso_type == FRAME_GSO_TCPV4) {
        /* TCP's header length, its data offset field, is the 4 bits at 12 (RFC 9293, 3.1). */
        const uint8_t *data = frame_data(frame);
        uint32_t at = frame->csum_start + 12u;
        uint32_t tcp_header = at < frame->segments[0].length ? (data[at] >> 4) * 4u : 20;
        header->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        header->gso_size = frame->gso_size;
        header->hdr_len = (uint16_t)(frame->csum_start + tcp_header);
    }
}

/* The header in the headroom: part of the first segment. */
static bool push_header(struct virtio_net *net, struct frame *frame)
{
    struct virtio_net_hdr header;
    uint8_t *room;

    if (!net->has_any_layout || frame_headroom(frame) < net->header_size)
        return false;
    fill_header(&header, net->header_size, frame);
    room = frame_push(frame, net->header_size);
    if (!room)
        return false;
    memcpy(room, &header, net->header_size);
    return true;
}

static size_t build_chain(struct net_pair *pair, struct frame *frame)
{
    struct net_tx *tx = &pair->tx;
    size_t count = 0;

    if (!push_header(pair->net, frame)) {
        /* As many slots as ring entries, used in turn: this one's last frame has long been sent. */
        struct virtio_net_hdr *header = &tx->headers[tx->next_header];
        fill_header(header, sizeof(*header), frame);
        tx->chain[count++] =
            (struct scatter_segment){ direct_map_to_phys(header), pair->net->header_size };
    }
    for (unsigned int i = 0; i < frame->segment_count; i++)
        tx->chain[count++] = (struct scatter_segment){ direct_map_to_phys(frame->segments[i].data),
                                                       frame->segments[i].length };
    return count;
}

/* Take what the device has sent off the ring, to be freed without the lock. */
static void take_sent_locked(struct net_pair *pair, struct frame_queue *sent)
    __must_hold(pair->tx.lock)
{
    struct frame *frame;

    while ((frame = virtq_pop(pair->tx.vq, NULL)) != NULL) {
        netdev_transmit_done(frame);
        frame_queue_push(sent, frame);
    }
}

/*
 * What the device is to tell of what is in flight: nothing, the timer looks; but once half of it
 * has been sent, where somebody waits for room. Return: false when so much was sent already.
 */
static bool await_sent_locked(struct net_pair *pair) __must_hold(pair->tx.lock)
{
    struct net_tx *tx = &pair->tx;
    unsigned int in_flight = virtq_in_flight(tx->vq);

    if (in_flight > 0 && (tx->is_full || netdev_is_busy(&pair->net->netdev, pair->index)))
        return virtq_interrupt_after(tx->vq, DIV_ROUND_UP(in_flight, 2));
    virtq_disable_interrupts(tx->vq);
    if (in_flight > 0 && !tx->is_timer_armed) {
        tx->is_timer_armed = true;
        timer_start(&tx->reclaim_timer, deadline_after_ns(RECLAIM_NS), 0);
    }
    return true;
}

static unsigned int descriptors_wanted(const struct virtio_net *net, const struct frame *frame)
{
    unsigned int count = frame->segment_count + 1u;

    return virtio_has_feature(net->virtio, VIRTIO_F_INDIRECT_DESC) ? 1 : count;
}

/* Put one frame in the ring. Return: 0 taken (also when dropped); -EBUSY. */
static int send_locked(struct net_pair *pair, struct frame *frame) __must_hold(pair->tx.lock)
{
    struct net_tx *tx = &pair->tx;

    unsigned int wanted = descriptors_wanted(pair->net, frame);
    if (wanted <= tx->vq->size && virtq_free_descriptors(tx->vq) < wanted)
        return -EBUSY; /* what can never fit is refused below */
    uint32_t length = frame->length;
    size_t count = build_chain(pair, frame);
    int error = virtq_add(tx->vq, tx->chain, count, NULL, 0, frame);
    if (!error) {
        tx->next_header = (uint16_t)((tx->next_header + 1u) % tx->vq->size);
        return 0;
    }
    if (frame->length > length) /* take the header back, for the next try */
        frame_pull(frame, frame->length - length);
    if (error == -EBUSY)
        return error;
    netdev_count_drop(&pair->net->netdev, NETDEV_DROP_TX_ERROR);
    netdev_transmit_done(frame);
    frame_free(frame);
    return 0;
}

bool net_transmit(struct netdev *netdev, unsigned int queue, struct frame_queue *frames)
{
    struct net_pair *pair = virtio_net_of(netdev)->pairs[queue];
    struct net_tx *tx = &pair->tx;
    struct frame_queue sent;
    struct frame *frame;
    bool is_full = false;

    frame_queue_init(&sent);
    irqflags_t flags = spin_lock_irqsave(&pair->tx.lock);
    take_sent_locked(pair, &sent);
    while (!is_full && (frame = frame_queue_pop(frames)) != NULL) {
        if (send_locked(pair, frame) != 0) {
            frame_queue_push_front(frames, frame);
            is_full = true;
        }
    }
    bool wants_kick = virtq_wants_kick(tx->vq);
    tx->is_full = is_full;
    if (!await_sent_locked(pair)) /* sent before the wish was made: no interrupt comes for that */
        netdev_poll_schedule_isr(netdev, queue);
    spin_unlock_irqrestore(&pair->tx.lock, flags);
    if (wants_kick)
        virtq_notify(tx->vq);
    frame_queue_purge(&sent);
    return is_full;
}

void net_tx_isr(struct virtq *vq)
{
    struct net_pair *pair = vq->context;

    netdev_poll_schedule_isr(&pair->net->netdev, pair->index);
}

/* Room enough to go on after the ring was full. */
static bool has_room(const struct virtq *vq)
{
    return virtq_free_descriptors(vq) >= vq->size / 4u;
}

void net_tx_reclaim(struct net_pair *pair)
{
    struct net_tx *tx = &pair->tx;
    struct frame_queue sent;
    bool was_full = false;

    frame_queue_init(&sent);
    irqflags_t flags = spin_lock_irqsave(&pair->tx.lock);
    do {
        take_sent_locked(pair, &sent);
        if (tx->is_full && has_room(tx->vq)) {
            tx->is_full = false;
            was_full = true;
        }
    } while (!tx->vq->is_broken && !await_sent_locked(pair));
    bool is_broken = tx->vq->is_broken;
    spin_unlock_irqrestore(&pair->tx.lock, flags);
    frame_queue_purge(&sent);
    if (is_broken)
        net_fail(pair->net, NETDEV_DROP_TX_ERROR,
                 "the device broke its contract on the transmit queue");
    else if (was_full)
        netdev_transmit_wake(&pair->net->netdev, pair->index);
}
