/*
 * Split virtqueue (VIRTIO 1.2, 2.7): a ring of buffers shared with a device.
 *
 * The driver owns the lock: every function here but the constructor wants the queue's callers
 * serialised, in any context, and none sleeps. What the device writes is checked and never
 * believed: a used element that names no buffer in flight, or a length larger than the buffer,
 * marks the queue broken, and the driver resets the device (virtio_restart()).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "mm/scatter.h"

struct virtio_device;

struct virtq_desc { /* 2.7.5; little-endian, as this machine is */
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};
#define VIRTQ_DESC_F_NEXT     1
#define VIRTQ_DESC_F_WRITE    2
#define VIRTQ_DESC_F_INDIRECT 4

struct virtq_avail { /* 2.7.6; followed by uint16_t used_event */
    uint16_t flags;
    uint16_t idx;
    uint16_t ring[];
};
#define VIRTQ_AVAIL_F_NO_INTERRUPT 1

struct virtq_used_elem {
    uint32_t id;
    uint32_t len;
};

struct virtq_used { /* 2.7.8; followed by uint16_t avail_event */
    uint16_t flags;
    uint16_t idx;
    struct virtq_used_elem ring[];
};
#define VIRTQ_USED_F_NO_NOTIFY 1

/* What the driver keeps of a chain in flight, by its head descriptor. */
struct virtq_slot {
    void *token;               /* the driver's; NULL: not in flight */
    uint32_t writable_bytes;   /* bound on the used length */
    uint16_t descriptor_count; /* of the ring; 1 for an indirect chain */
    uint16_t indirect_capacity;
    struct virtq_desc *indirect; /* table kept for reuse, NULL until needed */
};

struct virtq {
    struct virtio_device *device; /* const, as all of this block */
    unsigned int index;
    uint16_t size; /* power of two */
    bool has_event_idx;
    bool has_indirect;
    /*
     * The driver has no use for used lengths, so a wrong one is no breach: QEMU's virtio-scsi adds
     * what it has read to what it has written.
     */
    bool ignores_length;
    unsigned int cpu;                   /* to interrupt, or IRQ_ANY_CPU */
    const char *name;                   /* for irqstat */
    void (*callback)(struct virtq *vq); /* buffers were used. Context: ISR; NULL: none */
    void *context;                      /* the driver's */
    void *ring_memory;
    volatile struct virtq_desc *desc;
    volatile struct virtq_avail *avail;
    volatile struct virtq_used *used;
    volatile uint16_t *used_event;  /* we write: interrupt us when used.idx passes this */
    volatile uint16_t *avail_event; /* the device writes: notify it when avail.idx passes this */
    volatile void *notify_address;  /* the transport's */
    struct virtq_slot *slots;

    uint16_t free_head; /* free descriptors, chained by next */
    uint16_t free_count;
    uint16_t avail_idx;  /* next to write */
    uint16_t kicked_idx; /* avail_idx when the device was last told */
    uint16_t last_used_idx;
    bool is_broken;
    uint64_t kicks, interrupts; /* statistics */
};

/** virtq_create() - rings and slots for @size buffers; NULL when out of memory. Context: task. */
struct virtq *virtq_create(struct virtio_device *device, unsigned int index, uint16_t size);
void virtq_destroy(struct virtq *vq);

/** virtq_reset() - empty rings after a device reset; @drop is called with each token in flight. */
void virtq_reset(struct virtq *vq, void (*drop)(struct virtq *vq, void *token));

/**
 * virtq_add() - make a chain of buffers available: first those the device reads, then those it
 * writes. The device is not told: virtq_kick().
 * @token: comes back from virtq_pop(); not NULL.
 * Return: 0; -EBUSY ring full; -E2BIG more segments than can ever fit; -ENOMEM no indirect table.
 */
int __must_check virtq_add(struct virtq *vq, const struct scatter_segment *readable,
                           size_t readable_count, const struct scatter_segment *writable,
                           size_t writable_count, void *token);

/** virtq_kick() - tell the device of new buffers, unless it said that it is looking anyway. */
void virtq_kick(struct virtq *vq);

/**
 * virtq_wants_kick() - the same in two steps: when true, virtq_notify() is to follow
 * The second needs no lock. Telling a device is slow where it is emulated: others who want the
 * queue should not wait for that.
 */
bool __must_check virtq_wants_kick(struct virtq *vq);
void virtq_notify(struct virtq *vq);

/**
 * virtq_pop() - token of the next used chain, NULL when there is none (or the queue is broken)
 * @length: bytes the device says it wrote, at most the writable bytes given; may be NULL.
 */
void *virtq_pop(struct virtq *vq, uint32_t *length);

/** virtq_has_used() - is there something to pop? */
bool virtq_has_used(const struct virtq *vq);

/** virtq_disable_interrupts() - a hint to the device: the driver polls now. */
void virtq_disable_interrupts(struct virtq *vq);
/**
 * virtq_enable_interrupts() - ask for an interrupt at the next used buffer
 * Return: false when one was used meanwhile: the caller polls again, no interrupt need come.
 */
bool __must_check virtq_enable_interrupts(struct virtq *vq);

/**
 * virtq_interrupt_after() - one interrupt when the next @count chains have been used
 * Where that cannot be said (no EVENT_IDX), at the next one.
 * Return: false when they (there: one) have been already: no interrupt need come.
 */
bool __must_check virtq_interrupt_after(struct virtq *vq, unsigned int count);

/** virtq_in_flight() - chains that were not popped yet. */
static inline unsigned int virtq_in_flight(const struct virtq *vq)
{
    return (uint16_t)(vq->avail_idx - vq->last_used_idx);
}

/** virtq_free_descriptors() - ring entries left; a chain needs 1 (indirect) or its segments. */
static inline unsigned int virtq_free_descriptors(const struct virtq *vq)
{
    return vq->free_count;
}
