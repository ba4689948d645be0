/*
 * The heap and pools, in a debug build: contents, exhaustion, and every kind of misuse named.
 */
// links: mm/page.c mm/buddy.c mm/page_array.c mm/page_debug.c mm/owner.c mm/reclaim.c mm/caller.c
// links: mm/pool.c mm/slab.c mm/kmalloc.c mm/pool_debug.c mm/vm.c mm/early.c arch/host/physical.c
// links: mm/vm_range.c tests/unit/mm/machine.c
#include "mm/kmalloc.h"

#include "mm/owner.h"
#include "mm/page.h"
#include "mm/pool_internal.h"
#include "mm/reclaim.h"

#include "tests/unit/mm/machine.h"
#include "tests/unit/unit.h"

static void boot(void)
{
    machine_add_memory(0, 0x9fc00, BOOT_MEMORY_USABLE);
    machine_add_memory(MIB, 63 * MIB, BOOT_MEMORY_USABLE);
    machine_start();
}

static size_t free_pages_without_reserves(void)
{
    struct page_statistics statistics;

    pool_cache_drain(NULL);
    pool_release_all();
    page_statistics(&statistics);
    /* Pages that have come to describe others stay that. */
    return statistics.free_pages + owner_total(owner_number("page descriptions"));
}

static void fill(uint8_t *memory, size_t size, uint64_t seed)
{
    struct unit_random random = { seed };

    unit_random_fill(&random, memory, size);
}

static void check(const uint8_t *memory, size_t size, uint64_t seed)
{
    struct unit_random random = { seed };

    for (size_t i = 0; i < size; i++)
        assert_int_equal(memory[i], (uint8_t)unit_random_u64(&random));
}

static void test_every_size(void **state)
{
    static uint8_t *objects[5000];
    size_t before = free_pages_without_reserves();

    (void)state;
    for (size_t size = 0; size < ARRAY_SIZE(objects); size++) {
        objects[size] = kmalloc(size);
        assert_non_null(objects[size]);
        assert_int_equal((uintptr_t)objects[size] % 16, 0);
        if (size > 2048)
            assert_int_equal((uintptr_t)objects[size] % PAGE_SIZE, 0);
        fill(objects[size], size, size);
    }
    for (size_t size = 0; size < ARRAY_SIZE(objects); size++) {
        check(objects[size], size, size);
        kfree(objects[size]);
    }
    kfree(NULL);
    assert_int_equal(free_pages_without_reserves(), before);
}

static void test_random_churn(void **state)
{
    static struct {
        uint8_t *memory;
        size_t size;
        uint64_t seed;
    } objects[2000];
    struct unit_random random = { 2 };
    size_t before = free_pages_without_reserves();

    (void)state;
    for (size_t step = 0; step < 60000; step++) {
        size_t i = unit_random_below(&random, ARRAY_SIZE(objects));

        if (objects[i].memory) {
            check(objects[i].memory, objects[i].size, objects[i].seed);
            kfree(objects[i].memory);
            objects[i].memory = NULL;
            continue;
        }
        objects[i].size = unit_random_below(&random, 20) ? unit_random_below(&random, 600)
                                                         : unit_random_below(&random, 20000);
        objects[i].seed = step;
        objects[i].memory = kmalloc(objects[i].size);
        assert_non_null(objects[i].memory);
        fill(objects[i].memory, objects[i].size, step);
        if (step % 5000 == 0)
            pool_cache_drain(NULL);
    }
    for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
        kfree(objects[i].memory);
    assert_int_equal(free_pages_without_reserves(), before);
}

static void test_cleared_and_counted(void **state)
{
    volatile size_t too_large = SIZE_MAX; /* the compiler shall not know */
    uint8_t *memory;

    (void)state;
    for (size_t size = 1; size < 9000; size = size * 3 / 2 + 1) {
        memory = kmalloc(size);
        memset(memory, 0xFF, size);
        kfree(memory);
        memory = kzalloc(size);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(memory[i], 0);
        kfree(memory);
    }
    memory = kcalloc(10, 30);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(memory[i], 0);
    kfree(memory);
    assert_null(kcalloc(too_large / 2, 3));
    assert_null(kmalloc(too_large));
    assert_null(kmalloc(too_large - PAGE_SIZE));
    assert_null(kmalloc(1UL << 40));
}

static void test_krealloc_keeps_contents(void **state)
{
    struct unit_random random = { 3 };
    uint8_t *memory = NULL;
    size_t size = 0;

    (void)state;
    for (size_t step = 1; step < 3000; step++) {
        size_t wanted = 1 + unit_random_below(&random, step % 10 ? 3000 : 30000);
        uint8_t *moved = krealloc(memory, wanted);

        assert_non_null(moved);
        check(moved, MIN(size, wanted), step - 1);
        fill(moved, wanted, step);
        memory = moved;
        size = wanted;
    }
    assert_null(krealloc(memory, 1UL << 40));
    check(memory, size, 2999);
    kfree(memory);
}

static void test_kstrdup(void **state)
{
    char *copy = kstrdup("a string");

    (void)state;
    assert_string_equal(copy, "a string");
    kfree(copy);
}

static size_t times_asked;

static size_t note_that_it_was_asked(size_t pages)
{
    (void)pages;
    times_asked++;
    return 0;
}
MEMORY_SHRINKER(test, "test", note_that_it_was_asked);

static void test_exhaustion_and_recovery(void **state)
{
    static const size_t sizes[] = { 2048, 4000, 64, 32, 1024, 700 };
    size_t before = free_pages_without_reserves();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        void **chain = NULL, **object;

        times_asked = 0;
        while ((object = kmalloc(sizes[i])) != NULL) {
            *object = chain;
            chain = object;
        }
        assert_null(kmalloc(sizes[i]));
        assert_true(times_asked > 0);
        while (chain) {
            object = chain;
            chain = *object;
            kfree(object);
        }
        assert_int_equal(free_pages_without_reserves(), before);
    }
}

static void test_magazines_hold_what_is_freed(void **state)
{
    struct pool *pool = pool_create("magazines", 64, 0);
    struct pool_statistics statistics;
    void *objects[500];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
        objects[i] = pool_alloc(pool);
    pool_statistics(pool, &statistics);
    assert_int_equal(statistics.objects_used, ARRAY_SIZE(objects));
    for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
        pool_free(pool, objects[i]);
    pool_statistics(pool, &statistics);
    assert_int_equal(statistics.objects_used, 0);
    assert_true(statistics.objects_cached >= ARRAY_SIZE(objects));
    assert_true(pool->full_count > 0 && pool->full_count <= pool->full_limit);
    for (size_t round = 0; round < 3; round++) { /* what comes out went in, each once */
        for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
            objects[i] = pool_alloc(pool);
        for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
            for (size_t k = 0; k < i; k++)
                assert_ptr_not_equal(objects[i], objects[k]);
        for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
            pool_free(pool, objects[i]);
    }
    pool_destroy(pool);
}

static void test_pools_of_all_shapes(void **state)
{
    static const struct {
        size_t size, alignment;
    } shapes[] = { { 1, 0 },       { 8, 0 },       { 100, 0 },      { 100, 64 }, { 2048, 2048 },
                   { 4096, 4096 }, { 5000, 4096 }, { 6 * 4096, 0 }, { 777, 256 } };
    size_t before = free_pages_without_reserves();

    (void)state;
    for (size_t s = 0; s < ARRAY_SIZE(shapes); s++) {
        struct pool *pool = pool_create("shape", shapes[s].size, shapes[s].alignment);
        uint8_t *objects[100];

        assert_non_null(pool);
        for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
            objects[i] = pool_alloc(pool);
            assert_non_null(objects[i]);
            if (shapes[s].alignment)
                assert_int_equal((uintptr_t)objects[i] % shapes[s].alignment, 0);
            fill(objects[i], shapes[s].size, i);
        }
        for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
            check(objects[i], shapes[s].size, i);
            pool_free(pool, objects[i]);
        }
        pool_destroy(pool);
        assert_int_equal(free_pages_without_reserves(), before);
    }
    assert_null(pool_create("too large", 1 << 20, 0));
    assert_null(pool_create("nothing", 0, 0));
}

static void test_no_more_pools_than_fit(void **state)
{
    struct pool *made[POOL_MAX];
    size_t count = 0;

    (void)state;
    while (count < POOL_MAX && (made[count] = pool_create("one of many", 40, 0)) != NULL)
        count++;
    assert_in_range(count, 20, POOL_MAX - 14);
    while (count)
        pool_destroy(made[--count]);
    made[0] = pool_create("again", 40, 0);
    assert_non_null(made[0]);
    pool_destroy(made[0]);
}

/*
 * Misuse. kmalloc() is told not to know the size, or the compiler finds the bug before we do.
 */

static uint8_t *allocate(volatile size_t size)
{
    return kmalloc(size);
}

static void expect_overrun_found(size_t size)
{
    char byte[64];
    uint8_t *object = allocate(size);

    snprintf(byte, sizeof(byte), "byte %zu of %zu is 0x42", size, size);
    machine_poke(object + size, 0x42);
    machine_expect_panic(kfree(object), "overrun", byte);
    assert_non_null(strstr(machine_panic_text, "allocated by 0x"));
    assert_non_null(strstr(machine_panic_text, "freed by 0x"));
}

static void test_overruns_are_found_to_the_byte(void **state)
{
    static const size_t sizes[] = { 1, 31, 32, 33, 100, 2047, 2048, 2049, 4096, 10000 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        expect_overrun_found(sizes[i]);
}

static void test_underruns_are_found(void **state)
{
    uint8_t *first = allocate(64), *second = allocate(64);
    uint8_t *upper = first > second ? first : second;
    uint8_t *lower = first > second ? second : first;

    (void)state;
    for (size_t i = 1; i < 64; i++) /* a loop that runs off the wrong end */
        machine_poke(upper - i, 0);
    machine_expect_panic(kfree(lower), "", "overwritten");
}

static void test_double_frees_are_named(void **state)
{
    uint8_t *small = allocate(100), *large = allocate(9000);

    (void)state;
    kfree(small);
    machine_expect_panic(kfree(small), "double free", "now by 0x");
    assert_non_null(strstr(machine_panic_text, "before by 0x"));
    assert_non_null(strstr(machine_panic_text, "allocated by 0x"));
    kfree(large);
    machine_expect_panic(kfree(large), "freed before by 0x", "allocated by 0x");
}

static void test_foreign_pointers_are_refused(void **state)
{
    struct pool *pool = pool_create("foreign", 100, 0);
    uint8_t *object = allocate(100);
    int local = 0;

    (void)state;
    machine_expect_panic(kfree(object + 16), "not an object of pool", "kmalloc-128");
    machine_expect_panic(pool_free(pool, object), "not an object of pool", "foreign");
    machine_expect_panic(kfree(phys_to_virt(7 * GIB)), "not memory of the heap", "kfree");
    machine_expect_panic(kfree(&local), "not memory of the heap", "kfree");
    kfree(object);
    pool_destroy(pool);
}

static void test_writes_after_free_are_found(void **state)
{
    uint8_t *object = allocate(500);

    (void)state;
    kfree(object);
    machine_poke(object + 123, 0x42);
    machine_expect_panic(kfree(allocate(500)), "written to at offset 123 (0x42) after it was freed",
                         "by 0x");
    machine_poke(object + 123, 0xF6);
}

static void test_objects_left_in_a_destroyed_pool(void **state)
{
    struct pool *pool = pool_create("leaky", 100, 0);
    void *object = pool_alloc(pool);

    (void)state;
    pool_destroy(pool); /* says so and keeps it */
    assert_int_equal(pool->used, 1);
    pool_free(pool, object);
    pool_destroy(pool);
    assert_int_equal(pool->name[0], 0);
}

UNIT_TESTS_SETUP(boot, UNIT_TEST(test_every_size), UNIT_TEST(test_random_churn),
                 UNIT_TEST(test_cleared_and_counted), UNIT_TEST(test_krealloc_keeps_contents),
                 UNIT_TEST(test_kstrdup), UNIT_TEST(test_exhaustion_and_recovery),
                 UNIT_TEST(test_magazines_hold_what_is_freed), UNIT_TEST(test_pools_of_all_shapes),
                 UNIT_TEST(test_no_more_pools_than_fit),
                 UNIT_TEST(test_overruns_are_found_to_the_byte),
                 UNIT_TEST(test_underruns_are_found), UNIT_TEST(test_double_frees_are_named),
                 UNIT_TEST(test_foreign_pointers_are_refused),
                 UNIT_TEST(test_writes_after_free_are_found),
                 UNIT_TEST(test_objects_left_in_a_destroyed_pool))
