/*
 * The loopback device: what is transmitted is received, on the CPU that sent it.
 *
 * Frames pass as they are, checksums unfinished and segmentation undone: no wire can have damaged
 * them. Receivers treat the bytes as shared with the sender's retransmission queue, which they are.
 */
#include "net/loopback.h"

#include "kernel/init.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "net/netdev.h"

#define LOOPBACK_MTU        65535
#define LOOPBACK_FRAMES_MAX 1024

static struct {
    struct netdev netdev;
    struct spinlock lock; /* rank: LOCK_RANK_DEVICE */
    struct frame_queue received __guarded_by(lock);
    bool is_registered;
} loopback;

static bool loopback_transmit(struct netdev *netdev, unsigned int queue, struct frame_queue *frames)
{
    irqflags_t flags = spin_lock_irqsave(&loopback.lock);
    struct frame *frame;

    while ((frame = frame_queue_pop(frames)) != NULL) {
        if (loopback.received.count >= LOOPBACK_FRAMES_MAX) {
            netdev_count_drop(netdev, NETDEV_DROP_TX_QUEUE_FULL);
            netdev_transmit_done(frame);
            frame_free(frame);
            continue;
        }
        frame->flags = FRAME_CSUM_VERIFIED;
        frame_queue_push(&loopback.received, frame);
    }
    spin_unlock_irqrestore(&loopback.lock, flags);
    netdev_poll_schedule_isr(netdev, queue);
    return false;
}

static unsigned int loopback_poll(struct netdev *netdev, unsigned int queue, unsigned int budget)
{
    unsigned int count = 0;

    (void)queue;
    while (count < budget) {
        irqflags_t flags = spin_lock_irqsave(&loopback.lock);
        struct frame *frame = frame_queue_pop(&loopback.received);

        spin_unlock_irqrestore(&loopback.lock, flags);
        if (!frame)
            break;
        netdev_transmit_done(frame);
        netdev_receive(netdev, frame);
        count++;
    }
    return count;
}

static bool loopback_poll_end(struct netdev *netdev, unsigned int queue)
{
    irqflags_t flags = spin_lock_irqsave(&loopback.lock);
    bool has_more = !frame_queue_is_empty(&loopback.received);

    (void)netdev;
    (void)queue;
    spin_unlock_irqrestore(&loopback.lock, flags);
    return has_more;
}

static const struct netdev_ops loopback_ops = {
    .transmit = loopback_transmit,
    .poll = loopback_poll,
    .poll_end = loopback_poll_end,
};

struct netdev *loopback_netdev(void)
{
    return loopback.is_registered ? &loopback.netdev : NULL;
}

static int __init loopback_init(void)
{
    struct netdev *netdev = &loopback.netdev;
    int error;

    if (loopback.is_registered)
        return 0;
    spin_lock_init(&loopback.lock, "loopback", LOCK_RANK_DEVICE);
    frame_queue_init(&loopback.received);
    strlcpy(netdev->name, "lo", sizeof(netdev->name));
    netdev->ops = &loopback_ops;
    netdev->mtu = LOOPBACK_MTU;
    netdev->features = NETDEV_LOOPBACK | NETDEV_TX_CSUM | NETDEV_RX_CSUM;
    netdev->is_link_up = true;
    netdev->driver = "loopback";
    error = netdev_register(netdev);
    if (error)
        return error;
    loopback.is_registered = true;
    return interface_set_ipv4(netdev, IPV4_LOOPBACK, 8);
}
INIT_HOOK(loopback_init, INIT_BUS);
