/*
 * TCP against a scripted peer: data lost, doubled and out of order: SACK, retransmission, giving
 * up. Each test names the section of the RFC it holds the code to.
 */
// links: net/loopback.c net/arp.c net/netdev.c net/udp.c net/ipv4_fragment.c
// links: tests/unit/net/wire.c tests/unit/net/tcp_script.c
#include "lib/errno.h"
#include "tests/unit/net/tcp_script.h"

/* RFC 2018 4, RFC 9293 3.10.7.4 seventh: out of order, overlapping, SACK blocks. */
static void out_of_order(void)
{
    struct peer peer;
    struct socket *socket = connect_sack(&peer);
    const char *text = "abcdefghijklmnopqrst";
    struct seen *ack;
    char got[32];
    uint32_t base = peer.nxt;

    peer_sends(&peer, base + 5, peer.una, ACK, text + 5, 5);
    ack = peer_gets(ACK);
    assert_int_equal(ack->ack, base);
    assert_int_equal(ack->options.sack_count, 1);
    assert_int_equal(ack->options.sack[0].start, base + 5);
    assert_int_equal(ack->options.sack[0].end, base + 10);
    peer_sends(&peer, base + 15, peer.una, ACK, text + 15, 5);
    ack = peer_gets(ACK);
    assert_int_equal(ack->options.sack_count, 2);
    assert_int_equal(ack->options.sack[0].start, base + 15); /* the latest first */
    peer_sends(&peer, base + 8, peer.una, ACK, text + 8, 9); /* overlaps both */
    ack = peer_gets(ACK);
    assert_int_equal(ack->options.sack_count, 1);
    assert_int_equal(ack->options.sack[0].end, base + 20);
    peer_sends(&peer, base, peer.una, ACK, text, 7);
    ack = peer_gets(ACK);
    assert_int_equal(ack->ack, base + 20);
    assert_int_equal(ack->options.sack_count, 0);
    assert_int_equal(user_takes(socket, got, sizeof(got)), 20);
    assert_memory_equal(got, text, 20);
    socket_abort(socket);
    peer_gets(RST | ACK);
}

/* RFC 9293 3.4: numbers wrap. */
static void wrap(void)
{
    struct socket *socket = connect_start();
    struct seen *syn = peer_gets(SYN);
    struct peer peer = { .port = 7,
                         .local_port = syn->local_port,
                         .nxt = 0xFFFFFFF0u,
                         .una = syn->seq + 1,
                         .window = 60000 };
    char text[64] = "across the end of the sequence space", got[64];

    peer_sends(&peer, peer.nxt++, peer.una, SYN | ACK, NULL, 0);
    peer_gets(ACK);
    peer_sends(&peer, peer.nxt + 20, peer.una, ACK, text + 20, 44);
    peer_sends(&peer, peer.nxt, peer.una, ACK, text, 20);
    assert_int_equal(user_takes(socket, got, sizeof(got)), 64);
    assert_memory_equal(got, text, 64);
    socket_abort(socket);
    peer_skips();
}

/* RFC 6298 5: data is sent again after RTO, backing off; RFC 1122 4.2.3.5: the connection ends when
 * nothing was acknowledged for R2, at least 100 s and here exactly 120. */
static void data_backoff(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);
    uint64_t first, last, wait = TCP_RTO_MIN_NS;
    struct seen *again;

    user_sends(socket, 100);
    first = last = peer_gets(ACK)->at_ns;
    for (unsigned int i = 0; i < 6; i++, wait *= 2) {
        host_advance_ns(wait + NS_PER_MS);
        again = peer_gets(ACK);
        assert_int_equal(again->length, 100);
        assert_int_equal(again->seq, peer.una);
        assert_int_equal(again->at_ns - last, wait);
        last = again->at_ns;
    }
    host_advance_ns(first + TCP_GIVE_UP_NS - 1 - clock_now_ns());
    assert_int_equal(state_of(socket), TCP_ESTABLISHED);
    host_advance_ns(1);
    assert_int_equal(state_of(socket), TCP_CLOSED);
    assert_int_equal(socket_error(socket), -ETIMEDOUT);
    assert_true(TCP_GIVE_UP_NS >= 100 * NS_PER_S);
    socket_close(socket);
    peer_skips();
}

/* RFC 5681 3.2: the third duplicate ACK, not the second, sends the missing segment again. */
static void fast_retransmit(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);

    user_sends(socket, 5000);
    for (unsigned int i = 0; i < 5; i++)
        peer_gets(ACK);
    peer_acks(&peer);
    peer_acks(&peer);
    peer_gets_nothing();
    peer_acks(&peer);
    assert_int_equal(peer_gets(ACK)->seq, peer.una);
    assert_int_equal(to_tcp(socket)->recovery, TCP_RECOVERY);
    peer.una += 5000;
    peer_acks(&peer);
    assert_int_equal(to_tcp(socket)->recovery, TCP_OPEN);
    peer_gets_nothing();
    socket_abort(socket);
    peer_gets(RST | ACK);
}

/* RFC 6675 5: two holes known by SACK are filled in one round trip, and nothing else is sent. */
static void sack_recovery(void)
{
    struct peer peer;
    struct socket *socket = connect_sack(&peer);
    struct tcp_options options = { .window_scale = -1, .sack_count = 2 };
    uint32_t base = peer.una;

    user_sends(socket, 10000);
    for (unsigned int i = 0; i < 10; i++)
        peer_gets(ACK);
    options.sack[0] = (struct tcp_range){ base + 3000, base + 10000 };
    options.sack[1] = (struct tcp_range){ base + 1000, base + 2000 };
    peer_sends_options(&peer, peer.nxt, base, ACK, &options, NULL, 0);
    assert_int_equal(peer_gets(ACK)->seq, base);
    assert_int_equal(peer_gets(ACK)->seq, base + 2000);
    peer_gets_nothing();
    peer.una = base + 10000;
    peer_acks(&peer);
    assert_int_equal(to_tcp(socket)->recovery, TCP_OPEN);
    socket_abort(socket);
    peer_gets(RST | ACK);
}

/* The same by the user's own limit; progress begins it again. */
static void give_up_option(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);
    uint64_t first;

    assert_int_equal(socket_set_option(socket, SOCKET_OPTION_GIVE_UP, 3000), 0);
    user_sends(socket, 100);
    host_advance_ns(2 * NS_PER_S);
    peer.una += 50;
    peer_acks(&peer);
    first = clock_now_ns();
    host_advance_ns(3 * NS_PER_S - 1);
    assert_int_equal(state_of(socket), TCP_ESTABLISHED);
    host_advance_ns(1);
    assert_int_equal(clock_now_ns() - first, 3 * NS_PER_S);
    assert_int_equal(socket_error(socket), -ETIMEDOUT);
    socket_close(socket);
    peer_skips();
}

/* What is in flight is acknowledged after @ms. */
static void answer_after(struct peer *peer, struct socket *socket, uint32_t length, uint64_t ms)
{
    user_sends(socket, length);
    peer_skips();
    host_advance_ns(ms * NS_PER_MS);
    peer_skips();
    peer->una += length;
    peer_acks(peer);
}

/* RFC 6298 2: RTO = SRTT + 4 * RTTVAR, as in the RFC's formulas; 3: none of what was sent twice. */
static void rto_from_round_trips(void)
{
    struct socket *socket = connect_start();
    struct tcp_socket *tcp = to_tcp(socket);
    struct seen *syn = peer_gets(SYN);
    struct peer peer = {
        .port = 7, .local_port = syn->local_port, .nxt = 500, .una = syn->seq + 1, .window = 60000
    };

    host_advance_ns(300 * NS_PER_MS);
    peer_sends(&peer, peer.nxt++, peer.una, SYN | ACK, NULL, 0);
    assert_int_equal(tcp->rto_ns, 900 * NS_PER_MS); /* 300 + 4 * 150 */
    answer_after(&peer, socket, 100, 300);
    assert_int_equal(tcp->rto_ns, 750 * NS_PER_MS); /* 300 + 4 * 112.5 */
    answer_after(&peer, socket, 100, 700);
    assert_int_equal(tcp->srtt_ns, 350 * NS_PER_MS);
    assert_int_equal(tcp->rto_ns, 1087500 * NS_PER_US); /* 350 + 4 * (112.5 * 3 + 400) / 4 */
    answer_after(&peer, socket, 100, 2000);             /* sent again meanwhile: Karn */
    assert_int_equal(tcp->rto_ns, 1087500 * NS_PER_US);
    assert_int_equal(tcp->backoff, 0);
    socket_abort(socket);
    peer_skips();
}

UNIT_TESTS(TCP_SCRIPT(rto_from_round_trips), TCP_SCRIPT(give_up_option), TCP_SCRIPT(out_of_order),
           TCP_SCRIPT(wrap), TCP_SCRIPT(data_backoff), TCP_SCRIPT(fast_retransmit),
           TCP_SCRIPT(sack_recovery))
