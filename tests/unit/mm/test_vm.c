/*
 * Virtual ranges and scatter lists, over page tables that remember what a TLB might still know.
 */
// links: mm/page.c mm/buddy.c mm/page_array.c mm/page_debug.c mm/owner.c mm/reclaim.c mm/caller.c
// links: mm/pool.c mm/slab.c mm/kmalloc.c mm/pool_debug.c mm/vm.c mm/early.c arch/host/physical.c
// links: mm/vm_range.c mm/scatter.c tests/unit/mm/machine.c
#include "mm/vm.h"

#include "lib/errno.h"
#include "mm/kmalloc.h"
#include "mm/owner.h"
#include "mm/page.h"
#include "mm/pool_internal.h"
#include "mm/scatter.h"
#include "mm/vm_internal.h"

#include "tests/unit/mm/machine.h"
#include "tests/unit/unit.h"

#define READ_WRITE (MMU_READ | MMU_WRITE)

static void boot(void)
{
    machine_add_memory(0, 0x9fc00, BOOT_MEMORY_USABLE);
    machine_add_memory(MIB, 63 * MIB, BOOT_MEMORY_USABLE);
    machine_add_memory(64 * MIB, MIB, BOOT_MEMORY_ACPI_RECLAIMABLE);
    machine_start();
}

/* Pages that have come to describe others stay that. */
static size_t describing_pages(void)
{
    return owner_total(owner_number("page descriptions"));
}

static size_t free_pages(void)
{
    struct page_statistics statistics;

    vm_purge();
    pool_cache_drain(NULL);
    pool_release_all();
    page_statistics(&statistics);
    return statistics.free_pages + describing_pages();
}

static void test_ranges_have_guards(void **state)
{
    (void)state;
    for (size_t size = 1; size < 20 * PAGE_SIZE; size += 1777) {
        uint8_t *memory = vm_alloc(size, READ_WRITE, "test");
        size_t pages = DIV_ROUND_UP(size, PAGE_SIZE);

        assert_non_null(memory);
        assert_false(machine_is_mapped(memory - 1));
        for (size_t i = 0; i < pages; i++)
            assert_true(machine_is_mapped(memory + i * PAGE_SIZE));
        assert_false(machine_is_mapped(memory + pages * PAGE_SIZE));
        vm_free(memory);
        assert_false(machine_is_mapped(memory));
    }
    assert_null(vm_alloc(0, READ_WRITE, "test"));
    assert_null(vm_alloc(SIZE_MAX, READ_WRITE, "test"));
    assert_null(vm_alloc(1UL << 45, READ_WRITE, "test"));
}

static void test_memory_is_cleared_and_its_own(void **state)
{
    uint8_t *memory = vm_alloc(700 * PAGE_SIZE, READ_WRITE, "test");
    paddr_t paddr;

    (void)state;
    for (size_t i = 0; i < 700; i++) {
        const uint8_t *page;

        assert_true(virt_to_phys(memory + i * PAGE_SIZE + 5, &paddr));
        assert_int_equal(paddr % PAGE_SIZE, 5);
        page = phys_to_virt(ALIGN_DOWN(paddr, PAGE_SIZE));
        for (size_t k = 0; k < PAGE_SIZE; k++)
            assert_int_equal(page[k], 0);
    }
    vm_free(memory);
    assert_false(virt_to_phys(memory, &paddr));
}

static void test_random_churn(void **state)
{
    static void *ranges[300];
    struct unit_random random = { 4 };
    size_t before = free_pages(), shootdowns = machine_shootdowns, freed = 0;
    struct vm_statistics statistics;

    (void)state;
    for (size_t step = 0; step < 20000; step++) {
        size_t i = unit_random_below(&random, ARRAY_SIZE(ranges));

        if (ranges[i]) {
            vm_free(ranges[i]);
            ranges[i] = NULL;
            freed++;
        } else {
            ranges[i] =
                vm_alloc(1 + unit_random_below(&random, 12 * PAGE_SIZE), READ_WRITE, "test");
            assert_non_null(ranges[i]);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
        vm_free(ranges[i]);
    assert_true(machine_shootdowns - shootdowns < freed / 20); /* batched */
    assert_int_equal(free_pages(), before);
    vm_statistics(&statistics);
    assert_int_equal(statistics.pending_ranges, 0);
    assert_int_equal(statistics.pending_pages, 0);
}

static void test_addresses_are_used_again(void **state)
{
    void *first = vm_alloc(4 * PAGE_SIZE, READ_WRITE, "test");

    (void)state;
    vm_free(first);
    for (size_t i = 0; i < 100000; i++) { /* many times what the dynamic range would hold */
        void *memory = vm_alloc(4 * PAGE_SIZE, READ_WRITE, "test");

        assert_non_null(memory);
        vm_free(memory);
    }
}

static void test_exhaustion_of_memory(void **state)
{
    static void *ranges[5000];
    size_t before = free_pages(), count = 0;

    (void)state;
    while ((ranges[count] = vm_alloc(33 * PAGE_SIZE, READ_WRITE, "test")) != NULL)
        count++;
    assert_true(count * 33 > before * 9 / 10);
    assert_null(vm_alloc(60 * MIB, READ_WRITE, "test"));
    while (count)
        vm_free(ranges[--count]);
    assert_int_equal(free_pages(), before);
    /* What waits for a shoot-down is memory too. */
    vm_free(vm_alloc(200 * PAGE_SIZE, READ_WRITE, "test"));
    ranges[0] = vm_alloc((before - describing_pages() - 50) * PAGE_SIZE, READ_WRITE, "test");
    assert_non_null(ranges[0]);
    vm_free(ranges[0]);
}

static void test_failing_page_tables(void **state)
{
    size_t before = free_pages();

    (void)state;
    for (size_t budget = 0; budget < 3; budget++) {
        machine_map_budget = budget;
        assert_null(vm_alloc(1400 * PAGE_SIZE, READ_WRITE, "test")); /* three pieces */
        machine_map_budget = 0;
        assert_null(vm_map_device(0xfee00000, 4096, 0));
        machine_map_budget = SIZE_MAX;
        assert_int_equal(free_pages(), before);
    }
}

static void test_device_registers(void **state)
{
    uint8_t *first = vm_map_device(0xfebf1234, 0x10, 0);
    uint8_t *second = vm_map_device(0xfd000ff0, 0x20, MMU_WRITE_COMBINE);
    unsigned int flags;
    paddr_t paddr;

    (void)state;
    assert_true(mmu_translate(NULL, (vaddr_t)first, &paddr, &flags));
    assert_int_equal(paddr, 0xfebf1234);
    assert_int_equal(flags, MMU_READ | MMU_WRITE | MMU_UNCACHED);
    assert_true(mmu_translate(NULL, (vaddr_t)second + 0x1f, &paddr, &flags));
    assert_int_equal(paddr, 0xfd00100f);
    assert_int_equal(flags, MMU_READ | MMU_WRITE | MMU_WRITE_COMBINE);
    vm_unmap_device(first);
    assert_false(machine_is_mapped(first));
    vm_unmap_device(second);
    vm_unmap_device(NULL);
    assert_null(vm_map_device(0x1000, 0, 0));
    assert_null(vm_map_device(UINT64_MAX - 10, 100, 0));
}

static void test_firmware_tables(void **state)
{
    const uint8_t *table = vm_map_firmware(64 * MIB + 0x123, 36);
    unsigned int flags;
    paddr_t paddr;

    (void)state;
    assert_true(mmu_translate(NULL, (vaddr_t)table, &paddr, &flags));
    assert_int_equal(paddr, 64 * MIB + 0x123);
    assert_int_equal(flags, MMU_READ);
    assert_ptr_equal(vm_map_firmware(64 * MIB + 0x200, 100), table + 0xdd); /* the same view */
    assert_ptr_not_equal(vm_map_firmware(64 * MIB + 0xff0, 100), table + 0xecd);
    assert_ptr_equal(vm_map_firmware(5 * MIB, 100), phys_to_virt(5 * MIB)); /* RAM */
    assert_null(vm_map_firmware(0, 0));
    assert_null(vm_map_firmware(UINT64_MAX - 10, 100));
}

static void test_wrong_frees_are_named(void **state)
{
    uint8_t *memory = vm_alloc(PAGE_SIZE, READ_WRITE, "test");
    void *device = vm_map_device(0xfee00000, 4096, 0);

    (void)state;
    machine_expect_panic(vm_free(memory + PAGE_SIZE), "vm_free", "no such range begins there");
    machine_expect_panic(vm_free(device), "vm_free", "no such range begins there");
    machine_expect_panic(vm_unmap_device(memory), "vm_unmap_device", "no such range");
    vm_free(memory);
    machine_expect_panic(vm_free(memory), "vm_free", "freed already");
    vm_unmap_device(device);
}

/*
 * Scatter lists.
 */

/* Is @buffer, byte by byte, what the segments say? */
static void check_segments(const uint8_t *buffer, size_t length,
                           const struct scatter_segment *segments, int count)
{
    size_t offset = 0;

    for (int i = 0; i < count; i++) {
        assert_true(segments[i].length > 0);
        for (size_t k = 0; k < segments[i].length; k++, offset++) {
            paddr_t paddr;

            assert_true(virt_to_phys(buffer + offset, &paddr));
            assert_int_equal(paddr, segments[i].paddr + k);
        }
        if (i > 0)
            assert_true(segments[i - 1].paddr + segments[i - 1].length != segments[i].paddr);
    }
    assert_int_equal(offset, length);
}

static void test_scatter_of_scattered_pages(void **state)
{
    struct scatter_segment segments[64];
    struct unit_random random = { 5 };
    static void *singles[1000];
    uint8_t *memory;

    (void)state;
    /* So that pages do not come in one piece: leave every other one. */
    for (size_t i = 0; i < ARRAY_SIZE(singles); i++)
        singles[i] = page_alloc(1, 0, "test");
    memory = vm_alloc(40 * PAGE_SIZE, READ_WRITE, "test");
    for (size_t round = 0; round < 200; round++) {
        size_t offset = unit_random_below(&random, 39 * PAGE_SIZE);
        size_t length = unit_random_below(&random, 40 * PAGE_SIZE - offset);
        int count = scatter_from_buffer(memory + offset, length, segments, ARRAY_SIZE(segments));

        assert_true(count >= 0);
        check_segments(memory + offset, length, segments, count);
    }
    vm_free(memory);
    for (size_t i = 0; i < ARRAY_SIZE(singles); i++)
        page_free(singles[i]);
}

static void test_scatter_of_alternating_mappings(void **state)
{
    struct scatter_segment segments[16];
    vaddr_t base = mmu_dynamic_range_end() - 64 * PAGE_SIZE;
    uint8_t *buffer = (uint8_t *)base;

    (void)state;
    for (size_t i = 0; i < 8; i++) /* pairs of pages, each pair somewhere else */
        assert_int_equal(mmu_map(NULL, base + i * PAGE_SIZE, (20 - i / 2 * 4 + i) * PAGE_SIZE,
                                 PAGE_SIZE, MMU_READ),
                         0);
    assert_int_equal(scatter_from_buffer(buffer + 100, 8 * PAGE_SIZE - 200, segments, 16), 4);
    check_segments(buffer + 100, 8 * PAGE_SIZE - 200, segments, 4);
    assert_int_equal(scatter_from_buffer(buffer + 100, 8 * PAGE_SIZE - 200, segments, 4), 4);
    assert_int_equal(scatter_from_buffer(buffer + 100, 8 * PAGE_SIZE - 200, segments, 3), -E2BIG);
    assert_int_equal(scatter_from_buffer(buffer, 8 * PAGE_SIZE + 1, segments, 16), -EFAULT);
    assert_int_equal(scatter_from_buffer(buffer - 1, 2, segments, 16), -EFAULT);
    assert_int_equal(scatter_from_buffer(buffer, 0, segments, 0), 0);
    mmu_unmap(NULL, base, 8 * PAGE_SIZE);
}

static void test_scatter_of_the_direct_map(void **state)
{
    struct scatter_segment segments[2];
    uint8_t *pages = page_alloc(100, 0, "test");

    (void)state;
    assert_int_equal(scatter_from_buffer(pages + 13, 99 * PAGE_SIZE, segments, 2), 1);
    check_segments(pages + 13, 99 * PAGE_SIZE, segments, 1);
    page_free(pages);
}

UNIT_TESTS_SETUP(boot, UNIT_TEST(test_ranges_have_guards),
                 UNIT_TEST(test_memory_is_cleared_and_its_own), UNIT_TEST(test_random_churn),
                 UNIT_TEST(test_addresses_are_used_again), UNIT_TEST(test_exhaustion_of_memory),
                 UNIT_TEST(test_failing_page_tables), UNIT_TEST(test_device_registers),
                 UNIT_TEST(test_firmware_tables), UNIT_TEST(test_wrong_frees_are_named),
                 UNIT_TEST(test_scatter_of_scattered_pages),
                 UNIT_TEST(test_scatter_of_alternating_mappings),
                 UNIT_TEST(test_scatter_of_the_direct_map))
