/*
 * Counting and folding stacks, with functions of the test's own: main calls work, and both call
 * step; 0x1000 bytes each.
 */
#include "kernel/profile/stacks.h"

#include "kernel/symbols.h"
#include "tests/unit/unit.h"

#define BASE 0xFFFF800001000000u

const uint64_t kernel_symbol_base = BASE;
const char kernel_symbol_names[] = "main\0work\0step\0";
const struct kernel_symbol kernel_symbols[] = {
    { .offset = 0x1000, .name = 0 },
    { .offset = 0x2000, .name = 5 },
    { .offset = 0x3000, .name = 10 },
    { .offset = 0x4000, .name = 15 }, /* without a name: the end of the code */
};
const uint32_t kernel_symbol_count = 4;

#define MAIN (BASE + 0x1000)
#define WORK (BASE + 0x2000)
#define STEP (BASE + 0x3000)

static struct profile_table table;
static struct profile_stack stacks[PROFILE_TABLE_MAX];

static void add(const char *task, uint32_t depth, uintptr_t a, uintptr_t b, uintptr_t c)
{
    struct profile_stack sample = { .depth = depth, .addresses = { a, b, c } };

    snprintf(sample.task, sizeof(sample.task), "%s", task);
    sample.is_idle = strcmp(task, "idle") == 0;
    profile_table_add(&table, &sample);
}

static size_t fold(void)
{
    size_t count = 0;

    for (size_t i = 0; i < PROFILE_TABLE_MAX; i++)
        if (table.stacks[i].count)
            stacks[count++] = table.stacks[i];
    return profile_fold(stacks, count);
}

static int start(void **state)
{
    (void)state;
    memset(&table, 0, sizeof(table));
    return 0;
}

static void test_a_loop_is_one_place(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < 1000; i++)
        add("spin", 2, WORK + i, MAIN + 0x10, 0);
    assert_int_equal(fold(), 1);
    assert_int_equal(stacks[0].count, 1000);
    assert_true(stacks[0].addresses[0] == WORK);
    assert_true(stacks[0].addresses[1] == MAIN);
    assert_int_equal(table.dropped, 0);
}

static void test_calls_from_different_places_are_one(void **state)
{
    (void)state;
    add("a", 2, STEP, MAIN + 0x10, 0);
    add("a", 2, STEP, MAIN + 0x20, 0);
    add("b", 2, STEP, MAIN + 0x20, 0);
    assert_int_equal(fold(), 2);
    assert_int_equal(stacks[0].count, 2);
    assert_string_equal(stacks[0].task, "a");
    assert_int_equal(stacks[1].count, 1);
    assert_string_equal(stacks[1].task, "b");
}

/* A call at the end of a function that never returns: the return address is the next one's. */
static void test_a_call_at_the_end_is_its_own_functions(void **state)
{
    (void)state;
    add("a", 2, STEP, WORK, 0);
    assert_int_equal(fold(), 1);
    assert_true(stacks[0].addresses[1] == MAIN);
}

static void test_self_and_total(void **state)
{
    struct profile_line lines[8];

    (void)state;
    add("a", 3, STEP, WORK + 1, MAIN + 1);
    add("a", 3, STEP, WORK + 1, MAIN + 1);
    add("a", 2, WORK, MAIN + 1, 0);
    add("a", 3, WORK, WORK + 1, MAIN + 1); /* calls itself: once in total */
    add("b", 2, STEP, MAIN + 1, 0);
    add("idle", 1, MAIN, 0, 0);
    size_t count = fold();
    assert_int_equal(profile_functions(stacks, count, lines, 8), 3);
    assert_string_equal(lines[0].name, "step");
    assert_int_equal(lines[0].self, 3);
    assert_int_equal(lines[0].total, 3);
    assert_string_equal(lines[1].name, "work");
    assert_int_equal(lines[1].self, 2);
    assert_int_equal(lines[1].total, 4);
    assert_string_equal(lines[2].name, "main");
    assert_int_equal(lines[2].self, 0);
    assert_int_equal(lines[2].total, 5);
    assert_int_equal(profile_functions(stacks, count, lines, 1), 1); /* no room is no harm */
    assert_int_equal(profile_tasks(stacks, count, lines, 8), 2);
    assert_string_equal(lines[0].name, "a");
    assert_int_equal(lines[0].self, 4);
    assert_string_equal(lines[1].name, "b");
}

static void test_addresses_of_nothing(void **state)
{
    struct profile_line line;

    (void)state;
    add("a", 0, 0, 0, 0);
    add("a", 2, 0x1234, UINTPTR_MAX, 0);
    size_t count = fold();
    assert_int_equal(count, 2);
    assert_int_equal(profile_functions(stacks, count, &line, 1), 1);
    assert_string_equal(line.name, "?");
}

/* Every sample is either in the table or counted as dropped, also when there are too many kinds. */
static void test_a_full_table(void **state)
{
    uint64_t counted = 0;

    (void)state;
    for (unsigned int i = 0; i < 4 * PROFILE_TABLE_MAX; i++)
        add("a", 2, STEP, MAIN + 1 + i, 0);
    assert_true(table.dropped > 0);
    for (size_t i = 0; i < PROFILE_TABLE_MAX; i++)
        counted += table.stacks[i].count;
    assert_int_equal(counted + table.dropped, 4 * PROFILE_TABLE_MAX);
    assert_true(counted > PROFILE_TABLE_MAX / 2);
    assert_int_equal(fold(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_loop_is_one_place, start),
        cmocka_unit_test_setup(test_calls_from_different_places_are_one, start),
        cmocka_unit_test_setup(test_a_call_at_the_end_is_its_own_functions, start),
        cmocka_unit_test_setup(test_self_and_total, start),
        cmocka_unit_test_setup(test_addresses_of_nothing, start),
        cmocka_unit_test_setup(test_a_full_table, start),
    };

    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
