/*
 * The one interface over disks: virtio-blk, virtio-scsi, NVMe, RAM disks and partitions of them.
 *
 * Devices are counted: block_device_find() gives a reference, a file system keeps one while it is
 * mounted. A device that is gone (-ENODEV) stays until the last reference is put.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block/request.h"
#include "kernel/sync/mutex.h"
#include "kernel/sync/spinlock.h"
#include "kernel/time/timer.h"
#include "lib/compiler.h"
#include "lib/list.h"
#include "lib/types.h"

#define BLOCK_NAME_MAX 16

/* What a driver implements. All are called with interrupts as they are, never with queue locks. */
struct block_device_ops {
    /*
     * Put one request in the device's ring; within the limits below. BLOCK_FLUSH has no data,
     * whatever the request's segments say (FUA). No doorbell yet if the device has @kick. Context:
     * any. Return: 0 accepted (block_complete() will follow); -EBUSY ring full (the block layer
     * retries after a completion, from softirq); other: the request's error.
     */
    int (*submit)(struct block_device *device, struct block_request *request);
    /* Optional: tell the device that requests were put in the ring. Context: any. */
    void (*kick)(struct block_device *device);
    /* Reap completions without an interrupt: before interrupts work, and when one seems lost. */
    void (*poll)(struct block_device *device);
    /*
     * A deadline has passed, or the driver asked by block_device_recover(): reset the device so
     * that it lets go of all memory, then block_complete() each request in flight with -EAGAIN: the
     * overdue end with -ETIMEDOUT, the others are sent again. No submit() comes meanwhile.
     * Context: task. Return: 0 the device works again; -errno: it is given up, and what is
     * in flight ends with -EIO: the driver has taken the device's access to memory away (bus
     * mastering).
     */
    int (*recover)(struct block_device *device);
    /* Optional: the last reference is gone; free the driver's state. Context: task. */
    void (*release)(struct block_device *device);
};

/* What the device can take in one request; the block layer splits to fit. Const after register. */
struct block_limits {
    uint32_t logical_block_size;  /* bytes: 512 or 4096 */
    uint32_t max_sectors;         /* per request */
    uint32_t max_segments;        /* per request, at least 1 */
    uint32_t max_segment_bytes;   /* per segment */
    uint32_t max_discard_sectors; /* 0: no discard */
    uint32_t boundary_mask; /* middle segments start and end on it: 4095 for NVMe's PRPs; or 0 */
    uint32_t queue_depth;   /* requests in flight that the device can hold; for information */
};

enum block_device_flags {
    BLOCK_DEVICE_READ_ONLY = 1u << 0,
    BLOCK_DEVICE_WRITE_CACHE = 1u << 1, /* without it BLOCK_FLUSH completes at once */
    BLOCK_DEVICE_PARTITION = 1u << 2,
    BLOCK_DEVICE_FUA = 1u << 3, /* it carries out BLOCK_FUA itself; else a flush follows */
};

struct block_statistics { /* all atomic; statistics only */
    uint64_t reads, writes, flushes, discards;
    uint64_t read_sectors, write_sectors;
    uint64_t errors, timeouts, retries, splits, bounces;
    uint32_t in_flight, in_flight_max;
};

struct block_device {
    char name[BLOCK_NAME_MAX];          /* "vda", "sda", "nvme0n1", "vda1"; const */
    const struct block_device_ops *ops; /* const; of the whole disk for a partition */
    struct block_limits limits;         /* const */
    unsigned int flags;                 /* const but READ_ONLY, which may be set later */
    uint64_t sectors;                   /* const */
    char model[48];                     /* const; for people: "virtio-blk", the SCSI inquiry text */
    struct block_device *whole;         /* const; the disk a partition lies on; itself otherwise */
    lba_t start;                        /* const; first sector on @whole */
    unsigned int partition_number;      /* const; 0 for a whole disk */
    struct block_statistics statistics;

    /* the block layer's */
    unsigned int references; /* atomic */
    bool is_gone;            /* atomic */
    const char *claimed_by;  /* guarded by the device table's lock; see block_claim() */
    struct list_node table_node;
    struct spinlock lock;                     /* rank: LOCK_RANK_BLOCK_QUEUE */
    struct list waiting __guarded_by(lock);   /* not in the ring yet */
    struct list in_flight __guarded_by(lock); /* the driver has them */
    unsigned int plug_count __guarded_by(lock);
    bool is_recovering __guarded_by(lock);
    bool is_ring_full __guarded_by(lock);      /* until the next completion */
    uint32_t ring_sequence __guarded_by(lock); /* times room was made in the ring */
    uint64_t timer_ns __guarded_by(lock);      /* what the timer is set to; 0: not armed */
    struct timer deadline_timer;
    struct list_node recovery_node; /* guarded by the recovery task's lock */
};

/**
 * block_device_register() - make a disk known, read its partition table and register those too
 * @prefix: "vd" gets the next free letter (vda...vdz, vdaa); a digit-ended name ("nvme0n1") is used
 * as it is, partitions then get a 'p' between.
 * The driver has filled ops, limits, flags, sectors, model. Context: task.
 * Return: 0; -EINVAL for impossible limits or sizes; -EEXIST; -ENOMEM.
 */
int __must_check block_device_register(struct block_device *device, const char *prefix);

/** block_device_remove() - the device is gone: waiting and new requests fail with -ENODEV. Task. */
void block_device_remove(struct block_device *device);

/** block_complete() - the driver is done with @request. Context: softirq or task. */
void block_complete(struct block_request *request, int error);

/** block_device_retry() - there is room in a ring that this disk shares with others. As above. */
void block_device_retry(struct block_device *device);

/** block_device_recover() - the driver found its device broken: ops->recover() soon. Any context.
 */
void block_device_recover(struct block_device *device);

/*
 * Completions out of the interrupt: the handler schedules its queue's poll, which then runs in
 * SOFTIRQ_BLOCK on the same CPU. Embedded in the driver's queue; the driver locks: two CPUs may run
 * it at once.
 */
struct block_poll {
    struct list_node node; /* guarded by its CPU's list, interrupts off */
    bool is_scheduled;     /* atomic */
    unsigned int runs;     /* atomic: under way */
    void (*run)(struct block_poll *poll);
};
void block_poll_init(struct block_poll *poll, void (*run)(struct block_poll *poll));
void block_poll_schedule(struct block_poll *poll); /* Context: any */
/** block_poll_cancel() - no run is due or under way; the caller has seen to it that none comes.
 * Task.
 */
void block_poll_cancel(struct block_poll *poll);

/** block_device_find() - counted reference by name, NULL if there is none. Context: any. */
struct block_device *block_device_find(const char *name);
struct block_device *block_device_get(struct block_device *device);
void block_device_put(struct block_device *device);

/**
 * block_claim() - one user at a time may write: a mounted file system, `format`
 * Claims of a disk and of its partitions exclude each other. @user: shown to the next who tries.
 * Return: 0; -EBUSY with *@holder naming who has it.
 */
int __must_check block_claim(struct block_device *device, const char *user, const char **holder);
void block_release(struct block_device *device);

/** block_device_for_each() - in name order; @visit gets a reference it need not put; may sleep. */
void block_device_for_each(bool (*visit)(struct block_device *device, void *arg), void *arg);
