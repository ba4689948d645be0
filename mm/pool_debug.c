/*
 * Debug builds of the heap: every object is followed by a red zone, from its exact size on, and a
 * note of who allocated and freed it. A free object is filled with POISON up to the note.
 *
 *     | object, `size` bytes | red zone, at least 16 bytes | struct pool_note |
 *
 * A write behind the end is seen when the object is freed, one before its beginning hits the note
 * of its neighbour and is seen when that is freed, a write after the free when it is next given
 * out.
 */
#include "mm/pool_internal.h"

#if CONFIG_DEBUG

#include "kernel/panic.h"
#include "lib/string.h"
#include "mm/caller.h"

#define NOTE_USED 0x4F424A55u
#define NOTE_FREE 0x4F424A46u
#define RED_ZONE  0xBB
#define POISON    0xF6

static struct pool_note *note_of(const struct pool *pool, const void *object)
{
    return (struct pool_note *)((uintptr_t)object + pool->slot_size - sizeof(struct pool_note));
}

static size_t bytes_before_note(const struct pool *pool)
{
    return pool->slot_size - sizeof(struct pool_note);
}

/* The first of @size bytes that is not @value; @size when all are. */
static size_t first_other(const uint8_t *bytes, size_t size, uint8_t value)
{
    size_t i = 0;

    while (i < size && bytes[i] == value)
        i++;
    return i;
}

static void __noreturn bad_note(const struct pool *pool, const void *object, uintptr_t caller)
{
    const struct pool_note *note = note_of(pool, object);

    if (note->state == NOTE_FREE)
        panic("double free of %p (%s): now by %s, before by %s, allocated by %s", object,
              pool->name, caller_text(caller).text, caller_text(note->freed_by).text,
              caller_text(note->allocated_by).text);
    panic("free of %p (%s) by %s: its end was overwritten, or it is not the start of an object",
          object, pool->name, caller_text(caller).text);
}

void pool_debug_new_slot(const struct pool *pool, void *object)
{
    struct pool_note *note = note_of(pool, object);

    memset(object, POISON, bytes_before_note(pool));
    memset(note, 0, sizeof(*note));
    note->state = NOTE_FREE;
}

static void check_poison(const struct pool *pool, const uint8_t *object)
{
    const struct pool_note *note = note_of(pool, object);
    size_t offset = first_other(object, bytes_before_note(pool), POISON);

    if (offset < bytes_before_note(pool))
        panic("%p (%s) was written to at offset %zu (%#x) after it was freed by %s, "
              "allocated by %s",
              (const void *)object, pool->name, offset, object[offset],
              caller_text(note->freed_by).text, caller_text(note->allocated_by).text);
    if (note->state != NOTE_FREE)
        panic("the end of free object %p (%s) was overwritten: freed by %s, allocated by %s",
              (const void *)object, pool->name, caller_text(note->freed_by).text,
              caller_text(note->allocated_by).text);
}

static void draw_red_zone(const struct pool *pool, uint8_t *object, size_t size)
{
    note_of(pool, object)->size = (uint32_t)size;
    memset(object + size, RED_ZONE, bytes_before_note(pool) - size);
}

void pool_debug_alloc(const struct pool *pool, void *object, size_t size, uintptr_t caller)
{
    struct pool_note *note = note_of(pool, object);

    check_poison(pool, object);
    draw_red_zone(pool, object, size);
    note->allocated_by = caller;
    note->state = NOTE_USED;
}

static void check_red_zone(const struct pool *pool, const uint8_t *object, uintptr_t caller)
{
    const struct pool_note *note = note_of(pool, object);
    size_t zone = bytes_before_note(pool) - note->size;
    size_t offset = first_other(object + note->size, zone, RED_ZONE);

    if (offset < zone)
        panic("overrun of %p (%s): byte %zu of %u is %#x; allocated by %s, freed by %s",
              (const void *)object, pool->name, note->size + offset, note->size,
              object[note->size + offset], caller_text(note->allocated_by).text,
              caller_text(caller).text);
}

static bool is_object(const struct pool *pool, const void *object)
{
    uint32_t frame = frame_of(object);
    const struct page *page = page_of_frame(frame);
    uintptr_t base;

    if (page->state != PAGE_SLAB || page->owner != pool->number)
        return false;
    base = (uintptr_t)frame_to_pointer(frame - page->order);
    return ((uintptr_t)object - base) % pool->slot_size == 0 &&
           ((uintptr_t)object - base) / pool->slot_size < pool->slab_objects;
}

void pool_debug_free(const struct pool *pool, void *object, uintptr_t caller)
{
    struct pool_note *note = note_of(pool, object);
    uint32_t state = NOTE_USED;

    if (!is_object(pool, object))
        panic("free of %p by %s: not an object of pool %s", object, caller_text(caller).text,
              pool->name);
    /* Two CPUs that free the same object at once are told apart too. */
    if (!__atomic_compare_exchange_n(&note->state, &state, NOTE_FREE, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED))
        bad_note(pool, object, caller);
    if (note->size > bytes_before_note(pool))
        panic("the end of %p (%s) was overwritten; allocated by %s, freed by %s", object,
              pool->name, caller_text(note->allocated_by).text, caller_text(caller).text);
    check_red_zone(pool, object, caller);
    note->freed_by = caller;
    memset(object, POISON, bytes_before_note(pool));
}

void pool_debug_resize(const struct pool *pool, void *object, size_t size)
{
    draw_red_zone(pool, object, size);
}

size_t pool_debug_size(const struct pool *pool, const void *object)
{
    return note_of(pool, object)->size;
}

/*
 * Memory of whole pages: the red zone reaches to the end of the last one.
 */

void large_debug_alloc(void *pages, size_t size)
{
    struct page *page = page_of_frame(frame_of(pages));

    page->slack = (uint32_t)(page->count * PAGE_SIZE - size);
    memset((uint8_t *)pages + size, RED_ZONE, page->slack);
}

size_t large_debug_size(const void *pages)
{
    const struct page *page = page_of_frame(frame_of(pages));

    return page->count * PAGE_SIZE - page->slack;
}

void large_debug_free(const void *pages, uintptr_t caller)
{
    const struct page *page = page_of_frame(frame_of(pages));
    size_t size, offset;

    if (page->state != PAGE_USED || !page->slack)
        return; /* page_free() will say what is wrong, or it came from page_alloc() */
    size = large_debug_size(pages);
    offset = first_other((const uint8_t *)pages + size, page->slack, RED_ZONE);
    if (offset < page->slack)
        panic("overrun of %p: byte %zu of %zu is %#x; allocated by %s, freed by %s", pages,
              size + offset, size, ((const uint8_t *)pages)[size + offset],
              caller_text(page->allocated_by).text, caller_text(caller).text);
}

#endif
