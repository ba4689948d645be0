/*
 * Split virtqueue. See virtq.h for the contract.
 *
 * One layout serves every transport: the legacy one (2.7.2: descriptors, available ring, then the
 * used ring on the next page), in contiguous pages.
 *
 * Ordering against the device (2.7.13): descriptors before avail.idx (write barrier); avail.idx
 * before reading avail_event or used.flags (full barrier); used.idx before the used element (read
 * barrier); used_event before re-reading used.idx (full barrier).
 */
#include "drivers/virtio/virtq.h"

#include "arch/io.h"
#include "arch/mmu.h"
#include "drivers/virtio/virtio.h"
#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"

#define VIRTQ_END UINT16_MAX /* end of the free list */

static size_t used_ring_offset(uint16_t size)
{
    size_t end = sizeof(struct virtq_desc) * size + sizeof(uint16_t) * (3 + (size_t)size);
    return ALIGN_UP(end, PAGE_SIZE);
}

static size_t ring_bytes(uint16_t size)
{
    return used_ring_offset(size) + sizeof(uint16_t) * 3 + sizeof(struct virtq_used_elem) * size;
}

static void initialise_rings(struct virtq *vq)
{
    memset(vq->ring_memory, 0, ring_bytes(vq->size));
    for (uint16_t i = 0; i < vq->size; i++)
        vq->desc[i].next = i + 1 < vq->size ? (uint16_t)(i + 1) : VIRTQ_END;
    vq->free_head = 0;
    vq->free_count = vq->size;
    vq->avail_idx = vq->kicked_idx = vq->last_used_idx = 0;
    vq->is_broken = false;
}

struct virtq *virtq_create(struct virtio_device *device, unsigned int index, uint16_t size)
{
    struct virtq *vq = kzalloc(sizeof(*vq));

    if (!vq)
        return NULL;
    vq->slots = kcalloc(size, sizeof(vq->slots[0]));
    vq->ring_memory = page_alloc(DIV_ROUND_UP(ring_bytes(size), PAGE_SIZE), PAGE_ZERO, "virtq");
    if (!vq->slots || !vq->ring_memory)
        goto free;
    vq->device = device;
    vq->index = index;
    vq->size = size;
    vq->has_event_idx = virtio_has_feature(device, VIRTIO_F_EVENT_IDX);
    vq->has_indirect = virtio_has_feature(device, VIRTIO_F_INDIRECT_DESC);
    vq->desc = vq->ring_memory;
    vq->avail = (volatile void *)(vq->desc + size);
    vq->used = (void *)((uint8_t *)vq->ring_memory + used_ring_offset(size));
    vq->used_event = &vq->avail->ring[size];
    vq->avail_event = (volatile void *)&vq->used->ring[size];
    initialise_rings(vq);
    return vq;
free:
    page_free(vq->ring_memory);
    kfree(vq->slots);
    kfree(vq);
    return NULL;
}

void virtq_destroy(struct virtq *vq)
{
    if (!vq)
        return;
    for (uint16_t i = 0; i < vq->size; i++)
        kfree(vq->slots[i].indirect);
    page_free(vq->ring_memory);
    kfree(vq->slots);
    kfree(vq);
}

void virtq_reset(struct virtq *vq, void (*drop)(struct virtq *vq, void *token))
{
    for (uint16_t i = 0; i < vq->size; i++) {
        void *token = vq->slots[i].token;
        vq->slots[i].token = NULL;
        if (token && drop)
            drop(vq, token);
    }
    initialise_rings(vq);
}

/*
 * Indirect when the chain cannot fit otherwise, or when the ring is filling up: direct chains spare
 * the device a look elsewhere, indirect ones let small rings hold many requests.
 */
static bool wants_indirect(const struct virtq *vq, size_t count)
{
    return vq->has_indirect && count > 1 && vq->free_count < count + vq->size / 2;
}

/* A table of at least @count descriptors in @slot; a power of two, so that it seldom grows. */
static int reserve_indirect(struct virtq_slot *slot, size_t count)
{
    size_t capacity = 4;

    if (slot->indirect_capacity >= count)
        return 0;
    while (capacity < count)
        capacity *= 2;
    struct virtq_desc *table = kmalloc(capacity * sizeof(*table));
    if (!table)
        return -ENOMEM;
    kfree(slot->indirect);
    slot->indirect = table;
    slot->indirect_capacity = (uint16_t)capacity;
    return 0;
}

static void fill_descriptor(volatile struct virtq_desc *desc, const struct scatter_segment *segment,
                            uint16_t flags)
{
    desc->addr = segment->paddr;
    desc->len = segment->length;
    desc->flags = flags;
}

/* Entries of a table are chained in array order; @first is where these segments start. */
static void fill_indirect(struct virtq_desc *table, const struct scatter_segment *segments,
                          size_t count, size_t first, size_t total, uint16_t flags)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = first + i;
        uint16_t more = at + 1 < total ? VIRTQ_DESC_F_NEXT : 0;

        fill_descriptor(&table[at], &segments[i], flags | more);
        table[at].next = (uint16_t)(at + 1);
    }
}

static int add_indirect(struct virtq *vq, const struct scatter_segment *readable,
                        size_t readable_count, const struct scatter_segment *writable,
                        size_t writable_count)
{
    uint16_t head = vq->free_head;
    struct virtq_slot *slot = &vq->slots[head];
    size_t total = readable_count + writable_count;
    int error = reserve_indirect(slot, total);

    if (error)
        return error;
    fill_indirect(slot->indirect, readable, readable_count, 0, total, 0);
    fill_indirect(slot->indirect, writable, writable_count, readable_count, total,
                  VIRTQ_DESC_F_WRITE);
    struct scatter_segment table = { .paddr = direct_map_to_phys(slot->indirect),
                                     .length = (uint32_t)(total * sizeof(struct virtq_desc)) };
    fill_descriptor(&vq->desc[head], &table, VIRTQ_DESC_F_INDIRECT);
    vq->free_head = vq->desc[head].next;
    slot->descriptor_count = 1;
    return 0;
}

/* Return: the free descriptor after the last one filled. */
static uint16_t fill_direct(struct virtq *vq, uint16_t at, const struct scatter_segment *segments,
                            size_t count, bool more_follow, uint16_t flags)
{
    for (size_t i = 0; i < count; i++) {
        uint16_t more = i + 1 < count || more_follow ? VIRTQ_DESC_F_NEXT : 0;

        fill_descriptor(&vq->desc[at], &segments[i], flags | more);
        at = vq->desc[at].next;
    }
    return at;
}

static void add_direct(struct virtq *vq, const struct scatter_segment *readable,
                       size_t readable_count, const struct scatter_segment *writable,
                       size_t writable_count)
{
    uint16_t head = vq->free_head;
    uint16_t at = fill_direct(vq, head, readable, readable_count, writable_count > 0, 0);

    vq->free_head = fill_direct(vq, at, writable, writable_count, false, VIRTQ_DESC_F_WRITE);
    vq->slots[head].descriptor_count = (uint16_t)(readable_count + writable_count);
}

static void publish(struct virtq *vq, uint16_t head)
{
    vq->avail->ring[vq->avail_idx & (vq->size - 1)] = head;
    memory_write_barrier(); /* the device reads ring and descriptors after it has seen idx */
    vq->avail->idx = ++vq->avail_idx;
}

static uint32_t total_bytes(const struct scatter_segment *segments, size_t count)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += segments[i].length;
    return (uint32_t)MIN(bytes, (uint64_t)UINT32_MAX);
}

int virtq_add(struct virtq *vq, const struct scatter_segment *readable, size_t readable_count,
              const struct scatter_segment *writable, size_t writable_count, void *token)
{
    size_t count = readable_count + writable_count;
    uint16_t head = vq->free_head;

    if (count == 0 || count > UINT16_MAX || (count > vq->size && !vq->has_indirect))
        return -E2BIG;
    if (wants_indirect(vq, count)) {
        if (vq->free_count == 0)
            return -EBUSY;
        int error = add_indirect(vq, readable, readable_count, writable, writable_count);
        if (error)
            return error;
    } else {
        if (vq->free_count < count)
            return -EBUSY;
        add_direct(vq, readable, readable_count, writable, writable_count);
    }
    struct virtq_slot *slot = &vq->slots[head];
    slot->token = token;
    slot->writable_bytes = total_bytes(writable, writable_count);
    vq->free_count -= slot->descriptor_count;
    publish(vq, head);
    return 0;
}

/* Did the index pass @event on its way from @old to @new? (2.7.10, vring_need_event) */
static bool passed_event(uint16_t event, uint16_t new, uint16_t old)
{
    return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

/* Does the device want to know of what was added since @old? */
static bool is_kick_wanted(const struct virtq *vq, uint16_t old)
{
    return vq->has_event_idx ? passed_event(*vq->avail_event, vq->avail_idx, old)
                             : !(vq->used->flags & VIRTQ_USED_F_NO_NOTIFY);
}

bool virtq_wants_kick(struct virtq *vq)
{
    uint16_t old = vq->kicked_idx;

    if (vq->avail_idx == old)
        return false;
    vq->kicked_idx = vq->avail_idx;
    if (is_kick_wanted(vq, old))
        return true;
    memory_barrier(); /* only a "no" read after idx is visible to the device counts */
    return is_kick_wanted(vq, old);
}

void virtq_notify(struct virtq *vq)
{
    vq->kicks++;
    virtio_notify(vq);
}

void virtq_kick(struct virtq *vq)
{
    if (virtq_wants_kick(vq))
        virtq_notify(vq);
}

bool virtq_has_used(const struct virtq *vq)
{
    return !vq->is_broken && vq->used->idx != vq->last_used_idx;
}

static void break_queue(struct virtq *vq, const char *what, uint32_t value)
{
    vq->is_broken = true;
    log_error("virtio", "%s: queue %u: device broke its contract: %s %u", vq->device->name,
              vq->index, what, value);
}

/* Back to the free list: the chain's own next fields link it. */
static void free_chain(struct virtq *vq, uint16_t head)
{
    uint16_t last = head;

    for (uint16_t i = 1; i < vq->slots[head].descriptor_count; i++)
        last = vq->desc[last].next;
    vq->desc[last].next = vq->free_head;
    vq->free_head = head;
    vq->free_count += vq->slots[head].descriptor_count;
}

void *virtq_pop(struct virtq *vq, uint32_t *length)
{
    if (!virtq_has_used(vq))
        return NULL;
    memory_read_barrier(); /* the element was written before idx */
    volatile struct virtq_used_elem *elem = &vq->used->ring[vq->last_used_idx & (vq->size - 1)];
    uint32_t id = elem->id, written = elem->len;
    if ((uint16_t)(vq->used->idx - vq->last_used_idx) > vq->size) {
        break_queue(vq, "used index jumped to", vq->used->idx);
        return NULL;
    }
    if (id >= vq->size || !vq->slots[id].token) {
        break_queue(vq, "used a buffer it was not given,", id);
        return NULL;
    }
    struct virtq_slot *slot = &vq->slots[id];
    if (written > slot->writable_bytes && !vq->ignores_length &&
        virtio_has_feature(vq->device, VIRTIO_F_VERSION_1)) {
        break_queue(vq, "wrote past the end of a buffer, bytes", written);
        return NULL;
    }
    void *token = slot->token;
    slot->token = NULL;
    free_chain(vq, (uint16_t)id);
    vq->last_used_idx++;
    if (length)
        *length = MIN(written, slot->writable_bytes); /* legacy devices count loosely (2.7.8.2) */
    return token;
}

void virtq_disable_interrupts(struct virtq *vq)
{
    if (vq->has_event_idx)
        *vq->used_event = (uint16_t)(vq->last_used_idx - 1); /* all of the index's turn away */
    else
        vq->avail->flags = VIRTQ_AVAIL_F_NO_INTERRUPT;
}

bool virtq_enable_interrupts(struct virtq *vq)
{
    if (vq->has_event_idx)
        *vq->used_event = vq->last_used_idx;
    else
        vq->avail->flags = 0;
    memory_barrier(); /* the wish is visible before idx is read again */
    return !virtq_has_used(vq);
}

bool virtq_interrupt_after(struct virtq *vq, unsigned int count)
{
    if (!vq->has_event_idx)
        return virtq_enable_interrupts(vq);
    *vq->used_event = (uint16_t)(vq->last_used_idx + count - 1);
    memory_barrier(); /* the wish is visible before idx is read again */
    return (uint16_t)(vq->used->idx - vq->last_used_idx) < count;
}
