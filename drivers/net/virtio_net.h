/*
 * virtio-net: what its files share. In-folder header.
 *
 * Device queues come in pairs, receive 2i and transmit 2i + 1; netdev queue i is pair i. The
 * control queue follows the last pair.
 */
#pragma once

#include "drivers/virtio/virtio.h"
#include "kernel/sync/spinlock.h"
#include "kernel/time/timer.h"
#include "net/netdev.h"

/* Feature bits (5.1.3). */
#define VIRTIO_NET_F_CSUM       0
#define VIRTIO_NET_F_GUEST_CSUM 1
#define VIRTIO_NET_F_MTU        3
#define VIRTIO_NET_F_MAC        5
#define VIRTIO_NET_F_GUEST_TSO4 7
#define VIRTIO_NET_F_HOST_TSO4  11
#define VIRTIO_NET_F_MRG_RXBUF  15
#define VIRTIO_NET_F_STATUS     16
#define VIRTIO_NET_F_CTRL_VQ    17
#define VIRTIO_NET_F_MQ         22

/* struct virtio_net_hdr (5.1.6). */
struct virtio_net_hdr {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t hdr_len;
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t num_buffers; /* absent without MRG_RXBUF on a legacy device */
} __packed;
#define VIRTIO_NET_HDR_F_NEEDS_CSUM 1
#define VIRTIO_NET_HDR_F_DATA_VALID 2
#define VIRTIO_NET_HDR_GSO_NONE     0
#define VIRTIO_NET_HDR_GSO_TCPV4    1
#define VIRTIO_NET_HDR_GSO_ECN      0x80

#define VIRTIO_NET_PAIRS_MAX NETDEV_QUEUES_MAX
#define VIRTIO_NET_NAME_SIZE 40

struct virtio_net;

struct net_rx {
    struct virtq *vq;          /* touched by the poll alone, of which there is one at a time */
    unsigned int fill;         /* buffers to keep in the ring; const, as the next two */
    unsigned int buffer_pages; /* pages of one buffer */
    uint32_t copy_max;         /* longest frame that is copied out of its buffer */
    struct timer refill_timer; /* after running out of memory */
    char name[VIRTIO_NET_NAME_SIZE];
};

struct net_tx {
    struct spinlock lock; /* rank: LOCK_RANK_DEVICE */
    struct virtq *vq __guarded_by(lock);
    struct virtio_net_hdr *headers; /* one per ring entry, for frames without headroom */
    uint16_t next_header __guarded_by(lock);
    bool is_full __guarded_by(lock);
    bool is_timer_armed __guarded_by(lock);
    struct timer reclaim_timer; /* for what was sent last */
    struct scatter_segment chain[FRAME_SEGMENTS_MAX + 1] __guarded_by(lock);
    char name[VIRTIO_NET_NAME_SIZE];
};

struct net_pair {
    struct virtio_net *net;
    unsigned int index;
    struct net_rx rx;
    struct net_tx tx;
};

struct virtio_net {
    struct netdev netdev;
    struct virtio_device *virtio;
    unsigned int header_size; /* 10 or 12; const */
    bool has_mergeable;       /* const, as those below */
    bool has_any_layout;      /* the header may share a buffer with the frame */
    unsigned int pair_count;  /* in use */
    unsigned int pairs_offered;
    struct net_pair *pairs[VIRTIO_NET_PAIRS_MAX];
    char driver_text[VIRTIO_NET_NAME_SIZE]; /* netdev.driver */
};

static inline struct virtio_net *virtio_net_of(struct netdev *netdev)
{
    return container_of(netdev, struct virtio_net, netdev);
}

/** net_fail() - the device cannot be believed any more: one drop is counted, the netdev stopped.
 * Context: softirq. */
void net_fail(struct virtio_net *net, enum netdev_drop reason, const char *text);

/* virtio_net_rx.c */
void net_rx_init(struct net_pair *pair, struct virtq *vq);
/** net_rx_start() - have the first poll fill the ring; the netdev is registered, the device live.
 */
void net_rx_start(struct net_pair *pair);
/** net_rx_frame_max() - the longest frame that arrives whole in one buffer. */
unsigned int net_rx_frame_max(const struct virtio_net *net);
__hidden void net_rx_isr(struct virtq *vq);
/** net_rx_poll() - netdev_ops.poll's receive half. */
unsigned int net_rx_poll(struct net_pair *pair, unsigned int budget);
/** net_rx_rearm() - false: something came meanwhile. */
bool __must_check net_rx_rearm(struct net_pair *pair);

/* virtio_net_tx.c */
int __must_check net_tx_init(struct net_pair *pair, struct virtq *vq);
__hidden void net_tx_isr(struct virtq *vq);
__hidden bool net_transmit(struct netdev *netdev, unsigned int queue, struct frame_queue *frames);
/** net_tx_reclaim() - free what the device has sent, and wake the sender if the ring was full. */
void net_tx_reclaim(struct net_pair *pair);
