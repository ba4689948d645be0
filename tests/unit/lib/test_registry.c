/*
 * lib/registry.h: entries are found between the linker's symbols, an empty registry has none.
 */
#include "lib/registry.h"

#include "tests/unit/unit.h"

struct animal {
    const char *name;
    int legs;
};

struct unheard_of {
    int nothing;
};

#define ANIMAL(symbol, legs_)                                                                      \
    REGISTRY_ENTRY(animal, symbol##_animal, { .name = #symbol, .legs = (legs_) })

ANIMAL(cat, 4);
ANIMAL(hen, 2);
ANIMAL(fish, 0);

static void test_walk_finds_every_entry_once(void **state)
{
    const struct animal *animal;
    int count = 0, legs = 0;

    (void)state;
    registry_for_each(animal, animal) {
        count++;
        legs += animal->legs;
        assert_true(animal == &cat_animal || animal == &hen_animal || animal == &fish_animal);
    }
    assert_int_equal(count, 3);
    assert_int_equal(legs, 6);
    assert_int_equal(registry_count(animal), 3);
}

static void test_walks_nest(void **state)
{
    const struct animal *a, *b;
    int pairs = 0;

    (void)state;
    registry_for_each(a, animal) {
        registry_for_each(b, animal)
            pairs += strcmp(a->name, b->name) < 0;
    }
    assert_int_equal(pairs, 3);
}

static void test_empty_registry(void **state)
{
    const struct unheard_of *entry;

    (void)state;
    assert_int_equal(registry_count(unheard_of), 0);
    registry_for_each(entry, unheard_of)
        fail();
    assert_null(entry);
}

UNIT_TESTS(UNIT_TEST(test_walk_finds_every_entry_once), UNIT_TEST(test_walks_nest),
           UNIT_TEST(test_empty_registry))
