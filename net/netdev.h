/*
 * Network devices: what a driver provides and what it may call.
 *
 * Receive: the driver's interrupt handler masks its queue's interrupt and calls
 * netdev_poll_schedule_isr(). The softirq then calls ops->poll with a budget, over and over while
 * there is work; the driver hands each frame to netdev_receive(). When a poll used less than its
 * budget, ops->poll_end turns the interrupt on again. So under load there are no interrupts at all.
 *
 * Transmit: netdev_transmit() puts the frame in the queue's software queue (256 entries) and gives
 * all of it to ops->transmit in one call, so that the device is told once per batch; frames sent
 * while a poll is under way on the CPU go in one call when it ends. A full ring
 * leaves the rest in the software queue; the driver calls netdev_transmit_wake() when there is
 * room, and nobody ever waits in a loop. A full software queue drops the frame and counts it.
 *
 * Who could send without end (TCP) keeps the queues short instead of filling them: it sends while
 * netdev_has_room(), and otherwise gets in line by netdev_wait_room(). So nothing of it is dropped
 * here, others find a short queue, and the buffers that go round are still in the CPU's caches. The
 * driver says by netdev_transmit_done() when it is done with a frame; net/netdev_room.c.
 *
 * No protocol state lives in the driver's context: drivers know frames only.
 */
#pragma once

#include "kernel/sync/spinlock.h"
#include "lib/atomic.h"
#include "lib/compiler.h"
#include "lib/list.h"
#include "net/frame.h"
#include "net/interface.h"
#include "net/ip_address.h"

#define NETDEV_NAME_SIZE     16
#define NETDEV_QUEUE_LENGTH  256 /* software transmit queue, per device queue */
#define NETDEV_QUEUES_MAX    16
#define NETDEV_POLL_BUDGET   64
#define NETDEV_MTU_MIN       68 /* RFC 791 */
#define ETHERNET_HEADER_SIZE 14

enum netdev_features {
    NETDEV_TX_CSUM = 1u << 0,  /* completes FRAME_CSUM_PARTIAL */
    NETDEV_TSO4 = 1u << 1,     /* cuts FRAME_GSO_TCPV4; implies NETDEV_TX_CSUM */
    NETDEV_RX_CSUM = 1u << 2,  /* may set FRAME_CSUM_VERIFIED; information only */
    NETDEV_LRO4 = 1u << 3,     /* may deliver frames with gso_size; information only */
    NETDEV_LOOPBACK = 1u << 4, /* delivers to this machine; no link header, no ARP */
};

enum netdev_drop {
    NETDEV_DROP_RX_NO_MEMORY,
    NETDEV_DROP_RX_LENGTH,   /* shorter than a header, longer than its buffer */
    NETDEV_DROP_RX_OTHER,    /* link address of another machine */
    NETDEV_DROP_RX_PROTOCOL, /* ethertype that nobody speaks */
    NETDEV_DROP_RX_STOPPED,
    NETDEV_DROP_RX_ERROR, /* the device broke its contract */
    NETDEV_DROP_TX_QUEUE_FULL,
    NETDEV_DROP_TX_STOPPED, /* stopped, or the link is down */
    NETDEV_DROP_TX_LENGTH,  /* longer than the MTU */
    NETDEV_DROP_TX_ERROR,   /* the driver could not take it */
    NETDEV_DROP_COUNT
};

struct netdev_ops {
    /**
     * start, stop: bring the queues to life and to rest. Context: task. Optional.
     * start: 0 or -errno. stop: returns when no interrupt, poll or transmit is under way.
     */
    int (*start)(struct netdev *netdev);
    void (*stop)(struct netdev *netdev);

    /**
     * transmit: take frames from the front of @frames until it is empty or the ring is full, then
     * tell the device once. Frames taken belong to the driver until the device has used them:
     * then netdev_transmit_done(), and frame_free(). Frames left stay with the caller. A frame it
     * cannot ever send is taken, counted by netdev_count_drop(), done with and freed.
     * Context: any, interrupts off, no lock held; never two at a time for one queue. Never waits.
     * Return: true when frames were left because the ring is full: the driver then calls
     * netdev_transmit_wake() once there is room.
     */
    bool (*transmit)(struct netdev *netdev, unsigned int queue, struct frame_queue *frames);

    /**
     * poll: complete transmissions, and hand at most @budget received frames to netdev_receive().
     * Context: softirq, interrupts on; never two at a time for one queue. Optional with poll_end
     * for devices that never call netdev_poll_schedule_isr().
     * Return: frames delivered; @budget means: call again.
     */
    unsigned int (*poll)(struct netdev *netdev, unsigned int queue, unsigned int budget);

    /**
     * poll_end: turn the queue's interrupt on again. Context: softirq.
     * Return: true when work arrived meanwhile (it is polled again; the interrupt may stay on).
     */
    bool (*poll_end)(struct netdev *netdev, unsigned int queue);

    /** set_mtu: 0, or -EINVAL when the device cannot. Context: task. Optional: fixed MTU. */
    int (*set_mtu)(struct netdev *netdev, unsigned int mtu);

    /**
     * select_queue: transmit queue for @frame. Optional: the CPU's number modulo queue_count, so
     * that with as many queues as CPUs no two CPUs meet on a lock. Context: any.
     */
    unsigned int (*select_queue)(struct netdev *netdev, const struct frame *frame);
};

struct netdev_counters { /* all atomic; statistics only */
    atomic_u64 rx_frames, rx_bytes;
    atomic_u64 tx_frames, tx_bytes;
    atomic_u64 rx_polls, tx_batches;
    atomic_u64 drops[NETDEV_DROP_COUNT];
};

struct netdev_queue {
    struct netdev *netdev; /* const */
    unsigned int index;    /* const */
    struct spinlock lock;  /* rank: LOCK_RANK_NETDEV; transmit side */
    struct frame_queue pending __guarded_by(lock);
    bool is_full __guarded_by(lock); /* the ring was; netdev_transmit_wake() clears it */
    bool is_sending __guarded_by(lock);
    bool is_flush_queued __guarded_by(lock);
    atomic_uint poll_state;      /* enum in netdev_queue.c */
    struct list_node poll_node;  /* on a CPU's list of queues to poll; owned by poll_state */
    struct list_node wake_node;  /* on a CPU's list of queues to send from */
    struct list_node flush_node; /* likewise, when its poll ends; owned by is_flush_queued */
    atomic_bool is_wake_queued;
    uint32_t room_taken __guarded_by(lock); /* bytes, of all frames ever given to the queue */
    atomic_u32 room_returned;               /* of those that the driver is done with; wraps too */
    struct list waiters __guarded_by(lock); /* netdev_waiter.node: first come, first served */
    atomic_uint waiter_count;
};

struct netdev {
    char name[NETDEV_NAME_SIZE]; /* "eth0"; const after netdev_register() */
    const struct netdev_ops *ops;
    uint8_t mac[MAC_SIZE];      /* const after netdev_register() */
    unsigned int features;      /* enum netdev_features; const after netdev_register() */
    unsigned int mtu;           /* bytes of IP packet; atomic */
    unsigned int index;         /* const; 1 = lo */
    unsigned int queue_count;   /* const; at least 1 */
    bool is_started;            /* atomic */
    bool is_link_up;            /* atomic; netdev_set_link() */
    const char *driver;         /* "virtio_net 00:03.0"; const */
    struct interface interface; /* addresses */
    struct netdev_counters counters;
    struct list_node node;       /* guarded by the list's lock */
    struct netdev_queue *queues; /* const after netdev_register() */
};

/* ---- for drivers ---- */

/**
 * netdev_register() - make a device known, and start it
 * The driver has filled ops, mac, features, mtu, queue_count (0 means 1), is_link_up, driver, and
 * the prefix of the name ("eth"; a number is appended), and cleared the rest.
 * Context: task. Return: 0, -ENOMEM, -EINVAL, or what ops->start returned.
 */
int __must_check netdev_register(struct netdev *netdev);

/** netdev_unregister() - stop, forget addresses, routes and neighbours. Context: task. */
void netdev_unregister(struct netdev *netdev);

/** netdev_poll_schedule_isr() - have ops->poll called for queue @index soon, on this CPU. Context:
 * any.
 */
void netdev_poll_schedule_isr(struct netdev *netdev, unsigned int index);

/**
 * netdev_receive() - a frame that begins with its link header has arrived
 * @frame: handed over; frame->queue set; flags, csum and gso fields as the device said
 * Context: softirq (ops->poll).
 */
void netdev_receive(struct netdev *netdev, struct frame *frame);

/** netdev_transmit_wake() - the ring of queue @index has room again. Context: any. */
void netdev_transmit_wake(struct netdev *netdev, unsigned int index);

/**
 * netdev_is_busy() - is so much on its way through queue @index that somebody may wait for room?
 * The driver then hears of sent frames soon, by an interrupt; otherwise it may take its time.
 */
bool netdev_is_busy(const struct netdev *netdev, unsigned int index);

/**
 * netdev_transmit_done() - the driver is done with @frame, which it frees next
 * Context: any. Takes no lock that a driver may hold.
 */
void netdev_transmit_done(struct frame *frame);

/** netdev_set_link() - the link went up or down; listeners are told. Context: any. */
void netdev_set_link(struct netdev *netdev, bool is_up);

/** netdev_fail() - the device broke its contract: it is stopped for good, with one log line. */
void netdev_fail(struct netdev *netdev, const char *reason);

static inline void netdev_count_drop(struct netdev *netdev, enum netdev_drop reason)
{
    atomic_fetch_add_relaxed(&netdev->counters.drops[reason], 1);
}

/* ---- for the layers above ---- */

/**
 * netdev_transmit() - send a frame that carries its link header
 * @frame: handed over; with FRAME_MORE it may wait for the next or for netdev_flush().
 * Context: any, interrupts may be off. Never waits. Takes the queue's and the driver's lock in
 * turn.
 */
void netdev_transmit(struct netdev *netdev, struct frame *frame);

/** netdev_flush() - send what FRAME_MORE left behind. Context: any. */
void netdev_flush(struct netdev *netdev);

/** In line for room in a transmit queue. */
struct netdev_waiter {
    struct list_node node;
    /* It is your turn: send what is allowed by netdev_has_room(). Once per netdev_wait_room().
     * Context: softirq, or whatever stops the device. */
    void (*has_room)(struct netdev_waiter *waiter);
};

/**
 * netdev_has_room() - may somebody who could send without end send a frame now, from this CPU?
 * @is_my_turn: called from netdev_waiter.has_room(); others get in line while there is one.
 * Context: any.
 */
bool netdev_has_room(const struct netdev *netdev, bool is_my_turn);

/** netdev_wait_room() - get in line; @waiter is in none, and stays until it is called. Context:
 * any, interrupts off or preemption disabled. */
void netdev_wait_room(struct netdev *netdev, struct netdev_waiter *waiter);

int __must_check netdev_start(struct netdev *netdev);
void netdev_stop(struct netdev *netdev);
int __must_check netdev_set_mtu(struct netdev *netdev, unsigned int mtu);

static inline bool netdev_is_usable(const struct netdev *netdev)
{
    return READ_ONCE(netdev->is_started) && READ_ONCE(netdev->is_link_up);
}

/** netdev_find() - by name, NULL for none. Context: any. Devices stay until unregistered. */
struct netdev *netdev_find(const char *name);
/** netdev_next() - walk all: NULL gives the first, the last gives NULL. Context: any. */
struct netdev *netdev_next(struct netdev *netdev);

const char *netdev_drop_name(enum netdev_drop reason);

/* ---- events: DHCP starts when a device appears or its link comes up ---- */

enum netdev_event {
    NETDEV_REGISTERED,
    NETDEV_UNREGISTERED,
    NETDEV_LINK_UP,
    NETDEV_LINK_DOWN,
    NETDEV_ADDRESS_CHANGED
};

struct netdev_listener {
    /* Context: any, interrupts may be off: take note and wake a task. */
    void (*event)(struct netdev_listener *listener, struct netdev *netdev, enum netdev_event event);
    struct list_node node;
};

/** netdev_notify_address() - interface.c: the address of @netdev is another. */
void netdev_notify_address(struct netdev *netdev);

/** netdev_listen() - for ever; devices that are there already are told as registered. */
void netdev_listen(struct netdev_listener *listener);
