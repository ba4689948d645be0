/*
 * lib/rbtree.h against a count per key, invariants checked after every change.
 */
#include "lib/rbtree.h"

#include "tests/unit/unit.h"

struct element {
    int key;
    int order; /* of insertion, to see that equal elements keep it */
    bool is_in;
    struct rb_node node;
};

static struct element *element_of(const struct rb_node *node)
{
    return node ? container_of((struct rb_node *)(uintptr_t)node, struct element, node) : NULL;
}

static int compare(const struct rb_node *a, const struct rb_node *b)
{
    return element_of(a)->key - element_of(b)->key;
}

static int compare_key(const void *key, const struct rb_node *node)
{
    return *(const int *)key - element_of(node)->key;
}

#define ELEMENTS 300
#define KEYS     100

/* The tree holds exactly the elements that are in, in order, equal ones as inserted. */
static void check_order(const struct rbtree *tree, const struct element *elements)
{
    struct rb_node *node;
    const struct element *before = NULL;
    size_t count = 0, expected = 0;

    rbtree_for_each(node, tree) {
        const struct element *element = element_of(node);

        assert_true(element->is_in);
        assert_ptr_equal(element_of(rb_prev(node)), before);
        if (before)
            assert_true(before->key < element->key ||
                        (before->key == element->key && before->order < element->order));
        before = element;
        count++;
    }
    assert_ptr_equal(element_of(rb_last(tree)), before);
    for (size_t i = 0; i < ELEMENTS; i++)
        expected += elements[i].is_in;
    assert_int_equal(count, expected);
}

static void check_searches(const struct rbtree *tree, const struct element *elements, int key)
{
    int equal = -1, ge = INT32_MAX, le = INT32_MIN;

    for (size_t i = 0; i < ELEMENTS; i++) {
        int k = elements[i].key;

        if (!elements[i].is_in)
            continue;
        if (k == key)
            equal = k;
        if (k >= key && k < ge)
            ge = k;
        if (k <= key && k > le)
            le = k;
    }
    struct element *found = element_of(rb_find(tree, &key, compare_key));

    assert_int_equal(found ? found->key : -1, equal);
    if (found && rb_prev(&found->node)) /* the first of its equals */
        assert_true(element_of(rb_prev(&found->node))->key < key);
    found = element_of(rb_find_ge(tree, &key, compare_key));
    assert_int_equal(found ? found->key : INT32_MAX, ge);
    found = element_of(rb_find_le(tree, &key, compare_key));
    assert_int_equal(found ? found->key : INT32_MIN, le);
}

static void test_random_changes_match_reference(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        static struct element elements[ELEMENTS];
        struct unit_random random = { seed };
        struct rbtree tree = RBTREE_INIT;

        memset(elements, 0, sizeof(elements));
        for (int step = 0; step < 4000; step++) {
            struct element *element = &elements[unit_random_below(&random, ELEMENTS)];

            if (element->is_in) {
                rb_erase(&tree, &element->node);
            } else {
                element->key = (int)unit_random_below(&random, KEYS);
                element->order = step;
                rb_insert(&tree, &element->node, compare);
            }
            element->is_in = !element->is_in;
            assert_true(rbtree_is_valid(&tree, compare));
            if (step % 50 == 0)
                check_order(&tree, elements);
            check_searches(&tree, elements, (int)unit_random_below(&random, KEYS + 2) - 1);
        }
    }
}

static void test_insert_unique(void **state)
{
    struct rbtree tree = RBTREE_INIT;
    struct element a = { .key = 1 }, b = { .key = 2 }, twin = { .key = 1 };

    (void)state;
    assert_true(rbtree_is_empty(&tree));
    assert_null(rb_insert_unique(&tree, &a.node, compare));
    assert_null(rb_insert_unique(&tree, &b.node, compare));
    assert_ptr_equal(rb_insert_unique(&tree, &twin.node, compare), &a.node);
    rb_erase(&tree, &a.node);
    assert_null(rb_insert_unique(&tree, &twin.node, compare));
    assert_false(rbtree_is_empty(&tree));
}

static void test_replace(void **state)
{
    (void)state;
    for (int replaced = 0; replaced < 20; replaced++) {
        struct rbtree tree = RBTREE_INIT;
        struct element elements[20], replacement = { .key = replaced };
        struct rb_node *node;
        int count = 0;

        for (int i = 0; i < 20; i++) {
            elements[i].key = i;
            rb_insert(&tree, &elements[i].node, compare);
        }
        rb_replace(&tree, &elements[replaced].node, &replacement.node);
        assert_true(rbtree_is_valid(&tree, compare));
        rbtree_for_each(node, &tree) {
            assert_ptr_not_equal(node, &elements[replaced].node);
            assert_int_equal(element_of(node)->key, count++);
        }
        assert_int_equal(count, 20);
    }
}

UNIT_TESTS(UNIT_TEST(test_random_changes_match_reference), UNIT_TEST(test_insert_unique),
           UNIT_TEST(test_replace))
