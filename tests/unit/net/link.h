/*
 * The receiving half of a device that a test plays: frames wait in a queue until the stack polls.
 */
#pragma once

#include "net/netdev.h"

/* What the device is to receive; frame_queue_init() before it is used. */
extern struct frame_queue link_incoming;

/* Frame @frame has come in for @netdev; the stack sees it when it next runs. */
void link_receive(struct netdev *netdev, struct frame *frame);

/* For struct netdev_ops. */
unsigned int link_poll(struct netdev *netdev, unsigned int queue, unsigned int budget);
bool link_poll_end(struct netdev *netdev, unsigned int queue);
