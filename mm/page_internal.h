/*
 * What the files of mm/ know about page frames: the page array, the zones, and owners.
 *
 * A frame of RAM is described by a struct page of 16 bytes, in arrays of one per section of 16 MiB.
 * A section without RAM has none, so holes cost nothing; one that has not been cut since boot has
 * none yet, so memory costs nothing until it is used (mm/page_array.c).
 *
 * A run of pages (free or in use) is described by its first page, the head. All others of the run
 * are PAGE_BODY: that is what makes a wrong pointer to page_free() visible, and what makes it safe
 * to ask the neighbour of a block being freed whether it is a free block too.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "arch/mmu.h"
#include "kernel/sync/spinlock.h"
#include "lib/compiler.h"
#include "lib/types.h"

enum page_state {
    PAGE_BODY,   /* not a head, or not ours to give: reserved, used before page_init() */
    PAGE_FREE,   /* head of a free block of 2^order pages, on its zone's list */
    PAGE_CACHED, /* a free page in a per-CPU cache */
    PAGE_USED,   /* head of a run that page_alloc() gave out */
    PAGE_SLAB,   /* every page of a slab (mm/pool.c) */
};

struct page {
    uint8_t state;
    uint8_t order;  /* FREE: of the block; SLAB: index of this page within the slab */
    uint16_t owner; /* USED: whose (mm/owner.h); SLAB: pool number */
    union {
        uint32_t count; /* USED: pages in the run */
        struct {
            uint16_t used;  /* SLAB head: objects given out */
            uint16_t first; /* SLAB head: first free object, OBJECT_NONE: none */
        } slab;
    };
    uint32_t next; /* page frame numbers, 0 for none: FREE and SLAB heads are on a list, */
    uint32_t prev; /* USED heads may be on one of their user's (mm/vm.c) */
#if CONFIG_DEBUG
    uintptr_t allocated_by;
    uintptr_t freed_by;
    uint32_t slack;   /* USED by kmalloc(): bytes between the object and the end of the run */
    bool is_poisoned; /* every page, not only heads: filled with PAGE_POISON since it was freed */
#endif
};

/*
 * The page array (mm/page_array.c). A section is as large as the largest block of the zones.
 */
#define PAGE_ORDER_MAX     12 /* 16 MiB */
#define PAGE_BLOCK_MAX     (1u << PAGE_ORDER_MAX)
#define SECTION_ARRAY_SIZE (PAGE_BLOCK_MAX * sizeof(struct page))
/* Pages that hold the descriptions of a section. */
#define SECTION_ARRAY_PAGES ((uint32_t)DIV_ROUND_UP(SECTION_ARRAY_SIZE, PAGE_SIZE))

/*
 * Per section: where the struct page of frame 0 would be, if its array went back to it; 0: no RAM.
 * Written under the zone's lock, and only while nobody has a page of the section.
 */
extern uintptr_t *page_origins;
extern uint32_t page_section_count; /* constant after page_init() */

/* The struct page of a frame that is in use, or the head of a block. */
static inline struct page *page_of_frame(uint32_t frame)
{
    return (struct page *)(page_origins[frame >> PAGE_ORDER_MAX] +
                           (uintptr_t)frame * sizeof(struct page));
}

/** page_lookup() - the struct page of any frame; NULL when it has none */
struct page *page_lookup(uint64_t frame);

static inline uint32_t frame_of(const void *pointer)
{
    return (uint32_t)(direct_map_to_phys(pointer) >> PAGE_SHIFT);
}

static inline void *frame_to_pointer(uint32_t frame)
{
    return phys_to_virt((paddr_t)frame << PAGE_SHIFT);
}

/** page_array_init() - arrays for all RAM that is in use, from early memory.
 * Return: false when that is too little. */
bool page_array_init(void);

/** page_array_exists() - has the section of @frame more than a head? Zone lock held, as below. */
bool page_array_exists(uint32_t frame);

/**
 * page_array_create() - describe each page of the section that begins with @frame
 * @array: SECTION_ARRAY_PAGES pages, PAGE_BODY; they become USED, and may lie in that same section
 */
void page_array_create(uint32_t frame, uint32_t array);

/*
 * Lists of pages by frame number.
 */
void page_list_push(uint32_t *head, uint32_t frame);
void page_list_remove(uint32_t *head, uint32_t frame);

/*
 * Zones (mm/buddy.c): free blocks of 2^0 to 2^PAGE_ORDER_MAX pages, aligned to their size.
 */
enum page_zone_id {
    ZONE_DMA32,
    ZONE_NORMAL,
    ZONE_COUNT
};

struct page_zone {
    struct spinlock lock;                                 /* rank: LOCK_RANK_PAGE_ZONE */
    uint32_t free[PAGE_ORDER_MAX + 1] __guarded_by(lock); /* list heads */
    uint32_t orders __guarded_by(lock);                   /* bit n: free[n] is not empty */
    size_t free_pages __guarded_by(lock);                 /* statistics read it without */
    uint32_t first, end;                                  /* frames; constant after page_init() */
};

extern struct page_zone page_zones[ZONE_COUNT];

static inline struct page_zone *zone_of_frame(uint32_t frame)
{
    return &page_zones[frame >> (32 - PAGE_SHIFT) ? ZONE_NORMAL : ZONE_DMA32];
}

/**
 * zone_take_locked() - take @count contiguous pages; the rest of their block stays free
 * Return: the first frame, whose struct page is PAGE_BODY like the others; 0 when there is none.
 */
uint32_t zone_take_locked(struct page_zone *zone, size_t count) __must_hold(zone->lock);

/** zone_give_locked() - free @count pages, all PAGE_BODY, and join them with their neighbours. */
void zone_give_locked(struct page_zone *zone, uint32_t frame, size_t count) __must_hold(zone->lock);

/** zone_add_fresh() - at boot: free pages of a range that has never been used. */
void zone_add_fresh(uint32_t frame, uint32_t end);

/*
 * Inside of page.c, for the rest of mm/.
 */

/* More flags for page_alloc_for(), beside those of enum page_flags. */
#define PAGE_NO_RECLAIM (1u << 8) /* the caller is content with less: fail at once */

/** page_init() - the page allocator takes over from early memory. Return: 0 or -ENOMEM. */
int page_init(void);

/** page_alloc_for() - page_alloc() by a caller on whose behalf somebody else asked. */
void *page_alloc_for(size_t count, unsigned int flags, const char *owner, uintptr_t caller);
void page_free_for(void *pages, uintptr_t caller);

/** page_managed_count() - all pages that could be free at once. Context: any. */
size_t page_managed_count(void);

/** page_check_low() - have somebody see to it if memory was low when it was last looked at. */
void page_check_low(void);

/** page_cache_limit() - so many CPUs will share what caches may hold. Context: any. */
void page_cache_limit(unsigned int cpus);

/** page_cache_drain() - give this CPU's cached pages back to their zones. Context: any. */
void page_cache_drain(void *unused);
