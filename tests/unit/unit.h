/*
 * What every host unit test includes: cmocka, and a seeded generator for random tests.
 *
 *     static void test_something(void **state)
 *     {
 *         (void)state;
 *         assert_int_equal(1, 1);
 *     }
 *     UNIT_TESTS(UNIT_TEST(test_something))
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UNIT_TEST(function) cmocka_unit_test(function)

/* The program: main() runs the tests given. */
#define UNIT_TESTS(...)                                                                            \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest unit_tests[] = { __VA_ARGS__ };                                    \
                                                                                                   \
        return cmocka_run_group_tests_name(__FILE__, unit_tests, NULL, NULL);                      \
    }

/* The same, after a call of @setup(). */
#define UNIT_TESTS_SETUP(setup, ...)                                                               \
    static int unit_setup(void **state)                                                            \
    {                                                                                              \
        (void)state;                                                                               \
        setup();                                                                                   \
        return 0;                                                                                  \
    }                                                                                              \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest unit_tests[] = { __VA_ARGS__ };                                    \
                                                                                                   \
        return cmocka_run_group_tests_name(__FILE__, unit_tests, unit_setup, NULL);                \
    }

/*
 * Random numbers for tests: the same in every run. splitmix64, so that each seed, small ones too,
 * gives a stream of its own.
 */
struct unit_random {
    uint64_t state;
};

static inline uint64_t unit_random_u64(struct unit_random *random)
{
    uint64_t z = random->state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* A number below @bound. */
static inline uint64_t unit_random_below(struct unit_random *random, uint64_t bound)
{
    return unit_random_u64(random) % bound;
}

static inline void unit_random_fill(struct unit_random *random, void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)data)[i] = (uint8_t)unit_random_u64(random);
}
