/*
 * The DHCP client in simulated time, against a server that answers, falls silent, and refuses.
 */
// links: net/loopback.c net/arp.c net/netdev.c net/udp.c net/tcp_socket.c net/ipv4_fragment.c
// links: net/dhcp.c tests/unit/net/link.c
#include "tests/unit/unit.h"

#include "arch/host/host.h"
#include "kernel/init.h"
#include "kernel/sched/task.h"
#include "lib/byteorder.h"
#include "lib/checksum.h"
#include "lib/errno.h"
#include "net/dhcp.h"
#include "net/dhcp_message.h"
#include "net/ethernet.h"
#include "net/loopback.h"
#include "net/netdev.h"
#include "tests/unit/net/link.h"

#define OWN     IPV4(10, 1, 0, 50)
#define SERVER  IPV4(10, 1, 0, 1)
#define LEASE_S 800
#define T1_S    100
#define T2_S    400

/* Where things are in a frame of DHCP without options of IP. */
enum {
    IP_HEADER = ETHERNET_HEADER_SIZE,
    UDP_HEADER = IP_HEADER + 20,
    MESSAGE = UDP_HEADER + 8,
    OPTIONS = MESSAGE + 240,
    REPLY_SIZE = OPTIONS + 3 + 6 + 6 + 6 + 6 + 6 + 1
};

static const uint8_t own_mac[MAC_SIZE] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t server_mac[MAC_SIZE] = { 2, 0, 0, 0, 0, 2 };

/* ---- the link, and the server behind it ------------------------------------------------------ */

static struct netdev device;
static bool is_silent, refuses;

struct message {
    uint64_t when_ns;
    uint8_t type;
    bool is_broadcast;
    uint32_t client_address;
};
static struct message messages[64]; /* that the client has sent */
static size_t message_count;

static uint8_t *add_option(uint8_t *at, uint8_t code, uint32_t value)
{
    at[0] = code;
    at[1] = 4;
    store_be32(at + 2, value);
    return at + 6;
}

static void reply(const uint8_t *request, enum dhcp_type type)
{
    struct frame *frame = frame_alloc(0, REPLY_SIZE, 1);
    uint8_t *bytes = frame_data(frame);
    uint8_t *at = bytes + OPTIONS;

    memset(bytes, 0, REPLY_SIZE);
    memcpy(bytes, ethernet_broadcast, MAC_SIZE);
    memcpy(bytes + MAC_SIZE, server_mac, MAC_SIZE);
    store_be16(bytes + 12, ETHERTYPE_IPV4);
    bytes[IP_HEADER] = 0x45;
    store_be16(bytes + IP_HEADER + 2, REPLY_SIZE - IP_HEADER);
    bytes[IP_HEADER + 8] = 64;
    bytes[IP_HEADER + 9] = 17;
    store_be32(bytes + IP_HEADER + 12, SERVER);
    store_be32(bytes + IP_HEADER + 16, IPV4_BROADCAST);
    uint16_t checksum = checksum_fold(checksum_partial(bytes + IP_HEADER, 20, 0));
    memcpy(bytes + IP_HEADER + 10, &checksum, 2);
    store_be16(bytes + UDP_HEADER, DHCP_SERVER_PORT);
    store_be16(bytes + UDP_HEADER + 2, DHCP_CLIENT_PORT);
    store_be16(bytes + UDP_HEADER + 4, REPLY_SIZE - UDP_HEADER);
    memcpy(bytes + MESSAGE, request, 240); /* transaction, hardware address, magic number */
    bytes[MESSAGE] = 2;
    store_be32(bytes + MESSAGE + 16, type == DHCP_NAK ? 0 : OWN);
    *at++ = 53;
    *at++ = 1;
    *at++ = (uint8_t)type;
    at = add_option(at, 54, SERVER);
    if (type != DHCP_NAK) {
        at = add_option(at, 1, 0xffffff00);
        at = add_option(at, 51, LEASE_S);
        at = add_option(at, 58, T1_S);
        at = add_option(at, 59, T2_S);
    }
    *at = 255;
    link_receive(&device, frame);
}

static uint8_t type_of(const uint8_t *message, size_t length)
{
    for (size_t at = 240; at + 2 < length && message[at] != 255; at += 2u + message[at + 1])
        if (message[at] == 53)
            return message[at + 2];
    return 0;
}

static void serve(const uint8_t *bytes, size_t length)
{
    const uint8_t *message = bytes + MESSAGE;
    uint8_t type = type_of(message, length - MESSAGE);

    assert_true(message_count < ARRAY_SIZE(messages));
    messages[message_count++] =
        (struct message){ .when_ns = clock_now_ns(),
                          .type = type,
                          .is_broadcast = load_be32(bytes + IP_HEADER + 16) == IPV4_BROADCAST,
                          .client_address = load_be32(message + 12) };
    if (is_silent)
        return;
    if (type == DHCP_DISCOVER)
        reply(message, DHCP_OFFER);
    else if (type == DHCP_REQUEST)
        reply(message, refuses ? DHCP_NAK : DHCP_ACK);
}

/* The server's address is asked for by ARP before it is spoken to alone. */
static void answer_arp(const uint8_t *request)
{
    struct frame *frame = frame_alloc(0, 42, 1);
    uint8_t *bytes = frame_data(frame);

    memcpy(bytes, request, 42);
    memcpy(bytes, own_mac, MAC_SIZE);
    memcpy(bytes + MAC_SIZE, server_mac, MAC_SIZE);
    store_be16(bytes + 20, 2);
    memcpy(bytes + 22, server_mac, MAC_SIZE);
    memcpy(bytes + 28, request + 38, 4);
    memcpy(bytes + 32, request + 22, 10);
    link_receive(&device, frame);
}

static bool link_transmit(struct netdev *netdev, unsigned int queue, struct frame_queue *frames)
{
    struct frame *frame;
    (void)netdev, (void)queue;

    while ((frame = frame_queue_pop(frames)) != NULL) {
        uint8_t bytes[1514] = { 0 };
        size_t length = frame->length;
        frame_copy_out(frame, 0, bytes, frame->length);
        if (load_be16(bytes + 12) == ETHERTYPE_ARP && load_be32(bytes + 38) == SERVER)
            answer_arp(bytes);
        else if (load_be16(bytes + 12) == ETHERTYPE_IPV4)
            serve(bytes, length);
        netdev_transmit_done(frame);
        frame_free(frame);
    }
    return false;
}

static const struct netdev_ops link_ops = { .transmit = link_transmit,
                                            .poll = link_poll,
                                            .poll_end = link_poll_end };

/* The first message of this kind from number @from on. */
static const struct message *find(size_t from, uint8_t type, bool is_broadcast)
{
    for (size_t i = from; i < message_count; i++)
        if (messages[i].type == type && messages[i].is_broadcast == is_broadcast)
            return &messages[i];
    fail_msg("no message of type %u has been sent", type);
    return NULL;
}

static enum dhcp_state state(void)
{
    struct dhcp_status status;

    assert_true(dhcp_status(&device, &status));
    return status.state;
}

static void get_lease(void)
{
    assert_int_equal(dhcp_start(&device), 0);
    assert_int_equal(dhcp_wait(&device, deadline_after_ns(10 * NS_PER_S)), 0);
    assert_int_equal(state(), DHCP_STATE_BOUND);
    assert_int_equal(interface_ipv4(&device.interface), OWN);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void a_lease_is_renewed_rebound_and_lost(void)
{
    get_lease();
    uint64_t begun_ns = find(0, DHCP_REQUEST, true)->when_ns;

    host_advance_ns(T1_S * NS_PER_S); /* the server is asked alone, and gives another LEASE_S */
    const struct message *renewal = find(0, DHCP_REQUEST, false);
    assert_true(renewal->when_ns >= begun_ns + T1_S * NS_PER_S);
    assert_int_equal(renewal->client_address, OWN);
    assert_int_equal(state(), DHCP_STATE_BOUND);

    begun_ns = renewal->when_ns;
    is_silent = true;
    size_t seen = message_count;
    host_advance_ns((LEASE_S + 5) * NS_PER_S);
    assert_true(find(seen, DHCP_REQUEST, false)->when_ns >= begun_ns + T1_S * NS_PER_S);
    const struct message *rebinding = find(seen, DHCP_REQUEST, true);
    assert_true(rebinding->when_ns >= begun_ns + T2_S * NS_PER_S);
    assert_int_equal(rebinding->client_address, OWN);
    const struct message *again = find(seen, DHCP_DISCOVER, true);
    assert_in_range(again->when_ns, begun_ns + LEASE_S * NS_PER_S,
                    begun_ns + (LEASE_S + 1) * NS_PER_S);
    assert_int_equal(interface_ipv4(&device.interface), 0);
    assert_int_equal(state(), DHCP_STATE_SELECTING);

    is_silent = false;
    assert_int_equal(dhcp_wait(&device, deadline_after_ns(100 * NS_PER_S)), 0);
}

static void a_refusal_begins_anew(void)
{
    get_lease();
    refuses = true;
    size_t seen = message_count;
    host_advance_ns((T1_S + 10) * NS_PER_S);
    find(seen, DHCP_DISCOVER, true);
    assert_int_equal(interface_ipv4(&device.interface), 0);
    assert_in_range(message_count - seen, 1 + 2 * 5, 1 + 2 * 20); /* about once a second, no more */
    refuses = false;
    assert_int_equal(dhcp_wait(&device, deadline_after_ns(100 * NS_PER_S)), 0);
}

/* Without an answer each question waits about twice as long as the one before, up to a minute. */
static void silence_is_asked_ever_more_seldom(void)
{
    is_silent = true;
    assert_int_equal(dhcp_start(&device), 0);
    assert_int_equal(dhcp_wait(&device, deadline_after_ns(600 * NS_PER_S)), -ETIMEDOUT);
    assert_in_range(message_count, 12, 18);
    for (size_t i = 1; i < message_count; i++) {
        uint64_t gap_ns = messages[i].when_ns - messages[i - 1].when_ns;
        uint64_t wanted_ns = MIN(NS_PER_S << (i - 1), 64 * NS_PER_S);
        assert_in_range(gap_ns, wanted_ns - NS_PER_S / 2, wanted_ns + NS_PER_S / 2);
    }
}

static int waiting_task(void *arg)
{
    (void)arg;
    return dhcp_wait(&device, DEADLINE_NEVER);
}

/* The client's memory goes with it: who waits must not look there. */
static void waiting_ends_with_the_client(void)
{
    struct task *waiting;
    int status = 0;

    is_silent = true;
    assert_int_equal(dhcp_start(&device), 0);
    assert_int_equal(task_create("waiting", waiting_task, NULL, &waiting), 0);
    host_advance_ns(5 * NS_PER_S);
    netdev_unregister(&device);
    assert_int_equal(task_join(waiting, &status, deadline_after_ns(100 * NS_PER_S)), 0);
    assert_int_equal(status, -ENOENT);
    assert_int_equal(dhcp_wait(&device, DEADLINE_NEVER), -ENOENT);
    assert_int_equal(netdev_register(&device), 0);
}

/* ---- each in a kernel that goes on ----------------------------------------------------------- */

static int run_one(void *arg)
{
    void (*const *test)(void) = arg;

    memset(&device, 0, sizeof(device));
    frame_queue_init(&link_incoming);
    device.ops = &link_ops;
    device.mtu = 1500;
    device.is_link_up = true;
    memcpy(device.mac, own_mac, MAC_SIZE);
    is_silent = refuses = false;
    message_count = 0;
    assert_int_equal(netdev_register(&device), 0);
    (*test)();
    netdev_unregister(&device);
    host_advance_ns(100 * NS_PER_S);
    return 0;
}

#define DHCP_TEST(function)                                                                        \
    static void test_##function(void **state)                                                      \
    {                                                                                              \
        static void (*const test)(void) = function;                                                \
        (void)state;                                                                               \
        if (!loopback_netdev()) {                                                                  \
            host_kernel_start();                                                                   \
            init_run_level(INIT_SMP);                                                              \
            init_run_level(INIT_BUS);                                                              \
            init_run_level(INIT_SERVICE);                                                          \
        }                                                                                          \
        host_run(run_one, (void *)&test);                                                          \
    }
DHCP_TEST(a_lease_is_renewed_rebound_and_lost)
DHCP_TEST(a_refusal_begins_anew)
DHCP_TEST(silence_is_asked_ever_more_seldom)
DHCP_TEST(waiting_ends_with_the_client)

UNIT_TESTS(UNIT_TEST(test_a_lease_is_renewed_rebound_and_lost),
           UNIT_TEST(test_a_refusal_begins_anew), UNIT_TEST(test_silence_is_asked_ever_more_seldom),
           UNIT_TEST(test_waiting_ends_with_the_client))
