/*
 * Heap sort: in place, O(n log n) in the worst case, no recursion, no memory. Not stable.
 */
#pragma once

#include "lib/compiler.h"

/* Order of two elements: negative, 0 or positive. */
typedef int sort_compare(const void *a, const void *b, void *context);

void sort(void *base, size_t count, size_t size, sort_compare *compare, void *context);
