/*
 * Pairing heap of timers, intrusive: the earliest deadline on top.
 *
 * Chosen because most timers are armed and disarmed without ever expiring (timeouts): insertion is
 * O(1), and so is the removal of an element without children, which a later deadline is. Taking the
 * earliest costs O(log n) amortised. Nothing is allocated. The caller locks.
 *
 * Reference: Fredman, Sedgewick, Sleator, Tarjan, "The pairing heap: a new form of self-adjusting
 * heap", Algorithmica 1 (1986); two-pass merging.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer_heap_node {
    struct timer_heap_node *child;   /* first of those below */
    struct timer_heap_node *sibling; /* next of those with the same parent */
    struct timer_heap_node **link;   /* what points at this node; NULL: not in a heap */
    uint64_t key;
};

struct timer_heap {
    struct timer_heap_node *root;
    size_t count;
};

/** timer_heap_insert() - @node->key is set, @node is in no heap. Equal keys: in no given order. */
void timer_heap_insert(struct timer_heap *heap, struct timer_heap_node *node);

/** timer_heap_remove() - @node is in @heap. */
void timer_heap_remove(struct timer_heap *heap, struct timer_heap_node *node);

/** timer_heap_first() - the smallest key; NULL when empty. */
static inline struct timer_heap_node *timer_heap_first(const struct timer_heap *heap)
{
    return heap->root;
}

static inline bool timer_heap_contains(const struct timer_heap_node *node)
{
    return node->link != NULL;
}
