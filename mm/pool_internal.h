/*
 * Pools, for the files that make them up.
 *
 *     kmalloc.c   sizes to pools, large sizes to pages
 *     pool.c      magazines: what a CPU can take and give without a lock
 *     slab.c      slabs: pages cut into objects
 *     pool_debug.c  poison and red zones
 *
 * A slab is 1 to 8 pages cut into slots. In a release build a slot is the object; in a debug build
 * a red zone and a struct pool_note follow it. The free slots of a slab are chained by their
 * offsets.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "arch/irq.h"
#include "arch/percpu.h"
#include "kernel/sync/spinlock.h"
#include "lib/compiler.h"
#include "mm/page_internal.h"

#define POOL_MAX           64
#define POOL_NAME_MAX      24
#define POOL_SLAB_PAGES    8      /* at most; offsets within a slab fit in 16 bits */
#define OBJECT_NONE        0xFFFF /* end of a chain of free slots */
#define MAGAZINE_SIZE_MANY 30     /* objects up to MAGAZINE_SMALL bytes: 256 bytes of magazine */
#define MAGAZINE_SIZE_FEW  14     /* larger ones: 128 bytes */
#define MAGAZINE_SMALL     512

/* A magazine: objects that move between a CPU and the pool together. */
struct magazine {
    struct magazine *next; /* in the pool's lists */
    uint32_t count;        /* not maintained while a CPU has it loaded */
    void *objects[];
};

struct pool {
    struct spinlock lock; /* rank: LOCK_RANK_SLAB; interrupts off */

    /* Slabs. Those that are full are on no list. */
    uint32_t partial __guarded_by(lock); /* list head: some slots free */
    uint32_t empty __guarded_by(lock);   /* list head: all slots free */
    uint32_t empty_count __guarded_by(lock);
    uint32_t slabs __guarded_by(lock);
    uint32_t used __guarded_by(lock); /* slots out of the slabs: with users or in magazines */

    /* The depot. */
    struct magazine *full __guarded_by(lock);
    struct magazine *spare __guarded_by(lock); /* empty ones */
    uint32_t full_count __guarded_by(lock);

    /* Constant while the pool exists. */
    uint32_t full_limit;
    uint32_t object_size; /* what the user asked for */
    uint32_t slot_size;   /* from one object to the next */
    uint16_t link_offset; /* within a free slot: the chain */
    uint16_t slab_objects;
    uint8_t slab_pages;
    uint8_t number;
    uint8_t magazine_size;    /* 0: the pool has no magazines */
    bool is_ready;            /* atomic: all of the above is set */
    char name[POOL_NAME_MAX]; /* "": this entry of the table is free */
};

extern struct pool pools[POOL_MAX];

/* What a CPU holds of one pool: the loaded magazine, taken apart, and the one before it. */
struct pool_cache {
    uint32_t count;            /* objects in the loaded magazine */
    uint32_t capacity;         /* 0: none is loaded */
    void **objects;            /* the loaded magazine's */
    struct magazine *previous; /* full or empty, or NULL */
} __aligned(32);

DECLARE_PER_CPU(struct pool_cache[POOL_MAX], pool_caches); /* interrupts off */

/*
 * Magazines (pool.c): the common case, in a handful of instructions. The slow halves start afresh.
 */
void *pool_take_slow(unsigned int number);
void pool_give_slow(unsigned int number, void *object);

/* An object, or NULL when out of memory. Context: any. */
static __always_inline void *pool_take(unsigned int number)
{
    irqflags_t flags = irq_save();
    struct pool_cache *cache = &(*this_cpu_ptr(pool_caches))[number];

    if (likely(cache->count)) {
        void *object = cache->objects[--cache->count];

        irq_restore(flags);
        return object;
    }
    irq_restore(flags);
    return pool_take_slow(number);
}

static __always_inline void pool_give(unsigned int number, void *object)
{
    irqflags_t flags = irq_save();
    struct pool_cache *cache = &(*this_cpu_ptr(pool_caches))[number];

    if (likely(cache->count < cache->capacity)) {
        cache->objects[cache->count++] = object;
        irq_restore(flags);
        return;
    }
    irq_restore(flags);
    pool_give_slow(number, object);
}

/** pool_init() - the pools that pools need. After page_init(). */
void pool_init(void);

/** kmalloc_init() - the pools of kmalloc(). Return: 0 or -ENOMEM. */
int kmalloc_init(void);

/** pool_cache_drain() - give back what this CPU holds of every pool. Context: any. */
void pool_cache_drain(void *unused);

/** pool_release_all() - give back to the page allocator what is in no use. Context: any. */
void pool_release_all(void);

struct pool_statistics {
    size_t objects_used;   /* with users */
    size_t objects_cached; /* in magazines */
    size_t pages;
};

/** pool_statistics() - a momentary picture, read without locks. Context: any. */
void pool_statistics(const struct pool *pool, struct pool_statistics *statistics);

/*
 * Slabs (slab.c).
 */

/** slab_layout() - choose slab size and slots for pool->object_size. false: object too large. */
bool slab_layout(struct pool *pool, size_t alignment);

void *slab_take_locked(struct pool *pool) __must_hold(pool->lock);
void slab_give_locked(struct pool *pool, void *object) __must_hold(pool->lock);

/** slab_grow() - add a slab. Return: false when out of memory. Context: any, pool not locked. */
bool slab_grow(struct pool *pool);

/** slab_trim() - free empty slabs until @keep are left. Context: any, pool not locked. */
void slab_trim(struct pool *pool, uint32_t keep);

/** slab_alloc_one() and slab_free_one() - past the magazines. Context: any, pool not locked. */
void *slab_alloc_one(struct pool *pool);
void slab_free_one(struct pool *pool, void *object);

/*
 * Debug builds (pool_debug.c).
 */
#if CONFIG_DEBUG
/* Behind the red zone of every slot. */
struct pool_note {
    uint32_t state; /* NOTE_USED or NOTE_FREE; anything else: it has been overwritten */
    uint32_t size;  /* bytes asked for: the red zone begins there */
    uintptr_t allocated_by;
    uintptr_t freed_by;
    uint16_t link;
};

#define POOL_DEBUG_BYTES  (POOL_RED_ZONE_MIN + sizeof(struct pool_note))
#define POOL_RED_ZONE_MIN 16

void pool_debug_new_slot(const struct pool *pool, void *object);
/** pool_debug_alloc() - check that nobody wrote to it, open it for @size bytes. */
void pool_debug_alloc(const struct pool *pool, void *object, size_t size, uintptr_t caller);
/** pool_debug_free() - check that it is in use and its red zone whole, then poison it. */
void pool_debug_free(const struct pool *pool, void *object, uintptr_t caller);
/** pool_debug_resize() - krealloc() in place. */
void pool_debug_resize(const struct pool *pool, void *object, size_t size);
size_t pool_debug_size(const struct pool *pool, const void *object);

/* The same for memory of whole pages. */
void large_debug_alloc(void *pages, size_t size);
void large_debug_free(const void *pages, uintptr_t caller);
size_t large_debug_size(const void *pages);
#else
#define POOL_DEBUG_BYTES  0
#define POOL_RED_ZONE_MIN 0

static inline void pool_debug_new_slot(const struct pool *pool, void *object)
{
    (void)pool, (void)object;
}

static inline void pool_debug_alloc(const struct pool *pool, void *object, size_t size,
                                    uintptr_t caller)
{
    (void)pool, (void)object, (void)size, (void)caller;
}

static inline void pool_debug_free(const struct pool *pool, void *object, uintptr_t caller)
{
    (void)pool, (void)object, (void)caller;
}

static inline void pool_debug_resize(const struct pool *pool, void *object, size_t size)
{
    (void)pool, (void)object, (void)size;
}

static inline size_t pool_debug_size(const struct pool *pool, const void *object)
{
    (void)object;
    return pool->object_size;
}

static inline void large_debug_alloc(void *pages, size_t size)
{
    (void)pages, (void)size;
}

static inline void large_debug_free(const void *pages, uintptr_t caller)
{
    (void)pages, (void)caller;
}

static inline size_t large_debug_size(const void *pages)
{
    return (size_t)page_of_frame(frame_of(pages))->count * PAGE_SIZE;
}
#endif
