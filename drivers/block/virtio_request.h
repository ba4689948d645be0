/*
 * Request queues of virtio storage devices: what virtio-blk and virtio-scsi do alike.
 *
 * A queue is a virtqueue, a lock, and slots: memory for what the device reads and writes besides
 * the data, one for each request that the ring can hold. Submitters take the lock, and so does the
 * poll that runs in SOFTIRQ_BLOCK after the interrupt. A device has as many queues as there are
 * CPUs to use them; a request goes to queue CPU mod queues. Queue i interrupts CPU i, so that what
 * is sent from a completion stays on its queue and its CPU.
 */
#pragma once

#include "block/block_device.h"
#include "drivers/virtio/virtio.h"

#define REQUEST_SEGMENTS_MAX 254 /* of data; the slot's own pieces make it 256 descriptors */
#define REQUEST_QUEUES_MAX   64
#define REQUEST_NAME_MAX     40

/* Start of a driver's slot. */
struct request_slot {
    struct request_slot *next_free;
    struct block_request *request; /* NULL for a command of the driver's own */
    /* The request has ended. Context: softirq or task, no locks held; the slot is free already,
     * what the device wrote there was looked at by ops->result. */
    void (*done)(void *context, struct block_request *request, int error);
    void *context;
};

/* A chain being built: readable pieces first. */
struct request_chain {
    struct scatter_segment segments[REQUEST_SEGMENTS_MAX + 2];
    size_t count;
    size_t readable; /* of them */
};

struct request_device;

struct request_ops {
    const char *name; /* "virtio_blk" */
    size_t slot_size; /* with struct request_slot; a power of two, so that none crosses a page */
    /* Fill @slot for its request and build the chain. Lock held. 0 or the request's error. */
    int (*build)(struct request_device *device, struct request_slot *slot,
                 struct request_chain *chain);
    /* What the device says of a request: 0 or -errno. Lock held. */
    int (*result)(struct request_slot *slot, uint32_t written);
    /* Optional: requests were reaped; there is room in a ring that several disks share. */
    void (*has_room)(struct request_device *device);
    /* The device broke its contract, or asks for a reset. */
    void (*broken)(struct request_device *device);
};

struct request_queue {
    struct request_device *device;
    struct virtq *vq;
    struct spinlock lock; /* rank: LOCK_RANK_DEVICE */
    void *slots;
    struct request_slot *free_slots __guarded_by(lock);
    struct block_poll poll;
    bool needs_kick __guarded_by(lock);
    bool is_reaping __guarded_by(lock); /* whoever reaps kicks at the end, for all */
    unsigned int reapers;               /* atomic: under way in reap() */
    struct request_chain chain __guarded_by(lock);
    char name[REQUEST_NAME_MAX];
};

struct request_device {
    struct virtio_device *virtio;
    const struct request_ops *ops;
    unsigned int queue_count;
    unsigned int first_virtq; /* virtqueues before those for requests */
    bool is_stopped;          /* atomic: being reset, nothing is taken */
    struct request_queue *queues[REQUEST_QUEUES_MAX];
};

/**
 * request_queues_create() - virtqueues, slots and locks
 * @offered: queues that the device has; as many as there are CPUs are used. @others: specs of the
 * virtqueues before them (device->first_virtq of them), or NULL.
 * Return: 0 or -errno; request_queues_destroy() in any case. Context: task.
 */
int __must_check request_queues_create(struct request_device *device, unsigned int offered,
                                       const struct virtq_spec *others);
/** request_queues_destroy() - after virtio_stop(). */
void request_queues_destroy(struct request_device *device);

/**
 * request_submit() - put a request (or a command of the driver's own: @request NULL) in the ring
 * @done, @context: as in struct request_slot.
 * Return: 0; -EBUSY no slot or ring full; what ops->build said. Context: any.
 */
int __must_check request_submit(struct request_device *device, struct block_request *request,
                                void (*done)(void *context, struct block_request *request,
                                             int error),
                                void *context);

/** request_kick() - tell the device of what was submitted. Context: any. */
void request_kick(struct request_device *device);

/** request_poll() - reap all queues without an interrupt. Context: softirq or task. */
void request_poll(struct request_device *device);

/**
 * request_recover() - reset the device; what was in flight ends with -EAGAIN. Context: task.
 * Return: 0 it works again; -errno.
 */
int __must_check request_recover(struct request_device *device);

/** request_segment() - a piece of a slot, for the chain. */
struct scatter_segment request_segment(const void *field, uint32_t length);
/** request_chain_add() - append a piece; request_chain_add_data() the request's segments. */
void request_chain_add(struct request_chain *chain, struct scatter_segment segment);
void request_chain_add_data(struct request_chain *chain, const struct block_request *request);
