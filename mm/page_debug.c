/*
 * Debug checks of page frames (mm/page_debug.h), and the end that a wrong page_free() comes to.
 */
#include "mm/page_debug.h"

#include "kernel/panic.h"
#include "lib/string.h"
#include "mm/caller.h"

void page_bad_free(const void *pages, uintptr_t caller)
{
    const struct page *page =
        is_direct_map(pages) ? page_lookup(direct_map_to_phys(pages) >> PAGE_SHIFT) : NULL;

    if (!page || !IS_ALIGNED((uintptr_t)pages, PAGE_SIZE))
        panic("page_free(%p) by %s: no page starts there", pages, caller_text(caller).text);
#if CONFIG_DEBUG
    if (page->freed_by)
        panic("page_free(%p) by %s: freed before by %s, allocated by %s", pages,
              caller_text(caller).text, caller_text(page->freed_by).text,
              caller_text(page->allocated_by).text);
#endif
    panic("page_free(%p) by %s: not in use, or not the start of a run (state %u)", pages,
          caller_text(caller).text, page->state);
}

#if CONFIG_DEBUG
static void check_poison(uint32_t frame, const struct page *page)
{
    const uint64_t *words = frame_to_pointer(frame);

    for (size_t i = 0; i < PAGE_SIZE / sizeof(words[0]); i++)
        if (words[i] != PAGE_POISON)
            panic("page %p was written to at offset %#zx (%#lx) after it was freed by %s, "
                  "allocated by %s",
                  (const void *)words, i * sizeof(words[0]), (unsigned long)words[i],
                  caller_text(page->freed_by).text, caller_text(page->allocated_by).text);
}

void page_debug_alloc(uint32_t frame, size_t count, uintptr_t caller)
{
    for (uint32_t i = 0; i < count; i++) {
        struct page *page = page_of_frame(frame + i);

        if (page->is_poisoned)
            check_poison(frame + i, page);
        page->is_poisoned = false;
        page->allocated_by = caller;
        page->freed_by = 0;
        page->slack = 0;
    }
}

void page_debug_free(uint32_t frame, size_t count, uintptr_t caller)
{
    uint64_t *words = frame_to_pointer(frame);

    for (size_t i = 0; i < count * (PAGE_SIZE / sizeof(words[0])); i++)
        words[i] = PAGE_POISON;
    for (uint32_t i = 0; i < count; i++) {
        page_of_frame(frame + i)->is_poisoned = true;
        page_of_frame(frame + i)->freed_by = caller;
    }
}
#endif
