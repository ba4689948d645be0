/*
 * Checks of debug builds on page frames: who allocated and freed them, and whether anybody wrote to
 * them in between. In release builds each is nothing.
 *
 * A freed page is filled with PAGE_POISON and looked at again when it is next given out. Context of
 * all: any; the pages are the caller's at that moment.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "mm/page_internal.h"

#define PAGE_POISON 0xF7F7F7F7F7F7F7F7u

/** page_bad_free() - @pages is not what page_alloc() gave out, or not any more. Does not return. */
void __noreturn page_bad_free(const void *pages, uintptr_t caller);

#if CONFIG_DEBUG
/** page_debug_alloc() - panic if the run was written to while free; note who has it now. */
void page_debug_alloc(uint32_t frame, size_t count, uintptr_t caller);
/** page_debug_free() - poison the run and note who freed it. */
void page_debug_free(uint32_t frame, size_t count, uintptr_t caller);
#else
static inline void page_debug_alloc(uint32_t frame, size_t count, uintptr_t caller)
{
    (void)frame, (void)count, (void)caller;
}

static inline void page_debug_free(uint32_t frame, size_t count, uintptr_t caller)
{
    (void)frame, (void)count, (void)caller;
}
#endif
