/*
 * The heap: which pool a size comes from, and pages for what is larger than 2 KiB.
 *
 * Between the powers of two there is one more class each, so that at most a third is wasted (a
 * quarter on average of what would be without). kfree() knows what it is given by the struct page.
 */
#include "mm/kmalloc.h"

#include "kernel/init.h"
#include "kernel/panic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/caller.h"
#include "mm/page.h"
#include "mm/page_debug.h"
#include "mm/pool_internal.h"

#define SMALL_MAX      2048
#define GRANULE        16 /* sizes are looked up in steps of this */
#define CLASS_OF(size) (((size) + GRANULE - 1) / GRANULE)

struct size_class {
    const char *name;
    size_t size;
};

static const struct size_class classes[] = {
    { "kmalloc-32", 32 },     { "kmalloc-64", 64 },     { "kmalloc-96", 96 },
    { "kmalloc-128", 128 },   { "kmalloc-192", 192 },   { "kmalloc-256", 256 },
    { "kmalloc-384", 384 },   { "kmalloc-512", 512 },   { "kmalloc-768", 768 },
    { "kmalloc-1024", 1024 }, { "kmalloc-1536", 1536 }, { "kmalloc-2048", SMALL_MAX },
};

static const char large_owner[] = "heap over 2 KiB";

static uint8_t pool_numbers[CLASS_OF(SMALL_MAX) + 1]; /* constant after kmalloc_init() */

int __init kmalloc_init(void)
{
    size_t class = 0;

    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        const struct pool *pool = pool_create(classes[i].name, classes[i].size, GRANULE);

        if (!pool)
            return -ENOMEM;
        while (class <= CLASS_OF(classes[i].size))
            pool_numbers[class ++] = pool->number;
    }
    return 0;
}

/*
 * More than 2 KiB: whole pages. In debug builds always a little more than asked for, so that there
 * is a red zone.
 */

static size_t large_pages(size_t size)
{
    return DIV_ROUND_UP(size + POOL_RED_ZONE_MIN, PAGE_SIZE);
}

static __noinline void *large_alloc(size_t size, uintptr_t caller)
{
    void *pages;

    if (size > SIZE_MAX - 2 * PAGE_SIZE)
        return NULL;
    pages = page_alloc_for(large_pages(size), 0, large_owner, caller);
    if (pages)
        large_debug_alloc(pages, size);
    return pages;
}

static __noinline void large_free(void *pages, uintptr_t caller)
{
    large_debug_free(pages, caller);
    page_free_for(pages, caller);
}

static __always_inline void *alloc(size_t size, uintptr_t caller)
{
    unsigned int number;
    void *object;

    if (unlikely(size > SMALL_MAX))
        return large_alloc(size, caller);
    number = pool_numbers[CLASS_OF(size)];
    object = pool_take(number);
    if (likely(object))
        pool_debug_alloc(&pools[number], object, size, caller);
    return object;
}

/* The struct page of heap memory; a pointer that cannot be any ends here. */
static __always_inline struct page *page_of_pointer(const void *pointer, uintptr_t caller)
{
#if CONFIG_DEBUG
    if (!is_direct_map(pointer) || !page_lookup(direct_map_to_phys(pointer) >> PAGE_SHIFT))
        panic("kfree(%p) by %s: this is not memory of the heap", pointer, caller_text(caller).text);
#else
    (void)caller;
#endif
    return page_of_frame(frame_of(pointer));
}

__within_page(256) void *kmalloc(size_t size)
{
    return alloc(size, CALLER());
}

void *kzalloc(size_t size)
{
    void *object = alloc(size, CALLER());

    return object ? memset(object, 0, size) : NULL;
}

void *kcalloc(size_t count, size_t size)
{
    size_t bytes;
    void *object;

    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    object = alloc(bytes, CALLER());
    return object ? memset(object, 0, bytes) : NULL;
}

static __always_inline void release(void *pointer, uintptr_t caller)
{
    const struct page *page;

    if (unlikely(!pointer))
        return;
    page = page_of_pointer(pointer, caller);
    if (unlikely(page->state != PAGE_SLAB)) {
        large_free(pointer, caller);
        return;
    }
    pool_debug_free(&pools[page->owner], pointer, caller);
    pool_give(page->owner, pointer);
}

__within_page(256) void kfree(void *pointer)
{
    release(pointer, CALLER());
}

/* How much fits where @pointer is: for krealloc(). */
static size_t room_of(const struct page *page)
{
    if (page->state == PAGE_SLAB)
        return pools[page->owner].object_size;
    return (size_t)page->count * PAGE_SIZE - POOL_RED_ZONE_MIN;
}

static size_t size_of(const struct page *page, const void *pointer)
{
    if (page->state == PAGE_SLAB)
        return pool_debug_size(&pools[page->owner], pointer);
    return large_debug_size(pointer);
}

void *krealloc(void *pointer, size_t size)
{
    const struct page *page;
    void *copy;

    if (!pointer)
        return alloc(size, CALLER());
    page = page_of_pointer(pointer, CALLER());
    if (size <= room_of(page) && size >= room_of(page) / 2) {
        if (page->state == PAGE_SLAB)
            pool_debug_resize(&pools[page->owner], pointer, size);
        else
            large_debug_alloc(pointer, size);
        return pointer;
    }
    copy = alloc(size, CALLER());
    if (!copy)
        return NULL;
    memcpy(copy, pointer, MIN(size, size_of(page, pointer)));
    release(pointer, CALLER());
    return copy;
}

char *kstrdup(const char *string)
{
    size_t size = strlen(string) + 1;
    char *copy = alloc(size, CALLER());

    return copy ? memcpy(copy, string, size) : NULL;
}
