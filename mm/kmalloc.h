/*
 * The heap: pools of 32 B to 2 KiB with per-CPU magazines, larger sizes from pages.
 *
 * Memory is aligned to at least 16 bytes (to the page from a page on). NULL when out of memory.
 * Context: any, never sleeps. Debug builds poison freed memory, keep red zones, and name the
 * allocating and freeing code of a double free or an overrun.
 */
#pragma once

#include <stddef.h>

#include "lib/compiler.h"

void *kmalloc(size_t size) __attribute__((malloc, alloc_size(1)));
/** kzalloc() - cleared. kcalloc() - also checks count * size for overflow. */
void *kzalloc(size_t size) __attribute__((malloc, alloc_size(1)));
void *kcalloc(size_t count, size_t size) __attribute__((malloc, alloc_size(1, 2)));
/** krealloc() - NULL leaves @pointer as it was. */
void *krealloc(void *pointer, size_t size) __must_check;
void kfree(void *pointer); /* NULL is ignored */
char *kstrdup(const char *string);

/*
 * A pool of its own for objects of one type that are made often; shows up by name in memusage.
 */
struct pool;
struct pool *pool_create(const char *name, size_t object_size, size_t alignment);
void pool_destroy(struct pool *pool); /* all objects must be back: else it says how many are not */
void *pool_alloc(struct pool *pool);
void pool_free(struct pool *pool, void *object);
