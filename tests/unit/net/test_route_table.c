/*
 * The routing table against a plain list: any number of routes, and always the best of them.
 * One kernel for all tests: the table, once it has grown, lives in its heap.
 */
// links: net/route_table.c
#include "net/route_table.h"

#include "arch/host/host.h"
#include "lib/errno.h"
#include "net/netdev.h"
#include "tests/unit/unit.h"

#define COUNT 1500

static struct netdev devices[3];
static struct route model[COUNT];
static unsigned int model_count;
static uint64_t seed = 1;

static uint32_t random_below(uint32_t limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % limit;
}

/* Few different bits, so that prefixes lie within each other. */
static uint32_t random_address(void)
{
    return random_below(4) << 30 | random_below(8) << 20 | random_below(4) << 9 | random_below(64);
}

static struct route random_route(void)
{
    unsigned int length = random_below(33);

    return (struct route){ .destination = random_address() & ipv4_mask(length),
                           .prefix_length = length,
                           .gateway = random_below(1000),
                           .netdev = &devices[random_below(ARRAY_SIZE(devices))],
                           .metric = random_below(3) };
}

static bool is_same(const struct route *a, const struct route *b)
{
    return a->destination == b->destination && a->prefix_length == b->prefix_length &&
           a->netdev == b->netdev && a->metric == b->metric;
}

static void add(const struct route *route)
{
    for (unsigned int i = 0; i < model_count; i++) {
        if (is_same(&model[i], route)) {
            assert_int_equal(route_table_insert(route), -EEXIST);
            return;
        }
    }
    assert_int_equal(route_table_insert(route), 0);
    model[model_count++] = *route;
}

/* The rank of the best route of the model, and that of what the table says: to be the same. */
static int rank(const struct route *route)
{
    return (int)route->prefix_length * 10 - (int)route->metric;
}

static void check(uint32_t destination, const struct netdev *netdev)
{
    struct route found;
    int best = -10;

    for (unsigned int i = 0; i < model_count; i++) {
        if ((destination & ipv4_mask(model[i].prefix_length)) == model[i].destination &&
            (!netdev || model[i].netdev == netdev))
            best = MAX(best, rank(&model[i]));
    }
    bool is_found = route_table_find(destination, netdev, &found);
    assert_int_equal(is_found, best > -10);
    if (!is_found)
        return;
    assert_int_equal(rank(&found), best);
    assert_int_equal(destination & ipv4_mask(found.prefix_length), found.destination);
    assert_true(!netdev || found.netdev == netdev);
}

static void check_many(void)
{
    for (unsigned int i = 0; i < 300; i++)
        check(random_address(), i % 2 ? NULL : &devices[i / 2 % ARRAY_SIZE(devices)]);
}

/* Longest prefix first, as it is shown; every route of the model once. */
static void check_order(void)
{
    struct route route, last = { .prefix_length = 32 };
    unsigned int count = 0;

    for (; route_get(count, &route); count++) {
        assert_true(route.prefix_length <= last.prefix_length);
        last = route;
    }
    assert_int_equal(count, model_count);
}

static void remove_one(unsigned int at)
{
    const struct netdev *netdev = model[at].netdev;
    uint32_t destination = model[at].destination;
    unsigned int best = at, length = model[at].prefix_length;

    for (unsigned int i = 0; i < model_count; i++) { /* it takes the one of lowest metric */
        if (model[i].destination == destination && model[i].prefix_length == length &&
            model[i].netdev == netdev && model[i].metric < model[best].metric)
            best = i;
    }
    assert_int_equal(route_table_remove(destination, length, netdev), 0);
    model[best] = model[--model_count];
}

static void test_any_number(void **state)
{
    (void)state;
    host_kernel_start();
    check_many();
    for (unsigned int i = 0; i < COUNT; i++) {
        struct route route = random_route();

        add(&route);
        if (i % 100 == 15)
            check_many();
    }
    assert_true(model_count > 500);
    check_order();
    while (model_count > 100) {
        remove_one(random_below(model_count));
        if (model_count % 100 == 0)
            check_many();
    }
    check_order();
    assert_int_equal(route_table_remove(0x12345600, 32, NULL), -ENOENT);
}

static void test_of_one_device(void **state)
{
    unsigned int kept = 0;

    (void)state;
    route_table_remove_netdev(&devices[1]);
    for (unsigned int i = 0; i < model_count; i++) {
        if (model[i].netdev != &devices[1])
            model[kept++] = model[i];
    }
    assert_true(kept < model_count);
    model_count = kept;
    check_order();
    check_many();
    for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
        route_table_remove_netdev(&devices[i]);
    model_count = 0;
    check_many();
}

static void test_no_memory(void **state)
{
    unsigned int count = 0;
    struct route route;
    int error = 0;

    (void)state;
    for (; !error && count < 1u << 20; count++) {
        route = (struct route){ .destination = count, .prefix_length = 32, .netdev = devices };
        host_fail_allocation(1);
        error = route_table_insert(&route);
    }
    assert_int_equal(error, -ENOMEM);
    host_fail_allocation(0);
    assert_true(route_table_find(count - 2, NULL, &route));
    assert_false(route_table_find(count - 1, NULL, &route));
    assert_int_equal(route_table_insert(&route), -EEXIST);
    route_table_remove_netdev(devices);
}

UNIT_TESTS(UNIT_TEST(test_any_number), UNIT_TEST(test_of_one_device), UNIT_TEST(test_no_memory))
