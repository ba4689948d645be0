/*
 * Red-black trees.
 *
 * Invariants: the root is black; a red node has no red child; every path from a node down to a
 * missing child passes the same number of black nodes. So no path is more than twice as long as
 * another. Missing children count as black.
 */
#include "lib/rbtree.h"

static bool is_red(const struct rb_node *node)
{
    return node && node->is_red;
}

/* The pointer that holds @node: in its parent, or the root. */
static struct rb_node **holder_of(struct rbtree *tree, const struct rb_node *node)
{
    struct rb_node *parent = node->parent;

    if (!parent)
        return &tree->root;
    return parent->left == node ? &parent->left : &parent->right;
}

/* Moves the right child of @node up into its place, and @node down to the left. */
static void rotate_left(struct rbtree *tree, struct rb_node *node)
{
    struct rb_node *riser = node->right;

    *holder_of(tree, node) = riser;
    riser->parent = node->parent;
    node->right = riser->left;
    if (riser->left)
        riser->left->parent = node;
    riser->left = node;
    node->parent = riser;
}

static void rotate_right(struct rbtree *tree, struct rb_node *node)
{
    struct rb_node *riser = node->left;

    *holder_of(tree, node) = riser;
    riser->parent = node->parent;
    node->left = riser->right;
    if (riser->right)
        riser->right->parent = node;
    riser->right = node;
    node->parent = riser;
}

/* @node is red and may have a red parent: recolour upwards until a rotation settles it. */
static void repair_after_insert(struct rbtree *tree, struct rb_node *node)
{
    while (is_red(node->parent)) {
        struct rb_node *parent = node->parent;
        struct rb_node *grandparent = parent->parent; /* there is one: a root is black */
        bool is_left = parent == grandparent->left;
        struct rb_node *uncle = is_left ? grandparent->right : grandparent->left;

        if (is_red(uncle)) {
            parent->is_red = false;
            uncle->is_red = false;
            grandparent->is_red = true;
            node = grandparent;
            continue;
        }
        if (node == (is_left ? parent->right : parent->left)) { /* an inner grandchild */
            if (is_left)
                rotate_left(tree, parent);
            else
                rotate_right(tree, parent);
            parent = node;
        }
        parent->is_red = false;
        grandparent->is_red = true;
        if (is_left)
            rotate_right(tree, grandparent);
        else
            rotate_left(tree, grandparent);
        break;
    }
    tree->root->is_red = false;
}

void rb_link(struct rbtree *tree, struct rb_node *node, struct rb_node *parent,
             struct rb_node **link)
{
    *node = (struct rb_node){ .parent = parent, .is_red = true };
    *link = node;
    repair_after_insert(tree, node);
}

void rb_insert(struct rbtree *tree, struct rb_node *node, rb_compare *compare)
{
    struct rb_node *parent = NULL, **link = &tree->root;

    while (*link) {
        parent = *link;
        link = compare(node, parent) < 0 ? &parent->left : &parent->right;
    }
    rb_link(tree, node, parent, link);
}

struct rb_node *rb_insert_unique(struct rbtree *tree, struct rb_node *node, rb_compare *compare)
{
    struct rb_node *parent = NULL, **link = &tree->root;

    while (*link) {
        int order = compare(node, *link);

        if (order == 0)
            return *link;
        parent = *link;
        link = order < 0 ? &parent->left : &parent->right;
    }
    rb_link(tree, node, parent, link);
    return NULL;
}

/* Never missing: its side has a black node more than the short one. */
static struct rb_node *sibling_of_short_side(const struct rb_node *parent, bool is_left_short)
{
    struct rb_node *sibling = is_left_short ? parent->right : parent->left;

    if (!sibling)
        unreachable();
    return sibling;
}

/* One step of the repair below. Return: where the shortage is now, NULL when there is none left. */
static struct rb_node *repair_short_side(struct rbtree *tree, struct rb_node *parent,
                                         bool is_left_short)
{
    struct rb_node *sibling = sibling_of_short_side(parent, is_left_short);

    if (sibling->is_red) { /* turn it over, so that the sibling is black */
        sibling->is_red = false;
        parent->is_red = true;
        if (is_left_short)
            rotate_left(tree, parent);
        else
            rotate_right(tree, parent);
        sibling = sibling_of_short_side(parent, is_left_short);
    }
    if (!is_red(sibling->left) && !is_red(sibling->right)) {
        sibling->is_red = true; /* shorten the other side too: now all of parent is short */
        return parent;
    }
    if (!is_red(is_left_short ? sibling->right : sibling->left)) { /* make the red child outer */
        sibling->is_red = true;
        if (is_left_short) {
            sibling->left->is_red = false;
            rotate_right(tree, sibling);
        } else {
            sibling->right->is_red = false;
            rotate_left(tree, sibling);
        }
        sibling = sibling->parent;
    }
    sibling->is_red = parent->is_red;
    parent->is_red = false;
    if (is_left_short) {
        sibling->right->is_red = false;
        rotate_left(tree, parent);
    } else {
        sibling->left->is_red = false;
        rotate_right(tree, parent);
    }
    return NULL;
}

/*
 * Below @parent, the side of @node (which may be missing) has a black node too few. Move the
 * shortage up until a red node can be blackened or a rotation makes it good.
 */
static void repair_after_erase(struct rbtree *tree, struct rb_node *node, struct rb_node *parent)
{
    while (parent && !is_red(node)) {
        node = repair_short_side(tree, parent, node == parent->left);
        if (!node)
            return;
        parent = node->parent;
    }
    if (node)
        node->is_red = false;
}

/* Exchanges the places of @node, which has two children, and its successor. */
static void swap_with_successor(struct rbtree *tree, struct rb_node *node)
{
    struct rb_node *next = rb_next(node); /* has no left child */
    struct rb_node copy = *next;

    *holder_of(tree, node) = next;
    next->parent = node->parent;
    next->left = node->left;
    next->left->parent = next;
    next->is_red = node->is_red;
    if (copy.parent == node) {
        next->right = node;
        node->parent = next;
    } else {
        next->right = node->right;
        next->right->parent = next;
        copy.parent->left = node;
        node->parent = copy.parent;
    }
    node->left = NULL;
    node->right = copy.right;
    if (node->right)
        node->right->parent = node;
    node->is_red = copy.is_red;
}

void rb_erase(struct rbtree *tree, struct rb_node *node)
{
    if (node->left && node->right)
        swap_with_successor(tree, node);

    struct rb_node *child = node->left ? node->left : node->right;

    *holder_of(tree, node) = child;
    if (child)
        child->parent = node->parent;
    if (!node->is_red)
        repair_after_erase(tree, child, node->parent);
    *node = (struct rb_node){ 0 };
}

void rb_replace(struct rbtree *tree, struct rb_node *node, struct rb_node *replacement)
{
    *holder_of(tree, node) = replacement;
    *replacement = *node;
    if (node->left)
        node->left->parent = replacement;
    if (node->right)
        node->right->parent = replacement;
    *node = (struct rb_node){ 0 };
}

struct rb_node *rb_find_ge(const struct rbtree *tree, const void *key, rb_compare_key *compare)
{
    struct rb_node *node = tree->root, *found = NULL;

    while (node) {
        if (compare(key, node) <= 0) {
            found = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return found;
}

struct rb_node *rb_find_le(const struct rbtree *tree, const void *key, rb_compare_key *compare)
{
    struct rb_node *node = tree->root, *found = NULL;

    while (node) {
        if (compare(key, node) >= 0) {
            found = node;
            node = node->right;
        } else {
            node = node->left;
        }
    }
    return found;
}

struct rb_node *rb_find(const struct rbtree *tree, const void *key, rb_compare_key *compare)
{
    struct rb_node *found = rb_find_ge(tree, key, compare);

    return found && compare(key, found) == 0 ? found : NULL;
}

static struct rb_node *leftmost(struct rb_node *node)
{
    while (node && node->left)
        node = node->left;
    return node;
}

static struct rb_node *rightmost(struct rb_node *node)
{
    while (node && node->right)
        node = node->right;
    return node;
}

struct rb_node *rb_first(const struct rbtree *tree)
{
    return leftmost(tree->root);
}

struct rb_node *rb_last(const struct rbtree *tree)
{
    return rightmost(tree->root);
}

struct rb_node *rb_next(const struct rb_node *node)
{
    if (node->right)
        return leftmost(node->right);
    while (node->parent && node == node->parent->right)
        node = node->parent;
    return node->parent;
}

struct rb_node *rb_prev(const struct rb_node *node)
{
    if (node->left)
        return rightmost(node->left);
    while (node->parent && node == node->parent->left)
        node = node->parent;
    return node->parent;
}

/* Black nodes on the way from @node, itself included, to the missing child at its far left. */
static unsigned int black_height(const struct rb_node *node)
{
    unsigned int height = 0;

    for (; node; node = node->left)
        height += !node->is_red;
    return height;
}

static bool node_is_valid(const struct rb_node *node)
{
    if (is_red(node) && (is_red(node->left) || is_red(node->right)))
        return false;
    if ((node->left && node->left->parent != node) || (node->right && node->right->parent != node))
        return false;
    return black_height(node->left) == black_height(node->right);
}

bool rbtree_is_valid(const struct rbtree *tree, rb_compare *compare)
{
    const struct rb_node *before = NULL, *node;

    if (is_red(tree->root) || (tree->root && tree->root->parent))
        return false;
    rbtree_for_each(node, tree) {
        if (!node_is_valid(node) || (before && compare(before, node) > 0))
            return false;
        before = node;
    }
    return true;
}
