/*
 * arch/x86_64/clock_scale.h: cycles to nanoseconds and back, over years.
 */
#include "arch/x86_64/clock_scale.h"

#include "tests/unit/unit.h"

static const uint64_t frequencies[] = { 1,          32768,      1193182,    14318180,  62500000,
                                        1000000000, 2599999999, 3400000000, 9999999999 };

static void test_seconds_are_seconds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(frequencies) / sizeof(frequencies[0]); i++) {
        struct clock_scale scale = clock_scale_to_ns(frequencies[i]);

        for (uint64_t seconds = 1; seconds < 100000000; seconds *= 10) {
            uint64_t ns = clock_scale_apply(scale, frequencies[i] * seconds);
            /* The multiplier is cut below 2^-32: that much per count is lost. */
            uint64_t lost = seconds * frequencies[i] / (1ULL << 32) + 1;

            assert_in_range(ns, seconds * CLOCK_NS_PER_S - lost, seconds * CLOCK_NS_PER_S);
        }
    }
}

static void test_there_and_back(void **state)
{
    struct unit_random random = { 3 };

    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint64_t hz = 1000000 + unit_random_below(&random, 9000000000ULL);
        uint64_t ns = unit_random_below(&random, 3600 * CLOCK_NS_PER_S);
        uint64_t counts = clock_scale_apply(clock_scale_from_ns(hz), ns);
        uint64_t back = clock_scale_apply(clock_scale_to_ns(hz), counts);

        /* Both multipliers are cut below 2^-32, and the count to a whole one. */
        uint64_t lost_counts = (ns >> 32) + 2;

        assert_true(back <= ns);
        assert_true(ns - back <= lost_counts * (CLOCK_NS_PER_S / hz + 1) + (counts >> 32) + 1);
    }
}

static void test_never_goes_back(void **state)
{
    struct clock_scale scale = clock_scale_to_ns(2599941000);
    uint64_t last = 0;

    (void)state;
    for (uint64_t cycles = 1ULL << 55; cycles < (1ULL << 55) + 100000; cycles += 7) {
        uint64_t ns = clock_scale_apply(scale, cycles);
        assert_true(ns >= last);
        last = ns;
    }
}

UNIT_TESTS(UNIT_TEST(test_seconds_are_seconds), UNIT_TEST(test_there_and_back),
           UNIT_TEST(test_never_goes_back))
