/*
 * Sections of memory that nothing describes yet, and how they come to be given out whole.
 */
// links: mm/page.c mm/buddy.c mm/page_array.c mm/page_debug.c mm/owner.c mm/reclaim.c mm/caller.c
// links: mm/pool.c mm/slab.c mm/kmalloc.c mm/pool_debug.c mm/vm.c mm/early.c arch/host/physical.c
// links: mm/vm_range.c tests/unit/mm/machine.c
#include "mm/page.h"

#include "lib/bits.h"
#include "mm/owner.h"
#include "mm/page_internal.h"

#include "tests/unit/mm/machine.h"
#include "tests/unit/unit.h"

/* Seven sections above 4 GiB, and pieces of two more. */
static void boot(void)
{
    machine_add_memory(MIB, 15 * MIB, BOOT_MEMORY_USABLE);
    machine_add_memory(4 * GIB + MIB, 139 * MIB, BOOT_MEMORY_USABLE);
    machine_start();
}

static size_t free_pages(void)
{
    struct page_statistics statistics;

    page_statistics(&statistics);
    return statistics.free_pages + owner_total(owner_number("page descriptions"));
}

/* Takes all blocks above 4 GiB that are smaller than a section. Single pages are of no use to it.
 */
static size_t take_small_blocks(void **runs)
{
    const struct page_zone *zone = &page_zones[ZONE_NORMAL];
    size_t count = 0;

    for (unsigned int order = PAGE_ORDER_MAX - 1; order > 0; order--) {
        while (zone->orders & BIT(order)) {
            runs[count] = page_alloc(BIT(order), 0, "test");
            assert_non_null(runs[count]);
            count++;
        }
    }
    return count;
}

/* When nothing that is free is described, what describes a section must not come from its own end
 * if all of it is wanted and there are others. */
static void test_whole_sections_with_nothing_described(void **state)
{
    static void *small[256];
    size_t before = free_pages();
    size_t count = take_small_blocks(small);

    (void)state;
    assert_int_equal(page_zones[ZONE_NORMAL].orders & ~1u, BIT(PAGE_ORDER_MAX));
    void *one = page_alloc(PAGE_BLOCK_MAX - 1, 0, "test");
    assert_non_null(one);
    assert_true(page_to_phys(one) >= 4 * GIB);
    count += take_small_blocks(small + count);
    void *more = page_alloc(3 * PAGE_BLOCK_MAX - 1, 0, "test");
    assert_non_null(more);
    memset(one, 1, (PAGE_BLOCK_MAX - 1) * PAGE_SIZE); /* nobody else's memory is in them */
    memset(more, 2, (3 * PAGE_BLOCK_MAX - 1) * PAGE_SIZE);
    page_free(one);
    page_free(more);
    assert_true(count < ARRAY_SIZE(small));
    while (count)
        page_free(small[--count]);
    page_cache_drain(NULL);
    assert_int_equal(free_pages(), before);
}

UNIT_TESTS_SETUP(boot, UNIT_TEST(test_whole_sections_with_nothing_described))
