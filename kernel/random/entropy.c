/*
 * The sources of entropy, and the traffic with them. Above: random.c, which mixes what they give.
 * Below: the architecture's instructions, the clock, drivers.
 */
#include "kernel/random/entropy.h"

#include "kernel/random/random_internal.h"
#include "kernel/sync/spinlock.h"
#include "lib/string.h"

/* Bytes taken from each source for a seed. */
#define SEED_SIZE 32

static DEFINE_SPINLOCK(devices_lock, "entropy_devices", LOCK_RANK_RANDOM);
static struct list devices __guarded_global(devices_lock) = LIST_INIT(devices);

static void count(struct entropy_source *source, size_t bytes)
{
    if (bytes)
        atomic_fetch_add_relaxed(&source->bytes, bytes);
    else
        atomic_fetch_add_relaxed(&source->failures, 1);
}

unsigned int entropy_collect(void (*sink)(const void *data, size_t size))
{
    const struct entropy_source_entry *entry;
    uint8_t seed[SEED_SIZE];
    unsigned int bits = 0;

    registry_for_each(entry, entropy_source_entry) {
        size_t got = entry->source->read(seed, sizeof(seed));

        count(entry->source, got);
        if (got)
            sink(seed, got);
        bits += (unsigned int)got * entry->source->bits_per_byte;
    }
    memzero_explicit(seed, sizeof(seed));
    return bits;
}

static void request_again(struct timer *timer)
{
    struct entropy_source *source = container_of(timer, struct entropy_source, timer);

    source->request(source);
}

void entropy_register(struct entropy_source *source)
{
    irqflags_t flags = spin_lock_irqsave(&devices_lock);

    list_push_back(&devices, &source->node);
    spin_unlock_irqrestore(&devices_lock, flags);

    timer_init(&source->timer, source->name, request_again);
    timer_start(&source->timer, deadline_after_ns(ENTROPY_REQUEST_NS), ENTROPY_REQUEST_NS);
    source->request(source);
}

void entropy_unregister(struct entropy_source *source)
{
    timer_stop_sync(&source->timer);

    irqflags_t flags = spin_lock_irqsave(&devices_lock);

    list_remove(&source->node);
    spin_unlock_irqrestore(&devices_lock, flags);
}

void entropy_add(struct entropy_source *source, const void *data, size_t size)
{
    count(source, size);
    if (size)
        random_mix(data, size, (unsigned int)size * source->bits_per_byte);
}

void entropy_for_each(void (*visit)(const struct entropy_source *source, void *context),
                      void *context)
{
    const struct entropy_source_entry *entry;
    struct entropy_source *source;

    registry_for_each(entry, entropy_source_entry)
        visit(entry->source, context);

    irqflags_t flags = spin_lock_irqsave(&devices_lock);

    list_for_each_entry(source, &devices, node)
        visit(source, context);
    spin_unlock_irqrestore(&devices_lock, flags);
}
