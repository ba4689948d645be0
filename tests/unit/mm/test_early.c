/*
 * mm/early.c: memory maps of every shape, against a byte map drawn by hand.
 */
#include "arch/mmu.h"
#include "kernel/boot/boot_info.h"
#include "mm/early.h"

#include "tests/unit/unit.h"

#define MIB 0x100000UL
#define GIB 0x40000000UL

static struct boot_info info;

static void map_clear(void)
{
    memset(&info, 0, sizeof(info));
}

static void map_add(paddr_t base, uint64_t length, enum boot_memory_type type)
{
    info.memory[info.memory_count++] =
        (struct boot_memory_range){ .base = base, .length = length, .type = type };
}

/* What QEMU gives a pc with 6 GiB. */
static void map_pc(void)
{
    map_clear();
    map_add(0, 0x9fc00, BOOT_MEMORY_USABLE);
    map_add(0x9fc00, 0x400, BOOT_MEMORY_RESERVED);
    map_add(0xf0000, 0x10000, BOOT_MEMORY_RESERVED);
    map_add(0x100000, 0xbffe0000 - 0x100000, BOOT_MEMORY_USABLE);
    map_add(0xbffe0000, 0x20000, BOOT_MEMORY_RESERVED);
    map_add(0xfeffc000, 0x4000, BOOT_MEMORY_RESERVED);
    map_add(4 * GIB, 3 * GIB, BOOT_MEMORY_USABLE);
}

static void expect_ranges(const struct memory_range *ranges, size_t count,
                          const struct memory_range *expected, size_t expected_count)
{
    assert_int_equal(count, expected_count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(ranges[i].base, expected[i].base);
        assert_int_equal(ranges[i].length, expected[i].length);
    }
}

static void test_map_of_a_pc(void **state)
{
    const struct memory_range *ranges;
    const struct memory_range ram[] = { { 0, 0x9f000 },
                                        { MIB, 0xbffe0000 - MIB },
                                        { 4 * GIB, 3 * GIB } };
    const struct memory_range unused[] = {
        { 0x1000, 0x9e000 }, { MIB, MIB }, { 3 * MIB, 0xbffe0000 - 3 * MIB }, { 4 * GIB, 3 * GIB }
    };
    size_t count;

    (void)state;
    map_pc();
    early_memory_init(&info, 2 * MIB, MIB - 1);
    count = early_memory_ram(&ranges);
    expect_ranges(ranges, count, ram, ARRAY_SIZE(ram));
    count = early_memory_free(&ranges);
    expect_ranges(ranges, count, unused, ARRAY_SIZE(unused));
    assert_int_equal(early_memory_lost_bytes(), 0);
}

static void test_disagreeing_ranges(void **state)
{
    const struct memory_range *ranges;
    const struct memory_range ram[] = { { MIB, MIB }, { 3 * MIB + 0x1000, MIB - 0x1000 } };

    (void)state;
    map_clear();
    map_add(3 * MIB, MIB, BOOT_MEMORY_USABLE);
    map_add(2 * MIB - 5, MIB + 6, BOOT_MEMORY_BAD); /* bites both neighbours */
    map_add(MIB, MIB / 2 + 7, BOOT_MEMORY_USABLE);  /* the next one overlaps it */
    map_add(MIB + MIB / 2, MIB / 2, BOOT_MEMORY_USABLE);
    map_add(10 * MIB, 100, BOOT_MEMORY_USABLE); /* no whole page */
    early_memory_init(&info, 0, 0);
    size_t count = early_memory_ram(&ranges);
    assert_int_equal(count, 2);
    assert_int_equal(ranges[0].base, MIB);
    assert_int_equal(ranges[0].length, MIB - 0x1000);
    assert_int_equal(ranges[1].base, ram[1].base);
    assert_int_equal(ranges[1].length, ram[1].length);
}

static void test_nonsense_above_the_limit(void **state)
{
    const struct memory_range *ranges;

    (void)state;
    map_clear();
    map_add(MIB, MIB, BOOT_MEMORY_USABLE);
    map_add(MEMORY_LIMIT - MIB, 2 * MIB, BOOT_MEMORY_USABLE);
    map_add(UINT64_MAX - 100, 100, BOOT_MEMORY_USABLE);
    early_memory_init(&info, 0, 0);
    assert_int_equal(early_memory_ram(&ranges), 2);
    assert_int_equal(ranges[1].base, MEMORY_LIMIT - MIB);
    assert_int_equal(ranges[1].length, MIB);
    assert_int_equal(early_memory_lost_bytes(), MIB + 100);
}

static void test_more_pieces_than_kept(void **state)
{
    const struct memory_range *ranges;

    (void)state;
    map_clear();
    for (size_t i = 0; i < BOOT_MEMORY_RANGES_MAX; i++)
        map_add(MIB + i * 0x2000, 0x1000, BOOT_MEMORY_USABLE);
    early_memory_init(&info, 0, 0);
    assert_int_equal(early_memory_ram(&ranges), BOOT_MEMORY_RANGES_MAX);
    map_clear();
    map_add(0, 64 * MIB, BOOT_MEMORY_USABLE);
    early_memory_init(&info, 0, 0);
    for (size_t i = 0; i < 2 * BOOT_MEMORY_RANGES_MAX; i++)
        early_memory_reserve(MIB + i * 0x2000, 0x1000);
    size_t count = early_memory_free(&ranges);
    assert_true(early_memory_lost_bytes() > 0);
    for (size_t i = 0; i < count; i++) /* lost, but never given out twice */
        for (size_t k = 0; k < 2 * BOOT_MEMORY_RANGES_MAX; k++)
            assert_false(MIB + k * 0x2000 >= ranges[i].base &&
                         MIB + k * 0x2000 < ranges[i].base + ranges[i].length);
}

static void test_allocation_from_the_top(void **state)
{
    (void)state;
    map_pc();
    info.initrd_base = 7 * GIB - 0x1800;
    info.initrd_length = 0x800;
    early_memory_init(&info, 2 * MIB, MIB);
    assert_int_equal(early_page_alloc_phys(2, 0), 7 * GIB - 0x4000); /* last page: too small */
    assert_int_equal(early_page_alloc_phys(1, 0), 7 * GIB - 0x1000);
    assert_int_equal(early_page_alloc_phys(1, 4 * GIB), 0xbffdf000);
    assert_int_equal(early_page_alloc_phys(1, 3 * MIB), 2 * MIB - 0x1000);
    assert_int_equal(early_page_alloc_phys(1, EARLY_LOW_LIMIT), 0x9e000);
    assert_int_equal(early_page_alloc_phys(256, 2 * MIB), 0); /* one is gone */
    assert_int_equal(early_page_alloc_phys(0, 0), 0);
}

static void test_until_nothing_is_left(void **state)
{
    static uint8_t owner[4096];
    const struct memory_range *ranges;
    paddr_t paddr;
    size_t taken = 0;

    (void)state;
    memset(owner, 0, sizeof(owner));
    map_clear();
    map_add(0, 16 * MIB, BOOT_MEMORY_USABLE);
    map_add(5 * MIB, MIB, BOOT_MEMORY_ACPI_RECLAIMABLE);
    early_memory_init(&info, MIB, MIB);
    for (size_t size = 7; size > 0; size--) {
        while ((paddr = early_page_alloc_phys(size, 0)) != 0) {
            assert_true(paddr >= 2 * MIB);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(owner[paddr / PAGE_SIZE + i]++, 0);
            taken += size;
        }
    }
    assert_int_equal(taken, 13 * MIB / PAGE_SIZE);
    assert_int_equal(early_memory_free(&ranges), 1); /* below 1 MiB, without page 0 */
    assert_int_equal(ranges[0].base, PAGE_SIZE);
    assert_null(early_page_alloc(1));
}

UNIT_TESTS(UNIT_TEST(test_map_of_a_pc), UNIT_TEST(test_disagreeing_ranges),
           UNIT_TEST(test_nonsense_above_the_limit), UNIT_TEST(test_more_pieces_than_kept),
           UNIT_TEST(test_allocation_from_the_top), UNIT_TEST(test_until_nothing_is_left))
