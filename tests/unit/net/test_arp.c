/*
 * ARP against neighbours that answer, fall silent, lie, flood, and claim our address.
 */
// links: net/loopback.c net/arp.c net/netdev.c net/udp.c net/tcp_socket.c net/ipv4_fragment.c
// links: tests/unit/net/link.c
#include "tests/unit/unit.h"

#include "arch/host/host.h"
#include "kernel/init.h"
#include "lib/byteorder.h"
#include "lib/errno.h"
#include "net/arp.h"
#include "net/ethernet.h"
#include "net/loopback.h"
#include "net/netdev.h"
#include "net/socket.h"
#include "tests/unit/net/link.h"

#define OWN       IPV4(10, 1, 0, 1)
#define NEIGHBOUR IPV4(10, 1, 0, 2)
#define ARP_SIZE  28
#define REQUEST   1
#define REPLY     2

static const uint8_t own_mac[MAC_SIZE] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t honest[MAC_SIZE] = { 2, 0, 0, 0, 0, 2 };
static const uint8_t evil[MAC_SIZE] = { 2, 0, 0, 0, 0, 0x66 };

/* ---- the link: what the stack sends is noted, what it is to receive waits in a queue ----------
 */

static struct netdev device;
static unsigned int requests, replies, packets; /* sent since forget_sent() */
static uint8_t last_arp[ETHERNET_HEADER_SIZE + ARP_SIZE], last_destination[MAC_SIZE];

static void forget_sent(void)
{
    requests = replies = packets = 0;
}

static bool link_transmit(struct netdev *netdev, unsigned int queue, struct frame_queue *frames)
{
    struct frame *frame;
    (void)netdev, (void)queue;

    while ((frame = frame_queue_pop(frames)) != NULL) {
        const uint8_t *data = frame_data(frame);
        if (load_be16(data + 12) == ETHERTYPE_ARP) {
            memcpy(last_arp, data, sizeof(last_arp));
            ++*(load_be16(data + 20) == REQUEST ? &requests : &replies);
        } else {
            memcpy(last_destination, data, MAC_SIZE);
            packets++;
        }
        netdev_transmit_done(frame);
        frame_free(frame);
    }
    return false;
}

static const struct netdev_ops link_ops = { .transmit = link_transmit,
                                            .poll = link_poll,
                                            .poll_end = link_poll_end };

static void receive_bytes(const uint8_t *bytes, size_t length)
{
    struct frame *frame = frame_alloc(0, (uint32_t)length, 1);

    memcpy(frame_data(frame), bytes, length);
    link_receive(&device, frame);
    host_settle();
}

static void make_arp(uint8_t *bytes, uint16_t operation, const uint8_t *mac, uint32_t sender,
                     uint32_t target)
{
    memcpy(bytes, operation == REQUEST ? ethernet_broadcast : own_mac, MAC_SIZE);
    memcpy(bytes + 6, mac, MAC_SIZE);
    store_be16(bytes + 12, ETHERTYPE_ARP);
    store_be16(bytes + 14, 1);
    store_be16(bytes + 16, ETHERTYPE_IPV4);
    bytes[18] = MAC_SIZE;
    bytes[19] = 4;
    store_be16(bytes + 20, operation);
    memcpy(bytes + 22, mac, MAC_SIZE);
    store_be32(bytes + 28, sender);
    memset(bytes + 32, 0, MAC_SIZE);
    store_be32(bytes + 38, target);
}

static void receive_arp(uint16_t operation, const uint8_t *mac, uint32_t sender, uint32_t target)
{
    uint8_t bytes[ETHERNET_HEADER_SIZE + ARP_SIZE];

    make_arp(bytes, operation, mac, sender, target);
    receive_bytes(bytes, sizeof(bytes));
}

/* ---- the stack --------------------------------------------------------------------------------
 */

static struct socket *udp;

static int send_datagram(void)
{
    const struct socket_address peer = socket_address_v4(NEIGHBOUR, 7);
    int error = socket_send_to(udp, "x", 1, &peer);

    host_settle();
    return error;
}

static unsigned int entries(void)
{
    struct arp_entry_info info;
    unsigned int count = 0;

    while (arp_get(count, &info))
        count++;
    return count;
}

static void expect_entry(enum arp_state state, const uint8_t *mac)
{
    struct arp_entry_info info;

    assert_true(arp_get(0, &info));
    assert_int_equal(info.address, NEIGHBOUR);
    assert_int_equal(info.state, state);
    assert_memory_equal(info.mac, mac, MAC_SIZE);
}

/* The neighbour is known, by our question and its answer. */
static void resolve(void)
{
    assert_int_equal(send_datagram(), 0);
    assert_int_equal(requests, 1);
    assert_memory_equal(last_arp, ethernet_broadcast, MAC_SIZE);
    assert_int_equal(packets, 0);
    receive_arp(REPLY, honest, NEIGHBOUR, OWN);
    assert_int_equal(packets, 1);
    assert_memory_equal(last_destination, honest, MAC_SIZE);
    expect_entry(ARP_REACHABLE, honest);
    forget_sent();
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void poisoning(void)
{
    uint64_t ignored = arp_counter(ARP_UNSOLICITED);

    receive_arp(REPLY, evil, NEIGHBOUR, OWN); /* nobody asked */
    assert_int_equal(entries(), 0);
    resolve();
    for (int i = 0; i < 3; i++) {
        receive_arp(REPLY, evil, NEIGHBOUR, OWN);
        receive_arp(REQUEST, evil, NEIGHBOUR, NEIGHBOUR); /* gratuitous */
        receive_arp(REQUEST, evil, NEIGHBOUR, OWN);       /* answered, and not learnt from */
        expect_entry(ARP_REACHABLE, honest);
    }
    assert_int_equal(arp_counter(ARP_UNSOLICITED) - ignored, 4);
    assert_int_equal(replies, 3);
    send_datagram();
    assert_memory_equal(last_destination, honest, MAC_SIZE);
    host_advance_ns(61 * NS_PER_S); /* stale, with no question out */
    receive_arp(REPLY, evil, NEIGHBOUR, OWN);
    receive_arp(REQUEST, evil, NEIGHBOUR, OWN);
    expect_entry(ARP_STALE, honest);
}

/* Stale after a minute: used on, asked for by unicast when used, and fresh again by the answer. */
static void ageing(void)
{
    resolve();
    host_advance_ns(59 * NS_PER_S);
    send_datagram();
    assert_int_equal(requests, 0);
    host_advance_ns(2 * NS_PER_S);
    expect_entry(ARP_STALE, honest);
    send_datagram();
    assert_int_equal(packets, 2); /* nothing waits */
    assert_int_equal(requests, 1);
    assert_memory_equal(last_arp, honest, MAC_SIZE);
    receive_arp(REPLY, honest, NEIGHBOUR, OWN);
    expect_entry(ARP_REACHABLE, honest);
    arp_confirm(&device, NEIGHBOUR); /* as TCP does at each new acknowledgment */
    host_advance_ns(30 * NS_PER_S);
    arp_confirm(&device, NEIGHBOUR);
    host_advance_ns(59 * NS_PER_S);
    forget_sent();
    send_datagram();
    assert_int_equal(requests, 0);
    host_advance_ns(599 * NS_PER_S);
    assert_int_equal(entries(), 1);
    host_advance_ns(4 * NS_PER_S); /* nobody has used it for ten minutes */
    assert_int_equal(entries(), 0);
    assert_int_equal(requests, 0);
}

/* Asked three times a second apart; then it is dropped, and the next packet asks everybody. */
static void silent_neighbour(void)
{
    uint64_t unanswered = arp_counter(ARP_TIMEOUTS);

    resolve();
    host_advance_ns(61 * NS_PER_S);
    send_datagram();
    host_advance_ns(2500 * NS_PER_MS);
    assert_int_equal(requests, 3);
    assert_memory_equal(last_arp, honest, MAC_SIZE);
    host_advance_ns(2 * NS_PER_S);
    assert_int_equal(requests, 3);
    assert_int_equal(entries(), 0);
    assert_int_equal(arp_counter(ARP_TIMEOUTS) - unanswered, 1);
    forget_sent();
    send_datagram();
    assert_int_equal(requests, 1);
    assert_memory_equal(last_arp, ethernet_broadcast, MAC_SIZE);
    receive_arp(REPLY, evil, NEIGHBOUR, OWN); /* it has a new card: an answer counts now */
    expect_entry(ARP_REACHABLE, evil);
}

/* Nobody there: a bounded number of frames wait, and who sent them hears of it. */
static void nobody_there(void)
{
    const struct socket_address peer = socket_address_v4(NEIGHBOUR, 7);
    uint64_t dropped = arp_counter(ARP_PENDING_DROPPED);
    struct arp_entry_info info;

    assert_int_equal(socket_connect(udp, &peer, DEADLINE_NEVER), 0);
    for (int i = 0; i < ARP_PENDING_MAX + 5; i++)
        assert_int_equal(socket_send(udp, "x", 1, DEADLINE_NEVER, NULL), 0);
    assert_true(arp_get(0, &info));
    assert_int_equal(info.pending, ARP_PENDING_MAX);
    assert_int_equal(arp_counter(ARP_PENDING_DROPPED) - dropped, 5);
    host_advance_ns(5 * NS_PER_S);
    assert_int_equal(entries(), 0);
    assert_int_equal(requests, 3);
    assert_int_equal(packets, 0);
    char byte;
    size_t received;
    assert_int_equal(socket_receive(udp, &byte, 1, deadline_after_ns(0), &received), -EHOSTUNREACH);
}

/* RFC 5227, 2.4 (b): defended by one announcement, and the next not before 10 s have gone by. */
static void conflict(void)
{
    uint64_t conflicts = arp_counter(ARP_CONFLICTS);

    host_advance_ns(20 * NS_PER_S); /* the defence of an earlier test */
    resolve();
    receive_arp(REPLY, evil, OWN, OWN);
    assert_int_equal(requests, 1);
    assert_int_equal(load_be32(last_arp + 28), OWN);
    assert_int_equal(load_be32(last_arp + 38), OWN);
    assert_memory_equal(last_arp, ethernet_broadcast, MAC_SIZE);
    receive_arp(REQUEST, evil, OWN, OWN);
    receive_arp(REQUEST, evil, OWN, NEIGHBOUR);
    assert_int_equal(requests, 1);
    host_advance_ns(11 * NS_PER_S);
    receive_arp(REQUEST, evil, OWN, OWN);
    assert_int_equal(requests, 2);
    assert_int_equal(arp_counter(ARP_CONFLICTS) - conflicts, 4);
    assert_int_equal(entries(), 1);          /* our own address is nobody's neighbour */
    receive_arp(REQUEST, own_mac, OWN, OWN); /* our own, reflected by the link */
    assert_int_equal(arp_counter(ARP_CONFLICTS) - conflicts, 4);
}

/*
 * An answer that was damaged on the wire, or a neighbour with a new card: TCP's silence makes ARP
 * ask again, the wrong address alone first, and then everybody.
 */
static void silence_raises_doubt(void)
{
    const struct socket_address peer = socket_address_v4(NEIGHBOUR, 80);
    struct socket *tcp;

    assert_int_equal(socket_create(SOCKET_TCP, &tcp), 0);
    assert_int_equal(socket_set_option(tcp, SOCKET_OPTION_NONBLOCK, 1), 0);
    assert_int_equal(socket_connect(tcp, &peer, DEADLINE_NEVER), -EINPROGRESS);
    host_settle();
    receive_arp(REPLY, evil, NEIGHBOUR, OWN);
    assert_int_equal(packets, 1);
    assert_memory_equal(last_destination, evil, MAC_SIZE);
    forget_sent();
    host_advance_ns(2900 * NS_PER_MS); /* the SYN once more: no doubt yet */
    assert_int_equal(requests, 0);
    host_advance_ns(200 * NS_PER_MS);
    assert_int_equal(requests, 1);
    assert_memory_equal(last_arp, evil, MAC_SIZE);
    host_advance_ns(3500 * NS_PER_MS); /* three in vain; then the SYN after 7 s asks everybody */
    assert_int_equal(requests, 3);
    host_advance_ns(NS_PER_S);
    assert_memory_equal(last_arp, ethernet_broadcast, MAC_SIZE);
    receive_arp(REPLY, honest, NEIGHBOUR, OWN);
    assert_memory_equal(last_destination, honest, MAC_SIZE);
    expect_entry(ARP_REACHABLE, honest);
    socket_close(tcp);
}

/* Questions of thousands fill the table no further than leaves room for those we ask about. */
static void flood_of_requests(void)
{
    uint64_t full = arp_counter(ARP_TABLE_FULL);

    assert_int_equal(interface_set_ipv4(&device, OWN, 16), 0);
    for (uint32_t i = 0; i < 5000; i++)
        receive_arp(REQUEST, evil, IPV4(10, 1, 1, 0) + i, OWN);
    assert_int_equal(replies, 5000);
    assert_true(entries() < ARP_ENTRIES_MAX);
    assert_int_equal(arp_counter(ARP_TABLE_FULL) - full, 5000 - entries());
    assert_int_equal(send_datagram(), 0);
    receive_arp(REPLY, honest, NEIGHBOUR, OWN);
    assert_int_equal(packets, 1);
    host_advance_ns(602 * NS_PER_S); /* unused, all of them */
    assert_int_equal(entries(), 0);
}

static void malformed(void)
{
    uint8_t good[ETHERNET_HEADER_SIZE + ARP_SIZE], bad[sizeof(good)];
    static const struct {
        unsigned int at;
        uint8_t value;
    } changes[] = {
        { 15, 6 }, { 16, 0x86 }, { 18, 8 }, { 19, 16 },  { 20, 1 },
        { 21, 3 }, { 21, 0 },    { 22, 1 }, { 28, 127 }, { 28, 224 },
    };
    uint64_t count = arp_counter(ARP_MALFORMED);

    make_arp(good, REQUEST, honest, NEIGHBOUR, OWN);
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        memcpy(bad, good, sizeof(good));
        bad[changes[i].at] = changes[i].value;
        receive_bytes(bad, sizeof(bad));
    }
    assert_int_equal(arp_counter(ARP_MALFORMED) - count, ARRAY_SIZE(changes));
    for (size_t length = ETHERNET_HEADER_SIZE; length < sizeof(good); length++)
        receive_bytes(good, length);
    assert_int_equal(arp_counter(ARP_MALFORMED) - count, ARRAY_SIZE(changes) + ARP_SIZE);
    assert_int_equal(entries(), 0);
    assert_int_equal(replies, 0);
    receive_bytes(good, sizeof(good));
    assert_int_equal(replies, 1);
}

static int run_one(void *arg)
{
    void (*const *test)(void) = arg;

    memset(&device, 0, sizeof(device));
    frame_queue_init(&link_incoming);
    strcpy(device.name, "eth");
    device.ops = &link_ops;
    device.mtu = 1500;
    device.is_link_up = true;
    memcpy(device.mac, own_mac, MAC_SIZE);
    assert_int_equal(netdev_register(&device), 0);
    assert_int_equal(interface_set_ipv4(&device, OWN, 24), 0);
    assert_int_equal(socket_create(SOCKET_UDP, &udp), 0);
    forget_sent();
    (*test)();
    socket_close(udp);
    netdev_unregister(&device);
    host_advance_ns(2 * NS_PER_S);
    return 0;
}

#define ARP_TEST(function)                                                                         \
    static void test_##function(void **state)                                                      \
    {                                                                                              \
        static void (*const test)(void) = function;                                                \
        (void)state;                                                                               \
        if (!loopback_netdev()) {                                                                  \
            host_kernel_start();                                                                   \
            init_run_level(INIT_SMP);                                                              \
            init_run_level(INIT_BUS);                                                              \
        }                                                                                          \
        host_run(run_one, (void *)&test);                                                          \
    }
ARP_TEST(poisoning)
ARP_TEST(ageing)
ARP_TEST(silent_neighbour)
ARP_TEST(nobody_there)
ARP_TEST(conflict)
ARP_TEST(silence_raises_doubt)
ARP_TEST(flood_of_requests)
ARP_TEST(malformed)

UNIT_TESTS(UNIT_TEST(test_poisoning), UNIT_TEST(test_ageing), UNIT_TEST(test_silent_neighbour),
           UNIT_TEST(test_nobody_there), UNIT_TEST(test_conflict),
           UNIT_TEST(test_silence_raises_doubt), UNIT_TEST(test_flood_of_requests),
           UNIT_TEST(test_malformed))
