/*
 * The page allocator: per-CPU caches of single pages over the zones of buddy.c.
 *
 * Most pages are wanted one at a time. They come from the CPU's own cache, with interrupts off and
 * no lock; the cache is filled from and emptied into the zones in batches. Everything else takes
 * the lock of a zone. Memory above 4 GiB is used first, since some devices reach only what is
 * below.
 *
 * Before page_init() pages come from early memory, for good: page tables are made that early.
 *
 * Locks: the zone's, innermost but for the log; interrupts are off while it is held.
 */
#include "mm/page.h"

#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/percpu.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/caller.h"
#include "mm/early.h"
#include "mm/owner.h"
#include "mm/page_debug.h"
#include "mm/page_internal.h"
#include "mm/reclaim.h"

#define CACHE_PAGES_MIN 4
#define CACHE_PAGES_MAX 512
#define CACHE_BATCH_MAX 64 /* moved to or from a zone at a time; interrupts are off meanwhile */
/* All caches together hold at most this part of memory: 16 MiB and 16 CPUs must go together. */
#define CACHE_MEMORY_PART 16
/* Below this part of all memory the caches of others are asked to shrink. */
#define LOW_MEMORY_PART 32

struct page_cache {
    uint32_t count;
    uint32_t frames[CACHE_PAGES_MAX]; /* PAGE_CACHED, warmest last */
};

static DEFINE_PER_CPU(struct page_cache, page_cache); /* interrupts off */

static size_t total_pages; /* constant after page_init(), as the next one */
static size_t low_pages;
static size_t managed_pages; /* what is not in use by image, early tables...; page_add() adds */
static uint32_t cache_limit; /* pages per CPU */
static uint32_t cache_batch;
static bool is_low; /* as last seen when pages left a zone; a hint */

paddr_t page_to_phys(const void *page)
{
    return direct_map_to_phys(page);
}

/*
 * Runs, from the zones.
 */

static size_t zone_free_pages(void)
{
    return READ_ONCE(page_zones[ZONE_DMA32].free_pages) +
           READ_ONCE(page_zones[ZONE_NORMAL].free_pages);
}

size_t page_managed_count(void)
{
    return READ_ONCE(managed_pages);
}

bool page_memory_is_low(void)
{
    return zone_free_pages() < low_pages;
}

static uint32_t take_from_zone(struct page_zone *zone, size_t count)
{
    irqflags_t flags;
    uint32_t frame;

    if (READ_ONCE(zone->free_pages) < count)
        return 0;
    flags = spin_lock_irqsave(&zone->lock);
    frame = zone_take_locked(zone, count);
    spin_unlock_irqrestore(&zone->lock, flags);
    return frame;
}

static uint32_t take_run(size_t count, unsigned int flags)
{
    uint32_t frame = 0;

    if (!(flags & PAGE_DMA32))
        frame = take_from_zone(&page_zones[ZONE_NORMAL], count);
    if (!frame)
        frame = take_from_zone(&page_zones[ZONE_DMA32], count);
    WRITE_ONCE(is_low, page_memory_is_low());
    return frame;
}

static void give_run(uint32_t frame, size_t count)
{
    struct page_zone *zone = zone_of_frame(frame);
    irqflags_t flags = spin_lock_irqsave(&zone->lock);

    zone_give_locked(zone, frame, count);
    spin_unlock_irqrestore(&zone->lock, flags);
}

/*
 * Single pages, from the CPU's cache. Interrupts are off.
 */

static void cache_push(struct page_cache *cache, uint32_t frame)
{
    page_of_frame(frame)->state = PAGE_CACHED;
    cache->frames[cache->count++] = frame;
}

static void cache_fill(struct page_cache *cache)
{
    uint32_t batch = cache_batch;
    uint32_t frame = take_run(batch, 0);

    if (!frame) {
        batch = 1;
        frame = take_run(1, 0);
    }
    while (frame && batch-- > 0) /* the lowest address last, to be given out first */
        cache_push(cache, frame + batch);
}

/* Gives back the @count pages that have been there longest, zone by zone. */
static void cache_empty(struct page_cache *cache, uint32_t count)
{
    for (unsigned int id = 0; id < ZONE_COUNT; id++) {
        struct page_zone *zone = &page_zones[id];

        spin_lock(&zone->lock);
        for (uint32_t i = 0; i < count; i++) {
            if (zone_of_frame(cache->frames[i]) != zone)
                continue;
            page_of_frame(cache->frames[i])->state = PAGE_BODY;
            zone_give_locked(zone, cache->frames[i], 1);
        }
        spin_unlock(&zone->lock);
    }
    cache->count -= count;
    memmove(cache->frames, cache->frames + count, cache->count * sizeof(cache->frames[0]));
}

static __noinline uint32_t take_single_slow(uint16_t owner)
{
    irqflags_t flags = irq_save();
    struct page_cache *cache = this_cpu_ptr(page_cache);
    uint32_t frame = 0;

    if (!cache->count)
        cache_fill(cache);
    if (cache->count) {
        frame = cache->frames[--cache->count];
        owner_add(owner, 1);
    }
    irq_restore(flags);
    return frame;
}

static __always_inline uint32_t take_single(uint16_t owner)
{
    irqflags_t flags = irq_save();
    struct page_cache *cache = this_cpu_ptr(page_cache);
    uint32_t frame;

    if (unlikely(!cache->count)) {
        irq_restore(flags);
        return take_single_slow(owner);
    }
    frame = cache->frames[--cache->count];
    owner_add(owner, 1);
    irq_restore(flags);
    return frame;
}

static __always_inline void give_single(uint32_t frame, uint16_t owner)
{
    irqflags_t flags = irq_save();
    struct page_cache *cache = this_cpu_ptr(page_cache);

    if (unlikely(cache->count >= cache_limit))
        cache_empty(cache, MIN(cache->count, cache_batch));
    cache_push(cache, frame);
    owner_add(owner, -1);
    irq_restore(flags);
}

void page_cache_limit(unsigned int cpus)
{
    size_t fair_share = total_pages / CACHE_MEMORY_PART / cpus;

    cache_limit = (uint32_t)CLAMP(fair_share, (size_t)CACHE_PAGES_MIN, (size_t)CACHE_PAGES_MAX);
    cache_batch = MIN_T(uint32_t, cache_limit / 2, CACHE_BATCH_MAX);
}

void page_cache_drain(void *unused)
{
    irqflags_t flags = irq_save();
    struct page_cache *cache = this_cpu_ptr(page_cache);

    (void)unused;
    cache_empty(cache, cache->count);
    irq_restore(flags);
}

/*
 * The interface.
 */

void page_check_low(void)
{
    if (unlikely(READ_ONCE(is_low)))
        memory_reclaim_soon();
}

static void count_for_owner(uint16_t owner, int64_t pages)
{
    irqflags_t flags = irq_save();

    owner_add(owner, pages);
    irq_restore(flags);
}

/* What the CPU's cache cannot serve. */
static __noinline uint32_t take_slow(size_t count, unsigned int flags, uint16_t owner)
{
    uint32_t frame = take_run(count, flags);

    if (!frame && !(flags & PAGE_NO_RECLAIM)) {
        memory_reclaim(count);
        frame = take_run(count, flags);
    }
    page_check_low();
    if (frame)
        count_for_owner(owner, (int64_t)count);
    return frame;
}

__within_page(512) void *page_alloc_for(size_t count, unsigned int flags, const char *owner,
                                        uintptr_t caller)
{
    uint16_t number;
    struct page *page;
    uint32_t frame = 0;
    void *pages;

    if (unlikely(!page_origins))
        return early_page_alloc(count);
    if (unlikely(!count || count > total_pages))
        return NULL;
    number = owner_number(owner);
    if (likely(count == 1 && !(flags & PAGE_DMA32)))
        frame = take_single(number);
    if (!frame)
        frame = take_slow(count, flags, number);
    if (unlikely(!frame))
        return NULL;
    page_debug_alloc(frame, count, caller);
    page = page_of_frame(frame);
    page->owner = number;
    page->count = (uint32_t)count;
    page->state = PAGE_USED;
    pages = frame_to_pointer(frame);
    return flags & PAGE_ZERO ? memset(pages, 0, count * PAGE_SIZE) : pages;
}

/* The struct page of the run that begins there; what is no such run ends here. */
static __always_inline struct page *page_of_run(const void *pages, uintptr_t caller)
{
    struct page *page;

#if CONFIG_DEBUG
    if (!is_direct_map(pages) || !page_lookup(direct_map_to_phys(pages) >> PAGE_SHIFT))
        page_bad_free(pages, caller);
#endif
    page = page_of_frame(frame_of(pages));
    if (unlikely(page->state != PAGE_USED || !IS_ALIGNED((uintptr_t)pages, PAGE_SIZE)))
        page_bad_free(pages, caller);
    return page;
}

__within_page(512) void page_free_for(void *pages, uintptr_t caller)
{
    uint32_t frame, count;
    struct page *page;

    if (!pages)
        return;
    page = page_of_run(pages, caller);
    frame = frame_of(pages);
    count = page->count;
    page->state = PAGE_BODY;
    page_debug_free(frame, count, caller);
    if (likely(count == 1)) {
        give_single(frame, page->owner);
        return;
    }
    count_for_owner(page->owner, -(int64_t)count);
    give_run(frame, count);
}

void *page_alloc(size_t count, unsigned int flags, const char *owner)
{
    return page_alloc_for(count, flags, owner, CALLER());
}

void page_free(void *pages)
{
    page_free_for(pages, CALLER());
}

size_t page_add(paddr_t paddr, size_t bytes)
{
    uint32_t frame = (uint32_t)(paddr >> PAGE_SHIFT);
    size_t count = bytes >> PAGE_SHIFT;

    if (!count || !early_memory_is_ram(paddr, bytes))
        return 0;
    page_debug_free(frame, count, CALLER());
    __atomic_fetch_add(&managed_pages, count, __ATOMIC_RELAXED);
    give_run(frame, count);
    return bytes;
}

void page_statistics(struct page_statistics *statistics)
{
    statistics->total_pages = total_pages;
    statistics->free_pages = zone_free_pages();
    statistics->kernel_pages = total_pages - page_managed_count();
    for (unsigned int cpu = 0; cpu < cpu_possible_count(); cpu++)
        if (cpu == 0 || cpu_is_online(cpu))
            statistics->free_pages += READ_ONCE(per_cpu_ptr(page_cache, cpu)->count);
}

/*
 * Taking over from early memory.
 */

static size_t __init count_pages(const struct memory_range *ranges, size_t count)
{
    size_t pages = 0;

    for (size_t i = 0; i < count; i++)
        pages += ranges[i].length >> PAGE_SHIFT;
    return pages;
}

int __init page_init(void)
{
    const struct memory_range *ranges;
    size_t count = early_memory_ram(&ranges);

    total_pages = count_pages(ranges, count);
    if (!page_array_init())
        return -ENOMEM;
    page_cache_limit(CPU_MAX); /* until it is known how many there are */
    low_pages = total_pages / LOW_MEMORY_PART;
    count = early_memory_free(&ranges);
    managed_pages = count_pages(ranges, count);
    for (size_t i = 0; i < count; i++)
        zone_add_fresh((uint32_t)(ranges[i].base >> PAGE_SHIFT),
                       (uint32_t)((ranges[i].base + ranges[i].length) >> PAGE_SHIFT));
    if (early_memory_lost_bytes())
        log_warning("mm", "%lu KiB of RAM are not used: too far up, or in too many pieces",
                    (unsigned long)(early_memory_lost_bytes() >> 10));
    log_info("mm", "%zu MiB of RAM, %zu KiB of it used by the kernel", total_pages >> 8,
             (total_pages - managed_pages) << 2);
    return 0;
}
