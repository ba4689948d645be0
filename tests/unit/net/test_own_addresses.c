/*
 * The table of this machine's addresses: as many as are wanted, and nobody else's among them.
 * One kernel for all tests: the table, once it has grown, lives in its heap.
 */
// links: net/own_addresses.c
#include "net/own_addresses.h"

#include "arch/host/host.h"
#include "lib/errno.h"
#include "net/netdev.h"
#include "tests/unit/unit.h"

#define COUNT 1000

static struct netdev devices[COUNT];
static struct list interfaces;

/* Device @i has 10.x.y.1/24 for an even @i, for an odd one 172.x.y.1/32, which has no broadcast. */
static uint32_t address_of(unsigned int i)
{
    return (i % 2 == 0 ? 10u << 24 : 172u << 24) | i << 8 | 1;
}

static void set(unsigned int count)
{
    own_addresses_begin();
    list_init(&interfaces);
    for (unsigned int i = 0; i < count; i++) {
        devices[i].interface.ipv4 = address_of(i);
        devices[i].interface.prefix_length = i % 2 == 0 ? 24 : 32;
        list_push_back(&interfaces, &devices[i].interface.node);
    }
    own_addresses_end(&interfaces);
}

static void check(unsigned int count)
{
    assert_int_equal(interface_classify(0), ADDRESS_FOREIGN);
    assert_int_equal(interface_classify(IPV4_BROADCAST), ADDRESS_BROADCAST);
    assert_int_equal(interface_classify(0x7F123456), ADDRESS_OWN); /* 127.18.52.86 */
    for (unsigned int i = 0; i < COUNT; i++) {
        uint32_t own = address_of(i);
        bool is_there = i < count;
        bool has_broadcast = is_there && i % 2 == 0;

        assert_int_equal(interface_classify(own), is_there ? ADDRESS_OWN : ADDRESS_FOREIGN);
        assert_int_equal(interface_classify(own + 1), ADDRESS_FOREIGN);
        assert_int_equal(interface_classify(own | 0xFF),
                         has_broadcast ? ADDRESS_BROADCAST : ADDRESS_FOREIGN);
    }
}

static void test_any_number(void **state)
{
    static const unsigned int counts[] = { 1, 2, 4, 5, 9, 63, 64, 65, 257, COUNT, 3, 0, 700 };

    (void)state;
    host_kernel_start();
    set(0);
    check(0);
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        assert_int_equal(own_addresses_reserve(counts[i]), 0);
        set(counts[i]);
        check(counts[i]);
    }
    set(0);
}

/* What one has as its address may be the broadcast of another's net: it is an address. */
static void test_own_before_broadcast(void **state)
{
    (void)state;
    set(1);
    own_addresses_begin();
    devices[1].interface.ipv4 = address_of(0) | 0xFF;
    devices[1].interface.prefix_length = 32;
    list_push_back(&interfaces, &devices[1].interface.node);
    own_addresses_end(&interfaces);
    assert_int_equal(interface_classify(address_of(0) | 0xFF), ADDRESS_OWN);
    set(0);
    assert_int_equal(interface_classify(address_of(0) | 0xFF), ADDRESS_FOREIGN);
}

static void test_no_memory(void **state)
{
    (void)state;
    host_fail_allocation(1);
    assert_int_equal(own_addresses_reserve(1u << 20), -ENOMEM);
    check(0);
}

UNIT_TESTS(UNIT_TEST(test_any_number), UNIT_TEST(test_own_before_broadcast),
           UNIT_TEST(test_no_memory))
