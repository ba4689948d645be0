/*
 * Room in a transmit queue: how much may be on its way, who waits for more, in which order.
 */
// links: net/loopback.c net/arp.c net/netdev.c net/udp.c net/tcp_socket.c net/ipv4_fragment.c
#include "tests/unit/unit.h"

#include "arch/host/host.h"
#include "kernel/init.h"
#include "net/netdev.h"

#define FRAME_LENGTH 60000u
#define WAITERS      3

/* ---- a device that is done with frames when the test says so ---- */

static struct netdev device;
static struct frame_queue ring;

static bool slow_transmit(struct netdev *netdev, unsigned int queue, struct frame_queue *frames)
{
    struct frame *frame;
    (void)netdev, (void)queue;

    while ((frame = frame_queue_pop(frames)) != NULL)
        frame_queue_push(&ring, frame);
    return false;
}

static const struct netdev_ops slow_ops = { .transmit = slow_transmit };

static void start_device(void)
{
    device = (struct netdev){ .name = "eth",
                              .ops = &slow_ops,
                              .mtu = 65535,
                              .is_link_up = true,
                              .features = NETDEV_TX_CSUM,
                              .driver = "slow" };
    frame_queue_init(&ring);
    assert_int_equal(netdev_register(&device), 0);
}

static void finish_one(void)
{
    struct frame *frame = frame_queue_pop(&ring);

    netdev_transmit_done(frame);
    frame_free(frame);
}

static void send_one(uint32_t length)
{
    netdev_transmit(&device, frame_alloc(0, length, 1));
}

/* Return: frames that found room. */
static unsigned int fill(uint32_t length)
{
    unsigned int count = 0;

    for (; netdev_has_room(&device, false); count++)
        send_one(length);
    return count;
}

/* ---- those in line: each sends one frame in its turn, and wants another turn ---- */

struct sender {
    struct netdev_waiter waiter;
    unsigned int turns;
};

static struct sender senders[WAITERS];
static unsigned int order[16], order_count;

static void take_turn(struct netdev_waiter *waiter)
{
    struct sender *sender = container_of(waiter, struct sender, waiter);

    assert_true(netdev_has_room(&device, true));
    order[order_count++] = (unsigned int)(sender - senders);
    send_one(FRAME_LENGTH);
    if (--sender->turns > 0)
        netdev_wait_room(&device, waiter);
}

static void get_in_line(unsigned int number, unsigned int turns)
{
    senders[number].turns = turns;
    senders[number].waiter.has_room = take_turn;
    list_node_init(&senders[number].waiter.node);
    netdev_wait_room(&device, &senders[number].waiter);
}

static int run_line(void *arg)
{
    static const unsigned int fair[] = { 0, 1, 2, 0, 1, 2 };
    unsigned int count;
    (void)arg;

    start_device();
    order_count = 0;
    count = fill(FRAME_LENGTH);
    assert_in_range(count, 4, NETDEV_QUEUE_LENGTH); /* enough for a device to be busy */
    for (unsigned int i = 0; i < WAITERS; i++)
        get_in_line(i, 2);

    finish_one();
    assert_int_equal(order_count, 0); /* a turn begins when much is done, not for each frame */
    assert_false(netdev_has_room(&device, false)); /* nobody overtakes those in line */
    send_one(FRAME_LENGTH);                        /* but who need not ask is not held up */
    while (!frame_queue_is_empty(&ring))
        finish_one();
    assert_int_equal(order_count, ARRAY_SIZE(fair));
    assert_memory_equal(order, fair, sizeof(fair));
    assert_true(netdev_has_room(&device, false));

    get_in_line(0, 1); /* with nothing on its way there is nobody to wait for */
    assert_int_equal(order_count, ARRAY_SIZE(fair) + 1);

    fill(FRAME_LENGTH);
    get_in_line(1, 1);
    netdev_stop(&device); /* a stopped device keeps nobody waiting */
    assert_int_equal(senders[1].turns, 0);
    while (!frame_queue_is_empty(&ring))
        finish_one();
    netdev_unregister(&device);
    return 0;
}

/* However small the frames: the queue does not overflow by those who ask. */
static int run_small(void *arg)
{
    (void)arg;
    start_device();
    assert_in_range(fill(60), 16, NETDEV_QUEUE_LENGTH);
    assert_int_equal(device.counters.drops[NETDEV_DROP_TX_QUEUE_FULL].value, 0);
    while (!frame_queue_is_empty(&ring))
        finish_one();
    netdev_unregister(&device);
    return 0;
}

static void test_line(void **state)
{
    (void)state;
    host_run(run_line, NULL);
}

static void test_small(void **state)
{
    (void)state;
    host_run(run_small, NULL);
}

static void prepare(void)
{
    host_kernel_start();
    init_run_level(INIT_SMP);
    init_run_level(INIT_BUS);
}

UNIT_TESTS_SETUP(prepare, UNIT_TEST(test_line), UNIT_TEST(test_small))
