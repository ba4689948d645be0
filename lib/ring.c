/*
 * Ring buffers. The producer owns the write position, the consumer the read position; each
 * publishes its own by a release store after it has touched the data, and looks at the other's by
 * an acquire load before it does.
 */
#include "lib/ring.h"

#include "lib/string.h"

void ring_init(struct ring *ring, void *data, uint32_t size)
{
    *ring = (struct ring){ .data = data, .size = size };
}

static uint32_t masked(const struct ring *ring, uint32_t position)
{
    return position & (ring->size - 1);
}

/* Copies in the two pieces that the end of the memory may cut @length into. */
static void copy_in(struct ring *ring, uint32_t position, const uint8_t *data, uint32_t length)
{
    uint32_t start = masked(ring, position);
    uint32_t first = MIN(length, ring->size - start);

    memcpy(ring->data + start, data, first);
    memcpy(ring->data, data + first, length - first);
}

static void copy_out(const struct ring *ring, uint32_t position, uint8_t *data, uint32_t length)
{
    uint32_t start = masked(ring, position);
    uint32_t first = MIN(length, ring->size - start);

    memcpy(data, ring->data + start, first);
    memcpy(data + first, ring->data, length - first);
}

uint32_t ring_write(struct ring *ring, const void *data, uint32_t length)
{
    uint32_t write = atomic_load_relaxed(&ring->write);
    uint32_t written = MIN(length, ring_free(ring));

    if (written == 0)
        return 0;
    copy_in(ring, write, data, written);
    /* Pairs with the acquire in ring_used() of the consumer. */
    atomic_store_release(&ring->write, write + written);
    return written;
}

uint32_t ring_peek(const struct ring *ring, uint32_t offset, void *data, uint32_t length)
{
    uint32_t used = ring_used(ring);

    if (offset >= used)
        return 0;
    length = MIN(length, used - offset);
    if (length)
        copy_out(ring, atomic_load_relaxed(&ring->read) + offset, data, length);
    return length;
}

uint32_t ring_skip(struct ring *ring, uint32_t length)
{
    uint32_t read = atomic_load_relaxed(&ring->read);

    length = MIN(length, ring_used(ring));
    /* Pairs with the acquire in ring_used() of the producer. */
    atomic_store_release(&ring->read, read + length);
    return length;
}

uint32_t ring_read(struct ring *ring, void *data, uint32_t length)
{
    return ring_skip(ring, ring_peek(ring, 0, data, length));
}

uint32_t ring_read_span(const struct ring *ring, const uint8_t **data)
{
    uint32_t start = masked(ring, atomic_load_relaxed(&ring->read));

    *data = ring->data + start;
    return MIN(ring_used(ring), ring->size - start);
}

uint32_t ring_write_span(const struct ring *ring, uint8_t **data)
{
    uint32_t start = masked(ring, atomic_load_relaxed(&ring->write));

    *data = ring->data + start;
    return MIN(ring_free(ring), ring->size - start);
}

void ring_commit(struct ring *ring, uint32_t length)
{
    uint32_t write = atomic_load_relaxed(&ring->write);

    /* Pairs with the acquire in ring_used() of the consumer. */
    atomic_store_release(&ring->write, write + length);
}

void ring_clear(struct ring *ring)
{
    atomic_store_release(&ring->read, atomic_load_acquire(&ring->write));
}

void pointer_ring_init(struct pointer_ring *ring, void **slots, uint32_t size)
{
    *ring = (struct pointer_ring){ .slots = slots, .size = size };
}

bool pointer_ring_push(struct pointer_ring *ring, void *pointer)
{
    uint32_t write = atomic_load_relaxed(&ring->write);

    if (pointer_ring_used(ring) == ring->size)
        return false;
    ring->slots[write & (ring->size - 1)] = pointer;
    /* Pairs with the acquire in pointer_ring_used() of the consumer. */
    atomic_store_release(&ring->write, write + 1);
    return true;
}

void *pointer_ring_pop(struct pointer_ring *ring)
{
    uint32_t read = atomic_load_relaxed(&ring->read);

    if (pointer_ring_used(ring) == 0)
        return NULL;

    void *pointer = ring->slots[read & (ring->size - 1)];

    /* Pairs with the acquire in pointer_ring_used() of the producer. */
    atomic_store_release(&ring->read, read + 1);
    return pointer;
}
