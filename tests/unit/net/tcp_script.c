/*
 * The scripted peer; see tcp_script.h.
 */
#include "tests/unit/net/tcp_script.h"

#include "lib/checksum.h"
#include "lib/errno.h"
#include "net/ipv4.h"

struct seen seen[TCP_SEEN_MAX];
unsigned int seen_count, seen_next;

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

struct seen *peer_gets(uint8_t flags)
{
    host_settle();
    assert_true(seen_next < seen_count);
    assert_int_equal(seen[seen_next].flags, flags);
    return &seen[seen_next++];
}

void peer_gets_nothing(void)
{
    host_settle();
    assert_int_equal(seen_next, seen_count);
}

void peer_skips(void)
{
    host_settle();
    seen_next = seen_count;
}

static void inject(const struct peer *peer, uint32_t seq, uint32_t ack, uint8_t flags,
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
}

const struct tcp_options no_options = { .window_scale = -1 };

void peer_injects(const struct peer *peer, uint32_t seq, uint32_t ack, uint8_t flags,
                  const void *data, size_t length)
{
    inject(peer, seq, ack, flags, &no_options, data, length);
}

void peer_sends_options(const struct peer *peer, uint32_t seq, uint32_t ack, uint8_t flags,
                        const struct tcp_options *given, const void *data, size_t length)
{
    inject(peer, seq, ack, flags, given, data, length);
    host_settle();
}

void peer_sends(const struct peer *peer, uint32_t seq, uint32_t ack, uint8_t flags,
                const void *data, size_t length)
{
    peer_sends_options(peer, seq, ack, flags, &no_options, data, length);
}

void peer_sends_data(struct peer *peer, const void *data, size_t length)
{
    peer_sends(peer, peer->nxt, peer->una, ACK, data, length);
    peer->nxt += (uint32_t)length;
}

void peer_acks(const struct peer *peer)
{
    peer_sends(peer, peer->nxt, peer->una, ACK, NULL, 0);
}

/* ---- ways into ESTABLISHED ---- */

struct socket *connect_start(void)
{
    struct socket_address address = socket_address_v4(WIRE_A_PEER, 7);
    struct socket *socket;

    assert_int_equal(socket_create(SOCKET_TCP, &socket), 0);
    assert_int_equal(socket_set_option(socket, SOCKET_OPTION_NONBLOCK, 1), 0);
    assert_int_equal(socket_connect(socket, &address, 0), -EINPROGRESS);
    return socket;
}

struct socket *connect_with(struct peer *peer, const struct tcp_options *options)
{
    struct socket *socket = connect_start();
    struct seen *syn = peer_gets(SYN);

    *peer = (struct peer){
        .port = 7, .local_port = syn->local_port, .nxt = 1000, .una = syn->seq + 1, .window = 60000
    };
    if (options->has_timestamps) {
        peer->has_timestamps = true;
        peer->ts_value = options->ts_value;
        peer->ts_echo = syn->options.ts_value;
    }
    peer_sends_options(peer, peer->nxt++, peer->una, SYN | ACK, options, NULL, 0);
    assert_int_equal(peer_gets(ACK)->ack, peer->nxt);
    assert_int_equal(socket_ready(socket) & SOCKET_WRITABLE, SOCKET_WRITABLE);
    return socket;
}

struct socket *connect_plain(struct peer *peer)
{
    struct tcp_options options = { .window_scale = -1, .mss = 1000 };

    return connect_with(peer, &options);
}

struct socket *connect_sack(struct peer *peer)
{
    struct tcp_options options = { .window_scale = -1, .mss = 1000, .has_sack_permitted = true };

    return connect_with(peer, &options);
}

struct socket *listen_on(uint16_t port, unsigned int backlog)
{
    struct socket_address address = { .port = port };
    struct socket *socket;

    assert_int_equal(socket_create(SOCKET_TCP, &socket), 0);
    assert_int_equal(socket_set_option(socket, SOCKET_OPTION_NONBLOCK, 1), 0);
    assert_int_equal(socket_bind(socket, &address), 0);
    assert_int_equal(socket_listen(socket, backlog), 0);
    return socket;
}

void user_sends(struct socket *socket, size_t length)
{
    static const uint8_t data[200000];
    size_t part = 0;

    assert_int_equal(socket_send(socket, data, length, 0, &part), 0);
    assert_int_equal(part, length);
    host_settle();
}

size_t user_takes(struct socket *socket, void *data, size_t size)
{
    size_t got;
    int error = socket_receive(socket, data, size, 0, &got);

    return error ? 0 : got;
}

enum tcp_state state_of(struct socket *socket)
{
    return to_tcp(socket)->state;
}

/* ---- running them ---- */

static int run_one(void *script)
{
    static const struct wire_conditions conditions = { .delay_ns = 0 };

    wire_start(1, &conditions);
    seen_count = seen_next = 0;
    wire_tap = capture;
    ((void (*)(void))script)();
    host_advance_ns(200 * NS_PER_S);
    wire_stop();
    return 0;
}

void tcp_script_run(void **state)
{
    wire_prepare();
    host_run(run_one, *state);
    assert_int_equal(tcp_connection_count(), 0);
    assert_int_equal(tcp_memory_bytes(), 0);
}
