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
#include "kernel/init.h"
#include "lib/bits.h"
#include "mm/page_debug.h"
#include "mm/page_internal.h"

struct page_zone page_zones[ZONE_COUNT] = {
    [ZONE_DMA32] = { .lock = SPINLOCK_INIT("page zone below 4 GiB", LOCK_RANK_PAGE_ZONE) },
    [ZONE_NORMAL] = { .lock = SPINLOCK_INIT("page zone above 4 GiB", LOCK_RANK_PAGE_ZONE) },
};

static void block_insert(struct page_zone *zone, uint32_t frame, unsigned int order)
{
    struct page *page = page_of_frame(frame);

    page->state = PAGE_FREE;
    page->order = (uint8_t)order;
    page->count = 0;
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

static bool is_free_block(const struct page *page, unsigned int order)
{
    return page->state == PAGE_FREE && page->order == order;
}

static void block_give(struct page_zone *zone, uint32_t frame, unsigned int order)
{
    /* A buddy is within the same largest block, which is a section of the page array. */
    while (order < PAGE_ORDER_MAX && is_free_block(page_of_frame(frame ^ BIT(order)), order)) {
        block_remove(zone, frame ^ BIT(order), order);
        frame &= ~BIT(order);
        order++;
    }
    block_insert(zone, frame, order);
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

/* A block of at least 2^@order pages off its list; *@order becomes its own. 0: none. */
static uint32_t take_block(struct page_zone *zone, uint32_t orders, unsigned int *order)
    __must_hold(zone->lock)
{
    uint32_t larger = (zone->orders & orders) >> *order << *order;
    uint32_t frame;

    if (!larger)
        return 0;
    *order = lowest_bit(larger);
    frame = zone->free[*order];
    block_remove(zone, frame, *order);
    return frame;
}

/* Where a section that has no array keeps its own. */
static uint32_t own_array(uint32_t frame)
{
    return frame + PAGE_BLOCK_MAX - SECTION_ARRAY_PAGES;
}

/* Pages for an array from a section that has one itself. 0: none. */
static uint32_t take_described(struct page_zone *zone) __must_hold(zone->lock)
{
    unsigned int order = log2_ceil(SECTION_ARRAY_PAGES);
    uint32_t frame = take_block(zone, BIT(PAGE_ORDER_MAX) - 1, &order);

    if (frame)
        zone_give_locked(zone, frame + SECTION_ARRAY_PAGES, BIT(order) - SECTION_ARRAY_PAGES);
    return frame;
}

/* The same from one that is all free, which keeps its own array if it has none yet. */
static uint32_t take_from_whole(struct page_zone *zone) __must_hold(zone->lock)
{
    unsigned int order = PAGE_ORDER_MAX;
    uint32_t frame = take_block(zone, BIT(PAGE_ORDER_MAX), &order);
    uint32_t array;

    if (!frame)
        return 0;
    array = own_array(frame);
    if (!page_array_exists(frame)) {
        page_array_create(frame, array);
        array -= SECTION_ARRAY_PAGES;
    }
    zone_give_locked(zone, frame, array - frame);
    return array;
}

/* Pages for the array of @block, of which @count are wanted: from its end, if that leaves enough,
 * when no others are described. */
static uint32_t take_array(struct page_zone *zone, uint32_t block, size_t count)
    __must_hold(zone->lock)
{
    uint32_t frame = take_described(zone);

    if (!frame && block + count > own_array(block))
        frame = take_from_whole(zone);
    if (!frame)
        return own_array(block);
    page_debug_alloc(frame, SECTION_ARRAY_PAGES, 0);
    return frame;
}

/*
 * Before the block at @frame is cut after @count pages: sees to it that its pages are described.
 * Return: how many pages of it there are to cut: all, unless descriptions took its end.
 */
static uint32_t prepare_to_cut(struct page_zone *zone, uint32_t frame, unsigned int order,
                               size_t count) __must_hold(zone->lock)
{
    uint32_t pages = 1u << order;
    uint32_t array;

    if (page_array_exists(frame) || (count == pages && !CONFIG_DEBUG))
        return pages;
    array = take_array(zone, frame, count);
    page_array_create(frame, array);
    return array - frame < pages ? array - frame : pages;
}

/*
 * Keeps the first @count pages of a block that has been taken and gives the others back; all of
 * them when the block turns out to be too short.
 */
static bool cut_block(struct page_zone *zone, uint32_t frame, unsigned int order, size_t count)
    __must_hold(zone->lock)
{
    uint32_t pages = prepare_to_cut(zone, frame, order, count);
    bool is_enough = count <= pages;
    size_t kept = is_enough ? count : 0;

    zone_give_locked(zone, frame + (uint32_t)kept, pages - kept);
    return is_enough;
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
    uint32_t end = first + (uint32_t)ALIGN_UP(count, PAGE_BLOCK_MAX);
    size_t left = count;

    if (!first)
        return 0;
    for (uint32_t frame = first; frame < end; frame += PAGE_BLOCK_MAX)
        block_remove(zone, frame, PAGE_ORDER_MAX); /* all, before one is cut for another's array */
    for (uint32_t frame = first; left; frame += PAGE_BLOCK_MAX) {
        size_t part = MIN_T(size_t, left, PAGE_BLOCK_MAX);

        if (!cut_block(zone, frame, PAGE_ORDER_MAX, part)) {
            zone_give_locked(zone, first, frame - first);
            zone_give_locked(zone, frame + PAGE_BLOCK_MAX, end - frame - PAGE_BLOCK_MAX);
            return 0;
        }
        left -= part;
    }
    return first;
}

uint32_t zone_take_locked(struct page_zone *zone, size_t count)
{
    unsigned int order = log2_ceil(count);
    uint32_t frame;

    spin_assert_held(&zone->lock);
    if (count > zone->free_pages)
        return 0;
    if (order > PAGE_ORDER_MAX)
        return take_adjacent_blocks(zone, count);
    frame = take_block(zone, UINT32_MAX, &order);
    return frame && cut_block(zone, frame, order, count) ? frame : 0;
}

static void __init zone_widen(struct page_zone *zone, uint32_t frame, uint32_t end)
{
    if (zone->first == zone->end)
        zone->first = frame;
    zone->end = end;
}

void __init zone_add_fresh(uint32_t frame, uint32_t end)
{
    while (frame < end) {
        struct page_zone *zone = zone_of_frame(frame);
        unsigned int order = order_of_first_block(frame, end - frame);

        block_insert(zone, frame, order);
        zone_widen(zone, frame, frame + BIT(order));
        frame += BIT(order);
    }
}
