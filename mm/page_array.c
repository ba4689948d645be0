/*
 * The page array: the struct pages of all frames, in sections of 16 MiB.
 *
 * Describing all memory of a machine would take 1/256 of it, and long: 256 MiB to be cleared for
 * 64 GiB. Most of it is never used. So a section that is all free at boot has one struct page, that
 * of its head, and is one free block of the largest size. It can be given out as a whole like that.
 * Before it is cut into smaller pieces it gets an array for all of its pages (mm/buddy.c), from
 * memory that is described already, or else from its own end. Arrays stay.
 */
#include "kernel/init.h"
#include "lib/string.h"
#include "mm/early.h"
#include "mm/owner.h"
#include "mm/page_debug.h"
#include "mm/page_internal.h"

uintptr_t *page_origins;
uint32_t page_section_count;

static struct page *section_heads; /* of those without an array */
static uint16_t array_owner;       /* constant after page_array_init() */

static uint32_t range_first(const struct memory_range *range)
{
    return (uint32_t)(range->base >> PAGE_SHIFT);
}

static uint32_t range_end(const struct memory_range *range)
{
    return (uint32_t)((range->base + range->length) >> PAGE_SHIFT);
}

static uint32_t section_first(uint32_t section)
{
    return section << PAGE_ORDER_MAX;
}

/* The origin of @section if the struct page of its first frame is @first. */
static uintptr_t origin_of(uint32_t section, const struct page *first)
{
    return (uintptr_t)first - section_first(section) * sizeof(struct page);
}

bool page_array_exists(uint32_t frame)
{
    uint32_t section = frame >> PAGE_ORDER_MAX;

    return page_origins[section] != origin_of(section, &section_heads[section]);
}

struct page *page_lookup(uint64_t frame)
{
    uint64_t section = frame >> PAGE_ORDER_MAX;

    if (section >= page_section_count || !page_origins[section])
        return NULL;
    if (!page_array_exists((uint32_t)frame) && frame != section_first((uint32_t)section))
        return NULL;
    return page_of_frame((uint32_t)frame);
}

void page_array_create(uint32_t frame, uint32_t array)
{
    uint32_t section = frame >> PAGE_ORDER_MAX;
    struct page *pages = memset(frame_to_pointer(array), 0, SECTION_ARRAY_SIZE);
    struct page *holder;

    page_origins[section] = origin_of(section, pages);
    holder = page_of_frame(array);
    holder->state = PAGE_USED;
    holder->owner = array_owner;
    holder->count = SECTION_ARRAY_PAGES;
    owner_add(array_owner, SECTION_ARRAY_PAGES);
}

/*
 * At boot.
 */

/* Every section with RAM has a head. */
static void __init mark_sections(const struct memory_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t last = (range_end(&ranges[i]) - 1) >> PAGE_ORDER_MAX;

        for (uint32_t section = range_first(&ranges[i]) >> PAGE_ORDER_MAX; section <= last;
             section++)
            page_origins[section] = origin_of(section, &section_heads[section]);
    }
}

static bool __init section_is_free(uint32_t section)
{
    const struct memory_range *ranges;
    size_t count = early_memory_free(&ranges);
    uint32_t first = section_first(section);

    for (size_t i = 0; i < count; i++)
        if (first >= range_first(&ranges[i]) && first + PAGE_BLOCK_MAX <= range_end(&ranges[i]))
            return true;
    return false;
}

/* Arrays for sections with a page in use, or without RAM. Return: how many, or -1: no memory. */
static int __init describe_used_sections(void)
{
    int described = 0;

    for (uint32_t section = 0; section < page_section_count; section++) {
        if (!page_origins[section] || page_array_exists(section_first(section)) ||
            section_is_free(section))
            continue;
        struct page *pages = early_page_alloc(SECTION_ARRAY_PAGES);
        if (!pages)
            return -1;
        page_origins[section] = origin_of(section, pages);
        described++;
    }
    return described;
}

static bool __init create_tables(uint32_t sections)
{
    size_t origins_size = ALIGN_UP(sections * sizeof(*page_origins), _Alignof(struct page));
    size_t size = origins_size + sections * sizeof(*section_heads);

    page_origins = early_page_alloc(DIV_ROUND_UP(size, PAGE_SIZE));
    section_heads = (struct page *)((uintptr_t)page_origins + origins_size);
    page_section_count = sections;
    return page_origins;
}

bool __init page_array_init(void)
{
    const struct memory_range *ranges;
    size_t count = early_memory_ram(&ranges);
    int described;

    if (!count || !create_tables(DIV_ROUND_UP(range_end(&ranges[count - 1]), PAGE_BLOCK_MAX)))
        return false;
    array_owner = owner_number("page descriptions");
    mark_sections(ranges, count);
    do /* an array may take its memory from a section that was free until now */
        described = describe_used_sections();
    while (described > 0);
    return described == 0;
}

void page_list_push(uint32_t *head, uint32_t frame)
{
    struct page *page = page_of_frame(frame);

    page->prev = 0;
    page->next = *head;
    if (*head)
        page_of_frame(*head)->prev = frame;
    *head = frame;
}

void page_list_remove(uint32_t *head, uint32_t frame)
{
    const struct page *page = page_of_frame(frame);

    if (page->prev)
        page_of_frame(page->prev)->next = page->next;
    else
        *head = page->next;
    if (page->next)
        page_of_frame(page->next)->prev = page->prev;
}
