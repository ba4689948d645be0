/*
 * TCP against a scripted peer: how connections come about: handshakes, refusal, cookies, ports.
 * Each test names the section of the RFC it holds the code to.
 */
// links: net/loopback.c net/arp.c net/netdev.c net/udp.c net/ipv4_fragment.c
// links: tests/unit/net/wire.c tests/unit/net/tcp_script.c
#include "lib/errno.h"
#include "tests/unit/net/tcp_script.h"

/* RFC 9293 3.5 figure 6: three-way handshake, active. */
static void active_open(void)
{
    struct socket *socket = connect_start();
    struct seen *syn = peer_gets(SYN);
    struct peer peer = { .port = 7, .local_port = syn->local_port, .nxt = 500, .window = 1000 };

    assert_int_equal(syn->options.mss, 1460);
    assert_int_equal(syn->options.window_scale, TCP_WINDOW_SCALE);
    assert_true(syn->options.has_sack_permitted && syn->options.has_timestamps);
    assert_true(syn->has_dont_fragment);
    /* 3.10.7.3: an unacceptable ACK is answered by a reset of that number */
    peer_sends(&peer, 500, syn->seq + 2, SYN | ACK, NULL, 0);
    assert_int_equal(peer_gets(RST)->seq, syn->seq + 2);
    peer_sends(&peer, 500, syn->seq + 1, SYN | ACK, NULL, 0);
    assert_int_equal(peer_gets(ACK)->ack, 501);
    assert_int_equal(state_of(socket), TCP_ESTABLISHED);
    socket_abort(socket);
    peer_gets(RST | ACK);
}

/* RFC 9293 3.10.7.1: no such port; and 3.10.7.3: refused. */
static void refused(void)
{
    struct peer peer = { .port = 9, .local_port = 4242, .window = 1000 };
    struct socket *socket;
    struct seen *syn, *reset;

    peer_sends(&peer, 100, 0, SYN, NULL, 0);
    reset = peer_gets(RST | ACK);
    assert_int_equal(reset->ack, 101);
    assert_int_equal(reset->seq, 0);
    peer_sends(&peer, 100, 777, ACK, NULL, 0);
    assert_int_equal(peer_gets(RST)->seq, 777);
    peer_sends(&peer, 100, 777, RST, NULL, 0);
    peer_gets_nothing();

    socket = connect_start();
    syn = peer_gets(SYN);
    peer.port = 7;
    peer.local_port = syn->local_port;
    peer_sends(&peer, 0, syn->seq + 1, RST | ACK, NULL, 0);
    assert_int_equal(socket_error(socket), -ECONNREFUSED);
    socket_close(socket);
}

/* RFC 9293 3.5 figure 7: simultaneous open. */
static void simultaneous_open(void)
{
    struct socket *socket = connect_start();
    struct seen *syn = peer_gets(SYN), *both;
    struct peer peer = { .port = 7, .local_port = syn->local_port, .window = 1000 };

    peer_sends(&peer, 300, 0, SYN, NULL, 0);
    both = peer_gets(SYN | ACK);
    assert_int_equal(both->seq, syn->seq);
    assert_int_equal(both->ack, 301);
    assert_int_equal(state_of(socket), TCP_SYN_RECEIVED);
    peer_sends(&peer, 301, syn->seq + 1, ACK, NULL, 0);
    assert_int_equal(state_of(socket), TCP_ESTABLISHED);
    socket_abort(socket);
    peer_gets(RST | ACK);
}

/*
 * The same with both answers crossing: each is a SYN again, whose window is not scaled (RFC 7323
 * 2.2) and whose data begins behind the SYN. No timer expired, so that RFC 6298 5.7 has no say.
 */
static void simultaneous_open_crossed(void)
{
    struct tcp_options options = { .window_scale = 7, .mss = 1000 };
    struct socket *socket = connect_start();
    struct seen *syn = peer_gets(SYN);
    struct peer peer = {
        .port = 7, .local_port = syn->local_port, .nxt = 300, .una = syn->seq + 1, .window = 1000
    };
    char got[8];

    peer_sends_options(&peer, peer.nxt, 0, SYN, &options, NULL, 0);
    assert_int_equal(peer_gets(SYN | ACK)->ack, peer.nxt + 1);
    peer_sends_options(&peer, peer.nxt++, peer.una, SYN | ACK, &options, "data", 4);
    peer.nxt += 4;
    assert_int_equal(state_of(socket), TCP_ESTABLISHED);
    assert_int_equal(to_tcp(socket)->snd_wnd, 1000);
    assert_int_equal(to_tcp(socket)->rto_ns, TCP_RTO_INITIAL_NS);
    assert_int_equal(peer_gets(ACK)->ack, peer.nxt);
    assert_int_equal(user_takes(socket, got, sizeof(got)), 4);
    assert_memory_equal(got, "data", 4);
    peer_acks(&peer);
    assert_int_equal(to_tcp(socket)->snd_wnd, 1000 << 7);
    socket_abort(socket);
    peer_gets(RST | ACK);
}

/* RFC 6298: RTO of 1 s before a sample for SYN, doubled each time (5.5); RFC 9293 3.8.3: R2 for
 * SYN is 3 minutes, and here exactly. */
static void syn_backoff(void)
{
    struct socket *socket = connect_start();
    uint64_t first = peer_gets(SYN)->at_ns, last = first, wait = NS_PER_S;

    for (unsigned int i = 0; i < 5; i++, wait *= 2) {
        struct seen *again;

        host_advance_ns(wait + NS_PER_MS);
        again = peer_gets(SYN);
        assert_int_equal(again->at_ns - last, wait);
        last = again->at_ns;
    }
    host_advance_ns(first + TCP_SYN_GIVE_UP_NS - 1 - clock_now_ns());
    assert_int_equal(state_of(socket), TCP_SYN_SENT);
    host_advance_ns(1);
    assert_int_equal(socket_error(socket), -ETIMEDOUT);
    assert_true(TCP_SYN_GIVE_UP_NS >= 180 * NS_PER_S);
    socket_close(socket);
    peer_skips();
}

/* RFC 4987 2: a handshake that nobody completes is forgotten, after five more SYN-ACKs. */
static void half_open_is_forgotten(void)
{
    struct socket *listener = listen_on(80, 4);
    struct peer peer = { .port = 999, .local_port = 80, .nxt = 5555, .window = 1000 };
    uint64_t start = clock_now_ns(), failed = tcp_counter(TCP_ATTEMPTS_FAILED);

    peer_sends(&peer, peer.nxt, 0, SYN, NULL, 0);
    for (unsigned int i = 0; i <= TCP_SYN_ACK_TRIES; i++) {
        if (i > 0)
            host_advance_ns((NS_PER_S << (i - 1)) + NS_PER_MS);
        assert_int_equal(peer_gets(SYN | ACK)->ack, peer.nxt + 1);
    }
    assert_int_equal(tcp_connection_count(), 1);
    host_advance_ns(start + 64 * NS_PER_S - clock_now_ns());
    assert_int_equal(tcp_connection_count(), 0);
    peer_gets_nothing();
    assert_int_equal(tcp_counter(TCP_ATTEMPTS_FAILED), failed + 1);
    socket_close(listener);
}

/* RFC 4987 3.6: 100,000 SYNs cost no more than the backlog; then a real client gets in. */
static void syn_flood(void)
{
    struct socket *listener = listen_on(80, 16), *connection;
    struct tcp_options options = { .window_scale = 3, .mss = 1400, .has_sack_permitted = true };
    struct peer peer = { .local_port = 80, .window = 1000 };
    struct seen *answer;

    for (uint32_t i = 0; i < 100000; i++) {
        peer.port = (uint16_t)(1024 + i % 60000);
        peer_sends(&peer, i * 7919, 0, SYN, NULL, 0);
        seen_count = seen_next = 0;
    }
    assert_true(tcp_connection_count() <= 16);
    peer = (struct peer){ .port = 999,
                          .local_port = 80,
                          .nxt = 5555,
                          .window = 1000,
                          .has_timestamps = true,
                          .ts_value = 1 };
    peer_sends_options(&peer, peer.nxt++, 0, SYN, &options, NULL, 0);
    answer = peer_gets(SYN | ACK);
    peer.una = answer->seq + 1;
    peer.ts_echo = answer->options.ts_value;
    peer.ts_value++;
    peer_sends(&peer, peer.nxt, peer.una + 1, ACK, NULL, 0); /* not our cookie */
    peer_gets(RST);
    peer_sends_data(&peer, "hello", 5);
    assert_int_equal(socket_accept(listener, &connection, 0), 0);
    assert_int_equal(to_tcp(connection)->snd_scale, 3);
    assert_true(to_tcp(connection)->has_sack);
    assert_int_equal(to_tcp(connection)->unread, 5);
    socket_abort(connection);
    socket_close(listener);
    peer_skips();
}

/*
 * RFC 6056: every port of the range in use, by connections to one peer and by one listener: an
 * error, not a loop, and never the listener's port.
 */
static void port_exhaustion(void)
{
    enum {
        PORTS = 65536 - 49152
    }; /* RFC 6335: the dynamic ports */
    static struct socket *sockets[PORTS];
    struct socket_address address = socket_address_v4(WIRE_A_PEER, 7);
    struct socket_address any = { .port = 50000 };
    struct socket *one_more, *listener;

    assert_int_equal(socket_create(SOCKET_TCP, &listener), 0);
    assert_int_equal(socket_bind(listener, &any), 0);
    assert_int_equal(socket_listen(listener, 1), 0);
    for (unsigned int i = 1; i < PORTS; i++)
        sockets[i] = connect_start();
    assert_int_equal(socket_create(SOCKET_TCP, &one_more), 0);
    assert_int_equal(socket_connect(one_more, &address, 0), -EADDRNOTAVAIL);
    assert_int_equal(tcp_counter(TCP_NO_PORT), 1);
    socket_close(sockets[PORTS / 2]); /* one is free again, and is found */
    sockets[PORTS / 2] = connect_start();
    socket_close(one_more);
    socket_close(listener);
    for (unsigned int i = 1; i < PORTS; i++)
        socket_close(sockets[i]);
    peer_skips();
}

UNIT_TESTS(TCP_SCRIPT(active_open), TCP_SCRIPT(refused), TCP_SCRIPT(simultaneous_open),
           TCP_SCRIPT(half_open_is_forgotten), TCP_SCRIPT(simultaneous_open_crossed),
           TCP_SCRIPT(syn_backoff), TCP_SCRIPT(syn_flood), TCP_SCRIPT(port_exhaustion))
