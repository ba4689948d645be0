/*
 * Red-black tree, intrusive: an ordered set with O(log n) insert, erase and search, for keys that
 * live in the elements (timers, virtual ranges, out-of-order segments).
 *
 * The element embeds a struct rb_node; the tree is a struct rbtree. Nothing is allocated. The
 * caller locks.
 *
 * Reference: Guibas and Sedgewick, "A dichromatic framework for balanced trees" (1978), in the
 * form of Cormen et al., Introduction to Algorithms, chapter 13.
 */
#pragma once

#include "lib/compiler.h"

struct rb_node {
    struct rb_node *parent;
    struct rb_node *left;
    struct rb_node *right;
    bool is_red;
};

struct rbtree {
    struct rb_node *root;
};

#define RBTREE_INIT                                                                                \
    {                                                                                              \
        NULL                                                                                       \
    }

/* Order of two elements: negative, 0 or positive as for memcmp. */
typedef int rb_compare(const struct rb_node *a, const struct rb_node *b);

/* Order of a key and an element: negative when the key comes first. */
typedef int rb_compare_key(const void *key, const struct rb_node *node);

static inline void rbtree_init(struct rbtree *tree)
{
    tree->root = NULL;
}

static inline bool rbtree_is_empty(const struct rbtree *tree)
{
    return !tree->root;
}

/* Inserts @node after all that are equal to it. */
void rb_insert(struct rbtree *tree, struct rb_node *node, rb_compare *compare);

/* Inserts @node unless an equal one is there. Return: NULL when inserted, else the one there. */
struct rb_node *rb_insert_unique(struct rbtree *tree, struct rb_node *node, rb_compare *compare);

/* Links @node at the empty place *@link below @parent, for a search of the caller's own. */
void rb_link(struct rbtree *tree, struct rb_node *node, struct rb_node *parent,
             struct rb_node **link);

/* Takes @node, which must be in @tree, out of it. */
void rb_erase(struct rbtree *tree, struct rb_node *node);

/* Puts @replacement, which must sort equally, in the place of @node. */
void rb_replace(struct rbtree *tree, struct rb_node *node, struct rb_node *replacement);

/* The first element equal to the key, NULL when there is none. */
struct rb_node *rb_find(const struct rbtree *tree, const void *key, rb_compare_key *compare);

/* The first element not before the key (ge) and the last not after it (le), NULL for none. */
struct rb_node *rb_find_ge(const struct rbtree *tree, const void *key, rb_compare_key *compare);
struct rb_node *rb_find_le(const struct rbtree *tree, const void *key, rb_compare_key *compare);

/* In order; NULL at either end. */
struct rb_node *rb_first(const struct rbtree *tree);
struct rb_node *rb_last(const struct rbtree *tree);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);

/* Walks nodes in order; the body must not change the tree. */
#define rbtree_for_each(pos, tree) for ((pos) = rb_first(tree); (pos) != NULL; (pos) = rb_next(pos))

/**
 * rbtree_is_valid() - check every invariant (for tests and debug builds)
 *
 * Order by @compare, parent links, no red node under a red one, equal black heights.
 */
bool rbtree_is_valid(const struct rbtree *tree, rb_compare *compare);
