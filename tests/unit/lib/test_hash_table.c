/*
 * The hash table that grows and shrinks: everything is found whatever its size, no step moves more
 * than a few elements, memory follows the number of elements, and its running out harms nobody.
 */
#include "lib/hash_table.h"

#include "tests/unit/unit.h"

#define ELEMENTS 20000u

struct element {
    struct hash_node node;
    uint32_t key;
};

static struct element elements[ELEMENTS];
static size_t bytes;      /* that the table has */
static bool is_exhausted; /* no more memory */

static void *count_alloc(size_t size)
{
    size_t *memory = is_exhausted ? NULL : malloc(sizeof(*memory) + size);

    if (!memory)
        return NULL;
    *memory = size;
    bytes += size;
    memset(memory + 1, 0xa5, size); /* nobody promised zeros */
    return memory + 1;
}

static void count_free(void *pointer)
{
    size_t *memory = (size_t *)pointer - 1;

    bytes -= *memory;
    free(memory);
}

static const struct hash_table_memory memory = { .alloc = count_alloc, .free = count_free };

static uint32_t hash_of(uint32_t key)
{
    return key * 0x9e3779b1u ^ key >> 16;
}

static struct element *find(const struct hash_table *table, uint32_t key)
{
    struct element *element;

    hash_table_for_each_entry(element, table, hash_of(key), struct element, node) {
        if (element->key == key)
            return element;
    }
    return NULL;
}

static void insert(struct hash_table *table, uint32_t key)
{
    elements[key].key = key;
    hash_table_insert(table, &elements[key].node, hash_of(key));
}

static unsigned int longest_chain(const struct hash_table *table)
{
    unsigned int longest = 0;

    for (uint32_t i = 0; i < table->buckets; i++) {
        unsigned int length = 0;

        for (const struct hash_node *node = *hash_table_bucket(table, i); node; node = node->next)
            length++;
        longest = MAX(longest, length);
    }
    return longest;
}

static void test_all_are_found_at_every_size(void **state)
{
    struct hash_table table = HASH_TABLE_INIT(&memory);

    (void)state;
    for (uint32_t i = 0; i < 600; i++) {
        insert(&table, i);
        for (uint32_t key = 0; key < 600; key++)
            assert_ptr_equal(find(&table, key), key <= i ? &elements[key] : NULL);
    }
    for (uint32_t i = 0; i < 600; i++) {
        hash_table_remove(&table, &elements[i].node);
        for (uint32_t key = 0; key < 600; key++)
            assert_ptr_equal(find(&table, key), key <= i ? NULL : &elements[key]);
    }
    assert_int_equal(bytes, 0);
}

static void test_size_follows_the_elements(void **state)
{
    struct hash_table table = HASH_TABLE_INIT(&memory);

    (void)state;
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        insert(&table, i);
        assert_in_range(table.buckets, table.count / 2, MAX(table.count, HASH_TABLE_FIRST));
        assert_true(bytes <= MAX(table.count, HASH_TABLE_FIRST) * 2 * sizeof(void *));
    }
    assert_true(longest_chain(&table) <= 12);
    for (uint32_t i = ELEMENTS; i-- > 0;) {
        hash_table_remove(&table, &elements[i].node);
        assert_true(table.buckets <= MAX(table.count * 4 + 4, HASH_TABLE_FIRST));
    }
    assert_int_equal(bytes, 0);
}

/* What one operation does is bounded: the buckets it adds or takes away. */
static void test_steps_are_small(void **state)
{
    struct hash_table table = HASH_TABLE_INIT(&memory);
    uint32_t buckets = table.buckets;

    (void)state;
    for (uint32_t i = 0; i < 4096; i++) {
        insert(&table, i);
        assert_in_range(table.buckets - buckets, 0, 1);
        buckets = table.buckets;
    }
    for (uint32_t i = 0; i < 4096; i++) {
        hash_table_remove(&table, &elements[i].node);
        assert_in_range(buckets - table.buckets, 0, 5);
        buckets = table.buckets;
    }
}

static void test_without_memory_the_chains_grow(void **state)
{
    struct hash_table table = HASH_TABLE_INIT(&memory);

    (void)state;
    is_exhausted = true;
    for (uint32_t i = 0; i < 1000; i++)
        insert(&table, i);
    assert_int_equal(table.buckets, HASH_TABLE_FIRST);
    is_exhausted = false;
    for (uint32_t i = 1000; i < 5000; i++)
        insert(&table, i);
    assert_true(table.buckets > 3000); /* it makes up for it */
    for (uint32_t i = 0; i < 5000; i++)
        assert_ptr_equal(find(&table, i), &elements[i]);
    hash_table_clear(&table);
    assert_int_equal(bytes, 0);
    assert_null(find(&table, 1));
}

static void test_equal_hashes(void **state)
{
    struct hash_table table = HASH_TABLE_INIT(&memory);
    struct element *element;
    uint32_t found = 0;

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        elements[i].key = i;
        hash_table_insert(&table, &elements[i].node, 77);
        hash_table_insert(&table, &elements[1000 + i].node, 77 + (i + 1) * 4096);
    }
    hash_table_for_each_entry(element, &table, 77, struct element, node)
        assert_int_equal(element->key, 99 - found++);
    assert_int_equal(found, 100);
    hash_table_remove(&table, &elements[50].node);
    hash_table_for_each_entry(element, &table, 77, struct element, node)
        assert_int_not_equal(element->key, 50);
    hash_table_clear(&table);
}

static void test_any_empties_it(void **state)
{
    struct hash_table table = HASH_TABLE_INIT(&memory);
    struct hash_node *node;
    unsigned int count = 0;

    (void)state;
    assert_null(hash_table_any(&table));
    for (uint32_t i = 0; i < 3000; i++)
        insert(&table, i);
    while ((node = hash_table_any(&table))) {
        hash_table_remove(&table, node);
        count++;
    }
    assert_int_equal(count, 3000);
    assert_int_equal(table.count, 0);
    assert_int_equal(bytes, 0);
}

/* Random insertions and removals against a plain array. */
static void test_random(void **state)
{
    static bool is_in[2048];
    struct hash_table table = HASH_TABLE_INIT(&memory);
    uint32_t random = 1;

    (void)state;
    for (unsigned int i = 0; i < 200000; i++) {
        random = random * 1664525u + 1013904223u;
        /* Waves: more come than go, then more go than come. */
        uint32_t key = (random >> 16) % ARRAY_SIZE(is_in);
        bool is_wanted = (random >> 27) % 32 < (i / 20000 % 2 ? 8u : 24u);

        is_exhausted = random >> 30 == 0;
        if (is_wanted && !is_in[key])
            insert(&table, key);
        else if (!is_wanted && is_in[key])
            hash_table_remove(&table, &elements[key].node);
        is_in[key] = is_wanted;
        assert_ptr_equal(find(&table, key), is_wanted ? &elements[key] : NULL);
    }
    is_exhausted = false;
    for (uint32_t key = 0; key < ARRAY_SIZE(is_in); key++)
        assert_ptr_equal(find(&table, key), is_in[key] ? &elements[key] : NULL);
    hash_table_clear(&table);
    assert_int_equal(bytes, 0);
}

UNIT_TESTS(UNIT_TEST(test_all_are_found_at_every_size), UNIT_TEST(test_size_follows_the_elements),
           UNIT_TEST(test_steps_are_small), UNIT_TEST(test_without_memory_the_chains_grow),
           UNIT_TEST(test_equal_hashes), UNIT_TEST(test_any_empties_it), UNIT_TEST(test_random))
