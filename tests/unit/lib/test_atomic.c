/*
 * lib/atomic.h: what each operation returns and leaves, for every width, and under two threads.
 */
#include "lib/atomic.h"

#include <pthread.h>

#include "tests/unit/unit.h"

static void test_operations(void **state)
{
    atomic_u64 a = ATOMIC_INIT(10);
    uint64_t expected = 10;

    (void)state;
    assert_int_equal(atomic_fetch_add(&a, 5), 10);
    assert_int_equal(atomic_fetch_sub(&a, 1), 15);
    assert_int_equal(atomic_fetch_or(&a, 0xf0), 14);
    assert_int_equal(atomic_fetch_and(&a, 0x3c), 0xfe);
    assert_int_equal(atomic_fetch_xor(&a, 0xff), 0x3c);
    assert_int_equal(atomic_exchange(&a, 7), 0xc3);
    assert_false(atomic_cmpxchg(&a, &expected, 99));
    assert_int_equal(expected, 7);
    assert_true(atomic_cmpxchg(&a, &expected, 99));
    assert_int_equal(atomic_load(&a), 99);
    atomic_store_release(&a, UINT64_MAX);
    assert_true(atomic_fetch_add_relaxed(&a, 1) == UINT64_MAX);
    assert_int_equal(atomic_load_acquire(&a), 0);
}

static void test_widths(void **state)
{
    atomic_u32 narrow = ATOMIC_INIT(UINT32_MAX);
    atomic_int number = ATOMIC_INIT(-1);
    atomic_bool flag = ATOMIC_INIT(false);
    atomic_size size = ATOMIC_INIT(SIZE_MAX);
    void *pointer = NULL;

    (void)state;
    atomic_fetch_add(&narrow, 2);
    assert_int_equal(atomic_load_relaxed(&narrow), 1);
    assert_int_equal(atomic_fetch_sub(&number, 1), -1);
    assert_int_equal(atomic_load(&number), -2);
    assert_false(atomic_exchange(&flag, true));
    assert_true(atomic_exchange_acquire(&flag, false));
    assert_true(atomic_load(&size) == SIZE_MAX);
    store_release(&pointer, &pointer);
    assert_ptr_equal(load_acquire(&pointer), &pointer);
}

#define ROUNDS 200000

/* One thread publishes a plain value by a release, the other takes it by an acquire. */
struct exchange {
    atomic_u32 counter;
    atomic_u32 turn; /* 0: the writer's, 1: the reader's */
    uint64_t plain;
};

static void *write_values(void *context)
{
    struct exchange *exchange = context;

    for (uint64_t i = 0; i < ROUNDS; i++) {
        atomic_fetch_add_relaxed(&exchange->counter, 1);
        while (atomic_load_acquire(&exchange->turn) != 0)
            sched_yield();
        exchange->plain = i * i;
        atomic_store_release(&exchange->turn, 1);
    }
    return NULL;
}

static void test_two_threads(void **state)
{
    struct exchange exchange = { .plain = 0 };
    pthread_t writer;

    (void)state;
    assert_int_equal(pthread_create(&writer, NULL, write_values, &exchange), 0);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        atomic_fetch_add_relaxed(&exchange.counter, 1);
        while (atomic_load_acquire(&exchange.turn) != 1)
            sched_yield();
        assert_true(exchange.plain == i * i);
        atomic_store_release(&exchange.turn, 0);
    }
    pthread_join(writer, NULL);
    assert_int_equal(atomic_load(&exchange.counter), 2 * ROUNDS);
}

UNIT_TESTS(UNIT_TEST(test_operations), UNIT_TEST(test_widths), UNIT_TEST(test_two_threads))
