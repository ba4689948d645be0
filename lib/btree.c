/*
 * B+ trees: all entries are in the leaves, which are linked; inner nodes say where to go.
 *
 * A node holds up to BTREE_ORDER pairs of a key and a slot, in ascending order of keys. In a leaf
 * they are the entries. In an inner node the slots are children and key i is a lower bound of
 * what is below child i and greater than all below child i - 1; key 0 is not looked at (the child
 * takes whatever is smaller). Bounds stay when the entry they came from goes.
 *
 * Both changes go down once and never back up: insertion splits every full node on its way, removal
 * fills every node of least size, so that the node they arrive at has room (or can spare) one.
 */
#include "lib/btree.h"

#include "lib/errno.h"
#include "lib/string.h"

#define LEAST_FILL (BTREE_ORDER / 2) /* of a node other than the root */

/* Enough for any number of keys: a level multiplies by LEAST_FILL at least. */
#define HEIGHT_MAX 17

struct btree_node {
    struct btree_node *prev; /* neighbours of a leaf, NULL at the ends and in inner nodes */
    struct btree_node *next;
    unsigned int count;
    bool is_leaf;
    uint64_t keys[BTREE_ORDER];
    void *slots[BTREE_ORDER];
};

size_t btree_node_size(void)
{
    return sizeof(struct btree_node);
}

void btree_init(struct btree *tree, const struct btree_allocator *allocator)
{
    *tree = (struct btree){ .allocator = allocator };
}

static struct btree_node *node_alloc(struct btree *tree, bool is_leaf)
{
    const struct btree_allocator *allocator = tree->allocator;
    struct btree_node *node = allocator->alloc(allocator->context, sizeof(*node));

    if (node) {
        node->prev = NULL;
        node->next = NULL;
        node->count = 0;
        node->is_leaf = is_leaf;
    }
    return node;
}

static void node_free(struct btree *tree, struct btree_node *node)
{
    tree->allocator->free(tree->allocator->context, node, sizeof(*node));
}

/* ---- within a node -------------------------------------------------------------------------- */

/* The number of keys < @key, which is the position of the first that is not. */
static unsigned int lower_bound(const struct btree_node *node, uint64_t key)
{
    unsigned int low = 0, high = node->count;

    while (low < high) {
        unsigned int middle = (low + high) / 2;

        if (node->keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The child of an inner node under which @key belongs. */
static unsigned int child_index(const struct btree_node *node, uint64_t key)
{
    unsigned int low = 1, high = node->count; /* the first of the keys from 1 on that is > @key */

    while (low < high) {
        unsigned int middle = (low + high) / 2;

        if (node->keys[middle] <= key)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

static struct btree_node *child_at(const struct btree_node *node, unsigned int index)
{
    return node->slots[index];
}

static bool leaf_has(const struct btree_node *leaf, unsigned int index, uint64_t key)
{
    return index < leaf->count && leaf->keys[index] == key;
}

/* Moves @count pairs within or between nodes; neither node's count changes. */
static void move_pairs(struct btree_node *to, unsigned int to_index, const struct btree_node *from,
                       unsigned int from_index, unsigned int count)
{
    memmove(&to->keys[to_index], &from->keys[from_index], count * sizeof(to->keys[0]));
    memmove(&to->slots[to_index], &from->slots[from_index], count * sizeof(to->slots[0]));
}

static void pair_insert(struct btree_node *node, unsigned int index, uint64_t key, void *slot)
{
    move_pairs(node, index + 1, node, index, node->count - index);
    node->keys[index] = key;
    node->slots[index] = slot;
    node->count++;
}

static void *pair_remove(struct btree_node *node, unsigned int index)
{
    void *slot = node->slots[index];

    node->count--;
    move_pairs(node, index, node, index + 1, node->count - index);
    return slot;
}

/* ---- search --------------------------------------------------------------------------------- */

/* The leaf where @key is or would be; NULL in an empty tree. */
static struct btree_node *find_leaf(const struct btree *tree, uint64_t key)
{
    struct btree_node *node = tree->root;

    while (node && !node->is_leaf)
        node = child_at(node, child_index(node, key));
    return node;
}

void *btree_lookup(const struct btree *tree, uint64_t key)
{
    const struct btree_node *leaf = find_leaf(tree, key);
    unsigned int index = leaf ? lower_bound(leaf, key) : 0;

    return leaf && leaf_has(leaf, index, key) ? leaf->slots[index] : NULL;
}

/* The value at @index, its key to *@found. */
static void *entry_at(const struct btree_node *leaf, unsigned int index, uint64_t *found)
{
    if (found)
        *found = leaf->keys[index];
    return leaf->slots[index];
}

void *btree_lookup_ge(const struct btree *tree, uint64_t key, uint64_t *found)
{
    const struct btree_node *leaf = find_leaf(tree, key);
    unsigned int index = leaf ? lower_bound(leaf, key) : 0;

    if (leaf && index == leaf->count) { /* all of it is smaller */
        leaf = leaf->next;
        index = 0;
    }
    return leaf ? entry_at(leaf, index, found) : NULL;
}

void *btree_lookup_le(const struct btree *tree, uint64_t key, uint64_t *found)
{
    const struct btree_node *leaf = find_leaf(tree, key);
    unsigned int index = leaf ? lower_bound(leaf, key) : 0;

    if (leaf && leaf_has(leaf, index, key))
        return entry_at(leaf, index, found);
    if (leaf && index == 0) { /* all of it is larger */
        leaf = leaf->prev;
        index = leaf ? leaf->count : 0;
    }
    return leaf ? entry_at(leaf, index - 1, found) : NULL;
}

int btree_visit_range(const struct btree *tree, uint64_t first, uint64_t last, btree_visitor *visit,
                      void *context)
{
    const struct btree_node *leaf = find_leaf(tree, first);
    unsigned int index = leaf ? lower_bound(leaf, first) : 0;

    for (; leaf; leaf = leaf->next, index = 0) {
        for (; index < leaf->count; index++) {
            if (leaf->keys[index] > last)
                return 0;

            int result = visit(leaf->keys[index], leaf->slots[index], context);

            if (result)
                return result;
        }
    }
    return 0;
}

void *btree_replace(struct btree *tree, uint64_t key, void *value)
{
    struct btree_node *leaf = find_leaf(tree, key);
    unsigned int index = leaf ? lower_bound(leaf, key) : 0;

    if (!leaf || !leaf_has(leaf, index, key))
        return NULL;

    void *before = leaf->slots[index];

    leaf->slots[index] = value;
    return before;
}

/* ---- insertion ------------------------------------------------------------------------------ */

/* Moves the upper half of the full child @index into the empty node @right, its new sibling. */
static void split_child(struct btree_node *parent, unsigned int index, struct btree_node *right)
{
    struct btree_node *left = child_at(parent, index);

    right->count = left->count - LEAST_FILL;
    left->count = LEAST_FILL;
    move_pairs(right, 0, left, LEAST_FILL, right->count);
    if (left->is_leaf) {
        right->prev = left;
        right->next = left->next;
        if (right->next)
            right->next->prev = right;
        left->next = right;
    }
    pair_insert(parent, index + 1, right->keys[0], right);
}

/* Puts a root above the full one, which becomes its only child and is split. */
static int split_root(struct btree *tree)
{
    struct btree_node *root = node_alloc(tree, false);
    struct btree_node *right = root ? node_alloc(tree, tree->root->is_leaf) : NULL;

    if (!right) {
        if (root)
            node_free(tree, root);
        return -ENOMEM;
    }
    pair_insert(root, 0, 0, tree->root);
    split_child(root, 0, right);
    tree->root = root;
    tree->height++;
    return 0;
}

/* Gives the tree a root that has room. */
static int prepare_root(struct btree *tree)
{
    if (!tree->root) {
        tree->root = node_alloc(tree, true);
        tree->height = tree->root ? 1 : 0;
        return tree->root ? 0 : -ENOMEM;
    }
    return tree->root->count == BTREE_ORDER ? split_root(tree) : 0;
}

int btree_insert(struct btree *tree, uint64_t key, void *value)
{
    if (btree_lookup(tree, key))
        return -EEXIST;

    int error = prepare_root(tree);
    struct btree_node *node = tree->root;

    if (error)
        return error;
    while (!node->is_leaf) { /* node has room for one more child */
        unsigned int index = child_index(node, key);

        if (child_at(node, index)->count == BTREE_ORDER) {
            struct btree_node *right = node_alloc(tree, child_at(node, index)->is_leaf);

            if (!right)
                return -ENOMEM; /* what was split on the way is a valid tree of the same entries */
            split_child(node, index, right);
            index = child_index(node, key);
        }
        node = child_at(node, index);
    }
    pair_insert(node, lower_bound(node, key), key, value);
    tree->count++;
    return 0;
}

/* ---- removal -------------------------------------------------------------------------------- */

/* Moves the last pair of child @index - 1 to the front of child @index. */
static void borrow_from_left(struct btree_node *parent, unsigned int index)
{
    struct btree_node *left = child_at(parent, index - 1), *node = child_at(parent, index);
    unsigned int last = left->count - 1;

    if (!node->is_leaf)
        node->keys[0] = parent->keys[index]; /* becomes key 1, which is looked at */
    pair_insert(node, 0, left->keys[last], left->slots[last]);
    left->count--;
    parent->keys[index] = node->keys[0];
}

/* Moves the first pair of child @index + 1 to the end of child @index. */
static void borrow_from_right(struct btree_node *parent, unsigned int index)
{
    struct btree_node *node = child_at(parent, index), *right = child_at(parent, index + 1);
    uint64_t key = node->is_leaf ? right->keys[0] : parent->keys[index + 1];

    pair_insert(node, node->count, key, right->slots[0]);
    pair_remove(right, 0);
    parent->keys[index + 1] = right->keys[0];
}

/* Moves all of child @index + 1 to the end of child @index; together they fit. */
static void merge_children(struct btree *tree, struct btree_node *parent, unsigned int index)
{
    struct btree_node *left = child_at(parent, index), *right = child_at(parent, index + 1);

    if (!left->is_leaf)
        right->keys[0] = parent->keys[index + 1];
    move_pairs(left, left->count, right, 0, right->count);
    left->count += right->count;
    if (left->is_leaf) {
        left->next = right->next;
        if (left->next)
            left->next->prev = left;
    }
    pair_remove(parent, index + 1);
    node_free(tree, right);
}

/* Makes sure that child @index can lose a pair. Return: the child that holds its keys now. */
static struct btree_node *fill_child(struct btree *tree, struct btree_node *parent,
                                     unsigned int index)
{
    struct btree_node *child = child_at(parent, index);

    if (child->count > LEAST_FILL)
        return child;
    if (index > 0 && child_at(parent, index - 1)->count > LEAST_FILL) {
        borrow_from_left(parent, index);
        return child;
    }
    if (index + 1 < parent->count && child_at(parent, index + 1)->count > LEAST_FILL) {
        borrow_from_right(parent, index);
        return child;
    }
    if (index > 0)
        index--;
    merge_children(tree, parent, index);
    return child_at(parent, index);
}

/* A root that is an empty leaf, or has one child only, goes. */
static void drop_useless_root(struct btree *tree)
{
    struct btree_node *root = tree->root;

    if (root->count > (root->is_leaf ? 0 : 1))
        return;
    tree->root = root->is_leaf ? NULL : child_at(root, 0);
    tree->height--;
    node_free(tree, root);
}

void *btree_remove(struct btree *tree, uint64_t key)
{
    if (!btree_lookup(tree, key))
        return NULL;

    struct btree_node *node = tree->root;

    while (!node->is_leaf) /* node can lose a child */
        node = fill_child(tree, node, child_index(node, key));

    void *value = pair_remove(node, lower_bound(node, key));

    tree->count--;
    drop_useless_root(tree);
    return value;
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* Frees @node and all below it, children first. */
static void free_below(struct btree *tree, struct btree_node *node)
{
    struct btree_node *path[HEIGHT_MAX];
    unsigned int visited[HEIGHT_MAX] = { 0 };
    unsigned int depth = 0;

    path[0] = node;
    for (;;) {
        node = path[depth];
        if (!node->is_leaf && visited[depth] < node->count) {
            path[depth + 1] = child_at(node, visited[depth]++);
            visited[++depth] = 0;
            continue;
        }
        node_free(tree, node);
        if (depth-- == 0)
            return;
    }
}

void btree_clear(struct btree *tree)
{
    if (tree->root)
        free_below(tree, tree->root);
    btree_init(tree, tree->allocator);
}

/* Whether the keys of @node ascend and lie in [@low, @high]; key 0 of inner nodes says nothing. */
static bool keys_are_valid(const struct btree_node *node, uint64_t low, uint64_t high)
{
    unsigned int first = node->is_leaf ? 0 : 1;

    for (unsigned int i = first; i < node->count; i++) {
        if (node->keys[i] < low || node->keys[i] > high)
            return false;
        if (i > first && node->keys[i] <= node->keys[i - 1])
            return false;
    }
    return true;
}

/* What a walk over all nodes has found so far. */
struct check {
    const struct btree *tree;
    const struct btree_node *last_leaf;
    size_t count;
};

static bool leaf_is_valid(struct check *check, const struct btree_node *leaf)
{
    if (leaf->prev != check->last_leaf || (leaf->prev && leaf->prev->next != leaf))
        return false;
    check->last_leaf = leaf;
    check->count += leaf->count;
    return true;
}

/* Recursion is as deep as the tree is high: a handful of levels. */
static bool node_is_valid(struct check *check, const struct btree_node *node, unsigned int level,
                          uint64_t low, uint64_t high)
{
    bool is_root = node == check->tree->root;
    unsigned int least = !is_root ? LEAST_FILL : node->is_leaf ? 1 : 2;

    if (node->count < least || node->count > BTREE_ORDER || node->is_leaf != (level == 1))
        return false;
    if (!keys_are_valid(node, low, high))
        return false;
    if (node->is_leaf)
        return leaf_is_valid(check, node);
    for (unsigned int i = 0; i < node->count; i++) {
        uint64_t child_low = i == 0 ? low : node->keys[i];
        uint64_t child_high = i + 1 == node->count ? high : node->keys[i + 1] - 1;

        if (!node_is_valid(check, child_at(node, i), level - 1, child_low, child_high))
            return false;
    }
    return true;
}

bool btree_is_valid(const struct btree *tree)
{
    struct check check = { .tree = tree };

    if (!tree->root)
        return tree->height == 0 && tree->count == 0;
    return node_is_valid(&check, tree->root, tree->height, 0, UINT64_MAX) &&
           !check.last_leaf->next && check.count == tree->count;
}
