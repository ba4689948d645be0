/*
 * lib/list.h against an array of numbers.
 */
#include "lib/list.h"

#include "tests/unit/unit.h"

struct item {
    int number;
    struct list_node node;
};

static struct list static_list = LIST_INIT(static_list);

/* The list holds exactly these numbers, forwards and backwards. */
static void assert_numbers(const struct list *list, const int *numbers, size_t count)
{
    const struct list_node *node = &list->head;
    struct item *item;
    size_t i = 0;

    list_for_each_entry(item, (struct list *)(uintptr_t)list, node) {
        assert_true(i < count);
        assert_int_equal(item->number, numbers[i++]);
    }
    assert_int_equal(i, count);
    for (node = node->prev; node != &list->head; node = node->prev)
        assert_int_equal(
            container_of((struct list_node *)(uintptr_t)node, struct item, node)->number,
            numbers[--i]);
    assert_int_equal(i, 0);
    assert_int_equal(list_length(list), count);
    assert_true(list_is_empty(list) == (count == 0));
}

static void test_push_and_pop(void **state)
{
    struct item items[4] = { { 0 }, { 1 }, { 2 }, { 3 } };
    struct list list;

    (void)state;
    list_init(&list);
    assert_null(list_front(&list));
    assert_null(list_back(&list));
    assert_null(list_pop_front(&list));
    assert_null(list_pop_back(&list));
    assert_null(list_entry(list_front(&list), struct item, node));

    list_push_back(&list, &items[1].node);
    list_push_back(&list, &items[2].node);
    list_push_front(&list, &items[0].node);
    list_insert_after(&items[2].node, &items[3].node);
    assert_numbers(&list, (int[]){ 0, 1, 2, 3 }, 4);
    assert_ptr_equal(list_next(&list, &items[0].node), &items[1].node);
    assert_ptr_equal(list_prev(&list, &items[1].node), &items[0].node);
    assert_null(list_next(&list, &items[3].node));
    assert_null(list_prev(&list, &items[0].node));

    assert_ptr_equal(list_entry(list_pop_front(&list), struct item, node), &items[0]);
    assert_ptr_equal(list_pop_back(&list), &items[3].node);
    assert_numbers(&list, (int[]){ 1, 2 }, 2);
}

static void test_remove_is_idempotent(void **state)
{
    struct item item = { .number = 7 };

    (void)state;
    list_node_init(&item.node);
    assert_false(list_node_is_linked(&item.node));
    list_remove(&item.node);
    list_push_back(&static_list, &item.node);
    assert_true(list_node_is_linked(&item.node));
    list_remove(&item.node);
    list_remove(&item.node);
    assert_false(list_node_is_linked(&item.node));
    assert_true(list_is_empty(&static_list));
}

static void test_splice(void **state)
{
    struct item items[6] = { { 0 }, { 1 }, { 2 }, { 3 }, { 4 }, { 5 } };

    (void)state;
    for (size_t split = 0; split <= 6; split++) {
        struct list to, from;

        list_init(&to);
        list_init(&from);
        for (size_t i = 0; i < 6; i++)
            list_push_back(i < split ? &to : &from, &items[i].node);
        list_splice(&to, &from);
        assert_numbers(&to, (int[]){ 0, 1, 2, 3, 4, 5 }, 6);
        assert_true(list_is_empty(&from));
    }
}

static void test_safe_walkers_allow_removal(void **state)
{
    struct item items[5] = { { 0 }, { 1 }, { 2 }, { 3 }, { 4 } };
    struct list list;
    struct list_node *node;
    struct item *item;
    int sum = 0;

    (void)state;
    list_init(&list);
    for (size_t i = 0; i < 5; i++)
        list_push_back(&list, &items[i].node);
    list_for_each_entry_safe(item, &list, node) {
        if (item->number % 2)
            list_remove(&item->node);
    }
    assert_numbers(&list, (int[]){ 0, 2, 4 }, 3);
    list_for_each(node, &list)
        sum += container_of(node, struct item, node)->number;
    assert_int_equal(sum, 6);
    sum = 0;
    list_for_each_entry_reverse(item, &list, node)
        sum = sum * 10 + item->number;
    assert_int_equal(sum, 420);
    list_for_each_safe(node, &list)
        list_remove(node);
    assert_true(list_is_empty(&list));
}

static void test_walkers_nest(void **state)
{
    struct item items[3] = { { 1 }, { 2 }, { 3 } };
    struct list list;
    struct item *a, *b;
    int sum = 0;

    (void)state;
    list_init(&list);
    for (size_t i = 0; i < 3; i++)
        list_push_back(&list, &items[i].node);
    list_for_each_entry(a, &list, node) {
        list_for_each_entry(b, &list, node)
            sum += a->number * b->number;
    }
    assert_int_equal(sum, 36);
}

static void test_random_changes_match_reference(void **state)
{
    struct unit_random random = { 5 };
    struct item items[32];
    int numbers[32];
    size_t count = 0;
    struct list list;

    (void)state;
    list_init(&list);
    for (int i = 0; i < 32; i++) {
        items[i].number = i;
        list_node_init(&items[i].node);
    }
    for (int step = 0; step < 5000; step++) {
        struct item *item = &items[unit_random_below(&random, 32)];
        size_t at = 0;

        if (list_node_is_linked(&item->node)) {
            while (numbers[at] != item->number)
                at++;
            count--;
            memmove(numbers + at, numbers + at + 1, (count - at) * sizeof(numbers[0]));
            list_remove(&item->node);
        } else {
            at = unit_random_below(&random, count + 1);
            memmove(numbers + at + 1, numbers + at, (count - at) * sizeof(numbers[0]));
            numbers[at] = item->number;
            if (at == count)
                list_push_back(&list, &item->node);
            else
                list_insert_before(&items[numbers[at + 1]].node, &item->node);
            count++;
        }
        assert_numbers(&list, numbers, count);
    }
}

UNIT_TESTS(UNIT_TEST(test_push_and_pop), UNIT_TEST(test_remove_is_idempotent),
           UNIT_TEST(test_splice), UNIT_TEST(test_safe_walkers_allow_removal),
           UNIT_TEST(test_walkers_nest), UNIT_TEST(test_random_changes_match_reference))
