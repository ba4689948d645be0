/*
 * Pools: objects of one size, with magazines per CPU (Bonwick and Adams, "Magazines and Vmem",
 * 2001).
 *
 * A CPU holds two magazines of each pool it uses: the loaded one, which allocations and frees pop
 * and push with nothing but interrupts off, and the previous one, which is either full or empty.
 * When the loaded one runs out or over, the two change places; when that does not help either, the
 * previous one is exchanged in the pool's depot for one of the kind that is wanted. So the lock is
 * taken once per magazine and not per object, and objects move between CPUs by the magazine.
 *
 * Only when the depot has no full magazine are objects taken from slabs, and only when it has
 * enough of them do objects go back there.
 *
 * Locks: the pool's own (LOCK_RANK_SLAB), interrupts off. Magazines are themselves objects of two
 * pools that have none; they are allocated while no pool is locked. Nothing down here reclaims
 * memory, which would empty the very magazines in hand: pool_take_slow() does, and begins again.
 */
#include "arch/cpu.h"
#include "kernel/init.h"
#include "kernel/irq/ipi.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "mm/caller.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "mm/pool_internal.h"
#include "mm/reclaim.h"

/* The depot of a pool holds at most this many bytes of objects, or this part of memory. */
#define DEPOT_BYTES_MAX   (256 * 1024)
#define DEPOT_MEMORY_PART 512

struct pool pools[POOL_MAX];
DEFINE_PER_CPU(struct pool_cache[POOL_MAX], pool_caches);

static DEFINE_SPINLOCK(pool_table_lock, "pool table", LOCK_RANK_SLAB); /* names in pools[] */
static struct pool *magazines_many, *magazines_few; /* constant after pool_init() */

/*
 * Magazines.
 */

static struct pool *magazine_pool(const struct pool *pool)
{
    return pool->magazine_size == MAGAZINE_SIZE_MANY ? magazines_many : magazines_few;
}

static struct magazine *magazine_pop(struct magazine **list)
{
    struct magazine *magazine = *list;

    if (magazine)
        *list = magazine->next;
    return magazine;
}

static void magazine_push(struct magazine **list, struct magazine *magazine)
{
    magazine->next = *list;
    *list = magazine;
}

/* An empty magazine, used or new; NULL when out of memory. Interrupts are off. */
static struct magazine *magazine_get(struct pool *pool)
{
    struct magazine *magazine;

    if (!pool->magazine_size)
        return NULL;
    spin_lock(&pool->lock);
    magazine = magazine_pop(&pool->spare);
    spin_unlock(&pool->lock);
    if (!magazine)
        magazine = slab_alloc_one(magazine_pool(pool));
    if (magazine)
        magazine->count = 0;
    return magazine;
}

static struct magazine *loaded_magazine(const struct pool_cache *cache)
{
    if (!cache->capacity)
        return NULL;
    return (struct magazine *)((uint8_t *)cache->objects - offsetof(struct magazine, objects));
}

/* Loads @magazine (NULL: none) and returns the one that was, its count set. */
static struct magazine *cache_load(const struct pool *pool, struct pool_cache *cache,
                                   struct magazine *magazine)
{
    struct magazine *last = loaded_magazine(cache);

    if (last)
        last->count = cache->count;
    cache->objects = magazine ? magazine->objects : NULL;
    cache->count = magazine ? magazine->count : 0;
    cache->capacity = magazine ? pool->magazine_size : 0;
    return last;
}

/*
 * Allocation, when the loaded magazine is empty or there is none.
 */

static bool load_full_from_depot(struct pool *pool, struct pool_cache *cache)
{
    struct magazine *full;

    spin_lock(&pool->lock);
    full = magazine_pop(&pool->full);
    if (full) {
        pool->full_count--;
        if (cache->previous)
            magazine_push(&pool->spare, cache->previous);
        cache->previous = cache_load(pool, cache, full);
    }
    spin_unlock(&pool->lock);
    return full;
}

/* Fills the loaded, empty magazine with what the slabs have at hand, or else one new slab. */
static bool fill_from_slabs(struct pool *pool, struct pool_cache *cache)
{
    do {
        void *object;

        spin_lock(&pool->lock);
        while (cache->count < cache->capacity && (object = slab_take_locked(pool)) != NULL)
            cache->objects[cache->count++] = object;
        spin_unlock(&pool->lock);
    } while (!cache->count && slab_grow(pool));
    return cache->count;
}

/* Interrupts are off. */
static void *alloc_object(struct pool *pool, struct pool_cache *cache)
{
    struct magazine *previous = cache->previous;

    if (!cache->count && previous && previous->count)
        cache->previous = cache_load(pool, cache, previous);
    if (cache->count)
        return cache->objects[--cache->count];
    if (!cache->capacity) {
        struct magazine *magazine = magazine_get(pool);

        if (!magazine)
            return slab_alloc_one(pool);
        cache_load(pool, cache, magazine);
    }
    if (load_full_from_depot(pool, cache) || fill_from_slabs(pool, cache))
        return cache->objects[--cache->count];
    return NULL;
}

static void *try_to_take(unsigned int number)
{
    irqflags_t flags = irq_save();
    void *object = alloc_object(&pools[number], &(*this_cpu_ptr(pool_caches))[number]);

    irq_restore(flags);
    return object;
}

void *pool_take_slow(unsigned int number)
{
    void *object = try_to_take(number);

    if (unlikely(!object)) {
        memory_reclaim(pools[number].slab_pages);
        object = try_to_take(number);
    }
    page_check_low();
    return object;
}

/*
 * Freeing, when the loaded magazine is full or there is none.
 */

static void flush_magazine(struct pool *pool, struct magazine *magazine)
{
    spin_lock(&pool->lock);
    for (uint32_t i = 0; i < magazine->count; i++)
        slab_give_locked(pool, magazine->objects[i]);
    spin_unlock(&pool->lock);
    magazine->count = 0;
    slab_trim(pool, 1);
}

/* Puts a full magazine into the depot. Return: false when the depot has enough. */
static bool store_in_depot(struct pool *pool, struct magazine *full)
{
    bool has_room;

    spin_lock(&pool->lock);
    has_room = pool->full_count < pool->full_limit;
    if (has_room) {
        magazine_push(&pool->full, full);
        pool->full_count++;
    }
    spin_unlock(&pool->lock);
    return has_room;
}

/* An empty magazine to load; the previous one is gone or is it. NULL when out of memory. */
static struct magazine *make_room(struct pool *pool, struct pool_cache *cache)
{
    struct magazine *previous = cache->previous;

    cache->previous = NULL;
    if (!previous)
        return magazine_get(pool);
    if (!previous->count)
        return previous;
    if (store_in_depot(pool, previous))
        return magazine_get(pool);
    flush_magazine(pool, previous);
    return previous;
}

/* Sees to it that the loaded magazine has room. Return: false when out of memory. */
static bool ensure_room(struct pool *pool, struct pool_cache *cache)
{
    struct magazine *empty;

    if (cache->count < cache->capacity)
        return true;
    empty = make_room(pool, cache);
    if (empty)
        cache->previous = cache_load(pool, cache, empty);
    return empty;
}

void pool_give_slow(unsigned int number, void *object)
{
    struct pool *pool = &pools[number];
    irqflags_t flags = irq_save();
    struct pool_cache *cache = &(*this_cpu_ptr(pool_caches))[number];

    if (ensure_room(pool, cache))
        cache->objects[cache->count++] = object;
    else
        slab_free_one(pool, object);
    irq_restore(flags);
}

/*
 * Giving memory back.
 */

static void retire_magazine(struct pool *pool, struct magazine *magazine)
{
    if (!magazine)
        return;
    flush_magazine(pool, magazine);
    slab_free_one(magazine_pool(pool), magazine);
}

void pool_cache_drain(void *unused)
{
    irqflags_t flags = irq_save();

    (void)unused;
    for (unsigned int number = 0; number < POOL_MAX; number++) {
        struct pool_cache *cache = &(*this_cpu_ptr(pool_caches))[number];
        struct magazine *previous = cache->previous;

        cache->previous = NULL;
        retire_magazine(&pools[number], cache_load(&pools[number], cache, NULL));
        retire_magazine(&pools[number], previous);
    }
    irq_restore(flags);
}

static void release_depot(struct pool *pool)
{
    irqflags_t flags = spin_lock_irqsave(&pool->lock);
    struct magazine *full = pool->full;
    struct magazine *spare = pool->spare;
    struct magazine *magazine;

    pool->full = NULL;
    pool->full_count = 0;
    pool->spare = NULL;
    spin_unlock_irqrestore(&pool->lock, flags);
    flags = irq_save();
    while ((magazine = magazine_pop(&full)) != NULL)
        retire_magazine(pool, magazine);
    while ((magazine = magazine_pop(&spare)) != NULL)
        retire_magazine(pool, magazine);
    irq_restore(flags);
    slab_trim(pool, 0);
}

void pool_release_all(void)
{
    for (unsigned int number = POOL_MAX; number-- > 0;) /* the magazines' own pools last */
        if (load_acquire(&pools[number].is_ready))      /* pairs with the release in make_pool() */
            release_depot(&pools[number]);
}

/*
 * The interface.
 */

static struct pool *reserve_pool(const char *name)
{
    irqflags_t flags = spin_lock_irqsave(&pool_table_lock);
    struct pool *pool = NULL;

    for (unsigned int i = 0; i < POOL_MAX && !pool; i++)
        if (!pools[i].name[0])
            pool = &pools[i];
    if (pool)
        strlcpy(pool->name, *name ? name : "(unnamed)", sizeof(pool->name));
    spin_unlock_irqrestore(&pool_table_lock, flags);
    return pool;
}

static void set_depot_limit(struct pool *pool)
{
    struct page_statistics memory;
    size_t bytes;

    page_statistics(&memory);
    bytes = MIN_T(size_t, memory.total_pages * PAGE_SIZE / DEPOT_MEMORY_PART, DEPOT_BYTES_MAX);
    pool->full_limit =
        pool->magazine_size
            ? (uint32_t)MAX_T(size_t, bytes / pool->slot_size / pool->magazine_size, 1)
            : 0;
}

static struct pool *make_pool(const char *name, size_t object_size, size_t alignment,
                              unsigned int magazine_size)
{
    struct pool *pool = reserve_pool(name);

    if (!pool)
        return NULL;
    spin_lock_init(&pool->lock, pool->name, LOCK_RANK_SLAB);
    pool->number = (uint8_t)(pool - pools);
    pool->object_size = (uint32_t)object_size;
    pool->magazine_size = (uint8_t)magazine_size;
    if (!slab_layout(pool, alignment)) {
        pool->name[0] = '\0';
        return NULL;
    }
    set_depot_limit(pool);
    store_release(&pool->is_ready, true); /* pairs with the acquire in pool_release_all() */
    return pool;
}

struct pool *pool_create(const char *name, size_t object_size, size_t alignment)
{
    if (!object_size || object_size > POOL_SLAB_PAGES * PAGE_SIZE || alignment > PAGE_SIZE)
        return NULL;
    return make_pool(name, object_size, MAX_T(size_t, alignment, 16),
                     object_size <= MAGAZINE_SMALL ? MAGAZINE_SIZE_MANY : MAGAZINE_SIZE_FEW);
}

void pool_destroy(struct pool *pool)
{
    if (!pool)
        return;
    ipi_call_others(pool_cache_drain, NULL);
    pool_cache_drain(NULL);
    release_depot(pool);
    if (pool->used) {
        log_error("mm", "pool %s is destroyed with %u objects in use: they are lost", pool->name,
                  pool->used);
        return;
    }
    store_release(&pool->is_ready, false);
    pool->name[0] = '\0';
}

void *pool_alloc(struct pool *pool)
{
    void *object = pool_take(pool->number);

    if (object)
        pool_debug_alloc(pool, object, pool->object_size, CALLER());
    return object;
}

void pool_free(struct pool *pool, void *object)
{
    if (!object)
        return;
    pool_debug_free(pool, object, CALLER());
    pool_give(pool->number, object);
}

void pool_statistics(const struct pool *pool, struct pool_statistics *statistics)
{
    size_t cached = (size_t)READ_ONCE(pool->full_count) * pool->magazine_size;
    size_t used = READ_ONCE(pool->used);

    for (unsigned int cpu = 0; cpu < cpu_possible_count(); cpu++) {
        const struct pool_cache *cache;
        const struct magazine *previous;

        if (cpu != 0 && !cpu_is_online(cpu))
            continue;
        cache = &(*per_cpu_ptr(pool_caches, cpu))[pool->number];
        previous = READ_ONCE(cache->previous);
        cached += READ_ONCE(cache->count) + (previous ? READ_ONCE(previous->count) : 0);
    }
    statistics->objects_cached = cached;
    statistics->objects_used = used > cached ? used - cached : 0;
    statistics->pages = (size_t)READ_ONCE(pool->slabs) * pool->slab_pages;
}

void __init pool_init(void)
{
    magazines_many = make_pool(
        "magazine-30", sizeof(struct magazine) + MAGAZINE_SIZE_MANY * sizeof(void *), 16, 0);
    magazines_few = make_pool("magazine-14",
                              sizeof(struct magazine) + MAGAZINE_SIZE_FEW * sizeof(void *), 16, 0);
    assert(magazines_many && magazines_few);
}
