/*
 * The kernel's heap on a host: malloc(), so that the address sanitizer sees every overrun, with a
 * table of what is allocated beside it, for leaks and for throwing a kernel away.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/host/host.h"
#include "arch/host/host_internal.h"
#include "mm/kmalloc.h"

#define CALLER() __builtin_return_address(0)

struct allocation {
    void *pointer; /* NULL: the slot is free */
    size_t size;
    const char *owner;
    const void *caller;
    unsigned long serial;
};

/* Open addressing, linear probing, at most half full; deletion moves followers back. */
static struct allocation *table;
static size_t table_size; /* a power of two */
static size_t table_count;
static unsigned long next_serial;

static unsigned long fail_at; /* counts down; 0: no failure is asked for */
static bool fail_all_after;
static bool has_failed;

static size_t slot_of(const void *pointer)
{
    return ((uintptr_t)pointer >> 4) * 0x9E3779B97F4A7C15u >> 20 & (table_size - 1);
}

static struct allocation *find(const void *pointer)
{
    size_t i = table_size ? slot_of(pointer) : 0;

    while (table_size && table[i].pointer && table[i].pointer != pointer)
        i = (i + 1) & (table_size - 1);
    return table_size ? &table[i] : NULL;
}

static void grow(void)
{
    struct allocation *old = table;
    size_t old_size = table_size;

    table_size = old_size ? old_size * 2 : 1024;
    table = calloc(table_size, sizeof(*table));
    if (!table)
        abort();
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].pointer)
            *find(old[i].pointer) = old[i];
    }
    free(old);
}

static void forget(struct allocation *allocation)
{
    size_t hole = (size_t)(allocation - table);

    table[hole].pointer = NULL;
    table_count--;
    for (size_t i = (hole + 1) & (table_size - 1); table[i].pointer;
         i = (i + 1) & (table_size - 1)) {
        struct allocation moved = table[i];
        table[i].pointer = NULL;
        *find(moved.pointer) = moved;
    }
}

static bool must_fail(void)
{
    if (fail_at == 0 || --fail_at > 0)
        return false;
    has_failed = true;
    fail_at = fail_all_after ? 1 : 0;
    return true;
}

void host_fail_allocation(unsigned long nth)
{
    fail_at = nth;
    fail_all_after = false;
    has_failed = false;
}

void host_fail_allocations_from(unsigned long nth)
{
    fail_at = nth;
    fail_all_after = true;
    has_failed = false;
}

bool host_allocation_failed(void)
{
    return has_failed;
}

size_t host_allocation_count(void)
{
    return table_count;
}

void *host_heap_alloc(size_t size, size_t alignment, const char *owner, const void *caller)
{
    void *pointer;

    if (must_fail())
        return NULL;
    if (alignment < sizeof(void *))
        alignment = sizeof(void *);
    if (posix_memalign(&pointer, alignment, size ? size : 1) != 0)
        return NULL;
    if (table_count * 2 >= table_size)
        grow();
    *find(pointer) = (struct allocation){ pointer, size, owner, caller, next_serial++ };
    table_count++;
    return pointer;
}

void host_heap_free(void *pointer, const void *caller)
{
    struct allocation *allocation;

    if (!pointer)
        return;
    allocation = find(pointer);
    if (!allocation || !allocation->pointer)
        host_fail("%p was freed at %p, but is not allocated", pointer, caller);
    forget(allocation);
    free(pointer);
}

size_t host_heap_size(const void *pointer)
{
    const struct allocation *allocation = find(pointer);

    if (!allocation || !allocation->pointer)
        host_fail("%p is not allocated", pointer);
    return allocation->size;
}

void host_heap_reset(void)
{
    for (size_t i = 0; i < table_size; i++)
        free(table[i].pointer);
    free(table);
    table = NULL;
    table_size = table_count = 0;
    fail_at = 0;
}

unsigned long host_heap_serial(void)
{
    return next_serial;
}

void host_heap_print_since(unsigned long serial)
{
    for (size_t i = 0; i < table_size; i++) {
        const struct allocation *allocation = &table[i];
        if (allocation->pointer && allocation->serial >= serial)
            fprintf(stderr, "  %p: %zu bytes, %s, allocated at %p\n", allocation->pointer,
                    allocation->size, allocation->owner, allocation->caller);
    }
}

/* ---- mm/kmalloc.h -----------------------------------------------------------------------------
 */

static size_t alignment_for(size_t size)
{
    return size >= 4096 ? 4096 : 16;
}

void *kmalloc(size_t size)
{
    void *pointer = host_heap_alloc(size, alignment_for(size), "kmalloc", CALLER());

    if (pointer)
        memset(pointer, 0xA5, size); /* nobody relies on what is in it */
    return pointer;
}

void *kzalloc(size_t size)
{
    void *pointer = host_heap_alloc(size, alignment_for(size), "kmalloc", CALLER());

    if (pointer)
        memset(pointer, 0, size);
    return pointer;
}

void *kcalloc(size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *pointer = host_heap_alloc(bytes, alignment_for(bytes), "kmalloc", CALLER());
    if (pointer)
        memset(pointer, 0, bytes);
    return pointer;
}

void *krealloc(void *pointer, size_t size)
{
    void *bigger = host_heap_alloc(size, alignment_for(size), "kmalloc", CALLER());

    if (!bigger)
        return NULL;
    if (pointer) {
        size_t old = host_heap_size(pointer);
        memcpy(bigger, pointer, old < size ? old : size);
        host_heap_free(pointer, CALLER());
    }
    return bigger;
}

void kfree(void *pointer)
{
    host_heap_free(pointer, CALLER());
}

char *kstrdup(const char *string)
{
    size_t size = strlen(string) + 1;
    char *copy = host_heap_alloc(size, 1, "kmalloc", CALLER());

    return copy ? memcpy(copy, string, size) : NULL;
}

/* ---- pools ------------------------------------------------------------------------------------
 */

struct pool {
    const char *name;
    size_t object_size;
    size_t alignment;
    size_t used;
};

struct pool *pool_create(const char *name, size_t object_size, size_t alignment)
{
    struct pool *pool = host_heap_alloc(sizeof(*pool), 16, name, CALLER());

    if (pool)
        *pool = (struct pool){ name, object_size, alignment < 16 ? 16 : alignment, 0 };
    return pool;
}

void pool_destroy(struct pool *pool)
{
    if (pool->used > 0)
        host_fail("pool %s destroyed with %zu objects in use", pool->name, pool->used);
    host_heap_free(pool, CALLER());
}

void *pool_alloc(struct pool *pool)
{
    void *object = host_heap_alloc(pool->object_size, pool->alignment, pool->name, CALLER());

    if (object) {
        memset(object, 0xA5, pool->object_size);
        pool->used++;
    }
    return object;
}

void pool_free(struct pool *pool, void *object)
{
    if (!object)
        return;
    pool->used--;
    host_heap_free(object, CALLER());
}
