/*
 * Heap sort.
 */
#include "lib/sort.h"

struct heap {
    uint8_t *base;
    size_t size; /* of an element */
    sort_compare *compare;
    void *context;
};

static bool is_less(const struct heap *heap, size_t a, size_t b)
{
    return heap->compare(heap->base + a * heap->size, heap->base + b * heap->size, heap->context) <
           0;
}

static void swap(const struct heap *heap, size_t a, size_t b)
{
    uint8_t *x = heap->base + a * heap->size;
    uint8_t *y = heap->base + b * heap->size;
    size_t left = heap->size;

    for (; left >= 8; left -= 8, x += 8, y += 8) {
        uint64_t word, other;

        __builtin_memcpy(&word, x, 8);
        __builtin_memcpy(&other, y, 8);
        __builtin_memcpy(x, &other, 8);
        __builtin_memcpy(y, &word, 8);
    }
    for (; left; left--, x++, y++) {
        uint8_t byte = *x;

        *x = *y;
        *y = byte;
    }
}

/* Lets element @parent sink until no child among the first @count is larger. */
static void sift_down(const struct heap *heap, size_t parent, size_t count)
{
    for (size_t child; (child = 2 * parent + 1) < count; parent = child) {
        if (child + 1 < count && is_less(heap, child, child + 1))
            child++;
        if (!is_less(heap, parent, child))
            return;
        swap(heap, parent, child);
    }
}

void sort(void *base, size_t count, size_t size, sort_compare *compare, void *context)
{
    struct heap heap = { .base = base, .size = size, .compare = compare, .context = context };

    for (size_t parent = count / 2; parent-- > 0;)
        sift_down(&heap, parent, count);
    for (size_t last = count; last-- > 1;) {
        swap(&heap, 0, last);
        sift_down(&heap, 0, last);
    }
}
