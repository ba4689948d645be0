/*
 * lib/sort.h against the C library's qsort, and strlcpy and strlcat.
 */
#include "lib/sort.h"
#include "lib/string.h"

#include "tests/unit/unit.h"

struct record {
    uint32_t key;
    uint8_t padding[9]; /* an odd size, so that swapping has a tail */
} __packed;

static size_t comparisons;

static int compare_records(const void *a, const void *b, void *context)
{
    const struct record *x = a, *y = b;

    assert_ptr_equal(context, &comparisons);
    comparisons++;
    return (x->key > y->key) - (x->key < y->key);
}

static int compare_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct record));
}

static void fill_records(struct unit_random *random, struct record *records, size_t count,
                         int shape)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t key = (uint32_t)unit_random_u64(random);

        if (shape == 1)
            key = (uint32_t)i;
        if (shape == 2)
            key = (uint32_t)(count - i);
        if (shape == 3)
            key %= 4;
        records[i].key = key;
        memset(records[i].padding, (int)i, sizeof(records[i].padding));
    }
}

static void test_sort(void **state)
{
    struct unit_random random = { 1 };

    (void)state;
    for (size_t count = 0; count < 400; count = count < 20 ? count + 1 : count * 3 / 2) {
        for (int shape = 0; shape < 4; shape++) {
            struct record *records = malloc(count * sizeof(*records) + 1);
            struct record *before = malloc(count * sizeof(*records) + 1);
            size_t limit = 1;

            fill_records(&random, records, count, shape);
            memcpy(before, records, count * sizeof(*records));
            comparisons = 0;
            sort(records, count, sizeof(*records), compare_records, &comparisons);
            for (size_t i = 1; i < count; i++)
                assert_true(records[i - 1].key <= records[i].key);
            for (size_t n = count; n; n /= 2)
                limit += 3 * count;
            assert_true(comparisons <= limit); /* n log n, in the worst shape too */

            /* Nothing was lost or invented. */
            qsort(records, count, sizeof(*records), compare_bytes);
            qsort(before, count, sizeof(*before), compare_bytes);
            assert_memory_equal(records, before, count * sizeof(*records));
            free(records);
            free(before);
        }
    }
}

static void test_strlcpy(void **state)
{
    (void)state;
    for (size_t size = 0; size < 8; size++) {
        char *buffer = malloc(size + 1);

        buffer[size] = '#';
        assert_int_equal(strlcpy(buffer, "hello", size), 5);
        assert_int_equal(buffer[size], '#');
        if (size) {
            assert_int_equal(strlen(buffer), size > 5 ? 5 : size - 1);
            assert_memory_equal(buffer, "hello", strlen(buffer));
        }
        free(buffer);
    }
}

static void test_strlcat(void **state)
{
    char buffer[8] = "abc";

    (void)state;
    assert_int_equal(strlcat(buffer, "de", sizeof(buffer)), 5);
    assert_string_equal(buffer, "abcde");
    assert_int_equal(strlcat(buffer, "fghij", sizeof(buffer)), 10);
    assert_string_equal(buffer, "abcdefg");
    assert_int_equal(strlcat(buffer, "x", 3), 4); /* no end within the size: nothing is written */
    assert_string_equal(buffer, "abcdefg");
}

UNIT_TESTS(UNIT_TEST(test_sort), UNIT_TEST(test_strlcpy), UNIT_TEST(test_strlcat))
