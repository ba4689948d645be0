/*
 * The search in the table of functions, over a table of the test's own.
 */
#include "kernel/symbols.h"

#include "tests/unit/unit.h"

#define BASE 0xFFFF800001000000u

const uint64_t kernel_symbol_base = BASE;
const char kernel_symbol_names[] = "first\0second\0third\0";
const struct kernel_symbol kernel_symbols[] = {
    { .offset = 0x1000, .name = 0 },
    { .offset = 0x1010, .name = 6 },
    { .offset = 0x2000, .name = 13 },
    { .offset = 0x2004, .name = 18 }, /* without a name: the end of the code */
};
const uint32_t kernel_symbol_count = 4;

static void expect(vaddr_t address, const char *name, size_t offset)
{
    size_t found_offset = 99;
    const char *found = symbol_name(address, &found_offset);

    if (name)
        assert_string_equal(found, name);
    else
        assert_null(found);
    assert_int_equal(found_offset, offset);
}

static void test_addresses_inside_functions(void **state)
{
    (void)state;
    expect(BASE + 0x1000, "first", 0);
    expect(BASE + 0x100F, "first", 0xF);
    expect(BASE + 0x1010, "second", 0);
    expect(BASE + 0x1FFF, "second", 0xFEF);
    expect(BASE + 0x2000, "third", 0);
    expect(BASE + 0x2003, "third", 3);
}

static void test_addresses_outside(void **state)
{
    (void)state;
    expect(0, NULL, 0);
    expect(BASE - 1, NULL, 0);
    expect(BASE, NULL, 0);
    expect(BASE + 0xFFF, NULL, 0);
    expect(BASE + 0x2004, NULL, 0);
    expect(BASE + 0x100001000, NULL, 0); /* 32 bits of distance would find "first" */
    expect(UINT64_MAX, NULL, 0);
}

UNIT_TESTS(UNIT_TEST(test_addresses_inside_functions), UNIT_TEST(test_addresses_outside))
