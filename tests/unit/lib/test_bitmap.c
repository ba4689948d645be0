/*
 * lib/bitmap.h and lib/bits.h against arrays of bool.
 */
#include "lib/bitmap.h"
#include "lib/bits.h"

#include "tests/unit/unit.h"

#define SIZE 300

struct both {
    uint64_t *map; /* on the heap, so that a word too far is seen */
    bool reference[SIZE];
};

static void both_init(struct both *both)
{
    memset(both, 0, sizeof(*both));
    both->map = calloc(BITMAP_WORDS(SIZE), sizeof(uint64_t));
}

static void assert_equal(const struct both *both)
{
    size_t count = 0;

    for (size_t i = 0; i < SIZE; i++) {
        assert_int_equal(bitmap_test(both->map, i), both->reference[i]);
        count += both->reference[i];
    }
    assert_int_equal(bitmap_count(both->map, SIZE), count);
}

static bool range_is(const struct both *both, size_t first, size_t count, bool value)
{
    for (size_t i = first; i < first + count; i++) {
        if (both->reference[i] != value)
            return false;
    }
    return true;
}

static size_t naive_find(const struct both *both, size_t size, size_t from, bool value)
{
    while (from < size && both->reference[from] != value)
        from++;
    return from < size ? from : size;
}

static size_t naive_find_run(const struct both *both, size_t size, size_t from, size_t count,
                             size_t alignment)
{
    for (; from + count <= size; from++) {
        if (from % alignment == 0 && range_is(both, from, count, false))
            return from;
    }
    return size;
}

static void change_randomly(struct both *both, struct unit_random *random)
{
    size_t first = unit_random_below(random, SIZE);
    size_t count = unit_random_below(random, SIZE - first + 1);
    bool value = unit_random_below(random, 2);

    if (unit_random_below(random, 2))
        count = MIN(count, (size_t)3);
    if (count == 1 && value)
        bitmap_set(both->map, first);
    else if (count == 1)
        bitmap_clear(both->map, first);
    else if (value)
        bitmap_set_range(both->map, first, count);
    else
        bitmap_clear_range(both->map, first, count);
    for (size_t i = first; i < first + count; i++)
        both->reference[i] = value;
}

static void check_questions(const struct both *both, struct unit_random *random)
{
    size_t size = unit_random_below(random, SIZE + 1);
    size_t from = unit_random_below(random, SIZE + 10);
    size_t first = unit_random_below(random, SIZE);
    size_t count = unit_random_below(random, SIZE - first + 1);
    size_t run = unit_random_below(random, 80) + 1;
    size_t alignment = 1 + unit_random_below(random, 20);

    assert_int_equal(bitmap_find_set(both->map, size, from), naive_find(both, size, from, true));
    assert_int_equal(bitmap_find_clear(both->map, size, from), naive_find(both, size, from, false));
    assert_int_equal(bitmap_range_is_set(both->map, first, count),
                     range_is(both, first, count, true));
    assert_int_equal(bitmap_range_is_clear(both->map, first, count),
                     range_is(both, first, count, false));
    assert_int_equal(bitmap_find_clear_run(both->map, size, from, run, alignment),
                     naive_find_run(both, size, from, run, alignment));
}

static void test_random_changes_match_reference(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct unit_random random = { seed };
        struct both both;

        both_init(&both);
        for (int step = 0; step < 500; step++) {
            change_randomly(&both, &random);
            assert_equal(&both);
            check_questions(&both, &random);
        }
        free(both.map);
    }
}

static void test_walk(void **state)
{
    DECLARE_BITMAP(map, 200) = { 0 };
    size_t bit, sum = 0;

    (void)state;
    bitmap_for_each_set(bit, map, 200)
        fail();
    bitmap_set(map, 0);
    bitmap_set(map, 63);
    bitmap_set(map, 64);
    bitmap_set(map, 199);
    bitmap_for_each_set(bit, map, 200)
        sum += bit;
    assert_int_equal(sum, 326);
}

/* The layout on disk: bit 9 is bit 1 of byte 1. */
static void test_layout(void **state)
{
    uint64_t map[2] = { 0 };

    (void)state;
    bitmap_set(map, 9);
    bitmap_set(map, 64);
    assert_int_equal(((uint8_t *)map)[1], 2);
    assert_int_equal(((uint8_t *)map)[8], 1);
}

static void test_bits(void **state)
{
    (void)state;
    for (unsigned int n = 0; n < 64; n++) {
        uint64_t x = 1ull << n;

        assert_true(is_power_of_two(x));
        assert_int_equal(log2_floor(x), n);
        assert_int_equal(log2_ceil(x), n);
        assert_int_equal(lowest_bit(x), n);
        assert_true(round_up_power_of_two(x) == x);
        if (n > 1) {
            assert_false(is_power_of_two(x + 1));
            assert_int_equal(log2_floor(x + 1), n);
            assert_int_equal(log2_floor(x - 1), n - 1);
            assert_int_equal(log2_ceil(x - 1), n);
            assert_int_equal(log2_ceil(x + 1), n + 1);
            assert_true(round_up_power_of_two(x - 1) == x);
        }
        assert_int_equal(count_bits(x - 1), n);
    }
    assert_false(is_power_of_two(0));
    assert_int_equal(round_up_power_of_two(0), 1);
    assert_int_equal(round_up_power_of_two(UINT64_MAX), 0);
    assert_true(BITS64(3, 5) == 0x38);
    assert_true(BITS64(0, 63) == UINT64_MAX);
    assert_true(BITS64(63, 63) == 1ull << 63);
}

static void test_compiler_macros(void **state)
{
    int evaluations = 0;

    (void)state;
    assert_int_equal(MIN(evaluations++, 5), 0);
    assert_int_equal(evaluations, 1);
    assert_int_equal(MAX(3, MIN(9, 7)), 7);
    assert_int_equal(CLAMP(12, 3, 9), 9);
    assert_int_equal(CLAMP(1, 3, 9), 3);
    assert_int_equal(MIN_T(size_t, 3u, 4), 3);
    assert_int_equal(ALIGN_UP(4097u, 4096), 8192);
    assert_true(ALIGN_UP(0x1ffffffffull, 4096) == 0x200000000ull);
    assert_true(ALIGN_DOWN(0x1ffffffffull, 4096) == 0x1fffff000ull);
    assert_true(IS_ALIGNED(64, 16) && !IS_ALIGNED(72, 16));
    assert_int_equal(DIV_ROUND_UP(10, 3), 4);
    assert_int_equal(ARRAY_SIZE("abc"), 4);
}

UNIT_TESTS(UNIT_TEST(test_random_changes_match_reference), UNIT_TEST(test_walk),
           UNIT_TEST(test_layout), UNIT_TEST(test_bits), UNIT_TEST(test_compiler_macros))
