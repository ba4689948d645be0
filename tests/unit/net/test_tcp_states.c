/*
 * TCP's state machine against a scripted peer. Each test names the section of the RFC it holds the
 * code to.
 *
 * The kernel is host A of the wire; the peer is this file: sent(...) takes the next segment that A
 * puts on the wire, send(...) gives A one.
 */
// links: net/loopback.c net/arp.c net/netdev.c net/udp.c net/ipv4_fragment.c tests/unit/net/wire.c
#include "arch/host/host.h"
#include "kernel/sched/task.h"
#include "lib/byteorder.h"
#include "lib/checksum.h"
#include "lib/errno.h"
#include "net/ipv4.h"
#include "net/route.h"
#include "net/socket.h"
#include "net/tcp_internal.h"
#include "tests/unit/net/wire.h"

#define FIN TCP_FIN
#define SYN TCP_SYN
#define RST TCP_RST
#define ACK TCP_ACK

struct seen {
    uint64_t at_ns;
    uint32_t seq, ack, length;
    uint16_t window, local_port, peer_port;
    uint8_t flags;
    struct tcp_options options;
    bool has_dont_fragment;
};

static struct seen seen[200000];
static unsigned int seen_count, seen_next;

static bool capture(struct frame *frame)
{
    const uint8_t *ip = frame_data(frame) + ETHERNET_HEADER_SIZE;
    const uint8_t *tcp = ip + 20;
    struct seen *s = &seen[seen_count];

    if (ip[9] != IP_PROTOCOL_TCP)
        return false;
    assert_true(seen_count < ARRAY_SIZE(seen));
    assert_int_equal(checksum(ip, 20), 0);
    assert_int_equal(
        checksum_fold(checksum_partial(tcp, load_be16(ip + 2) - 20,
                                       ipv4_pseudo_sum(load_be32(ip + 12), load_be32(ip + 16),
                                                       IP_PROTOCOL_TCP, load_be16(ip + 2) - 20))),
        0);
    s->at_ns = clock_now_ns();
    s->has_dont_fragment = ip[6] & 0x40;
    s->local_port = load_be16(tcp);
    s->peer_port = load_be16(tcp + 2);
    s->seq = load_be32(tcp + 4);
    s->ack = load_be32(tcp + 8);
    s->flags = tcp[13] & (uint8_t)~TCP_PSH;
    s->window = load_be16(tcp + 14);
    s->length = load_be16(ip + 2) - 20u - (tcp[12] >> 4) * 4u;
    assert_true(tcp_options_parse(tcp + 20, (tcp[12] >> 4) * 4u - 20, &s->options));
    seen_count++;
    return false;
}

/* The next segment from A; fails the test when there is none. */
static struct seen *sent(uint8_t flags)
{
    host_settle();
    assert_true(seen_next < seen_count);
    assert_int_equal(seen[seen_next].flags, flags);
    return &seen[seen_next++];
}

static void sent_nothing(void)
{
    host_settle();
    assert_int_equal(seen_next, seen_count);
}

static void forget(void)
{
    host_settle();
    seen_next = seen_count;
}

struct peer {
    uint16_t port, local_port; /* peer's, A's */
    uint32_t nxt;              /* what the peer sends next */
    uint32_t una;              /* what it acknowledges: A's next */
    uint16_t window;
    bool has_timestamps;
    uint32_t ts_value, ts_echo;
};

static void send_options(const struct peer *peer, uint32_t seq, uint32_t ack, uint8_t flags,
                         const struct tcp_options *given, const void *data, size_t length)
{
    uint8_t packet[2000] = { 0x45 };
    struct tcp_options options = *given;
    unsigned int header;
    uint16_t sum;

    if (peer->has_timestamps) {
        options.has_timestamps = true;
        options.ts_value = peer->ts_value;
        options.ts_echo = peer->ts_echo;
    }
    header = 20 + tcp_options_write(packet + 40, &options);
    store_be16(packet + 2, (uint16_t)(20 + header + length));
    packet[8] = 64;
    packet[9] = IP_PROTOCOL_TCP;
    store_be32(packet + 12, WIRE_A_PEER);
    store_be32(packet + 16, WIRE_A);
    sum = checksum(packet, 20);
    memcpy(packet + 10, &sum, 2);
    store_be16(packet + 20, peer->port);
    store_be16(packet + 22, peer->local_port);
    store_be32(packet + 24, seq);
    store_be32(packet + 28, ack);
    packet[32] = (uint8_t)(header / 4 << 4);
    packet[33] = flags;
    store_be16(packet + 34, peer->window);
    if (length)
        memcpy(packet + 20 + header, data, length);
    sum = checksum_fold(checksum_partial(
        packet + 20, header + length,
        ipv4_pseudo_sum(WIRE_A_PEER, WIRE_A, IP_PROTOCOL_TCP, (uint32_t)(header + length))));
    memcpy(packet + 36, &sum, 2);
    wire_inject(packet, 20 + header + length);
    host_settle();
}

static const struct tcp_options no_options = { .window_scale = -1 };

static void send(const struct peer *peer, uint32_t seq, uint32_t ack, uint8_t flags,
                 const void *data, size_t length)
{
    send_options(peer, seq, ack, flags, &no_options, data, length);
}

static void send_data(struct peer *peer, const void *data, size_t length)
{
    send(peer, peer->nxt, peer->una, ACK, data, length);
    peer->nxt += (uint32_t)length;
}

static void send_ack(const struct peer *peer)
{
    send(peer, peer->nxt, peer->una, ACK, NULL, 0);
}

/* ---- ways into ESTABLISHED ---- */

static struct socket *connect_start(void)
{
    struct socket_address address = socket_address_v4(WIRE_A_PEER, 7);
    struct socket *socket;

    assert_int_equal(socket_create(SOCKET_TCP, &socket), 0);
    assert_int_equal(socket_set_option(socket, SOCKET_OPTION_NONBLOCK, 1), 0);
    assert_int_equal(socket_connect(socket, &address, 0), -EINPROGRESS);
    return socket;
}

static struct socket *connect_with(struct peer *peer, const struct tcp_options *options)
{
    struct socket *socket = connect_start();
    struct seen *syn = sent(SYN);

    *peer = (struct peer){
        .port = 7, .local_port = syn->local_port, .nxt = 1000, .una = syn->seq + 1, .window = 60000
    };
    if (options->has_timestamps) {
        peer->has_timestamps = true;
        peer->ts_value = options->ts_value;
        peer->ts_echo = syn->options.ts_value;
    }
    send_options(peer, peer->nxt++, peer->una, SYN | ACK, options, NULL, 0);
    assert_int_equal(sent(ACK)->ack, peer->nxt);
    assert_int_equal(socket_ready(socket) & SOCKET_WRITABLE, SOCKET_WRITABLE);
    return socket;
}

static struct socket *connect_plain(struct peer *peer)
{
    struct tcp_options options = { .window_scale = -1, .mss = 1000 };

    return connect_with(peer, &options);
}

static struct socket *connect_sack(struct peer *peer)
{
    struct tcp_options options = { .window_scale = -1, .mss = 1000, .has_sack_permitted = true };

    return connect_with(peer, &options);
}

static struct socket *listen_on(uint16_t port, unsigned int backlog)
{
    struct socket_address address = { .port = port };
    struct socket *socket;

    assert_int_equal(socket_create(SOCKET_TCP, &socket), 0);
    assert_int_equal(socket_set_option(socket, SOCKET_OPTION_NONBLOCK, 1), 0);
    assert_int_equal(socket_bind(socket, &address), 0);
    assert_int_equal(socket_listen(socket, backlog), 0);
    return socket;
}

static void put(struct socket *socket, size_t length)
{
    static const uint8_t data[200000];
    size_t part = 0;

    assert_int_equal(socket_send(socket, data, length, 0, &part), 0);
    assert_int_equal(part, length);
    host_settle();
}

static size_t take(struct socket *socket, void *data, size_t size)
{
    size_t got;
    int error = socket_receive(socket, data, size, 0, &got);

    return error ? 0 : got;
}

static enum tcp_state state_of(struct socket *socket)
{
    return to_tcp(socket)->state;
}

/* ---- the tests ---- */

/* RFC 9293 3.5 figure 6: three-way handshake, active. */
static void active_open(void)
{
    struct socket *socket = connect_start();
    struct seen *syn = sent(SYN);
    struct peer peer = { .port = 7, .local_port = syn->local_port, .nxt = 500, .window = 1000 };

    assert_int_equal(syn->options.mss, 1460);
    assert_int_equal(syn->options.window_scale, TCP_WINDOW_SCALE);
    assert_true(syn->options.has_sack_permitted && syn->options.has_timestamps);
    assert_true(syn->has_dont_fragment);
    /* 3.10.7.3: an unacceptable ACK is answered by a reset of that number */
    send(&peer, 500, syn->seq + 2, SYN | ACK, NULL, 0);
    assert_int_equal(sent(RST)->seq, syn->seq + 2);
    send(&peer, 500, syn->seq + 1, SYN | ACK, NULL, 0);
    assert_int_equal(sent(ACK)->ack, 501);
    assert_int_equal(state_of(socket), TCP_ESTABLISHED);
    socket_abort(socket);
    sent(RST | ACK);
}

/* RFC 9293 3.10.7.1: no such port; and 3.10.7.3: refused. */
static void refused(void)
{
    struct peer peer = { .port = 9, .local_port = 4242, .window = 1000 };
    struct socket *socket;
    struct seen *syn, *reset;

    send(&peer, 100, 0, SYN, NULL, 0);
    reset = sent(RST | ACK);
    assert_int_equal(reset->ack, 101);
    assert_int_equal(reset->seq, 0);
    send(&peer, 100, 777, ACK, NULL, 0);
    assert_int_equal(sent(RST)->seq, 777);
    send(&peer, 100, 777, RST, NULL, 0);
    sent_nothing();

    socket = connect_start();
    syn = sent(SYN);
    peer.port = 7;
    peer.local_port = syn->local_port;
    send(&peer, 0, syn->seq + 1, RST | ACK, NULL, 0);
    assert_int_equal(socket_error(socket), -ECONNREFUSED);
    socket_close(socket);
}

/* RFC 9293 3.5 figure 7: simultaneous open. */
static void simultaneous_open(void)
{
    struct socket *socket = connect_start();
    struct seen *syn = sent(SYN), *both;
    struct peer peer = { .port = 7, .local_port = syn->local_port, .window = 1000 };

    send(&peer, 300, 0, SYN, NULL, 0);
    both = sent(SYN | ACK);
    assert_int_equal(both->seq, syn->seq);
    assert_int_equal(both->ack, 301);
    assert_int_equal(state_of(socket), TCP_SYN_RECEIVED);
    send(&peer, 301, syn->seq + 1, ACK, NULL, 0);
    assert_int_equal(state_of(socket), TCP_ESTABLISHED);
    socket_abort(socket);
    sent(RST | ACK);
}

/* RFC 9293 3.6 figure 12: we close first; TIME-WAIT lasts 2 MSL and acknowledges a repeated FIN. */
static void close_first(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);
    struct tcp_socket *tcp = to_tcp(socket);

    socket_get(socket);
    socket_close(socket);
    assert_int_equal(sent(FIN | ACK)->seq, peer.una);
    assert_int_equal(tcp->state, TCP_FIN_WAIT_1);
    peer.una++;
    send_ack(&peer);
    assert_int_equal(tcp->state, TCP_FIN_WAIT_2);
    send(&peer, peer.nxt++, peer.una, FIN | ACK, NULL, 0);
    assert_int_equal(sent(ACK)->ack, peer.nxt);
    assert_int_equal(tcp->state, TCP_TIME_WAIT);
    host_advance_ns(30 * NS_PER_S);
    send(&peer, peer.nxt - 1, peer.una, FIN | ACK, NULL, 0);
    assert_int_equal(sent(ACK)->ack, peer.nxt);
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
    sent(FIN | ACK);
    send(&peer, peer.nxt++, peer.una, FIN | ACK, NULL, 0);
    assert_int_equal(tcp->state, TCP_CLOSING);
    forget();
    peer.una++;
    send_ack(&peer);
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

    send(&peer, peer.nxt++, peer.una, FIN | ACK, NULL, 0);
    assert_int_equal(sent(ACK)->ack, peer.nxt);
    assert_int_equal(tcp->state, TCP_CLOSE_WAIT);
    assert_int_equal(socket_receive(socket, &byte, 1, 0, &got), 0);
    assert_int_equal(got, 0);
    put(socket, 10);
    assert_int_equal(sent(ACK)->length, 10);
    peer.una += 10;
    send_ack(&peer);
    socket_get(socket);
    socket_close(socket);
    assert_int_equal(sent(FIN | ACK)->seq, peer.una++);
    assert_int_equal(tcp->state, TCP_LAST_ACK);
    send_ack(&peer);
    assert_int_equal(tcp->state, TCP_CLOSED);
    socket_put(socket);
}

/* RFC 2018 4, RFC 9293 3.10.7.4 seventh: out of order, overlapping, SACK blocks. */
static void out_of_order(void)
{
    struct peer peer;
    struct socket *socket = connect_sack(&peer);
    const char *text = "abcdefghijklmnopqrst";
    struct seen *ack;
    char got[32];
    uint32_t base = peer.nxt;

    send(&peer, base + 5, peer.una, ACK, text + 5, 5);
    ack = sent(ACK);
    assert_int_equal(ack->ack, base);
    assert_int_equal(ack->options.sack_count, 1);
    assert_int_equal(ack->options.sack[0].start, base + 5);
    assert_int_equal(ack->options.sack[0].end, base + 10);
    send(&peer, base + 15, peer.una, ACK, text + 15, 5);
    ack = sent(ACK);
    assert_int_equal(ack->options.sack_count, 2);
    assert_int_equal(ack->options.sack[0].start, base + 15); /* the latest first */
    send(&peer, base + 8, peer.una, ACK, text + 8, 9);       /* overlaps both */
    ack = sent(ACK);
    assert_int_equal(ack->options.sack_count, 1);
    assert_int_equal(ack->options.sack[0].end, base + 20);
    send(&peer, base, peer.una, ACK, text, 7);
    ack = sent(ACK);
    assert_int_equal(ack->ack, base + 20);
    assert_int_equal(ack->options.sack_count, 0);
    assert_int_equal(take(socket, got, sizeof(got)), 20);
    assert_memory_equal(got, text, 20);
    socket_abort(socket);
    sent(RST | ACK);
}

/* RFC 6298: RTO of 1 s before a sample for SYN, doubled each time (5.5); RFC 9293 3.8.3: R2. */
static void syn_backoff(void)
{
    struct socket *socket = connect_start();
    uint64_t last = sent(SYN)->at_ns, wait = NS_PER_S;

    for (unsigned int i = 0; i < 5; i++, wait *= 2) {
        struct seen *again;

        host_advance_ns(wait + NS_PER_MS);
        again = sent(SYN);
        assert_int_equal(again->at_ns - last, wait);
        last = again->at_ns;
    }
    host_advance_ns(400 * NS_PER_S);
    assert_int_equal(socket_error(socket), -ETIMEDOUT);
    socket_close(socket);
    forget();
}

/* RFC 6298 5: data is sent again after RTO, backing off; the connection ends after R2. */
static void data_backoff(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);
    uint64_t last, wait = TCP_RTO_MIN_NS;
    struct seen *again;

    put(socket, 100);
    last = sent(ACK)->at_ns;
    for (unsigned int i = 0; i < 6; i++, wait *= 2) {
        host_advance_ns(wait + NS_PER_MS);
        again = sent(ACK);
        assert_int_equal(again->length, 100);
        assert_int_equal(again->seq, peer.una);
        assert_int_equal(again->at_ns - last, wait);
        last = again->at_ns;
    }
    host_advance_ns(300 * NS_PER_S);
    assert_int_equal(socket_error(socket), -ETIMEDOUT);
    socket_close(socket);
    forget();
}

/* RFC 5681 3.2: the third duplicate ACK, not the second, sends the missing segment again. */
static void fast_retransmit(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);

    put(socket, 5000);
    for (unsigned int i = 0; i < 5; i++)
        sent(ACK);
    send_ack(&peer);
    send_ack(&peer);
    sent_nothing();
    send_ack(&peer);
    assert_int_equal(sent(ACK)->seq, peer.una);
    assert_int_equal(to_tcp(socket)->recovery, TCP_RECOVERY);
    peer.una += 5000;
    send_ack(&peer);
    assert_int_equal(to_tcp(socket)->recovery, TCP_OPEN);
    sent_nothing();
    socket_abort(socket);
    sent(RST | ACK);
}

/* RFC 6675 5: two holes known by SACK are filled in one round trip, and nothing else is sent. */
static void sack_recovery(void)
{
    struct peer peer;
    struct socket *socket = connect_sack(&peer);
    struct tcp_options options = { .window_scale = -1, .sack_count = 2 };
    uint32_t base = peer.una;

    put(socket, 10000);
    for (unsigned int i = 0; i < 10; i++)
        sent(ACK);
    options.sack[0] = (struct tcp_range){ base + 3000, base + 10000 };
    options.sack[1] = (struct tcp_range){ base + 1000, base + 2000 };
    send_options(&peer, peer.nxt, base, ACK, &options, NULL, 0);
    assert_int_equal(sent(ACK)->seq, base);
    assert_int_equal(sent(ACK)->seq, base + 2000);
    sent_nothing();
    peer.una = base + 10000;
    send_ack(&peer);
    assert_int_equal(to_tcp(socket)->recovery, TCP_OPEN);
    socket_abort(socket);
    sent(RST | ACK);
}

/* RFC 9293 3.8.6.1: a shut window is probed, at growing intervals, for as long as it is answered.
 */
static void zero_window(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);
    uint32_t first = peer.una;

    peer.window = 0;
    send_ack(&peer);
    put(socket, 3000);
    sent_nothing();
    for (unsigned int i = 0; i < 20; i++) {
        host_advance_ns(61 * NS_PER_S);
        assert_true(seen_count > seen_next);
        for (; seen_next < seen_count; seen_next++) {
            assert_int_equal(seen[seen_next].length, 1);
            assert_int_equal(seen[seen_next].seq, first);
        }
        send_ack(&peer);
        forget();
    }
    assert_int_equal(state_of(socket), TCP_ESTABLISHED);
    peer.window = 60000;
    send_ack(&peer);
    assert_int_equal(sent(ACK)->seq, first); /* at once, and from the probe's byte on */
    socket_abort(socket);
    forget();
}

/* RFC 9293 3.8.6.2.2: our own window shuts, and is told open again when the reader has drained. */
static void window_update(void)
{
    static char data[70000];
    struct peer peer;
    struct socket *socket = connect_plain(&peer);
    struct seen *last;

    while (to_tcp(socket)->rcv_adv != peer.nxt)
        send_data(&peer, data, MIN(to_tcp(socket)->rcv_adv - peer.nxt, 1000u));
    host_advance_ns(NS_PER_S);
    last = &seen[seen_count - 1];
    assert_int_equal(last->window, 0);
    forget();
    send(&peer, peer.nxt, peer.una, ACK, data, 1); /* a probe: refused, and answered */
    assert_int_equal(sent(ACK)->ack, peer.nxt);
    while (take(socket, data, sizeof(data)) > 0)
        ;
    last = sent(ACK);
    assert_true(last->window > 30000);
    socket_abort(socket);
    forget();
}

/* RFC 5961 3.2 and 4.2: RST only at exactly RCV.NXT; elsewhere in the window, and SYN: challenge.
 */
static void blind_attacks(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);

    send(&peer, peer.nxt + 100, peer.una, RST, NULL, 0);
    assert_int_equal(sent(ACK)->ack, peer.nxt);
    assert_int_equal(state_of(socket), TCP_ESTABLISHED);
    send(&peer, peer.nxt - 100000, peer.una, RST, NULL, 0); /* outside: not even answered */
    sent_nothing();
    host_advance_ns(NS_PER_S);
    send(&peer, peer.nxt, peer.una, SYN, NULL, 0);
    assert_int_equal(sent(ACK)->ack, peer.nxt);
    /* 5.2: an ACK of what was never sent, or is far too old */
    host_advance_ns(NS_PER_S);
    send(&peer, peer.nxt, peer.una + 1, ACK, "x", 1);
    sent(ACK);
    host_advance_ns(NS_PER_S);
    send(&peer, peer.nxt, peer.una - 1000000, ACK, "x", 1);
    sent(ACK);
    assert_int_equal(to_tcp(socket)->unread, 0);
    send(&peer, peer.nxt, peer.una, RST, NULL, 0);
    assert_int_equal(socket_error(socket), -ECONNRESET);
    socket_close(socket);
    sent_nothing();
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
    send(&peer, peer.nxt, peer.una, ACK, "old", 3);
    assert_int_equal(sent(ACK)->ack, peer.nxt);
    assert_int_equal(take(socket, got, sizeof(got)), 0);
    peer.ts_value = 5001;
    send_data(&peer, "new", 3);
    assert_int_equal(take(socket, got, sizeof(got)), 3);
    host_advance_ns(NS_PER_S);
    assert_int_equal(sent(ACK)->options.ts_echo, 5001);
    socket_abort(socket);
    forget();
}

/* RFC 9293 3.4: numbers wrap. */
static void wrap(void)
{
    struct socket *socket = connect_start();
    struct seen *syn = sent(SYN);
    struct peer peer = { .port = 7,
                         .local_port = syn->local_port,
                         .nxt = 0xFFFFFFF0u,
                         .una = syn->seq + 1,
                         .window = 60000 };
    char text[64] = "across the end of the sequence space", got[64];

    send(&peer, peer.nxt++, peer.una, SYN | ACK, NULL, 0);
    sent(ACK);
    send(&peer, peer.nxt + 20, peer.una, ACK, text + 20, 44);
    send(&peer, peer.nxt, peer.una, ACK, text, 20);
    assert_int_equal(take(socket, got, sizeof(got)), 64);
    assert_memory_equal(got, text, 64);
    socket_abort(socket);
    forget();
}

/* RFC 9293 3.8.5: urgent data is delivered in line. */
static void urgent(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);
    char got[8];

    send(&peer, peer.nxt, peer.una, ACK | TCP_URG, "urgent", 6);
    assert_int_equal(take(socket, got, sizeof(got)), 6);
    socket_abort(socket);
    forget();
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
        send(&peer, i * 7919, 0, SYN, NULL, 0);
        seen_count = seen_next = 0;
    }
    assert_true(tcp_connection_count() <= 16);
    peer = (struct peer){ .port = 999,
                          .local_port = 80,
                          .nxt = 5555,
                          .window = 1000,
                          .has_timestamps = true,
                          .ts_value = 1 };
    send_options(&peer, peer.nxt++, 0, SYN, &options, NULL, 0);
    answer = sent(SYN | ACK);
    peer.una = answer->seq + 1;
    peer.ts_echo = answer->options.ts_value;
    peer.ts_value++;
    send(&peer, peer.nxt, peer.una + 1, ACK, NULL, 0); /* not our cookie */
    sent(RST);
    send_data(&peer, "hello", 5);
    assert_int_equal(socket_accept(listener, &connection, 0), 0);
    assert_int_equal(to_tcp(connection)->snd_scale, 3);
    assert_true(to_tcp(connection)->has_sack);
    assert_int_equal(to_tcp(connection)->unread, 5);
    socket_abort(connection);
    socket_close(listener);
    forget();
}

/* RFC 9293 3.10.7.4, RFC 6191: a SYN with higher numbers takes over a TIME-WAIT connection. */
static void time_wait_reuse(void)
{
    struct socket *listener = listen_on(80, 4), *connection;
    struct peer peer = { .port = 999, .local_port = 80, .nxt = 5555, .window = 1000 };

    for (unsigned int round = 0; round < 3; round++) {
        struct seen *answer;

        send(&peer, peer.nxt++, 0, SYN, NULL, 0);
        answer = sent(SYN | ACK);
        peer.una = answer->seq + 1;
        send_ack(&peer);
        assert_int_equal(socket_accept(listener, &connection, 0), 0);
        socket_close(connection);
        sent(FIN | ACK);
        peer.una++;
        send(&peer, peer.nxt++, peer.una, FIN | ACK, NULL, 0);
        sent(ACK);
        assert_int_equal(tcp_connection_count(), 1); /* TIME-WAIT */
        send(&peer, peer.nxt - 10, 0, SYN, NULL, 0); /* lower: not taken over */
        forget();
        assert_int_equal(tcp_connection_count(), 1);
        peer.nxt += 100;
    }
    assert_int_equal(tcp_counter(TCP_TIME_WAIT_REUSED), 2);
    socket_close(listener);
}

/* RFC 1191, RFC 5927: a router's smaller MTU is obeyed if it speaks of something in flight. */
static void path_mtu_discovery(void)
{
    struct peer peer;
    struct tcp_options options = { .window_scale = -1, .mss = 1460 };
    struct socket *socket = connect_with(&peer, &options);
    uint8_t packet[56] = { 0x45, 0, 0, 56, 0, 0, 0, 0, 64, IP_PROTOCOL_ICMP };
    uint8_t *inner = packet + 28;
    uint16_t sum;

    put(socket, 2920);
    assert_int_equal(sent(ACK)->length, 1460);
    forget();
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
    sent_nothing();
    assert_int_equal(to_tcp(socket)->mss, 1460);
    store_be32(inner + 24, peer.una);
    memset(packet + 22, 0, 2);
    sum = checksum(packet + 20, 36);
    memcpy(packet + 22, &sum, 2);
    wire_inject(packet, sizeof(packet));
    assert_int_equal(sent(ACK)->length, 960);
    assert_int_equal(to_tcp(socket)->mss, 960);
    socket_abort(socket);
    forget();
}

/* RFC 9293 3.8.4: keep-alive. */
static void keep_alive(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);

    assert_int_equal(socket_set_option(socket, SOCKET_OPTION_KEEPALIVE, 10), 0);
    host_advance_ns(9 * NS_PER_S);
    sent_nothing();
    host_advance_ns(2 * NS_PER_S);
    assert_int_equal(sent(ACK)->seq, peer.una - 1);
    send_ack(&peer);
    host_advance_ns(200 * NS_PER_S); /* nine probes without an answer */
    assert_int_equal(socket_error(socket), -ETIMEDOUT);
    socket_close(socket);
    forget();
}

/* RFC 9293 3.10.4, RFC 2525 2.17: closing with unread data resets. */
static void close_unread(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);

    send_data(&peer, "unread", 6);
    forget();
    socket_close(socket);
    sent(RST | ACK);
    assert_int_equal(tcp_connection_count(), 0);
}

/* RFC 9293 3.7.4: Nagle; and with NODELAY none. */
static void nagle(void)
{
    struct peer peer;
    struct socket *socket = connect_plain(&peer);

    put(socket, 1);
    assert_int_equal(sent(ACK)->length, 1);
    put(socket, 1);
    put(socket, 1);
    sent_nothing();
    peer.una++;
    send_ack(&peer);
    assert_int_equal(sent(ACK)->length, 2);
    assert_int_equal(socket_set_option(socket, SOCKET_OPTION_NODELAY, 1), 0);
    put(socket, 1);
    assert_int_equal(sent(ACK)->length, 1);
    socket_abort(socket);
    forget();
}

/* RFC 6056: every port of the range in use to one peer: an error, not a loop. */
static void port_exhaustion(void)
{
    static struct socket *sockets[PORT_EPHEMERAL_COUNT];
    struct socket_address address = socket_address_v4(WIRE_A_PEER, 7);
    struct socket *one_more;

    for (unsigned int i = 0; i < PORT_EPHEMERAL_COUNT; i++)
        sockets[i] = connect_start();
    assert_int_equal(socket_create(SOCKET_TCP, &one_more), 0);
    assert_int_equal(socket_connect(one_more, &address, 0), -EADDRNOTAVAIL);
    socket_close(one_more);
    for (unsigned int i = 0; i < PORT_EPHEMERAL_COUNT; i++)
        socket_close(sockets[i]);
    forget();
}

/* ---- running them ---- */

static int run_one(void *arg)
{
    static const struct wire_conditions conditions = { .delay_ns = 0 };
    void (*const *test)(void) = arg;

    wire_start(1, &conditions);
    seen_count = seen_next = 0;
    wire_tap = capture;
    (*test)();
    host_advance_ns(200 * NS_PER_S);
    wire_stop();
    return 0;
}

static void run(void **state)
{
    wire_prepare();
    host_run(run_one, state);
    assert_int_equal(tcp_connection_count(), 0);
    assert_int_equal(tcp_memory_bytes(), 0);
}

#define STATE_TEST(function)                                                                       \
    static void test_##function(void **state)                                                      \
    {                                                                                              \
        static void (*const test)(void) = function;                                                \
        (void)state;                                                                               \
        run((void **)&test);                                                                       \
    }
STATE_TEST(active_open)
STATE_TEST(refused)
STATE_TEST(simultaneous_open)
STATE_TEST(close_first)
STATE_TEST(simultaneous_close)
STATE_TEST(half_close)
STATE_TEST(out_of_order)
STATE_TEST(syn_backoff)
STATE_TEST(data_backoff)
STATE_TEST(fast_retransmit)
STATE_TEST(sack_recovery)
STATE_TEST(zero_window)
STATE_TEST(window_update)
STATE_TEST(blind_attacks)
STATE_TEST(paws)
STATE_TEST(wrap)
STATE_TEST(urgent)
STATE_TEST(syn_flood)
STATE_TEST(time_wait_reuse)
STATE_TEST(path_mtu_discovery)
STATE_TEST(keep_alive)
STATE_TEST(close_unread)
STATE_TEST(nagle)
STATE_TEST(port_exhaustion)

UNIT_TESTS(UNIT_TEST(test_active_open), UNIT_TEST(test_refused), UNIT_TEST(test_simultaneous_open),
           UNIT_TEST(test_close_first), UNIT_TEST(test_simultaneous_close),
           UNIT_TEST(test_half_close), UNIT_TEST(test_out_of_order), UNIT_TEST(test_syn_backoff),
           UNIT_TEST(test_data_backoff), UNIT_TEST(test_fast_retransmit),
           UNIT_TEST(test_sack_recovery), UNIT_TEST(test_zero_window),
           UNIT_TEST(test_window_update), UNIT_TEST(test_blind_attacks), UNIT_TEST(test_paws),
           UNIT_TEST(test_wrap), UNIT_TEST(test_urgent), UNIT_TEST(test_syn_flood),
           UNIT_TEST(test_time_wait_reuse), UNIT_TEST(test_path_mtu_discovery),
           UNIT_TEST(test_keep_alive), UNIT_TEST(test_close_unread), UNIT_TEST(test_nagle),
           UNIT_TEST(test_port_exhaustion))
