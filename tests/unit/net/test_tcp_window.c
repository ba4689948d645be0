/*
 * TCP against a scripted peer: flow control: windows that shut and open, Nagle, keep-alive, urgent
 * data. Each test names the section of the RFC it holds the code to.
 */
// links: net/loopback.c net/arp.c net/netdev.c net/udp.c net/ipv4_fragment.c
// links: tests/unit/net/wire.c tests/unit/net/tcp_script.c
#include "lib/errno.h"
#include "tests/unit/net/tcp_script.h"

/* RFC 9293 3.8.6.1: a shut window is probed, at growing intervals, for as long as it is answered.
 */
static void zero_window(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);
    uint32_t first = peer.una;

    peer.window = 0;
    peer_acks(&peer);
    user_sends(socket, 3000);
    peer_gets_nothing();
    for (unsigned int i = 0; i < 20; i++) {
        host_advance_ns(61 * NS_PER_S);
        assert_true(seen_count > seen_next);
        for (; seen_next < seen_count; seen_next++) {
            assert_int_equal(seen[seen_next].length, 1);
            assert_int_equal(seen[seen_next].seq, first);
        }
        peer_acks(&peer);
        peer_skips();
    }
    assert_int_equal(state_of(socket), TCP_ESTABLISHED);
    peer.window = 60000;
    peer_acks(&peer);
    assert_int_equal(peer_gets(ACK)->seq, first); /* at once, and from the probe's byte on */
    socket_abort(socket);
    peer_skips();
}

/* RFC 9293 3.8.6.2.2: our own window shuts, and is told open again when the reader has drained. */
static void window_update(void)
{
    static char data[70000];
    struct peer peer;
    struct socket *socket = connect_plain(&peer);
    struct seen *last;

    while (to_tcp(socket)->rcv_adv != peer.nxt)
        peer_sends_data(&peer, data, MIN(to_tcp(socket)->rcv_adv - peer.nxt, 1000u));
    host_advance_ns(NS_PER_S);
    last = &seen[seen_count - 1];
    assert_int_equal(last->window, 0);
    peer_skips();
    peer_sends(&peer, peer.nxt, peer.una, ACK, data, 1); /* a probe: refused, and answered */
    assert_int_equal(peer_gets(ACK)->ack, peer.nxt);
    while (user_takes(socket, data, sizeof(data)) > 0)
        ;
    last = peer_gets(ACK);
    assert_true(last->window > 30000);
    socket_abort(socket);
    peer_skips();
}

/* RFC 9293 3.7.4: Nagle; and with NODELAY none. */
static void nagle(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);

    user_sends(socket, 1);
    assert_int_equal(peer_gets(ACK)->length, 1);
    user_sends(socket, 1);
    user_sends(socket, 1);
    peer_gets_nothing();
    peer.una++;
    peer_acks(&peer);
    assert_int_equal(peer_gets(ACK)->length, 2);
    assert_int_equal(socket_set_option(socket, SOCKET_OPTION_NODELAY, 1), 0);
    user_sends(socket, 1);
    assert_int_equal(peer_gets(ACK)->length, 1);
    socket_abort(socket);
    peer_skips();
}

/* RFC 9293 3.8.4: keep-alive. */
static void keep_alive(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);

    assert_int_equal(socket_set_option(socket, SOCKET_OPTION_KEEPALIVE, 10), 0);
    host_advance_ns(9 * NS_PER_S);
    peer_gets_nothing();
    host_advance_ns(2 * NS_PER_S);
    assert_int_equal(peer_gets(ACK)->seq, peer.una - 1);
    peer_acks(&peer);
    host_advance_ns(200 * NS_PER_S); /* nine probes without an answer */
    assert_int_equal(socket_error(socket), -ETIMEDOUT);
    socket_close(socket);
    peer_skips();
}

/* RFC 9293 3.8.5: urgent data is delivered in line. */
static void urgent(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);
    char got[8];

    peer_sends(&peer, peer.nxt, peer.una, ACK | TCP_URG, "urgent", 6);
    assert_int_equal(user_takes(socket, got, sizeof(got)), 6);
    socket_abort(socket);
    peer_skips();
}

/* RFC 1122 4.2.2.17, RFC 6429: but not after the user has left; then it ends after R2, answered or
 * not. */
static void zero_window_of_an_orphan(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);
    struct tcp_socket *tcp = to_tcp(socket);

    socket_get(socket);
    peer.window = 0;
    peer_acks(&peer);
    user_sends(socket, 3000);
    socket_close(socket);
    host_advance_ns(100 * NS_PER_S);
    peer_acks(&peer);
    assert_int_equal(tcp->state, TCP_FIN_WAIT_1);
    host_advance_ns(TCP_GIVE_UP_NS - 100 * NS_PER_S);
    assert_int_equal(tcp->state, TCP_CLOSED);
    socket_put(socket);
    peer_skips();
}

UNIT_TESTS(TCP_SCRIPT(zero_window_of_an_orphan), TCP_SCRIPT(zero_window), TCP_SCRIPT(window_update),
           TCP_SCRIPT(nagle), TCP_SCRIPT(keep_alive), TCP_SCRIPT(urgent))
