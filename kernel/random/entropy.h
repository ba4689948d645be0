/*
 * Sources of entropy: what makes the generator of kernel/random.h unpredictable.
 *
 * Two kinds. A source that answers at once (an instruction, the clock) is read when the generator
 * wants new seed and is there from the start:
 *
 *     static size_t cpu_read(void *data, size_t size) { ... return bytes; }
 *     ENTROPY_SOURCE(cpu, cpu_read, 8);
 *
 * A device that answers later (virtio-rng) registers when it is found. It is asked once at
 * registration and every ENTROPY_REQUEST_NS from then on, and delivers by entropy_add():
 *
 *     device->entropy = (struct entropy_source){ .name = "virtio-rng", .bits_per_byte = 8,
 *                                                .request = virtio_rng_request };
 *     entropy_register(&device->entropy);
 *
 * The `entropy` command shows them all. No source is trusted to be good: all are hashed together,
 * and a bad one cannot take away what the others gave.
 */
#pragma once

#include "kernel/time/timer.h"
#include "lib/atomic.h"
#include "lib/list.h"
#include "lib/registry.h"

#define ENTROPY_REQUEST_NS (60 * NS_PER_S)

struct entropy_source {
    const char *name;
    /* How much of a byte nobody can predict, 0 to 8; only for the account shown to people. */
    unsigned int bits_per_byte;

    /*
     * Fill @data with up to @size bytes, now. Return: bytes filled, 0 when it has none or finds
     * itself broken. Context: any, interrupts may be off; microseconds. NULL for devices.
     */
    size_t (*read)(void *data, size_t size);

    /*
     * Ask the device for bytes, which it hands to entropy_add() when they come.
     * Context: softirq or task; must not sleep. NULL for sources that are read.
     */
    void (*request)(struct entropy_source *source);

    /* The rest belongs to entropy.c. */
    atomic_u64 bytes;    /* given so far; statistics */
    atomic_u64 failures; /* times it had nothing; statistics */
    struct timer timer;  /* for request */
    struct list_node node;
};

/* One registered at build time. */
struct entropy_source_entry {
    struct entropy_source *source;
};

#define ENTROPY_SOURCE(symbol, read_, bits_per_byte_)                                              \
    static struct entropy_source symbol##_entropy_source = { .name = #symbol,                      \
                                                             .read = (read_),                      \
                                                             .bits_per_byte = (bits_per_byte_) };  \
    REGISTRY_ENTRY(entropy_source_entry, symbol##_entropy_entry,                                   \
                   { .source = &symbol##_entropy_source })

/** entropy_register() - a device is there; it may be asked before this returns. Context: task. */
void entropy_register(struct entropy_source *source);

/** entropy_unregister() - it will not be asked any more when this returns. Context: task. */
void entropy_unregister(struct entropy_source *source);

/** entropy_add() - bytes from a device. Context: any. */
void entropy_add(struct entropy_source *source, const void *data, size_t size);

/**
 * entropy_collect() - read every source that answers at once
 * @sink: is given each piece
 *
 * Return: the bits of entropy in all of them. Context: any.
 */
unsigned int entropy_collect(void (*sink)(const void *data, size_t size));

/** entropy_for_each() - visit all sources. Context: task; @visit must not sleep. */
void entropy_for_each(void (*visit)(const struct entropy_source *source, void *context),
                      void *context);
