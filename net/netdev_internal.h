/*
 * Network devices inside: what netdev.c, netdev_queue.c and netdev_room.c share. In-folder header.
 */
#pragma once

#include "net/netdev.h"

/* ---- netdev_queue.c ---- */

void netdev_queue_init(struct netdev_queue *queue, struct netdev *netdev, unsigned int index);
/** netdev_queue_stop() - drop what waits; nobody sends from it when this returns. Context: task. */
void netdev_queue_stop(struct netdev_queue *queue);
/** netdev_queue_here() - the queue that this CPU sends by, unless the driver chooses. */
struct netdev_queue *netdev_queue_here(const struct netdev *netdev);

/* ---- netdev_room.c ---- */

void netdev_room_init(struct netdev_queue *queue);
/** netdev_take_room_locked() - @frame has come to the queue; netdev_transmit_done() gives back. */
void netdev_take_room_locked(struct netdev_queue *queue, struct frame *frame)
    __must_hold(queue->lock);
/** netdev_serve_waiters() - call those in line, as long as there is room. Without locks. */
void netdev_serve_waiters(struct netdev_queue *queue);
