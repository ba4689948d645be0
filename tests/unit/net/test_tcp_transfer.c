/*
 * TCP over a wire that loses, reorders, duplicates, corrupts and delays frames, by seed: every
 * transfer ends bit-exact, none hangs, and all memory and table entries come back.
 */
// links: net/loopback.c net/arp.c tests/unit/net/wire.c tests/unit/net/tcp_transfer.c
#include "tests/unit/net/tcp_transfer.h"

/* No window may be the limit on 10 ms: 100 MB/s need 1 MB in flight. */
static void test_window_grows(void **state)
{
    struct wire_conditions conditions = { .delay_ns = 5 * NS_PER_MS,
                                          .bytes_per_second = 100000000 };
    uint64_t elapsed = transfer_once(1, 40000000, &conditions);

    (void)state;
    print_message("40 MB in %llu ms\n", (unsigned long long)(elapsed / NS_PER_MS));
    assert_true(elapsed < 600 * NS_PER_MS);
}

static void test_clean(void **state)
{
    static const size_t lengths[] = { 0, 1, 1459, 1460, 1461, 65535, 65536, 1000000, 10000000 };
    struct wire_conditions conditions = { .delay_ns = NS_PER_MS };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
        transfer_once(i + 1, lengths[i], &conditions);
}

static void test_offloads(void **state)
{
    struct wire_conditions conditions = { .delay_ns = NS_PER_MS,
                                          .features = NETDEV_TX_CSUM | NETDEV_TSO4 };

    (void)state;
    transfer_once(1, 10000000, &conditions);
    conditions.loss = 200;
    transfer_once(2, 3000000, &conditions);
}

static void test_terrible(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct unit_random random = { seed };
        struct wire_conditions conditions = {
            .delay_ns = unit_random_below(&random, 50) * NS_PER_MS,
            .jitter_ns = unit_random_below(&random, 20) * NS_PER_MS,
            .loss = (unsigned int)unit_random_below(&random, 2000),
            .duplicate = (unsigned int)unit_random_below(&random, 1000),
            .corrupt = (unsigned int)unit_random_below(&random, 500),
            .features = unit_random_below(&random, 2) ? NETDEV_TX_CSUM | NETDEV_TSO4 : 0,
        };

        transfer_once(seed, 1 + unit_random_below(&random, 60000), &conditions);
    }
}

/* What cwnd allows and the device cannot take yet waits: nothing is lost on our own side. */
static void test_slow_device(void **state)
{
    static const unsigned int features[] = { 0, NETDEV_TX_CSUM | NETDEV_TSO4 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
        struct wire_conditions conditions = { .delay_ns = 5 * NS_PER_MS,
                                              .bytes_per_second = 100000000,
                                              .features = features[i],
                                              .ring = 16 };
        uint64_t sent_again = tcp_counter(TCP_RETRANSMITTED);
        uint64_t elapsed = transfer_once(i + 1, 20000000, &conditions);

        print_message("20 MB in %llu ms\n", (unsigned long long)(elapsed / NS_PER_MS));
        assert_int_equal(tcp_counter(TCP_RETRANSMITTED), sent_again);
        assert_true(elapsed < 350 * NS_PER_MS);
    }
}

UNIT_TESTS(UNIT_TEST(test_clean), UNIT_TEST(test_offloads), UNIT_TEST(test_window_grows),
           UNIT_TEST(test_slow_device), UNIT_TEST(test_terrible))
