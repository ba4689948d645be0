/*
 * The buddy system: which pages of a zone are free, in blocks of 2^n pages aligned to their size.
 *
 * A run of any length is cut from the smallest block that holds it, and what is left of the block
 * goes back at once: 5 pages take 5. Freeing cuts the run into aligned blocks again and joins each
 * with its buddy, the block that with it makes one of the next size, for as long as that is free.
 * Runs longer than the largest block are several of those side by side.
 *
 * Below: page_array.c. Above: page.c, which takes the lock.
 */
#include "lib/bits.h"
#include "mm/page_internal.h"

struct page_zone page_zones[ZONE_COUNT] = {
    [ZONE_DMA32] = { .lock = SPINLOCK_INIT("page zone below 4 GiB", LOCK_RANK_PAGE_ZONE) },
    [ZONE_NORMAL] = { .lock = SPINLOCK_INIT("page zone above 4 GiB", LOCK_RANK_PAGE_ZONE) },
};

static void block_insert(struct page_zone *zone, uint32_t frame, unsigned int order, bool is_fresh)
{
    struct page *page = page_of_frame(frame);

    page->state = PAGE_FREE;
    page->order = (uint8_t)order;
    page->count = 0;
    page->is_fresh = is_fresh;
    page_list_push(&zone->free[order], frame);
    zone->orders |= BIT(order);
    zone->free_pages += 1u << order;
}

static void block_remove(struct page_zone *zone, uint32_t frame, unsigned int order)
{
    page_of_frame(frame)->state = PAGE_BODY;
    page_list_remove(&zone->free[order], frame);
    if (!zone->free[order])
        zone->orders &= ~BIT(order);
    zone->free_pages -= 1u << order;
}

/* Takes a whole block off its list and sees to it that its pages have structures. */
static void block_take(struct page_zone *zone, uint32_t frame, unsigned int order)
{
    bool is_fresh = page_of_frame(frame)->is_fresh;

    block_remove(zone, frame, order);
    if (is_fresh)
        page_array_fill(frame);
}

static bool is_free_block(const struct page *page, unsigned int order)
{
    return page->state == PAGE_FREE && page->order == order;
}

static void block_give(struct page_zone *zone, uint32_t frame, unsigned int order)
{
    /* A buddy is within the same largest block, for which the page array is whole. */
    while (order < PAGE_ORDER_MAX && is_free_block(page_of_frame(frame ^ BIT(order)), order)) {
        block_remove(zone, frame ^ BIT(order), order);
        frame &= ~BIT(order);
        order++;
    }
    block_insert(zone, frame, order, false);
}

/* The largest aligned block that starts at @frame and is no longer than @count pages. */
static unsigned int order_of_first_block(uint32_t frame, size_t count)
{
    unsigned int order = MIN(log2_floor(count), lowest_bit(frame));

    return MIN_T(unsigned int, order, PAGE_ORDER_MAX);
}

void zone_give_locked(struct page_zone *zone, uint32_t frame, size_t count)
{
    spin_assert_held(&zone->lock);
    while (count) {
        unsigned int order = order_of_first_block(frame, count);

        block_give(zone, frame, order);
        frame += 1u << order;
        count -= 1u << order;
    }
}

/* Free blocks of the largest size side by side, together at least @count pages; 0: none. */
static uint32_t find_adjacent_blocks(const struct page_zone *zone, size_t count)
{
    size_t found = 0;

    for (uint32_t frame = ALIGN_UP(zone->first, PAGE_BLOCK_MAX);
         zone->end >= PAGE_BLOCK_MAX && frame <= zone->end - PAGE_BLOCK_MAX;
         frame += PAGE_BLOCK_MAX) {
        const struct page *page = page_lookup(frame);

        if (!page || !is_free_block(page, PAGE_ORDER_MAX)) {
            found = 0;
            continue;
        }
        found += PAGE_BLOCK_MAX;
        if (found >= count)
            return frame + PAGE_BLOCK_MAX - (uint32_t)found;
    }
    return 0;
}

static uint32_t take_adjacent_blocks(struct page_zone *zone, size_t count) __must_hold(zone->lock)
{
    uint32_t first = find_adjacent_blocks(zone, count);
    size_t taken = 0;

    if (!first)
        return 0;
    for (; taken < count; taken += PAGE_BLOCK_MAX)
        block_take(zone, first + (uint32_t)taken, PAGE_ORDER_MAX);
    zone_give_locked(zone, first + (uint32_t)count, taken - count);
    return first;
}

uint32_t zone_take_locked(struct page_zone *zone, size_t count)
{
    unsigned int order = log2_ceil(count);
    uint32_t larger, frame;

    spin_assert_held(&zone->lock);
    if (count > zone->free_pages)
        return 0;
    if (order > PAGE_ORDER_MAX)
        return take_adjacent_blocks(zone, count);
    larger = zone->orders >> order << order;
    if (!larger)
        return 0;
    order = lowest_bit(larger);
    frame = zone->free[order];
    block_take(zone, frame, order);
    zone_give_locked(zone, frame + (uint32_t)count, BIT(order) - count);
    return frame;
}

static void zone_widen(struct page_zone *zone, uint32_t frame, uint32_t end)
{
    if (zone->first == zone->end)
        zone->first = frame;
    zone->end = end;
}

void zone_add_fresh(uint32_t frame, uint32_t end)
{
    while (frame < end) {
        struct page_zone *zone = zone_of_frame(frame);
        unsigned int order = order_of_first_block(frame, end - frame);

        block_insert(zone, frame, order, order == PAGE_ORDER_MAX);
        zone_widen(zone, frame, frame + BIT(order));
        frame += BIT(order);
    }
}
