/*
 * Below TCP: fragments in any order, overlaps, floods; packets for others; ICMP; UDP and ports.
 */
// links: net/loopback.c net/arp.c net/netdev.c net/udp.c net/ipv4_fragment.c tests/unit/net/wire.c
#include "arch/host/host.h"
#include "kernel/random.h"
#include "kernel/sched/task.h"
#include "lib/byteorder.h"
#include "lib/checksum.h"
#include "lib/errno.h"
#include "net/arp.h"
#include "net/icmp.h"
#include "net/ipv4.h"
#include "net/route.h"
#include "net/socket.h"
#include "net/udp.h"
#include "tests/unit/net/wire.h"

static void packet_to(uint32_t destination, uint8_t protocol, uint16_t id, uint16_t fragment,
                      const void *payload, size_t length)
{
    uint8_t packet[2100] = { 0x45 };
    uint16_t sum;

    store_be16(packet + 2, (uint16_t)(20 + length));
    store_be16(packet + 4, id);
    store_be16(packet + 6, fragment);
    packet[8] = 64;
    packet[9] = protocol;
    store_be32(packet + 12, WIRE_A_PEER);
    store_be32(packet + 16, destination);
    sum = checksum(packet, 20);
    memcpy(packet + 10, &sum, 2);
    memcpy(packet + 20, payload, length);
    wire_inject(packet, 20 + length);
    host_settle();
}

/* A datagram to port 53 with @length bytes of a pattern; checksum 0: none. */
static void make_datagram(uint8_t *datagram, size_t length)
{
    memset(datagram, 0, 8);
    store_be16(datagram, 1000);
    store_be16(datagram + 2, 53);
    store_be16(datagram + 4, (uint16_t)(8 + length));
    for (size_t i = 0; i < length; i++)
        datagram[8 + i] = (uint8_t)(i * 7);
}

static struct socket *open_udp(uint16_t port)
{
    struct socket_address local = { .port = port };
    struct socket *socket;

    assert_int_equal(socket_create(SOCKET_UDP, &socket), 0);
    assert_int_equal(socket_set_option(socket, SOCKET_OPTION_NONBLOCK, 1), 0);
    assert_int_equal(socket_bind(socket, &local), 0);
    return socket;
}

/* RFC 791 3.2, RFC 815: 100 orders of 10 fragments, some twice. */
static void fragments(void)
{
    struct socket *socket = open_udp(53);
    uint8_t datagram[8 + 9000], got[10000];
    struct unit_random random = { 7 };

    make_datagram(datagram, 9000);
    for (uint16_t round = 0; round < 100; round++) {
        unsigned int order[10];
        size_t received = 0;

        for (unsigned int i = 0; i < 10; i++)
            order[i] = i;
        for (unsigned int i = 9; i > 0; i--) {
            unsigned int j = (unsigned int)unit_random_below(&random, i + 1), swap = order[i];

            order[i] = order[j];
            order[j] = swap;
        }
        for (unsigned int i = 0; i < 10; i++) {
            size_t at = order[i] * 904u, length = MIN(sizeof(datagram) - at, (size_t)904);
            uint16_t field = (uint16_t)(at / 8 | (order[i] < 9 ? IPV4_FLAG_MF : 0));

            packet_to(WIRE_A, IP_PROTOCOL_UDP, round, field, datagram + at, length);
            if (i < 9 && unit_random_below(&random, 3) == 0)
                packet_to(WIRE_A, IP_PROTOCOL_UDP, round, field, datagram + at, length);
        }
        assert_int_equal(socket_receive(socket, got, sizeof(got), 0, &received), 0);
        assert_int_equal(received, 9000);
        assert_memory_equal(got, datagram + 8, 9000);
    }
    socket_close(socket);
}

/* An overlap ends the datagram; a flood of first fragments stays within 4 MiB and 30 s. */
static void fragment_attacks(void)
{
    struct socket *socket = open_udp(53);
    uint8_t datagram[8 + 2000], got[16];
    uint64_t overlaps = ipv4_counter(IPV4_FRAGMENT_OVERLAP);
    size_t received, blocks = host_allocation_count();

    make_datagram(datagram, 2000);
    packet_to(WIRE_A, IP_PROTOCOL_UDP, 1, IPV4_FLAG_MF, datagram, 800);
    packet_to(WIRE_A, IP_PROTOCOL_UDP, 1, 96 | IPV4_FLAG_MF, datagram + 768, 800);
    assert_int_equal(ipv4_counter(IPV4_FRAGMENT_OVERLAP), overlaps + 1);
    packet_to(WIRE_A, IP_PROTOCOL_UDP, 2, 8192 - 1, datagram, 800); /* beyond 65535 */
    assert_int_equal(socket_receive(socket, got, sizeof(got), 0, &received), -EAGAIN);
    for (uint32_t id = 0; id < 20000; id++)
        packet_to(WIRE_A, IP_PROTOCOL_UDP, (uint16_t)id, IPV4_FLAG_MF, datagram, 1000);
    assert_true(host_allocation_count() - blocks < 3 * (4u << 20) / 1000);
    assert_true(ipv4_counter(IPV4_FRAGMENT_NO_ROOM) > 0);
    host_advance_ns(31 * NS_PER_S);
    assert_true(host_allocation_count() <= blocks + 4); /* a timer's ARP entry may be new */
    socket_close(socket);
}

/* RFC 1122 3.2.1: bad checksum, packets for others, bad sources: dropped, counted. */
static void not_for_us(void)
{
    uint64_t others = ipv4_counter(IPV4_NOT_FOR_US), bad = ipv4_counter(IPV4_BAD_CHECKSUM);
    uint8_t packet[28] = { 0x45, 0, 0, 28, 0, 0, 0, 0, 64, IP_PROTOCOL_UDP };

    packet_to(IPV4(10, 1, 0, 9), IP_PROTOCOL_UDP, 1, 0, "xxxxxxxx", 8);
    assert_int_equal(ipv4_counter(IPV4_NOT_FOR_US), others + 1);
    wire_inject(packet, sizeof(packet));
    host_settle();
    assert_int_equal(ipv4_counter(IPV4_BAD_CHECKSUM), bad + 1);
}

/* UDP over the wire, large ones in fragments, and "port unreachable" to a connected socket. */
static void datagrams(void)
{
    struct socket_address b = socket_address_v4(WIRE_A_PEER, 53), from;
    struct socket *server = open_udp(53), *client;
    static uint8_t data[UDP_PAYLOAD_MAX], got[UDP_PAYLOAD_MAX];
    static const size_t lengths[] = { 0, 1, 1472, 1473, 9000, UDP_PAYLOAD_MAX };
    size_t received;

    random_bytes(data, sizeof(data));
    assert_int_equal(socket_create(SOCKET_UDP, &client), 0);
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        assert_int_equal(socket_send_to(client, data, lengths[i], &b), 0);
        host_advance_ns(NS_PER_S);
        assert_int_equal(socket_receive_from(server, got, sizeof(got), 0, &received, &from), 0);
        assert_int_equal(received, lengths[i]);
        assert_memory_equal(got, data, lengths[i]);
        assert_int_equal(from.ip.v4, WIRE_B_PEER);
    }
    assert_int_equal(socket_send_to(client, data, UDP_PAYLOAD_MAX + 1, &b), -EMSGSIZE);
    socket_close(server);
    socket_close(client);
}

/* Over lo, refused. */
static void port_unreachable(void)
{
    struct socket_address nobody = socket_address_v4(IPV4_LOOPBACK, 9);
    struct socket *client;
    size_t received;
    char byte;

    assert_int_equal(socket_create(SOCKET_UDP, &client), 0);
    assert_int_equal(socket_connect(client, &nobody, 0), 0);
    assert_int_equal(socket_send(client, "x", 1, 0, NULL), 0);
    host_settle();
    assert_int_equal(socket_receive(client, &byte, 1, deadline_after_ns(NS_PER_S), &received),
                     -ECONNREFUSED);
    socket_close(client);
}

/* Ping of a live host, and of a dead one: the deadline ends it. */
static void ping(void)
{
    struct icmp_echo_reply reply;
    struct icmp_echo *echo;

    assert_int_equal(icmp_echo_open(&echo), 0);
    assert_int_equal(
        icmp_echo_request(echo, IPV4_LOOPBACK, 1, 56, deadline_after_ns(NS_PER_S), &reply), 0);
    assert_int_equal(reply.type, ICMP_ECHO_REPLY);
    assert_int_equal(
        icmp_echo_request(echo, IPV4(10, 1, 0, 99), 2, 56, deadline_after_ns(NS_PER_S), &reply),
        -ETIMEDOUT);
    /* RFC 1122 2.3.2.2: when ARP gives up, the transport hears "host unreachable" */
    assert_int_equal(icmp_echo_request(echo, IPV4(10, 1, 0, 98), 3, 56,
                                       deadline_after_ns(10 * NS_PER_S), &reply),
                     0);
    assert_int_equal(reply.type, ICMP_UNREACHABLE);
    icmp_echo_close(echo);
}

/* Longest prefix first. */
static void routes(void)
{
    struct netdev *a = wire_netdev_a();
    struct route wide = { .destination = IPV4(172, 16, 0, 0),
                          .prefix_length = 12,
                          .gateway = IPV4(10, 1, 0, 3),
                          .netdev = a };
    struct route narrow = { .destination = IPV4(172, 16, 5, 0),
                            .prefix_length = 24,
                            .gateway = IPV4(10, 1, 0, 4),
                            .netdev = a };
    struct route everything = { .gateway = IPV4(10, 1, 0, 3), .netdev = a };
    struct route_result result;

    assert_int_equal(route_lookup(IPV4(172, 16, 5, 9), NULL, &result), -ENETUNREACH);
    assert_int_equal(route_add(&wide), 0);
    assert_int_equal(route_add(&narrow), 0);
    assert_int_equal(route_add(&narrow), -EEXIST);
    assert_int_equal(route_lookup(IPV4(172, 16, 5, 9), NULL, &result), 0);
    assert_int_equal(result.next_hop, IPV4(10, 1, 0, 4));
    assert_int_equal(route_lookup(IPV4(172, 16, 6, 9), NULL, &result), 0);
    assert_int_equal(result.next_hop, IPV4(10, 1, 0, 3));
    narrow.gateway = IPV4(192, 168, 0, 1);
    narrow.prefix_length = 30;
    narrow.destination = IPV4(172, 16, 5, 4);
    assert_int_equal(route_add(&narrow), -ENETUNREACH);
    assert_int_equal(route_add(&everything), 0);
    assert_int_equal(route_lookup(IPV4(8, 8, 8, 8), NULL, &result), 0);
    assert_int_equal(route_lookup(0, NULL, &result), -ENETUNREACH);
}

static int run_one(void *arg)
{
    static const struct wire_conditions conditions = { .delay_ns = NS_PER_MS };
    void (*const *test)(void) = arg;

    wire_start(1, &conditions);
    (*test)();
    host_advance_ns(100 * NS_PER_S);
    wire_stop();
    return 0;
}

/* A sum of zero: 0 for TCP (RFC 1624, 3), 0xFFFF for UDP, where 0 says that there is none. */
static uint16_t completed_zero_sum(uint16_t csum_offset)
{
    struct frame *frame = frame_alloc(0, 40, 1);
    uint8_t *data = frame_data(frame);

    memset(data, 0, 40);
    store_be16(data + 20, 0xFFFF);
    frame->flags = FRAME_CSUM_PARTIAL;
    frame->csum_start = 0;
    frame->csum_offset = csum_offset;
    assert_int_equal(frame_complete_checksum(frame), 0);
    uint16_t field = load_be16(data + csum_offset);
    frame_free(frame);
    return field;
}

static void zero_checksums(void)
{
    assert_int_equal(completed_zero_sum(6), 0xFFFF);
    assert_int_equal(completed_zero_sum(16), 0);
}

#define IP_TEST(function)                                                                          \
    static void test_##function(void **state)                                                      \
    {                                                                                              \
        static void (*const test)(void) = function;                                                \
        (void)state;                                                                               \
        wire_prepare();                                                                            \
        host_run(run_one, (void *)&test);                                                          \
    }
IP_TEST(fragments)
IP_TEST(fragment_attacks)
IP_TEST(not_for_us)
IP_TEST(datagrams)
IP_TEST(port_unreachable)
IP_TEST(ping)
IP_TEST(routes)
IP_TEST(zero_checksums)

UNIT_TESTS(UNIT_TEST(test_fragments), UNIT_TEST(test_fragment_attacks), UNIT_TEST(test_not_for_us),
           UNIT_TEST(test_datagrams), UNIT_TEST(test_port_unreachable), UNIT_TEST(test_ping),
           UNIT_TEST(test_routes), UNIT_TEST(test_zero_checksums))
