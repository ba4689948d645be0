/*
 * arch/x86_64/kvmclock.c: the arithmetic against exact fractions, and the version protocol with a
 * writer that never rests.
 */
// links: arch/x86_64/kvmclock.c
#include "arch/x86_64/kvmclock.h"

#include <pthread.h>
#include <sched.h>

#include "tests/unit/unit.h"

#define NS_PER_SECOND 1000000000ULL

/* floor(cycles * 2^shift * multiplier / 2^32), low 64 bits, by 128-bit steps of its own. */
static uint64_t exact_scale(uint64_t cycles, uint32_t multiplier, int shift)
{
    uint64_t shifted = shift < 0 ? cycles >> -shift : cycles << shift;
    uint64_t high = (shifted >> 32) * multiplier;
    uint64_t low = (shifted & 0xFFFFFFFF) * multiplier;

    return high + (low >> 32);
}

static void test_scale_matches_exact_arithmetic(void **state)
{
    struct unit_random random = { 1 };

    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint64_t cycles = unit_random_u64(&random) >> unit_random_below(&random, 64);
        uint32_t multiplier = (uint32_t)unit_random_u64(&random);
        int8_t shift = (int8_t)((int)unit_random_below(&random, 41) - 20);

        assert_int_equal(kvmclock_scale(cycles, multiplier, shift),
                         exact_scale(cycles, multiplier, shift));
    }
}

/* What KVM writes for common TSC frequencies (kvm_get_time_scale): a second must be a second. */
static void test_scale_of_known_frequencies(void **state)
{
    static const struct {
        uint64_t hz;
        uint32_t multiplier;
        int8_t shift;
    } rows[] = {
        { 1000000000, 0x80000000, 1 },   /* 1 GHz: half, doubled */
        { 2000000000, 0x80000000, 0 },   /* 2 GHz: half */
        { 4000000000, 0x80000000, -1 },  /* 4 GHz: a quarter */
        { 2600000000, 3303820997u, -1 }, /* 2.6 GHz: 2^32 * 2 / 2.6 */
        { 500000000, 0x80000000, 2 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (uint64_t seconds = 1; seconds <= 1000; seconds *= 10) {
            uint64_t ns = kvmclock_scale(rows[i].hz * seconds, rows[i].multiplier, rows[i].shift);
            int64_t error = (int64_t)(ns - seconds * NS_PER_SECOND);

            assert_in_range(error + 1000, 0, 2000);
        }
        uint64_t hz = kvmclock_hz(rows[i].multiplier, rows[i].shift);
        assert_in_range(hz + 100, rows[i].hz, rows[i].hz + 200);
    }
}

static void test_scale_survives_nonsense(void **state)
{
    (void)state;
    assert_int_equal(kvmclock_scale(UINT64_MAX, UINT32_MAX, 127), 0);
    assert_int_equal(kvmclock_scale(UINT64_MAX, UINT32_MAX, -128), 0);
    assert_int_equal(kvmclock_hz(0, 0), 0);
    assert_int_equal(kvmclock_hz(1, 127), 0);
    assert_int_equal(kvmclock_hz(1, -128), 0);
}

static uint64_t tsc_now;

static uint64_t read_fixed_tsc(void)
{
    return tsc_now;
}

static void test_read_adds_what_passed_since_the_timestamp(void **state)
{
    struct kvmclock_time time = {
        .version = 2,
        .tsc_timestamp = 1000,
        .system_time = 5000000,
        .tsc_to_system_mul = 0x80000000,
        .flags = KVMCLOCK_TSC_STABLE,
    };
    uint8_t flags = 0;

    (void)state;
    tsc_now = 3000;
    assert_int_equal(kvmclock_read(&time, read_fixed_tsc, &flags), 5001000);
    assert_int_equal(flags, KVMCLOCK_TSC_STABLE);
    tsc_now = 999; /* another CPU's counter, a little behind */
    assert_int_equal(kvmclock_read(&time, read_fixed_tsc, NULL), 5000000);
}

/* The first look sees a write under way; it ends while the reader tries again. */
static struct kvmclock_time finishing;

static uint64_t read_tsc_and_finish_write(void)
{
    if (finishing.version & 1) {
        finishing.system_time = 777;
        finishing.tsc_timestamp = 50;
        finishing.version++;
    }
    return 50;
}

static void test_read_waits_for_the_end_of_a_write(void **state)
{
    (void)state;
    finishing = (struct kvmclock_time){
        .version = 7, .system_time = 1, .tsc_timestamp = 1, .tsc_to_system_mul = UINT32_MAX
    };
    assert_int_equal(kvmclock_read(&finishing, read_tsc_and_finish_write, NULL), 777);
}

/* A write that begins and ends between the two looks must be noticed too. */
static uint64_t read_tsc_and_rewrite_once(void)
{
    static bool is_done;

    if (!is_done) {
        is_done = true;
        finishing.version += 2;
        finishing.system_time = 888;
    }
    return 50;
}

static void test_read_notices_a_whole_write_in_between(void **state)
{
    (void)state;
    finishing = (struct kvmclock_time){ .version = 8, .system_time = 1, .tsc_timestamp = 50 };
    assert_int_equal(kvmclock_read(&finishing, read_tsc_and_rewrite_once, NULL), 888);
}

/*
 * The race. The writer changes all fields together such that the time at TSC race_tsc is always
 * race_time: one field from another version than the rest, and the result is different.
 */
#define RACE_READS 300000

static const uint64_t race_tsc = 1ULL << 40;
static const uint64_t race_time = 1ULL << 50;
static struct kvmclock_time raced;
static bool race_is_over;

static uint64_t read_race_tsc(void)
{
    return race_tsc;
}

static void write_version(struct unit_random *random)
{
    uint32_t version = raced.version;
    uint32_t multiplier = (uint32_t)unit_random_u64(random) | 1;
    int8_t shift = (int8_t)((int)unit_random_below(random, 7) - 3);
    uint64_t ago = unit_random_below(random, 1ULL << 36);

    __atomic_store_n(&raced.version, version + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&raced.tsc_timestamp, race_tsc - ago, __ATOMIC_RELAXED);
    if (unit_random_below(random, 64) == 0)
        sched_yield(); /* long enough for the reader to see the half of it */
    __atomic_store_n(&raced.tsc_to_system_mul, multiplier, __ATOMIC_RELAXED);
    __atomic_store_n(&raced.tsc_shift, shift, __ATOMIC_RELAXED);
    __atomic_store_n(&raced.system_time, race_time - exact_scale(ago, multiplier, shift),
                     __ATOMIC_RELAXED);
    __atomic_store_n(&raced.version, version + 2, __ATOMIC_RELEASE);
}

static void *write_until_over(void *argument)
{
    struct unit_random random = { 42 };

    (void)argument;
    while (!__atomic_load_n(&race_is_over, __ATOMIC_RELAXED))
        write_version(&random);
    return NULL;
}

static void test_read_is_whole_with_a_racing_writer(void **state)
{
    struct unit_random random = { 7 };
    uint32_t first_version;
    pthread_t writer;

    (void)state;
    write_version(&random);
    first_version = raced.version;
    assert_int_equal(pthread_create(&writer, NULL, write_until_over, NULL), 0);
    for (int i = 0; i < RACE_READS || raced.version - first_version < 1000; i++)
        assert_int_equal(kvmclock_read(&raced, read_race_tsc, NULL), race_time);
    __atomic_store_n(&race_is_over, true, __ATOMIC_RELAXED);
    pthread_join(writer, NULL);
}

UNIT_TESTS(UNIT_TEST(test_scale_matches_exact_arithmetic),
           UNIT_TEST(test_scale_of_known_frequencies), UNIT_TEST(test_scale_survives_nonsense),
           UNIT_TEST(test_read_adds_what_passed_since_the_timestamp),
           UNIT_TEST(test_read_waits_for_the_end_of_a_write),
           UNIT_TEST(test_read_notices_a_whole_write_in_between),
           UNIT_TEST(test_read_is_whole_with_a_racing_writer))
