/*
 * lib/btree.h against a plain array, with every invariant checked on the way and memory that runs
 * out at every possible moment.
 */
#include "lib/btree.h"

#include "lib/errno.h"
#include "tests/unit/unit.h"

/* malloc that fails after a number of allocations, and knows how many are out. */
struct limited_memory {
    size_t left;
    size_t out;
};

static void *limited_alloc(void *context, size_t size)
{
    struct limited_memory *memory = context;

    if (memory->left == 0)
        return NULL;
    memory->left--;
    memory->out++;
    return malloc(size);
}

static void limited_free(void *context, void *pointer, size_t size)
{
    struct limited_memory *memory = context;

    assert_int_equal(size, btree_node_size());
    memory->out--;
    free(pointer);
}

struct fixture {
    struct btree tree;
    struct limited_memory memory;
    struct btree_allocator allocator;
};

static void fixture_init(struct fixture *fixture, size_t allocations)
{
    fixture->memory = (struct limited_memory){ .left = allocations };
    fixture->allocator = (struct btree_allocator){ .alloc = limited_alloc,
                                                   .free = limited_free,
                                                   .context = &fixture->memory };
    btree_init(&fixture->tree, &fixture->allocator);
}

/* The value that belongs to a key: odd, so never NULL. */
static void *value_of(uint64_t key)
{
    return (void *)(uintptr_t)(key * 8 + 1);
}

#define KEYS 1024

/* The reference: which of the keys 0, 3, 6, ... are in the map. */
struct reference {
    bool has[KEYS];
    size_t count;
};

static uint64_t key_at(size_t index)
{
    return (uint64_t)index * 3;
}

static void check_lookups(const struct btree *tree, const struct reference *reference, uint64_t key)
{
    size_t ge = (key + 2) / 3, le = key / 3;
    uint64_t found = 0;
    void *value;

    value = btree_lookup(tree, key);
    assert_ptr_equal(
        value, key % 3 == 0 && key / 3 < KEYS && reference->has[key / 3] ? value_of(key) : NULL);

    while (ge < KEYS && !reference->has[ge])
        ge++;
    value = btree_lookup_ge(tree, key, &found);
    assert_ptr_equal(value, ge < KEYS ? value_of(key_at(ge)) : NULL);
    if (value)
        assert_int_equal(found, key_at(ge));

    if (le >= KEYS)
        le = KEYS - 1;
    while (le > 0 && !reference->has[le])
        le--;
    value = btree_lookup_le(tree, key, &found);
    assert_ptr_equal(value, reference->has[le] ? value_of(key_at(le)) : NULL);
    if (value)
        assert_int_equal(found, key_at(le));
}

static void toggle(struct btree *tree, struct reference *reference, size_t index)
{
    uint64_t key = key_at(index);

    if (reference->has[index]) {
        assert_int_equal(btree_insert(tree, key, value_of(key)), -EEXIST);
        assert_ptr_equal(btree_replace(tree, key, value_of(1)), value_of(key));
        assert_ptr_equal(btree_replace(tree, key, value_of(key)), value_of(1));
        assert_ptr_equal(btree_remove(tree, key), value_of(key));
        reference->count--;
    } else {
        assert_null(btree_remove(tree, key));
        assert_null(btree_replace(tree, key, value_of(1)));
        assert_int_equal(btree_insert(tree, key, value_of(key)), 0);
        reference->count++;
    }
    reference->has[index] = !reference->has[index];
    assert_int_equal(btree_count(tree), reference->count);
}

/* Grows and shrinks, so that every kind of split, loan and merge comes by. */
static void test_random_changes_match_reference(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct unit_random random = { seed };
        struct reference reference = { 0 };
        struct fixture fixture;

        fixture_init(&fixture, SIZE_MAX);
        for (int step = 0; step < 6000; step++) {
            bool is_growing = step / 1500 % 2 == 0;
            size_t index = unit_random_below(&random, KEYS);

            /* Three of four steps go the way of the tide. */
            if (reference.has[index] != is_growing || unit_random_below(&random, 4) == 0)
                toggle(&fixture.tree, &reference, index);
            if (step % 16 == 0)
                assert_true(btree_is_valid(&fixture.tree));
            check_lookups(&fixture.tree, &reference, unit_random_below(&random, 3 * KEYS + 10));
        }
        btree_clear(&fixture.tree);
        assert_int_equal(fixture.memory.out, 0);
    }
}

static void insert_all(struct btree *tree, uint64_t first, uint64_t count, int64_t step)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t key = first + i * (uint64_t)step;

        assert_int_equal(btree_insert(tree, key, value_of(key)), 0);
    }
}

static void test_ascending_and_descending(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_init(&fixture, SIZE_MAX);
    insert_all(&fixture.tree, 0, 50000, 1);
    assert_true(btree_is_valid(&fixture.tree));
    for (uint64_t key = 0; key < 50000; key++)
        assert_ptr_equal(btree_remove(&fixture.tree, key), value_of(key));
    assert_int_equal(fixture.memory.out, 0);

    insert_all(&fixture.tree, 49999, 50000, -1);
    assert_true(btree_is_valid(&fixture.tree));
    for (uint64_t key = 50000; key-- > 0;)
        assert_ptr_equal(btree_remove(&fixture.tree, key), value_of(key));
    assert_true(btree_is_valid(&fixture.tree));
    assert_int_equal(fixture.memory.out, 0);
}

static void test_extreme_keys(void **state)
{
    struct fixture fixture;
    uint64_t found;

    (void)state;
    fixture_init(&fixture, SIZE_MAX);
    insert_all(&fixture.tree, UINT64_MAX - 99, 100, 1);
    insert_all(&fixture.tree, 0, 100, 1);
    assert_true(btree_is_valid(&fixture.tree));
    assert_non_null(btree_lookup(&fixture.tree, UINT64_MAX));
    assert_non_null(btree_lookup_le(&fixture.tree, UINT64_MAX, &found));
    assert_true(found == UINT64_MAX);
    assert_non_null(btree_lookup_ge(&fixture.tree, 100, &found));
    assert_true(found == UINT64_MAX - 99);
    btree_clear(&fixture.tree);
}

/* Memory for n nodes only: some insertion fails, and nothing but that is lost. */
static void test_out_of_memory_changes_nothing(void **state)
{
    (void)state;
    for (size_t allocations = 0; allocations < 80; allocations++) {
        struct unit_random random = { allocations };
        struct fixture fixture;
        uint64_t keys[3000];
        size_t count = 0;
        int error = 0;

        fixture_init(&fixture, allocations);
        while (count < 3000 && !error) {
            keys[count] = unit_random_u64(&random) >> 24;
            error = btree_insert(&fixture.tree, keys[count], value_of(keys[count]));
            count += !error;
        }
        if (error) {
            assert_int_equal(error, -ENOMEM);
            assert_null(btree_lookup(&fixture.tree, keys[count]));
        }
        assert_true(btree_is_valid(&fixture.tree));
        assert_int_equal(btree_count(&fixture.tree), count);
        while (count-- > 0)
            assert_ptr_equal(btree_remove(&fixture.tree, keys[count]), value_of(keys[count]));
        assert_int_equal(fixture.memory.out, 0);
    }
}

struct visit {
    uint64_t expected; /* the next key */
    uint64_t stop_at;
    size_t count;
};

static int visit_entry(uint64_t key, void *value, void *context)
{
    struct visit *visit = context;

    assert_int_equal(key, visit->expected);
    assert_ptr_equal(value, value_of(key));
    visit->expected += 5;
    visit->count++;
    return key == visit->stop_at ? 42 : 0;
}

static void test_visit_range(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_init(&fixture, SIZE_MAX);
    assert_int_equal(btree_visit_range(&fixture.tree, 0, UINT64_MAX, visit_entry, NULL), 0);
    insert_all(&fixture.tree, 10, 400, 5); /* 10, 15, ... 2005 */
    for (uint64_t first = 0; first < 2020; first += 7) {
        for (uint64_t last = first; last < first + 600; last += 13) {
            uint64_t start = first <= 10 ? 10 : (first + 4) / 5 * 5;
            uint64_t end = last > 2005 ? 2005 : last / 5 * 5;
            struct visit visit = { .expected = start, .stop_at = UINT64_MAX };

            btree_visit_range(&fixture.tree, first, last, visit_entry, &visit);
            assert_int_equal(visit.count, last < 10 || start > end ? 0 : (end - start) / 5 + 1);
        }
    }
    struct visit visit = { .expected = 10, .stop_at = 500 };

    assert_int_equal(btree_visit_range(&fixture.tree, 0, 2000, visit_entry, &visit), 42);
    assert_int_equal(visit.expected, 505);
    btree_clear(&fixture.tree);
}

UNIT_TESTS(UNIT_TEST(test_random_changes_match_reference), UNIT_TEST(test_ascending_and_descending),
           UNIT_TEST(test_extreme_keys), UNIT_TEST(test_out_of_memory_changes_nothing),
           UNIT_TEST(test_visit_range))
