/*
 * Room in transmit queues: how much may be on its way through a device, and who waits for more.
 *
 * Each queue counts bytes: those of all frames that it was ever given, and of those that the driver
 * is done with. The difference is on its way. Those who could send without end stop at ROOM_MAX,
 * get in line, and are called from the softirq once no more than ROOM_LOW is left, first come,
 * first served. Everybody else (ACKs, datagrams, ARP) just sends.
 *
 * Above: tcp_output.c. Below: netdev.c, drivers. Locks: the queue's.
 *
 * Who gets in line and who gives room back do, in this order:
 *
 *     waiter:  add itself to the line; fence; look at what is on its way; wake if it is little
 *     driver:  count what was returned; fence; look whether there is a line; wake if little is left
 */
#include "arch/cpu.h"
#include "net/netdev_internal.h"

/*
 * Enough to keep a device busy while the next is called for, little enough for the caches.
 * Measured (TCG, virtio-net, 8 connections): see docs/PERFORMANCE.md.
 */
#define ROOM_MAX (512u * 1024)
#define ROOM_LOW (ROOM_MAX / 2)

/* A frame's least share: no more of them than a ring has entries. */
#define FRAME_SHARE_MIN (ROOM_MAX / NETDEV_QUEUE_LENGTH)

void netdev_room_init(struct netdev_queue *queue)
{
    list_init(&queue->waiters);
}

static uint32_t on_its_way(const struct netdev_queue *queue)
{
    return READ_ONCE(queue->room_taken) - atomic_load(&queue->room_returned);
}

/* The share is noted in the frame, which drivers lengthen by headers of their own. */
void netdev_take_room_locked(struct netdev_queue *queue, struct frame *frame)
{
    frame->control[0] = MAX(frame->length, FRAME_SHARE_MIN);
    WRITE_ONCE(queue->room_taken, queue->room_taken + (uint32_t)frame->control[0]);
}

bool netdev_is_busy(const struct netdev *netdev, unsigned int index)
{
    return on_its_way(&netdev->queues[index]) > ROOM_LOW;
}

void netdev_transmit_done(struct frame *frame)
{
    struct netdev_queue *queue = &frame->netdev->queues[frame->queue];

    atomic_fetch_add(&queue->room_returned, (uint32_t)frame->control[0]);
    if (atomic_load(&queue->waiter_count) > 0 && on_its_way(queue) <= ROOM_LOW)
        netdev_transmit_wake(queue->netdev, queue->index);
}

bool netdev_has_room(const struct netdev *netdev, bool is_my_turn)
{
    const struct netdev_queue *queue = netdev_queue_here(netdev);

    if (!netdev_is_usable(netdev)) /* it is for the sender to find out */
        return true;
    return on_its_way(queue) < ROOM_MAX &&
           (is_my_turn || atomic_load_relaxed(&queue->waiter_count) == 0);
}

void netdev_wait_room(struct netdev *netdev, struct netdev_waiter *waiter)
{
    struct netdev_queue *queue = netdev_queue_here(netdev);
    irqflags_t flags = spin_lock_irqsave(&queue->lock);

    list_push_back(&queue->waiters, &waiter->node);
    atomic_fetch_add(&queue->waiter_count, 1);
    spin_unlock_irqrestore(&queue->lock, flags);
    if (on_its_way(queue) <= ROOM_LOW)
        netdev_transmit_wake(netdev, queue->index);
}

static struct netdev_waiter *next_waiter(struct netdev_queue *queue)
{
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    struct netdev_waiter *waiter =
        list_entry(list_pop_front(&queue->waiters), struct netdev_waiter, node);

    if (waiter)
        atomic_fetch_sub(&queue->waiter_count, 1);
    spin_unlock_irqrestore(&queue->lock, flags);
    return waiter;
}

void netdev_serve_waiters(struct netdev_queue *queue)
{
    struct netdev_waiter *waiter;

    while ((on_its_way(queue) < ROOM_MAX || !netdev_is_usable(queue->netdev)) &&
           (waiter = next_waiter(queue)) != NULL)
        waiter->has_room(waiter);
}
