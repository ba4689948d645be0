/*
 * Transmit queues (net/netdev_queue.c) under a driver that does, while it is told to send, all that
 * may happen on another CPU meanwhile: more frames come, the ring fills up and has room again.
 *
 * Every frame reaches the driver once, in order, and nothing waits without somebody to come for it.
 */
// links: net/netdev_queue.c net/loopback.c net/arp.c
#include "tests/unit/unit.h"

#include "arch/host/host.h"
#include "arch/irq.h"
#include "kernel/init.h"
#include "lib/errno.h"
#include "net/loopback.h"
#include "net/netdev.h"

static struct driver {
    struct netdev netdev;
    unsigned int calls;        /* of transmit */
    unsigned int longest;      /* frames in one */
    unsigned int room;         /* frames that the ring takes before it is full */
    uint32_t next;             /* number of the frame that is to come */
    void (*meanwhile)(void);   /* what happens while transmit runs */
    unsigned int poll_answers; /* frames that the next poll sends */
} driver;

static uint32_t next_number; /* of the next frame to send */

static void send_frames(unsigned int count)
{
    while (count-- > 0) {
        struct frame *frame = frame_alloc(FRAME_HEADROOM, 60, 1);
        frame->control[1] = next_number++;
        netdev_transmit(&driver.netdev, frame);
    }
}

static bool transmit(struct netdev *netdev, unsigned int queue, struct frame_queue *frames)
{
    unsigned int count = 0;
    struct frame *frame;

    (void)netdev, (void)queue;
    driver.calls++;
    for (; driver.room > 0 && (frame = frame_queue_pop(frames)) != NULL; count++, driver.room--) {
        assert_int_equal(frame->control[1], driver.next++);
        netdev_transmit_done(frame);
        frame_free(frame);
    }
    driver.longest = MAX(driver.longest, count);
    bool is_full = !frame_queue_is_empty(frames);
    if (driver.meanwhile)
        driver.meanwhile();
    return is_full;
}

static unsigned int poll(struct netdev *netdev, unsigned int queue, unsigned int budget)
{
    unsigned int answers = driver.poll_answers;

    (void)netdev, (void)queue, (void)budget;
    driver.poll_answers = 0;
    send_frames(answers);
    if (answers)
        assert_int_equal(driver.calls, 0); /* not before the poll ends */
    return 0;
}

static const struct netdev_ops ops = { .transmit = transmit, .poll = poll };

static void start(void)
{
    if (!loopback_netdev()) {
        host_kernel_start();
        init_run_level(INIT_SMP);
        init_run_level(INIT_BUS);
    }
    driver =
        (struct driver){ .netdev = { .name = "t", .ops = &ops, .mtu = 1500 }, .room = 1000000 };
    driver.netdev.is_link_up = true;
    next_number = 0;
    assert_int_equal(netdev_register(&driver.netdev), 0);
}

static void stop(void)
{
    assert_int_equal(driver.next, next_number); /* none waits still */
    assert_int_equal(driver.netdev.queues[0].pending.count, 0);
    netdev_unregister(&driver.netdev);
    host_settle();
}

static void test_each_frame_at_once(void **state)
{
    (void)state;
    start();
    for (unsigned int i = 1; i <= 10; i++) {
        send_frames(1);
        assert_int_equal(driver.calls, i);
    }
    stop();
}

static void send_two_more(void)
{
    unsigned int calls = driver.calls;

    driver.meanwhile = NULL;
    send_frames(2);
    assert_int_equal(driver.calls, calls); /* left to whoever sends already */
}

static void test_others_leave_their_frames_to_the_sender(void **state)
{
    (void)state;
    start();
    driver.meanwhile = send_two_more;
    send_frames(1);
    assert_int_equal(driver.calls, 2);
    assert_int_equal(driver.longest, 2);
    stop();
}

static unsigned int still_to_bring;

static void bring_one(void)
{
    if (still_to_bring > 0) {
        still_to_bring--;
        send_frames(1);
    }
}

/* Interrupts are off while a task sends: what others bring without end is left to the softirq. */
static void test_a_sender_does_not_send_for_ever(void **state)
{
    (void)state;
    start();
    still_to_bring = 1000;
    driver.meanwhile = bring_one;
    irqflags_t flags = irq_save();
    send_frames(1);
    assert_in_range(driver.calls, 2, 100);
    irq_restore(flags);
    host_settle();
    assert_int_equal(still_to_bring, 0);
    stop();
}

static void have_room_and_wake(void)
{
    driver.meanwhile = NULL;
    driver.room = 1000;
    netdev_transmit_wake(&driver.netdev, 0);
}

static void test_a_full_ring_waits_for_the_wake_up(void **state)
{
    (void)state;
    start();
    driver.room = 2;
    send_frames(5);
    unsigned int calls = driver.calls;
    send_frames(5);
    host_settle();
    assert_int_equal(driver.calls, calls); /* nobody asks again and again */
    assert_int_equal(driver.next, 2);
    have_room_and_wake();
    host_settle();
    assert_int_equal(driver.calls, calls + 1);
    assert_int_equal(driver.longest, 8);
    stop();
}

static void wake_in_an_interrupt(void *arg)
{
    (void)arg;
    have_room_and_wake();
}

static void interrupt_meanwhile(void)
{
    driver.meanwhile = NULL;
    host_interrupt(wake_in_an_interrupt, NULL);
}

/* The wake-up comes after the driver has found its ring full, and before the sender knows. */
static void test_a_wake_up_during_transmit_is_not_lost(void **state)
{
    (void)state;
    start();
    driver.room = 1;
    driver.meanwhile = have_room_and_wake;
    send_frames(3);
    host_settle();
    stop();
    start();
    driver.room = 1;
    driver.meanwhile = interrupt_meanwhile;
    send_frames(3);
    host_settle();
    stop();
}

static void test_answers_of_a_poll_go_together(void **state)
{
    (void)state;
    start();
    driver.poll_answers = 16;
    netdev_poll_schedule_isr(&driver.netdev, 0);
    host_settle();
    assert_int_equal(driver.calls, 1);
    assert_int_equal(driver.longest, 16);
    stop();
}

static void test_a_stopped_device_takes_nothing(void **state)
{
    (void)state;
    start();
    driver.room = 0;
    send_frames(3);
    netdev_set_link(&driver.netdev, false);
    netdev_transmit_wake(&driver.netdev, 0);
    host_settle();
    assert_int_equal(atomic_load_relaxed(&driver.netdev.counters.drops[NETDEV_DROP_TX_STOPPED]), 3);
    driver.next = next_number;
    stop();
}

UNIT_TESTS(UNIT_TEST(test_each_frame_at_once),
           UNIT_TEST(test_others_leave_their_frames_to_the_sender),
           UNIT_TEST(test_a_sender_does_not_send_for_ever),
           UNIT_TEST(test_a_full_ring_waits_for_the_wake_up),
           UNIT_TEST(test_a_wake_up_during_transmit_is_not_lost),
           UNIT_TEST(test_answers_of_a_poll_go_together),
           UNIT_TEST(test_a_stopped_device_takes_nothing))
