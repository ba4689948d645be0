/*
 * The page allocator over simulated memory with holes, on both sides of 4 GiB.
 */
// links: mm/page.c mm/buddy.c mm/page_array.c mm/page_debug.c mm/owner.c mm/reclaim.c mm/caller.c
// links: mm/pool.c mm/slab.c mm/kmalloc.c mm/pool_debug.c mm/vm.c mm/early.c arch/host/physical.c
// links: mm/vm_range.c tests/unit/mm/machine.c
#include "mm/page.h"

#include "mm/owner.h"
#include "mm/page_internal.h"
#include "mm/reclaim.h"

#include "tests/unit/mm/machine.h"
#include "tests/unit/unit.h"

/* A pc's map with more holes: 45 MiB below, 1 MiB just under, 139 MiB and a bit above 4 GiB. */
static void boot(void)
{
    machine_add_memory(0, 0x9fc00, BOOT_MEMORY_USABLE);
    machine_add_memory(MIB, 40 * MIB, BOOT_MEMORY_USABLE);
    machine_add_memory(17 * MIB, 3 * PAGE_SIZE, BOOT_MEMORY_BAD);
    machine_add_memory(60 * MIB, 5 * MIB + 100, BOOT_MEMORY_USABLE);
    machine_add_memory(4 * GIB - 2 * MIB, MIB, BOOT_MEMORY_USABLE);
    machine_add_memory(4 * GIB + MIB, 139 * MIB, BOOT_MEMORY_USABLE);
    machine_add_memory(6 * GIB + 100 * MIB, PAGE_SIZE, BOOT_MEMORY_USABLE);
    machine_start();
}

/* Pages that have come to describe others. */
static size_t describing_pages(void)
{
    return owner_total(owner_number("page descriptions"));
}

/* What nobody has who asked for it. */
static size_t free_pages(void)
{
    struct page_statistics statistics;

    page_statistics(&statistics);
    return statistics.free_pages + describing_pages();
}

/*
 * The model: one byte per page that the test has, and the list of its runs.
 */

struct run {
    uint8_t *pages;
    size_t count;
    uint64_t stamp;
};

static uint8_t in_use[MACHINE_BYTES / PAGE_SIZE];

static bool is_usable(paddr_t paddr)
{
    return (paddr >= PAGE_SIZE && paddr < 0x9f000) ||
           (paddr >= MIB && paddr < 41 * MIB && !(paddr >= 2 * MIB && paddr < 3 * MIB) &&
            !(paddr >= 17 * MIB && paddr < 17 * MIB + 3 * PAGE_SIZE)) ||
           (paddr >= 60 * MIB && paddr < 65 * MIB) ||
           (paddr >= 4 * GIB - 2 * MIB && paddr < 4 * GIB - MIB) ||
           (paddr >= 4 * GIB + MIB && paddr < 4 * GIB + 140 * MIB) ||
           (paddr >= 6 * GIB + 100 * MIB && paddr < 6 * GIB + 100 * MIB + PAGE_SIZE);
}

static void run_check_in(struct run *run, uint64_t stamp)
{
    paddr_t paddr = page_to_phys(run->pages);

    assert_true(IS_ALIGNED(paddr, PAGE_SIZE));
    for (size_t i = 0; i < run->count; i++) {
        assert_true(is_usable(paddr + i * PAGE_SIZE));
        assert_int_equal(in_use[paddr / PAGE_SIZE + i]++, 0);
        memcpy(run->pages + i * PAGE_SIZE + i % 500 * 8, &stamp, sizeof(stamp));
    }
    run->stamp = stamp;
}

static void run_free(struct run *run)
{
    paddr_t paddr = page_to_phys(run->pages);

    for (size_t i = 0; i < run->count; i++) {
        assert_memory_equal(run->pages + i * PAGE_SIZE + i % 500 * 8, &run->stamp,
                            sizeof(run->stamp));
        assert_int_equal(in_use[paddr / PAGE_SIZE + i]--, 1);
    }
    page_free(run->pages);
    run->pages = NULL;
}

static bool run_alloc(struct run *run, size_t count, unsigned int flags, uint64_t stamp)
{
    run->pages = page_alloc(count, flags, "test");
    run->count = count;
    if (!run->pages)
        return false;
    if (flags & PAGE_DMA32)
        assert_true(page_to_phys(run->pages) + count * PAGE_SIZE <= 4 * GIB);
    run_check_in(run, stamp);
    return true;
}

static void test_counts_are_exact(void **state)
{
    size_t before = free_pages();
    struct run run;

    (void)state;
    for (size_t count = 1; count <= 300; count++) {
        assert_true(run_alloc(&run, count, 0, count));
        assert_int_equal(free_pages(), before - count);
        assert_true(page_to_phys(run.pages) >=
                    4 * GIB); /* leaves low memory to those who need it */
        run_free(&run);
        assert_int_equal(free_pages(), before);
    }
}

static void test_nothing_and_too_much(void **state)
{
    (void)state;
    assert_null(page_alloc(0, 0, "test"));
    assert_null(page_alloc(1UL << 40, 0, "test"));
    assert_null(page_alloc(SIZE_MAX, 0, "test"));
    page_free(NULL);
}

static void test_runs_longer_than_the_largest_block(void **state)
{
    size_t before = free_pages();
    struct run run;

    (void)state;
    page_cache_drain(NULL);
    assert_true(run_alloc(&run, 5 * PAGE_BLOCK_MAX - 1000, 0, 1)); /* 76 of 139 MiB */
    assert_int_equal(free_pages(), before - 5 * PAGE_BLOCK_MAX + 1000);
    assert_null(page_alloc(4 * PAGE_BLOCK_MAX, 0, "test"));
    run_free(&run);
    assert_int_equal(free_pages(), before);
    assert_true(run_alloc(&run, 5 * PAGE_BLOCK_MAX, 0, 1)); /* the blocks have been joined again */
    run_free(&run);
}

/* Memory costs nothing until it is used in pieces, and then once. */
static void test_descriptions_come_with_use(void **state)
{
    static struct run runs[65536];
    size_t count = 0, all;

    (void)state;
    while (run_alloc(&runs[count], 1, 0, count))
        count++;
    all = describing_pages();
    assert_int_equal(all, 7 * SECTION_ARRAY_PAGES); /* whole sections: from 16 to 128 above 4 GiB */
    while (count)
        run_free(&runs[--count]);
    for (count = 0; run_alloc(&runs[count], 1 + count % 3, 0, count);)
        count++;
    assert_int_equal(describing_pages(), all);
    while (count)
        run_free(&runs[--count]);
}

static void test_zeroed(void **state)
{
    (void)state;
    for (size_t count = 1; count < 9; count++) {
        uint8_t *pages = page_alloc(count, PAGE_ZERO, "test");

        for (size_t i = 0; i < count * PAGE_SIZE; i++)
            assert_int_equal(pages[i], 0);
        memset(pages, 0xFF, count * PAGE_SIZE);
        page_free(pages);
    }
}

static void test_random_against_the_model(void **state)
{
    static struct run runs[500];
    struct unit_random random = { 1 };
    size_t before = free_pages();

    (void)state;
    for (size_t step = 0; step < 20000; step++) {
        struct run *run = &runs[unit_random_below(&random, ARRAY_SIZE(runs))];
        size_t count = unit_random_below(&random, 4)    ? 1
                       : unit_random_below(&random, 10) ? 1 + unit_random_below(&random, 40)
                                                        : 1 + unit_random_below(&random, 1500);

        if (run->pages)
            run_free(run);
        else
            run_alloc(run, count, unit_random_below(&random, 8) ? 0 : PAGE_DMA32, step);
    }
    for (size_t i = 0; i < ARRAY_SIZE(runs); i++)
        if (runs[i].pages)
            run_free(&runs[i]);
    assert_int_equal(free_pages(), before);
    page_cache_drain(NULL);
    assert_true(run_alloc(&runs[0], 3 * PAGE_BLOCK_MAX, 0, 7)); /* joined again */
    run_free(&runs[0]);
}

static void test_exhaustion_and_recovery(void **state)
{
    static struct run runs[65536];
    size_t before = free_pages(), count = 0;

    (void)state;
    while (run_alloc(&runs[count], 1, 0, count))
        count++;
    assert_int_equal(count + describing_pages(), before); /* every last one */
    assert_int_equal(free_pages(), describing_pages());
    assert_null(page_alloc(1, PAGE_DMA32, "test"));
    assert_null(page_alloc(2, 0, "test"));
    for (size_t i = 0; i < count; i += 2) /* in the order of their addresses, more or less */
        run_free(&runs[i]);
    assert_true(run_alloc(&runs[0], 1, 0, 5));
    run_free(&runs[0]);
    for (size_t i = 1; i < count; i += 2)
        run_free(&runs[i]);
    assert_int_equal(free_pages(), before);
    page_cache_drain(NULL);
    /* The end of a block may describe it; the half in front has been joined again. */
    assert_true(run_alloc(&runs[0], PAGE_BLOCK_MAX / 2, 0, 7));
    run_free(&runs[0]);
}

static void test_fragmented_memory_has_no_runs(void **state)
{
    static struct run runs[65536];
    size_t count = 0, kept = 0;
    struct run run;

    (void)state;
    while (run_alloc(&runs[count], 1, 0, count))
        count++;
    for (size_t i = 0; i < count; i++) {
        if (page_to_phys(runs[i].pages) / PAGE_SIZE % 2)
            runs[kept++] = runs[i];
        else
            run_free(&runs[i]);
    }
    page_cache_drain(NULL);
    assert_true(free_pages() > count / 3);
    assert_false(run_alloc(&run, 2, 0, 1));
    assert_true(run_alloc(&run, 1, PAGE_DMA32, 1));
    run_free(&run);
    while (kept)
        run_free(&runs[--kept]);
    page_cache_drain(NULL);
    assert_true(run_alloc(&run, 1000, PAGE_DMA32, 1));
    run_free(&run);
}

static void test_low_memory_runs_out_alone(void **state)
{
    static struct run runs[16384];
    size_t count = 0;
    struct run run;

    (void)state;
    while (run_alloc(&runs[count], 1 + count % 3, PAGE_DMA32, count))
        count++;
    assert_true(run_alloc(&run, 500, 0, 9));
    assert_true(page_to_phys(run.pages) >= 4 * GIB);
    run_free(&run);
    while (count)
        run_free(&runs[--count]);
}

static void test_owners_are_counted(void **state)
{
    char name[] = "a name that is the same text elsewhere";
    uint16_t owner = owner_number("a name that is the same text elsewhere");
    void *first, *second;

    (void)state;
    assert_int_equal(owner_number(name), owner);
    first = page_alloc(7, 0, name);
    second = page_alloc(1, 0, "a name that is the same text elsewhere");
    assert_int_equal(owner_total(owner), 8);
    page_free(first);
    assert_int_equal(owner_total(owner), 1);
    page_free(second);
    assert_int_equal(owner_total(owner), 0);
    assert_string_equal(owner_name(owner), name);
    assert_int_equal(owner_number(NULL), 0);
    assert_null(owner_name(OWNER_MAX));
}

static void test_more_owners_than_fit(void **state)
{
    static char names[OWNER_MAX + 300][16];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(names[i], sizeof(names[i]), "owner %zu", i);
        page_free(page_alloc(1, 0, names[i]));
    }
    assert_int_equal(owner_number(names[0]), owner_number("owner 0"));
    assert_int_equal(owner_number(names[ARRAY_SIZE(names) - 1]), 0); /* "other" */
}

static void *cached_by_shrinker[100];
static size_t cached_count;

static size_t give_up_pages(size_t pages)
{
    size_t count = 0;

    assert_true(cpu_preempt_count() > 0);
    for (; cached_count && count < pages; count++)
        page_free(cached_by_shrinker[--cached_count]);
    return count;
}
MEMORY_SHRINKER(test, "test", give_up_pages);

static void test_shrinkers_are_asked(void **state)
{
    static struct run runs[65536];
    size_t count = 0;

    (void)state;
    while (cached_count < ARRAY_SIZE(cached_by_shrinker))
        cached_by_shrinker[cached_count++] = page_alloc(1, 0, "cache");
    while (run_alloc(&runs[count], 1, 0, count))
        count++;
    assert_int_equal(cached_count, 0);
    assert_int_equal(free_pages(), describing_pages());
    while (count)
        run_free(&runs[--count]);

    /* With interrupts off they are left alone, and the allocation fails. */
    while (cached_count < ARRAY_SIZE(cached_by_shrinker))
        cached_by_shrinker[cached_count++] = page_alloc(1, 0, "cache");
    irq_disable();
    while (run_alloc(&runs[count], 1, 0, count))
        count++;
    irq_enable();
    assert_int_equal(cached_count, ARRAY_SIZE(cached_by_shrinker));
    while (count)
        run_free(&runs[--count]);
    while (cached_count)
        page_free(cached_by_shrinker[--cached_count]);
}

static void test_wrong_frees_are_named(void **state)
{
    uint8_t *run = page_alloc(6, 0, "test");
    uint8_t *single = page_alloc(1, 0, "test");

    (void)state;
    machine_expect_panic(page_free(run + PAGE_SIZE), "page_free", "not the start of a run");
    machine_expect_panic(page_free(run + 16), "page_free", "no page starts there");
    machine_expect_panic(page_free(phys_to_virt(2 * MIB)), "page_free", "not in use");
    machine_expect_panic(page_free(phys_to_virt(5 * GIB)), "page_free", "no page starts there");
    page_free(run);
    machine_expect_panic(page_free(run), "freed before by 0x", "allocated by 0x");
    page_free(single);
    machine_expect_panic(page_free(single), "freed before by 0x", "allocated by 0x");
}

static void test_writes_after_free_are_found(void **state)
{
    uint8_t *pages = page_alloc(5, 0, "test");
    size_t last = 3 * PAGE_SIZE + 4001;

    (void)state;
    page_free(pages);
    machine_poke(pages + last, 1);
    machine_expect_panic(page_free(page_alloc(5, 0, "test")), "written to at offset 0xfa0",
                         "after it was freed by 0x");
}

/* Last: what it breaks stays broken. */
UNIT_TESTS_SETUP(boot, UNIT_TEST(test_counts_are_exact), UNIT_TEST(test_nothing_and_too_much),
                 UNIT_TEST(test_runs_longer_than_the_largest_block),
                 UNIT_TEST(test_descriptions_come_with_use), UNIT_TEST(test_zeroed),
                 UNIT_TEST(test_random_against_the_model), UNIT_TEST(test_exhaustion_and_recovery),
                 UNIT_TEST(test_fragmented_memory_has_no_runs),
                 UNIT_TEST(test_low_memory_runs_out_alone), UNIT_TEST(test_owners_are_counted),
                 UNIT_TEST(test_shrinkers_are_asked), UNIT_TEST(test_more_owners_than_fit),
                 UNIT_TEST(test_wrong_frees_are_named), UNIT_TEST(test_writes_after_free_are_found))
