/*
 * Slabs: pages cut into slots of equal size, and the chains of those that are free.
 *
 * What must be known of a slab is in the struct page of its first page, so a slot is all object and
 * a pool of 64-byte objects fills its pages to the last byte. A free slot holds the offset of the
 * next one. Every page of a slab carries the pool's number, for kfree(), and its own index in the
 * slab, by which the first page is found.
 *
 * Locks: the pool's. Pages are allocated and freed without it.
 */
#include "lib/bits.h"
#include "mm/owner.h"
#include "mm/pool_internal.h"

/* A slab should hold at least this many objects, while it is no larger than POOL_SLAB_PAGES. */
#define SLAB_OBJECTS_MIN 8
/* and waste no more than this part of itself. */
#define SLAB_WASTE_PART 8

static const char slab_owner[] = "pools";

static bool is_good_layout(const struct pool *pool, size_t bytes)
{
    return bytes / pool->slot_size >= SLAB_OBJECTS_MIN &&
           bytes % pool->slot_size <= bytes / SLAB_WASTE_PART;
}

bool slab_layout(struct pool *pool, size_t alignment)
{
    size_t slot = ALIGN_UP(pool->object_size, sizeof(uintptr_t)) + POOL_DEBUG_BYTES;
    unsigned int pages = 1;

    slot = ALIGN_UP(slot, alignment);
    if (slot > POOL_SLAB_PAGES * PAGE_SIZE)
        return false;
    pool->slot_size = (uint32_t)slot;
    while (pages < POOL_SLAB_PAGES && !is_good_layout(pool, pages * PAGE_SIZE))
        pages *= 2;
    pool->slab_pages = (uint8_t)pages;
    pool->slab_objects = (uint16_t)(pages * PAGE_SIZE / slot);
#if CONFIG_DEBUG
    pool->link_offset =
        (uint16_t)(slot - sizeof(struct pool_note) + offsetof(struct pool_note, link));
#else
    pool->link_offset = 0;
#endif
    return true;
}

static uint16_t *link_of(const struct pool *pool, void *object)
{
    return (uint16_t *)((uint8_t *)object + pool->link_offset);
}

static uint32_t slab_of(const void *object)
{
    uint32_t frame = frame_of(object);

    return frame - page_of_frame(frame)->order;
}

void *slab_take_locked(struct pool *pool)
{
    uint32_t frame = pool->partial;
    struct page *page;
    void *object;

    spin_assert_held(&pool->lock);
    if (!frame) {
        frame = pool->empty;
        if (!frame)
            return NULL;
        page_list_remove(&pool->empty, frame);
        pool->empty_count--;
        page_list_push(&pool->partial, frame);
    }
    page = page_of_frame(frame);
    object = (uint8_t *)frame_to_pointer(frame) + page->slab.first;
    page->slab.first = *link_of(pool, object);
    page->slab.used++;
    pool->used++;
    if (page->slab.first == OBJECT_NONE)
        page_list_remove(&pool->partial, frame);
    return object;
}

void slab_give_locked(struct pool *pool, void *object)
{
    uint32_t frame = slab_of(object);
    struct page *page = page_of_frame(frame);

    spin_assert_held(&pool->lock);
    if (page->slab.first == OBJECT_NONE)
        page_list_push(&pool->partial, frame);
    *link_of(pool, object) = page->slab.first;
    page->slab.first = (uint16_t)((uintptr_t)object - (uintptr_t)frame_to_pointer(frame));
    page->slab.used--;
    pool->used--;
    if (page->slab.used == 0) {
        page_list_remove(&pool->partial, frame);
        page_list_push(&pool->empty, frame);
        pool->empty_count++;
    }
}

/* Chains all slots, the first one first. */
static void cut_slab(const struct pool *pool, uint32_t frame)
{
    uint8_t *base = frame_to_pointer(frame);
    uint16_t next = OBJECT_NONE;

    for (unsigned int i = pool->slab_objects; i-- > 0;) {
        uint32_t offset = i * pool->slot_size;

        pool_debug_new_slot(pool, base + offset);
        *link_of(pool, base + offset) = next;
        next = (uint16_t)offset;
    }
    for (uint8_t i = 0; i < pool->slab_pages; i++) {
        struct page *page = page_of_frame(frame + i);

        page->owner = pool->number;
        page->order = i;
        page->state = PAGE_SLAB;
    }
    page_of_frame(frame)->slab.used = 0;
    page_of_frame(frame)->slab.first = 0;
}

bool slab_grow(struct pool *pool)
{
    void *pages = page_alloc_for(pool->slab_pages, PAGE_NO_RECLAIM, slab_owner, 0);
    irqflags_t flags;

    if (!pages)
        return false;
    cut_slab(pool, frame_of(pages));
    flags = spin_lock_irqsave(&pool->lock);
    page_list_push(&pool->empty, frame_of(pages));
    pool->empty_count++;
    pool->slabs++;
    spin_unlock_irqrestore(&pool->lock, flags);
    return true;
}

/* Makes the slab an ordinary run of pages again. */
static void free_slab(const struct pool *pool, uint32_t frame)
{
    for (uint8_t i = 0; i < pool->slab_pages; i++)
        page_of_frame(frame + i)->state = PAGE_BODY;
    page_of_frame(frame)->owner = owner_number(slab_owner);
    page_of_frame(frame)->count = pool->slab_pages;
    page_of_frame(frame)->state = PAGE_USED;
    page_free_for(frame_to_pointer(frame), 0);
}

void slab_trim(struct pool *pool, uint32_t keep)
{
    while (READ_ONCE(pool->empty_count) > keep) {
        irqflags_t flags = spin_lock_irqsave(&pool->lock);
        uint32_t frame = pool->empty_count > keep ? pool->empty : 0;

        if (frame) {
            page_list_remove(&pool->empty, frame);
            pool->empty_count--;
            pool->slabs--;
        }
        spin_unlock_irqrestore(&pool->lock, flags);
        if (frame)
            free_slab(pool, frame);
    }
}

void *slab_alloc_one(struct pool *pool)
{
    void *object;

    do {
        irqflags_t flags = spin_lock_irqsave(&pool->lock);

        object = slab_take_locked(pool);
        spin_unlock_irqrestore(&pool->lock, flags);
    } while (!object && slab_grow(pool));
    return object;
}

void slab_free_one(struct pool *pool, void *object)
{
    irqflags_t flags = spin_lock_irqsave(&pool->lock);

    slab_give_locked(pool, object);
    spin_unlock_irqrestore(&pool->lock, flags);
    slab_trim(pool, 1);
}
