/*
 * TCP against a scripted peer: when it is told what has come, and how large the window is
 * (RFC 5681 4.2, RFC 9293 3.8.6). The kernel under test has one CPU: what a script sends in a row
 * comes before any reader runs.
 */
// links: net/loopback.c net/arp.c net/netdev.c net/udp.c net/ipv4_fragment.c
// links: tests/unit/net/wire.c tests/unit/net/tcp_script.c
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "tests/unit/net/tcp_script.h"

#define MSS 1000 /* of connect_sack() */

static char data[100000];

/* A task that reads until an end, an error or a deadline. */
struct reader {
    struct socket *socket;
    struct task *task;
    uint64_t deadline_ns;
    size_t size;  /* of one read */
    size_t total; /* bytes read */
    int error;
};

static int read_all(void *arg)
{
    struct reader *reader = arg;
    size_t got;

    do {
        reader->error =
            socket_receive(reader->socket, data, reader->size, reader->deadline_ns, &got);
        reader->total += got;
    } while (!reader->error && got > 0);
    return 0;
}

static void reader_starts(struct reader *reader, struct socket *socket, uint64_t deadline_ns)
{
    *reader = (struct reader){ .socket = socket, .deadline_ns = deadline_ns, .size = sizeof(data) };
    assert_int_equal(socket_set_option(socket, SOCKET_OPTION_NONBLOCK, 0), 0);
    assert_int_equal(task_create("reader", read_all, reader, &reader->task), 0);
    host_settle();
}

static void reader_ends(struct reader *reader)
{
    task_cancel(reader->task);
    assert_int_equal(task_join(reader->task, NULL, DEADLINE_NEVER), 0);
    socket_abort(reader->socket);
    peer_skips();
}

/* ESTABLISHED, and past the first ACKs, which are never delayed. The window grows no more. */
static struct socket *connect_warm(struct peer *peer)
{
    struct socket *socket = connect_sack(peer);

    assert_int_equal(socket_set_option(socket, SOCKET_OPTION_RECEIVE_BUFFER, 60000), 0);
    while (to_tcp(socket)->quick_acks > 0)
        peer_sends_data(peer, data, MSS);
    assert_true(user_takes(socket, data, sizeof(data)) > 0);
    host_advance_ns(TCP_DELAYED_ACK_NS);
    peer_skips();
    return socket;
}

/* Segments in a row: nobody reads in between. */
static void peer_sends_row(struct peer *peer, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++, peer->nxt += MSS)
        peer_injects(peer, peer->nxt, peer->una, ACK, data, MSS);
    host_settle();
}

/* The last ACK, of @count that came, tells all that was sent. */
static struct seen *peer_gets_acks(const struct peer *peer, unsigned int count)
{
    struct seen *last = NULL;

    host_settle();
    assert_int_equal(seen_count - seen_next, count);
    while (count-- > 0)
        last = peer_gets(ACK);
    assert_int_equal(last->ack, peer->nxt);
    return last;
}

/* RFC 5681 4.2: the peer's slow start is not slowed down, reader or not. */
static void first_acks_are_not_delayed(void)
{
    struct peer peer;
    struct socket *socket = connect_sack(&peer);
    struct reader reader;

    reader_starts(&reader, socket, DEADLINE_NEVER);
    for (unsigned int left = to_tcp(socket)->quick_acks; left > 0; left--) {
        peer_sends_row(&peer, 1);
        peer_gets_acks(&peer, 1);
    }
    peer_sends_row(&peer, 1);
    peer_gets_nothing();
    reader_ends(&reader);
}

/* RFC 5681 4.2: nobody there to read: every second segment at once, a single one in time. */
static void without_a_reader(void)
{
    struct peer peer;
    struct socket *socket = connect_warm(&peer);

    peer_sends_row(&peer, 1);
    host_advance_ns(TCP_DELAYED_ACK_NS - 1);
    peer_gets_nothing();
    host_advance_ns(1);
    peer_gets_acks(&peer, 1);
    peer_sends_row(&peer, 6);
    peer_gets_acks(&peer, 3);
    socket_abort(socket);
    peer_skips();
}

/* One ACK for all that came before the reader did; and he leaves none out. */
static void one_for_the_reader(void)
{
    struct peer peer;
    struct socket *socket = connect_warm(&peer);
    struct reader reader;

    reader_starts(&reader, socket, DEADLINE_NEVER);
    for (unsigned int row = 2; row < 20; row++) {
        peer_sends_row(&peer, row);
        peer_gets_acks(&peer, 1);
    }
    peer_sends_row(&peer, 1); /* by itself: not he, but the timer */
    peer_gets_nothing();
    host_advance_ns(TCP_DELAYED_ACK_NS);
    peer_gets_acks(&peer, 1);
    peer_sends_row(&peer, 10); /* which was not his fault */
    peer_gets_acks(&peer, 1);
    assert_int_equal(reader.total, (2 + 19) * 18 / 2 * MSS + 11 * MSS);
    reader_ends(&reader);
}

/* RFC 5681 4.2: a hole, what fills it, and what was there already are told at once, reader or not.
 */
static void losses_are_told_at_once(void)
{
    struct peer peer;
    struct socket *socket = connect_warm(&peer);
    uint32_t hole = peer.nxt;
    struct reader reader;

    reader_starts(&reader, socket, DEADLINE_NEVER);
    for (unsigned int i = 1; i <= 3; i++) {
        peer_injects(&peer, hole + i * MSS, peer.una, ACK, data, MSS);
        assert_int_equal(seen_count - seen_next, i);
        assert_int_equal(seen[seen_count - 1].ack, hole);
        assert_int_equal(seen[seen_count - 1].options.sack_count, 1);
    }
    peer_injects(&peer, hole, peer.una, ACK, data, MSS);
    assert_int_equal(seen_count - seen_next, 4);
    assert_int_equal(seen[seen_count - 1].ack, hole + 4 * MSS);
    peer_injects(&peer, hole, peer.una, ACK, data, MSS);
    assert_int_equal(seen_count - seen_next, 5);
    reader_ends(&reader);
}

/* Who asked and went away is waited for no longer than an ACK may be delayed, and only once. */
static void reader_who_went_away(void)
{
    struct peer peer;
    struct socket *socket = connect_warm(&peer);
    struct reader reader;

    reader_starts(&reader, socket, deadline_after_ns(NS_PER_S));
    host_advance_ns(NS_PER_S);
    assert_int_equal(reader.error, -ETIMEDOUT);
    peer_sends_row(&peer, 4);
    host_advance_ns(TCP_DELAYED_ACK_NS - 1);
    peer_gets_nothing();
    host_advance_ns(1);
    peer_gets_acks(&peer, 1);
    peer_sends_row(&peer, 4);
    peer_gets_acks(&peer, 2);
    reader_ends(&reader);
}

/* He takes much and reads little by little: what comes meanwhile is told as he goes on. */
static void reader_of_small_pieces(void)
{
    struct peer peer;
    struct socket *socket = connect_warm(&peer);

    peer_sends_row(&peer, 4);
    peer_gets_acks(&peer, 2);
    assert_int_equal(user_takes(socket, data, 100), 100);
    peer_sends_row(&peer, 4);
    peer_gets_nothing();
    assert_int_equal(user_takes(socket, data, 100), 100);
    peer_gets_acks(&peer, 1);
    socket_abort(socket);
    peer_skips();
}

/* RFC 9293 3.8.6.2.2: a full buffer that is emptied is told of a few times, and then of all of it.
 */
static void window_is_told_in_steps(void)
{
    struct peer peer;
    struct socket *socket = connect_warm(&peer);
    const struct tcp_socket *tcp = to_tcp(socket);
    unsigned int reads = 0;

    while (tcp->rcv_adv != peer.nxt)
        peer_sends_data(&peer, data, MIN(tcp->rcv_adv - peer.nxt, (uint32_t)MSS));
    host_advance_ns(TCP_DELAYED_ACK_NS);
    assert_int_equal(seen[seen_count - 1].window, 0);
    peer_skips();
    for (; user_takes(socket, data, 500) > 0; reads++)
        ;
    assert_true(reads >= tcp->receive_limit / 500 - 1);
    assert_in_range(seen_count - seen_next, 2, 8); /* log2 of the buffer by the first step */
    assert_true(tcp->rcv_adv - tcp->rcv_nxt > tcp->receive_limit / 2);
    socket_abort(socket);
    peer_skips();
}

/* RFC 9293 3.10.7.4: the data of a connection that was reset is read, and not acknowledged. */
static void reset_with_data_to_read(void)
{
    struct peer peer;
    struct socket *socket = connect_warm(&peer);
    struct reader reader;

    reader_starts(&reader, socket, DEADLINE_NEVER);
    for (unsigned int i = 0; i < 4; i++, peer.nxt += MSS)
        peer_injects(&peer, peer.nxt, peer.una, ACK, data, MSS);
    peer_injects(&peer, peer.nxt, peer.una, RST, NULL, 0);
    peer_gets_nothing();
    assert_int_equal(reader.error, -ECONNRESET);
    reader_ends(&reader);
}

UNIT_TESTS(TCP_SCRIPT(first_acks_are_not_delayed), TCP_SCRIPT(without_a_reader),
           TCP_SCRIPT(one_for_the_reader), TCP_SCRIPT(losses_are_told_at_once),
           TCP_SCRIPT(reader_who_went_away), TCP_SCRIPT(reader_of_small_pieces),
           TCP_SCRIPT(window_is_told_in_steps), TCP_SCRIPT(reset_with_data_to_read))
