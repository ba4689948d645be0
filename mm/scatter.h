/*
 * Scatter lists: a logical buffer as pieces of physical memory, for DMA.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/types.h"

struct scatter_segment {
    paddr_t paddr;
    uint32_t length; /* bytes, never 0 */
};

/**
 * scatter_from_buffer() - the pieces of [@buffer, @buffer + @length), merged where contiguous
 * The buffer may cross pages and lie anywhere mapped (direct map, vm_alloc, kernel image, stack).
 * Return: number of segments; -E2BIG when @max is too few; -EFAULT when a page is not mapped.
 * Context: any.
 */
int __must_check scatter_from_buffer(const void *buffer, size_t length,
                                     struct scatter_segment *segments, size_t max);
