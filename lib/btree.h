/*
 * B+ tree in memory: an ordered map from 64-bit keys to pointers, with neighbours and ranges.
 *
 * Wide nodes and linked leaves make it the map of choice for large sets that are searched and
 * walked (blocks of a cache, inodes, extents). Memory comes from an allocator that the caller
 * names, and its running out is an error that leaves the map as it was; removal never needs any.
 * The caller locks.
 *
 * Reference: Comer, "The ubiquitous B-tree", Computing Surveys 11 (1979).
 */
#pragma once

#include "lib/compiler.h"

/* Most entries of a node; the root apart, a node is at least half full. */
#define BTREE_ORDER 32

struct btree_node;

/* Nodes are all of the same size, btree_node_size(), so a pool serves well. */
struct btree_allocator {
    void *(*alloc)(void *context, size_t size); /* NULL when out of memory */
    void (*free)(void *context, void *memory, size_t size);
    void *context;
};

struct btree {
    struct btree_node *root; /* NULL while empty */
    unsigned int height;     /* levels, 0 while empty */
    size_t count;            /* entries */
    const struct btree_allocator *allocator;
};

void btree_init(struct btree *tree, const struct btree_allocator *allocator);

/* Frees all nodes; what the values point at stays the caller's. The tree is empty afterwards. */
void btree_clear(struct btree *tree);

size_t btree_node_size(void);

static inline size_t btree_count(const struct btree *tree)
{
    return tree->count;
}

/**
 * btree_insert() - add an entry
 * @value: not NULL
 *
 * Return: 0; -EEXIST when the key is there (nothing changes); -ENOMEM (nothing changes).
 */
int btree_insert(struct btree *tree, uint64_t key, void *value) __must_check;

/* Changes the value of a key that is there. Return: the old value, NULL when the key is not there.
 */
void *btree_replace(struct btree *tree, uint64_t key, void *value);

/* Return: the value removed, NULL when the key is not there. Needs no memory. */
void *btree_remove(struct btree *tree, uint64_t key);

/* Return: the value of @key, NULL when it is not there. */
void *btree_lookup(const struct btree *tree, uint64_t key);

/* The entry with the smallest key >= @key, or the largest <= @key; its key goes to *@found, which
 * may be NULL. Return: the value, NULL when there is no such entry. */
void *btree_lookup_ge(const struct btree *tree, uint64_t key, uint64_t *found);
void *btree_lookup_le(const struct btree *tree, uint64_t key, uint64_t *found);

/**
 * btree_visit_range() - visit entries with first <= key <= last in ascending order
 * @visit: returns 0 to go on, another value to stop; must not change the tree
 *
 * Return: 0, or what @visit stopped with.
 */
typedef int btree_visitor(uint64_t key, void *value, void *context);
int btree_visit_range(const struct btree *tree, uint64_t first, uint64_t last, btree_visitor *visit,
                      void *context);

/* Whether every invariant holds: order, fill, equal depth, leaf links (for tests). */
bool btree_is_valid(const struct btree *tree);
