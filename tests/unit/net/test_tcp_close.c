/*
 * TCP against a scripted peer: how connections end, and what is left of them. Each test names
 * the section of the RFC it holds the code to.
 */
// links: net/loopback.c net/arp.c net/netdev.c net/udp.c net/ipv4_fragment.c
// links: tests/unit/net/wire.c tests/unit/net/tcp_script.c
#include "lib/errno.h"
#include "tests/unit/net/tcp_script.h"

/* RFC 9293 3.6 figure 12: we close first; TIME-WAIT lasts 2 MSL and acknowledges a repeated FIN. */
static void close_first(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);
    struct tcp_socket *tcp = to_tcp(socket);

    socket_get(socket);
    socket_close(socket);
    assert_int_equal(peer_gets(FIN | ACK)->seq, peer.una);
    assert_int_equal(tcp->state, TCP_FIN_WAIT_1);
    peer.una++;
    peer_acks(&peer);
    assert_int_equal(tcp->state, TCP_FIN_WAIT_2);
    peer_sends(&peer, peer.nxt++, peer.una, FIN | ACK, NULL, 0);
    assert_int_equal(peer_gets(ACK)->ack, peer.nxt);
    assert_int_equal(tcp->state, TCP_TIME_WAIT);
    host_advance_ns(30 * NS_PER_S);
    peer_sends(&peer, peer.nxt - 1, peer.una, FIN | ACK, NULL, 0);
    assert_int_equal(peer_gets(ACK)->ack, peer.nxt);
    host_advance_ns(59 * NS_PER_S); /* 2 MSL began again */
    assert_int_equal(tcp->state, TCP_TIME_WAIT);
    host_advance_ns(2 * NS_PER_S);
    assert_int_equal(tcp->state, TCP_CLOSED);
    socket_put(socket);
}

/* RFC 9293 3.6 figure 13: simultaneous close. */
static void simultaneous_close(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);
    struct tcp_socket *tcp = to_tcp(socket);

    socket_get(socket);
    socket_close(socket);
    peer_gets(FIN | ACK);
    peer_sends(&peer, peer.nxt++, peer.una, FIN | ACK, NULL, 0);
    assert_int_equal(tcp->state, TCP_CLOSING);
    peer_skips();
    peer.una++;
    peer_acks(&peer);
    assert_int_equal(tcp->state, TCP_TIME_WAIT);
    socket_put(socket);
}

/* RFC 9293 3.6.1: half close, the peer first; then LAST-ACK. */
static void half_close(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);
    struct tcp_socket *tcp = to_tcp(socket);
    char byte;
    size_t got = 1;

    peer_sends(&peer, peer.nxt++, peer.una, FIN | ACK, NULL, 0);
    assert_int_equal(peer_gets(ACK)->ack, peer.nxt);
    assert_int_equal(tcp->state, TCP_CLOSE_WAIT);
    assert_int_equal(socket_receive(socket, &byte, 1, 0, &got), 0);
    assert_int_equal(got, 0);
    user_sends(socket, 10);
    assert_int_equal(peer_gets(ACK)->length, 10);
    peer.una += 10;
    peer_acks(&peer);
    socket_get(socket);
    socket_close(socket);
    assert_int_equal(peer_gets(FIN | ACK)->seq, peer.una++);
    assert_int_equal(tcp->state, TCP_LAST_ACK);
    peer_acks(&peer);
    assert_int_equal(tcp->state, TCP_CLOSED);
    socket_put(socket);
}

/* RFC 9293 3.10.4, RFC 2525 2.17: closing with unread data resets. */
static void close_unread(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);

    peer_sends_data(&peer, "unread", 6);
    peer_skips();
    socket_close(socket);
    peer_gets(RST | ACK);
    assert_int_equal(tcp_connection_count(), 0);
}

/*
 * RFC 9293 3.10.7.4, RFC 6191: a SYN with higher numbers takes over a TIME-WAIT connection. Our own
 * numbers go on beyond those used before (3.6.1), though the clock behind them stands still here.
 */
static void time_wait_reuse(void)
{
    struct socket *listener = listen_on(80, 4), *connection;
    struct peer peer = { .port = 999, .local_port = 80, .nxt = 5555, .window = 1000 };

    for (unsigned int round = 0; round < 3; round++) {
        struct seen *answer;

        peer_sends(&peer, peer.nxt++, 0, SYN, NULL, 0);
        answer = peer_gets(SYN | ACK);
        assert_true(round == 0 || seq_gt(answer->seq, peer.una));
        peer.una = answer->seq + 1;
        peer_acks(&peer);
        assert_int_equal(socket_accept(listener, &connection, 0), 0);
        socket_close(connection);
        peer_gets(FIN | ACK);
        peer.una++;
        peer_sends(&peer, peer.nxt++, peer.una, FIN | ACK, NULL, 0);
        peer_gets(ACK);
        assert_int_equal(tcp_connection_count(), 1);       /* TIME-WAIT */
        peer_sends(&peer, peer.nxt - 10, 0, SYN, NULL, 0); /* lower: not taken over */
        peer_skips();
        assert_int_equal(tcp_connection_count(), 1);
        peer.nxt += 100;
    }
    assert_int_equal(tcp_counter(TCP_TIME_WAIT_REUSED), 2);
    socket_close(listener);
}

/* What keeps a port from being bound is another bound socket, not what it accepted before. */
static void bind_over_connections(void)
{
    struct socket_address address = { .port = 80 };
    struct peer peer = { .port = 999, .local_port = 80, .nxt = 5555, .window = 1000 };
    struct socket *listener = listen_on(80, 4), *connection, *second;

    peer_sends(&peer, peer.nxt++, 0, SYN, NULL, 0);
    peer.una = peer_gets(SYN | ACK)->seq + 1;
    peer_acks(&peer);
    assert_int_equal(socket_accept(listener, &connection, 0), 0);
    assert_int_equal(socket_create(SOCKET_TCP, &second), 0);
    assert_int_equal(socket_bind(second, &address), -EADDRINUSE);
    socket_close(second);
    socket_close(listener);
    listener = listen_on(80, 4); /* beside a connection that lives */
    socket_close(listener);
    socket_close(connection);
    peer_gets(FIN | ACK);
    peer.una++;
    peer_sends(&peer, peer.nxt++, peer.una, FIN | ACK, NULL, 0);
    peer_gets(ACK);
    assert_int_equal(tcp_connection_count(), 1); /* TIME-WAIT */
    listener = listen_on(80, 4);
    socket_close(listener);
}

UNIT_TESTS(TCP_SCRIPT(bind_over_connections), TCP_SCRIPT(close_first),
           TCP_SCRIPT(simultaneous_close), TCP_SCRIPT(half_close), TCP_SCRIPT(close_unread),
           TCP_SCRIPT(time_wait_reuse))
