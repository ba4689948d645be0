/*
 * The page array: one struct page per frame, in sections of 128 MiB.
 *
 * The structures of a large machine would take long to clear (256 MiB for 64 GiB of RAM), and most
 * are those of blocks that stay whole for long. So a block of the largest size that is all free at
 * boot is fresh: only its head is written, the others are cleared when it is first taken, by
 * page_array_fill(). Nothing reads them before: buddies are asked about their heads only.
 *
 * A section's array covers whole such blocks, so that every buddy has a struct page.
 */
#include "lib/string.h"
#include "mm/early.h"
#include "mm/page_internal.h"

struct page_section *page_sections;
uint32_t page_section_count;

static uint32_t range_first(const struct memory_range *range)
{
    return (uint32_t)(range->base >> PAGE_SHIFT);
}

static uint32_t range_end(const struct memory_range *range)
{
    return (uint32_t)((range->base + range->length) >> PAGE_SHIFT);
}

struct page *page_lookup(uint64_t frame)
{
    const struct page_section *section;

    if (frame >> SECTION_SHIFT >= page_section_count)
        return NULL;
    section = &page_sections[frame >> SECTION_SHIFT];
    return frame >= section->first && frame < section->end ? page_of_frame((uint32_t)frame) : NULL;
}

/* Widens each section's [first, end) by what of @range lies in it. */
static void cover_range(const struct memory_range *range)
{
    uint32_t frame = range_first(range);
    uint32_t end = range_end(range);

    while (frame < end) {
        struct page_section *section = &page_sections[frame >> SECTION_SHIFT];
        uint32_t stop = MIN(end, ALIGN_DOWN(frame, SECTION_PAGES) + SECTION_PAGES);

        if (section->first == section->end)
            section->first = ALIGN_DOWN(frame, PAGE_BLOCK_MAX);
        section->end = ALIGN_UP(stop, PAGE_BLOCK_MAX);
        frame = stop;
    }
}

static bool allocate_section(struct page_section *section)
{
    size_t bytes = (size_t)(section->end - section->first) * sizeof(struct page);
    paddr_t paddr = early_page_alloc_phys(DIV_ROUND_UP(bytes, PAGE_SIZE), 0);

    if (!paddr)
        return false;
    section->origin = (uintptr_t)phys_to_virt(paddr) - section->first * sizeof(struct page);
    return true;
}

static bool block_is_free(uint32_t frame, const struct memory_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (frame >= range_first(&ranges[i]) && frame + PAGE_BLOCK_MAX <= range_end(&ranges[i]))
            return true;
    return false;
}

/* Clears the structures of every block that is not all free; afterwards nothing may be allocated.
 */
static void clear_used_blocks(void)
{
    const struct memory_range *ranges;
    size_t count = early_memory_free(&ranges);

    for (uint32_t i = 0; i < page_section_count; i++) {
        const struct page_section *section = &page_sections[i];

        for (uint32_t frame = section->first; frame < section->end; frame += PAGE_BLOCK_MAX)
            if (!block_is_free(frame, ranges, count))
                memset(page_of_frame(frame), 0, PAGE_BLOCK_MAX * sizeof(struct page));
    }
}

bool page_array_init(void)
{
    const struct memory_range *ranges;
    size_t count = early_memory_ram(&ranges);

    if (!count)
        return false;
    page_section_count = DIV_ROUND_UP(range_end(&ranges[count - 1]), SECTION_PAGES);
    page_sections =
        early_page_alloc(DIV_ROUND_UP(page_section_count * sizeof(*page_sections), PAGE_SIZE));
    if (!page_sections)
        return false;
    for (size_t i = 0; i < count; i++)
        cover_range(&ranges[i]);
    for (uint32_t i = 0; i < page_section_count; i++)
        if (page_sections[i].end && !allocate_section(&page_sections[i]))
            return false;
    clear_used_blocks();
    return true;
}

void page_array_fill(uint32_t frame)
{
    memset(page_of_frame(frame), 0, PAGE_BLOCK_MAX * sizeof(struct page));
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
