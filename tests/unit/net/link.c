/*
 * The receiving half of a device that a test plays.
 */
#include "tests/unit/net/link.h"

struct frame_queue link_incoming;

void link_receive(struct netdev *netdev, struct frame *frame)
{
    frame_queue_push(&link_incoming, frame);
    netdev_poll_schedule_isr(netdev, 0);
}

unsigned int link_poll(struct netdev *netdev, unsigned int queue, unsigned int budget)
{
    struct frame *frame;
    unsigned int count = 0;
    (void)queue;

    for (; count < budget && (frame = frame_queue_pop(&link_incoming)) != NULL; count++)
        netdev_receive(netdev, frame);
    return count;
}

bool link_poll_end(struct netdev *netdev, unsigned int queue)
{
    (void)netdev, (void)queue;
    return !frame_queue_is_empty(&link_incoming);
}
