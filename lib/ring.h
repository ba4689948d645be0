/*
 * Ring buffers over memory of the caller, with sizes that are powers of two.
 *
 * struct ring carries bytes (serial input, socket buffers), struct pointer_ring carries pointers
 * (frames, requests). One producer and one consumer may each work without a lock, on different
 * CPUs; several of a kind lock among themselves. Positions run freely and are masked on use, so a
 * full ring and an empty one differ without wasting a slot.
 */
#pragma once

#include "lib/atomic.h"

struct ring {
    uint8_t *data;    /* constant after ring_init */
    uint32_t size;    /* constant after ring_init */
    atomic_u32 read;  /* written by the consumer */
    atomic_u32 write; /* written by the producer */
};

/* @size: a power of two, at most 2^31. */
void ring_init(struct ring *ring, void *data, uint32_t size);

static inline uint32_t ring_size(const struct ring *ring)
{
    return ring->size;
}

/* Bytes that can be read. Exact for the consumer; for the producer it can only shrink meanwhile. */
static inline uint32_t ring_used(const struct ring *ring)
{
    return atomic_load_acquire(&ring->write) - atomic_load_acquire(&ring->read);
}

static inline uint32_t ring_free(const struct ring *ring)
{
    return ring->size - ring_used(ring);
}

static inline bool ring_is_empty(const struct ring *ring)
{
    return ring_used(ring) == 0;
}

/* Producer: copies as much of @data as there is room for. Return: bytes copied. */
uint32_t ring_write(struct ring *ring, const void *data, uint32_t length);

/* Consumer: takes up to @length bytes. Return: bytes taken. */
uint32_t ring_read(struct ring *ring, void *data, uint32_t length);

/* Consumer: copies up to @length bytes from @offset on, without taking them. Return: bytes. */
uint32_t ring_peek(const struct ring *ring, uint32_t offset, void *data, uint32_t length);

/* Consumer: drops up to @length bytes. Return: bytes dropped. */
uint32_t ring_skip(struct ring *ring, uint32_t length);

/* Consumer: the readable bytes that lie in one piece; take them with ring_skip(). */
uint32_t ring_read_span(const struct ring *ring, const uint8_t **data);

/* Producer: the free space that lies in one piece; fill it, then hand it over by ring_commit(). */
uint32_t ring_write_span(const struct ring *ring, uint8_t **data);
void ring_commit(struct ring *ring, uint32_t length);

/* Either side, with the other kept out. */
void ring_clear(struct ring *ring);

struct pointer_ring {
    void **slots;     /* constant after pointer_ring_init */
    uint32_t size;    /* constant after pointer_ring_init */
    atomic_u32 read;  /* written by the consumer */
    atomic_u32 write; /* written by the producer */
};

void pointer_ring_init(struct pointer_ring *ring, void **slots, uint32_t size);

static inline uint32_t pointer_ring_used(const struct pointer_ring *ring)
{
    return atomic_load_acquire(&ring->write) - atomic_load_acquire(&ring->read);
}

/* Return: false when the ring is full. */
bool pointer_ring_push(struct pointer_ring *ring, void *pointer) __must_check;

/* Return: the oldest pointer, NULL when the ring is empty. */
void *pointer_ring_pop(struct pointer_ring *ring);
