/*
 * TCP against a scripted peer: segments and ICMP errors that strangers or old connections sent.
 * Each test names the section of the RFC it holds the code to.
 */
// links: net/loopback.c net/arp.c net/netdev.c net/udp.c net/ipv4_fragment.c
// links: tests/unit/net/wire.c tests/unit/net/tcp_script.c
#include "lib/checksum.h"
#include "lib/errno.h"
#include "tests/unit/net/tcp_script.h"

/* RFC 5961 3.2 and 4.2: RST only at exactly RCV.NXT; elsewhere in the window, and SYN: challenge.
 */
static void blind_attacks(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);

    peer_sends(&peer, peer.nxt + 100, peer.una, RST, NULL, 0);
    assert_int_equal(peer_gets(ACK)->ack, peer.nxt);
    assert_int_equal(state_of(socket), TCP_ESTABLISHED);
    peer_sends(&peer, peer.nxt - 100000, peer.una, RST, NULL, 0); /* outside: not even answered */
    peer_gets_nothing();
    host_advance_ns(NS_PER_S);
    peer_sends(&peer, peer.nxt, peer.una, SYN, NULL, 0);
    assert_int_equal(peer_gets(ACK)->ack, peer.nxt);
    /* 5.2: an ACK of what was never sent, or is far too old */
    host_advance_ns(NS_PER_S);
    peer_sends(&peer, peer.nxt, peer.una + 1, ACK, "x", 1);
    peer_gets(ACK);
    host_advance_ns(NS_PER_S);
    peer_sends(&peer, peer.nxt, peer.una - 1000000, ACK, "x", 1);
    peer_gets(ACK);
    assert_int_equal(to_tcp(socket)->unread, 0);
    peer_sends(&peer, peer.nxt, peer.una, RST, NULL, 0);
    assert_int_equal(socket_error(socket), -ECONNRESET);
    socket_close(socket);
    peer_gets_nothing();
}

/* RFC 7323 5.3: a segment with an older timestamp is dropped and acknowledged. */
static void paws(void)
{
    struct tcp_options options = {
        .window_scale = -1, .mss = 1000, .has_timestamps = true, .ts_value = 5000
    };
    struct peer peer;
    struct socket *socket = connect_with(&peer, &options);
    char got[8];

    peer.ts_value = 4999;
    peer_sends(&peer, peer.nxt, peer.una, ACK, "old", 3);
    assert_int_equal(peer_gets(ACK)->ack, peer.nxt);
    assert_int_equal(user_takes(socket, got, sizeof(got)), 0);
    peer.ts_value = 5001;
    peer_sends_data(&peer, "new", 3);
    assert_int_equal(user_takes(socket, got, sizeof(got)), 3);
    host_advance_ns(NS_PER_S);
    assert_int_equal(peer_gets(ACK)->options.ts_echo, 5001);
    socket_abort(socket);
    peer_skips();
}

/* RFC 7323 5.5: after 24 days of silence a timestamp says nothing; the new one is what counts. */
static void paws_after_weeks(void)
{
    struct tcp_options options = {
        .window_scale = -1, .mss = 1000, .has_timestamps = true, .ts_value = 5000
    };
    struct peer peer;
    struct socket *socket = connect_with(&peer, &options);

    host_advance_ns(25ull * 24 * 3600 * NS_PER_S);
    peer.ts_value = 5000 + (25u * 24 * 3600 * 1000); /* beyond half of the circle: it looks old */
    peer_sends_data(&peer, "new", 3);
    host_advance_ns(NS_PER_S);
    assert_int_equal(peer_gets(ACK)->options.ts_echo, peer.ts_value);
    peer.ts_value -= 1000;
    peer_sends(&peer, peer.nxt, peer.una, ACK, "old", 3);
    assert_int_equal(peer_gets(ACK)->ack, peer.nxt);
    assert_int_equal(to_tcp(socket)->unread, 3);
    socket_abort(socket);
    peer_skips();
}

/* RFC 1191, RFC 5927: a router's smaller MTU is obeyed if it speaks of something in flight. */
static void path_mtu_discovery(void)
{
    struct peer peer;
    struct tcp_options options = { .window_scale = -1, .mss = 1460 };
    struct socket *socket = connect_with(&peer, &options);
    uint8_t packet[56] = { 0x45, 0, 0, 56, 0, 0, 0, 0, 64, IP_PROTOCOL_ICMP };
    uint8_t *inner = packet + 28;
    uint32_t cwnd;
    uint16_t sum;

    user_sends(socket, 2920);
    cwnd = to_tcp(socket)->cwnd;
    assert_int_equal(peer_gets(ACK)->length, 1460);
    peer_skips();
    store_be32(packet + 12, IPV4(10, 1, 0, 77));
    store_be32(packet + 16, WIRE_A);
    sum = checksum(packet, 20);
    memcpy(packet + 10, &sum, 2);
    packet[20] = ICMP_UNREACHABLE;
    packet[21] = ICMP_FRAGMENTATION_NEEDED;
    store_be16(packet + 26, 1000);
    inner[0] = 0x45;
    inner[9] = IP_PROTOCOL_TCP;
    store_be32(inner + 12, WIRE_A);
    store_be32(inner + 16, WIRE_A_PEER);
    store_be16(inner + 20, peer.local_port);
    store_be16(inner + 22, peer.port);
    store_be32(inner + 24, peer.una - 5000); /* not in flight: a stranger's guess */
    sum = checksum(packet + 20, 36);
    memcpy(packet + 22, &sum, 2);
    wire_inject(packet, sizeof(packet));
    peer_gets_nothing();
    assert_int_equal(to_tcp(socket)->mss, 1460);
    store_be32(inner + 24, peer.una);
    memset(packet + 22, 0, 2);
    sum = checksum(packet + 20, 36);
    memcpy(packet + 22, &sum, 2);
    wire_inject(packet, sizeof(packet));
    for (uint32_t at = 0; at < 2920; at += 960) {
        struct seen *again = peer_gets(ACK);

        assert_int_equal(again->seq, peer.una + at);
        assert_int_equal(again->length, MIN(2920 - at, 960u));
    }
    assert_int_equal(to_tcp(socket)->mss, 960);
    assert_int_equal(to_tcp(socket)->cwnd, cwnd); /* no congestion */
    peer.una += 960;
    peer_acks(&peer);
    peer_gets_nothing(); /* each was sent again once */
    peer.una += 1960;
    peer_acks(&peer);
    assert_int_equal(to_tcp(socket)->recovery, TCP_OPEN);
    socket_abort(socket);
    peer_skips();
}

UNIT_TESTS(TCP_SCRIPT(blind_attacks), TCP_SCRIPT(paws), TCP_SCRIPT(paws_after_weeks),
           TCP_SCRIPT(path_mtu_discovery))
