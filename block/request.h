/*
 * Block requests: what a file system asks of a disk.
 *
 * A request is the caller's memory; the block layer owns it from block_submit() until @complete
 * has been called. Nothing here sleeps but block_wait() and the block_read()/block_write() helpers.
 * The life of a request is told in docs/ARCHITECTURE.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/sync/wait_group.h"
#include "lib/compiler.h"
#include "lib/list.h"
#include "lib/types.h"
#include "mm/scatter.h"

#define SECTOR_SHIFT 9
#define SECTOR_SIZE                                                                                \
    (1UL << SECTOR_SHIFT) /* the unit of every lba_t, whatever the device's block                  \
                           */

struct block_device;

enum block_operation {
    BLOCK_READ,
    BLOCK_WRITE,
    BLOCK_FLUSH,   /* no data: all writes completed before its submission are on stable storage */
    BLOCK_DISCARD, /* no data: the sectors' contents are no longer wanted */
};

enum block_flags {
    BLOCK_FUA = 1u << 0, /* a write that is on stable storage when it completes */
};

struct block_request {
    /* set by the caller */
    struct block_device *device;
    enum block_operation operation;
    unsigned int flags;                     /* enum block_flags */
    lba_t lba;                              /* first sector; of the partition when @device is one */
    uint64_t sectors;                       /* 0 for BLOCK_FLUSH */
    const struct scatter_segment *segments; /* data; their lengths add up to sectors * 512 */
    size_t segment_count;
    uint64_t deadline_ns; /* absolute; 0: after the time of block.timeout=, BLOCK_TIMEOUT_NS */
    /* Called once, in softirq or task context, interrupts on: must not sleep. */
    void (*complete)(struct block_request *request);
    void *context; /* the caller's */

    /* result */
    int error; /* 0, -EIO, -ETIMEDOUT, -EROFS, -ENOSPC, -ENODEV, -EINVAL, -ENOMEM */

    /* the block layer's and the driver's */
    struct list_node node;
    void *driver_data;
    uint64_t submitted_ns;
    lba_t device_lba; /* on the whole disk */
    uint8_t tries;
    bool is_flushing; /* the data is written; the flush that BLOCK_FUA asks for is under way */
};

#define BLOCK_TIMEOUT_NS (30ULL * 1000000000)

/**
 * block_submit() - hand one request to its device
 *
 * Any length and alignment in sectors; longer than the device takes at once, or in pieces smaller
 * than its logical block, is the block layer's business. A full ring queues it for retry.
 * Errors too come through @complete, also for a request that was never sent.
 * Context: any but NMI; never sleeps. @complete may run before it returns.
 */
void block_submit(struct block_request *request);

/*
 * Batches: between block_plug() and block_unplug() the device is not told of new requests, so that
 * one doorbell serves them all. Per device, counted. block_submit() alone rings at once.
 */
void block_plug(struct block_device *device);
void block_unplug(struct block_device *device);

/**
 * block_transfer() - read or write synchronously between a kernel buffer and the device
 * @buffer: any alignment; mapped kernel memory; becomes a scatter list or is bounced.
 * Context: task, may sleep (before tasks exist, polls). Return: 0 or -errno.
 */
int __must_check block_transfer(struct block_device *device, enum block_operation operation,
                                lba_t lba, uint64_t sectors, void *buffer, unsigned int flags);

static inline int __must_check block_read(struct block_device *device, lba_t lba, uint64_t sectors,
                                          void *buffer)
{
    return block_transfer(device, BLOCK_READ, lba, sectors, buffer, 0);
}

static inline int __must_check block_write(struct block_device *device, lba_t lba, uint64_t sectors,
                                           const void *buffer)
{
    return block_transfer(device, BLOCK_WRITE, lba, sectors, (void *)buffer, 0);
}

/**
 * block_discard() - the sectors' contents are no longer wanted. Context: task.
 * Return: 0; -ENOTSUP the device has no use for it.
 */
int __must_check block_discard(struct block_device *device, lba_t lba, uint64_t sectors);

/** block_flush() - returns when everything written before is on stable storage. Context: task. */
int __must_check block_flush(struct block_device *device);
