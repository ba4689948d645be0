/*
 * Pairing heap of timers (see the header).
 *
 * A node's children are a singly linked list through `sibling`; `link` is the address of the
 * pointer that points at the node (the heap's root, the parent's `child`, or a sibling's
 * `sibling`), so that any node can be cut out without a walk.
 */
#include "kernel/time/timer_heap.h"

/* Joins two detached trees; the smaller key becomes the root. Neither has a sibling. */
static struct timer_heap_node *meld(struct timer_heap_node *a, struct timer_heap_node *b)
{
    if (!a)
        return b;
    if (!b)
        return a;
    if (b->key < a->key) {
        struct timer_heap_node *smaller = b;
        b = a;
        a = smaller;
    }
    b->sibling = a->child;
    if (b->sibling)
        b->sibling->link = &b->sibling;
    b->link = &a->child;
    a->child = b;
    return a;
}

static struct timer_heap_node *detach_first(struct timer_heap_node **list)
{
    struct timer_heap_node *node = *list;

    if (node) {
        *list = node->sibling;
        node->sibling = NULL;
    }
    return node;
}

/* Makes one tree of a list of siblings: pairs from the front, then the pairs from the back. */
static struct timer_heap_node *meld_siblings(struct timer_heap_node *list)
{
    struct timer_heap_node *pairs = NULL;
    struct timer_heap_node *root = NULL;

    while (list) {
        struct timer_heap_node *first = detach_first(&list);
        struct timer_heap_node *pair = meld(first, detach_first(&list));
        pair->sibling = pairs;
        pairs = pair;
    }
    while (pairs)
        root = meld(root, detach_first(&pairs));
    return root;
}

static void set_root(struct timer_heap *heap, struct timer_heap_node *root)
{
    heap->root = root;
    if (root)
        root->link = &heap->root;
}

void timer_heap_insert(struct timer_heap *heap, struct timer_heap_node *node)
{
    node->child = NULL;
    node->sibling = NULL;
    set_root(heap, meld(heap->root, node));
    heap->count++;
}

void timer_heap_remove(struct timer_heap *heap, struct timer_heap_node *node)
{
    *node->link = node->sibling;
    if (node->sibling)
        node->sibling->link = node->link;
    node->link = NULL;
    heap->count--;
    /* When node was the root, heap->root is NULL now: it has no siblings. */
    if (node->child || !heap->root)
        set_root(heap, meld(heap->root, meld_siblings(node->child)));
    node->child = NULL;
    node->sibling = NULL;
}
