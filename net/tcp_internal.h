/*
 * TCP inside: one connection's state, and who does what. For files of net/ only.
 *
 *   tcp_input.c       a segment arrives: RFC 9293 3.10.7, top to bottom
 *   tcp_ack.c         its acknowledgment: the send queue, RTT, loss recovery (RFC 5681, 6582, 6675)
 *   tcp_receive.c     its data: in order, out of order
 *   tcp_window.c      the receive window, and when the peer is told of it and of what has come
 *   tcp_sack.c        the scoreboard of what the peer has; the blocks we report (RFC 2018)
 *   tcp_output.c      what to send next; tcp_segment.c: how a segment is made
 *   tcp_timer.c       one timer per connection, five deadlines; RTO (RFC 6298)
 *   tcp_error.c       what routers say of what we sent
 *   tcp_congestion.c  how fast: NewReno; tcp_cubic.c: CUBIC
 *   tcp_options.c     options, both ways (RFC 7323)
 *   tcp_listen.c      passive open, backlog; tcp_cookie.c: SYN cookies
 *   tcp_table.c       finding connections and listeners, ports
 *   tcp_connection.c  a connection's life; memory and counters of all
 *   tcp_socket.c      the user's calls: RFC 9293 3.10.1, 3.10.4, 3.10.5
 *   tcp_write.c       3.10.2, SEND; tcp_read.c: 3.10.3, RECEIVE
 *
 * Locking: socket->lock guards a connection, in every context with interrupts off. Rank order:
 * table buckets, then a connection, then the accept queue of its listener and everything below. So
 * nothing leaves the table while its lock is held: tcp_unlock() does that afterwards for a
 * connection that has become CLOSED. All functions below are called with the lock held unless they
 * say otherwise.
 *
 * Counting: the user, the table and the armed timer hold one reference each.
 *
 * Sending: the stream is a list of chunks over counted buffers, from snd_una to snd_end. Segments
 * refer to the chunks' bytes; retransmitting makes a new frame over the same bytes. What is in
 * flight is told by four marks, in this order:
 *
 *   snd_una ... high_rxt ... lost_edge ... snd_nxt
 *
 * Below lost_edge, what the peer has not got (by SACK) is taken as lost; of that, what lies below
 * high_rxt has been sent again. So pipe (RFC 6675) is what is unsacked below high_rxt plus what is
 * unsacked above lost_edge. Outside of recovery both are at snd_una.
 *
 * Receiving: frames go from the device to receive_queue as they are. The reader takes the whole
 * queue to itself (read_queue, under the reader mutex) and copies without a spinlock.
 */
#pragma once

#include "kernel/time/timer.h"
#include "lib/hash.h"
#include "net/netdev.h"
#include "net/socket_internal.h"
#include "net/tcp.h"
#include "net/tcp_wire.h"

/* ---- constants ---- */

#define TCP_MSS_DEFAULT      536 /* RFC 9293 3.7.1: without an option */
#define TCP_MSS_MIN          64
#define TCP_WINDOW_MAX       65535u
#define TCP_WINDOW_SCALE     7 /* ours: 8 MiB can be said */
#define TCP_WINDOW_SCALE_MAX 14
#define TCP_BUFFER_INITIAL   (64u * 1024)
#define TCP_BUFFER_MIN       2048u
#define TCP_BUFFER_MAX       (4u << 20)
#define TCP_SEGMENT_MAX      65000u /* payload of one frame that the device cuts up */
#define TCP_INITIAL_WINDOW   10     /* segments, RFC 6928 */
#define TCP_DUPLICATE_ACKS   3      /* RFC 5681: DupThresh */

/* RFC 6298 wants at least a second; like others we take 200 ms: timers are exact here. */
#define TCP_RTO_MIN_NS            (200 * NS_PER_MS)
#define TCP_RTO_INITIAL_NS        NS_PER_S
#define TCP_RTO_MAX_NS            (60 * NS_PER_S)
#define TCP_DELAYED_ACK_NS        (40 * NS_PER_MS)
#define TCP_MSL_NS                (30 * NS_PER_S)
#define TCP_GIVE_UP_NS            (120 * NS_PER_S) /* R2, RFC 9293 3.8.3: at least 100 s */
#define TCP_SYN_GIVE_UP_NS        (180 * NS_PER_S) /* and 3 minutes for SYN */
#define TCP_SYN_ACK_TRIES         5
#define TCP_FIN_WAIT_2_NS         (60 * NS_PER_S)
#define TCP_KEEPALIVE_PROBES_MAX  9
#define TCP_KEEPALIVE_INTERVAL_NS (75 * NS_PER_S)
#define TCP_CHALLENGE_INTERVAL_NS (10 * NS_PER_MS)
#define TCP_TIME_WAIT_MAX         8192
#define TCP_PAWS_IDLE_NS          (24ull * 24 * 3600 * NS_PER_S) /* RFC 7323 5.5 */
#define TCP_OUT_OF_ORDER_MAX      4096                           /* frames */

/* ---- the connection ---- */

/* A stretch of the stream to send. */
struct tcp_chunk {
    struct list_node node;
    struct frame_buffer *buffer; /* one reference */
    uint8_t *data;
    uint32_t seq; /* of data[0] */
    uint32_t length;
};

/* What the peer has beyond snd_una: disjoint, rising. Allocated when the first SACK comes. */
#define TCP_SCOREBOARD_MAX 256
struct tcp_scoreboard {
    unsigned int count;
    struct tcp_range ranges[TCP_SCOREBOARD_MAX];
};

enum tcp_timer_kind {
    TCP_TIMER_RETRANSMIT,
    TCP_TIMER_PERSIST,
    TCP_TIMER_DELAYED_ACK,
    TCP_TIMER_KEEPALIVE,
    TCP_TIMER_STATE, /* TIME-WAIT, FIN-WAIT-2 without a user */
    TCP_TIMER_COUNT
};

enum tcp_recovery {
    TCP_OPEN,     /* no loss known */
    TCP_RECOVERY, /* fast recovery, until recovery_point is acknowledged */
    TCP_LOSS,     /* after a retransmission timeout, likewise */
    TCP_RESEND,   /* what was in flight was too large for the path: no congestion; likewise */
};

struct tcp_socket;

/* Congestion control: cwnd and ssthresh are bytes, in struct tcp_socket. */
struct tcp_congestion_ops {
    const char *name;
    void (*init)(struct tcp_socket *tcp);
    /* ssthresh: a loss was found; the new threshold. */
    uint32_t (*ssthresh)(struct tcp_socket *tcp);
    /* acked: @bytes newly acknowledged while cwnd was the limit, cwnd >= ssthresh. */
    void (*acked)(struct tcp_socket *tcp, uint32_t bytes);
    /* timeout: a retransmission timeout; optional. */
    void (*timeout)(struct tcp_socket *tcp);
};

struct tcp_cubic {
    uint32_t w_max;    /* bytes; window before the last reduction */
    uint32_t w_est;    /* bytes; what Reno would have */
    uint32_t k_ms;     /* time to reach w_max again */
    uint32_t origin;   /* bytes; the plateau */
    uint64_t epoch_ns; /* start of this congestion avoidance; 0: not begun */
    uint32_t acked;    /* bytes not yet turned into growth */
    uint32_t acked_reno;
};

struct tcp_listener {
    struct spinlock lock; /* rank: LOCK_RANK_NET_TABLE; inside a connection's lock */
    struct list half_open __guarded_by(lock); /* tcp_socket.accept_node: SYN-RECEIVED */
    struct list ready __guarded_by(lock);     /* likewise: ESTABLISHED and beyond */
    unsigned int half_open_count __guarded_by(lock);
    unsigned int ready_count __guarded_by(lock);
    unsigned int backlog;
    bool is_closed __guarded_by(lock);
};

struct tcp_socket {
    struct socket base;          /* lock, addresses, error */
    struct list_node table_node; /* connection table; guarded by its bucket's lock */
    struct list_node port_node;  /* port table; guarded by its bucket's lock */
    enum tcp_state state;
    bool is_in_table; /* of connections */
    bool is_in_ports;
    bool is_orphan;  /* the user has closed it */
    bool is_passive; /* came by listen */
    bool is_read_shut;
    bool has_user_fin;     /* the user has ended the stream: FIN follows snd_end */
    bool has_fin;          /* the peer's FIN is known, at fin_seq */
    bool has_received_fin; /* ... and all before it has arrived */
    bool was_connected;
    bool was_opened; /* it has left CLOSED once */

    /* negotiated (RFC 7323, RFC 2018) */
    bool has_timestamps;
    bool has_sack;
    bool has_window_scale;
    uint8_t snd_scale, rcv_scale;
    uint16_t mss; /* payload per packet, options of every segment deducted */
    uint16_t peer_mss;
    bool has_tso;          /* the device cuts large frames */
    bool is_waiting_room;  /* in line by room_waiter, which holds a reference */
    bool is_my_turn;       /* its turn has come, for this call */
    struct netdev *netdev; /* by the last route lookup */
    struct netdev_waiter room_waiter;
    uint32_t next_hop;

    /* send sequence space (RFC 9293 3.3.1) */
    uint32_t iss;
    uint32_t snd_una;
    uint32_t snd_nxt;
    uint32_t snd_max; /* highest ever sent + 1 */
    uint32_t snd_end; /* end of the queued stream; a FIN has this number */
    uint32_t snd_wnd; /* scaled */
    uint32_t snd_wl1, snd_wl2;
    uint32_t snd_wnd_max; /* largest the peer ever offered */
    struct list chunks;
    uint32_t send_limit; /* bytes the user may have queued */
    bool has_fixed_send_limit;
    bool is_nodelay;

    /* loss recovery */
    enum tcp_recovery recovery;
    uint32_t recovery_point;
    uint32_t high_rxt, lost_edge;
    uint32_t duplicate_acks;
    bool must_retransmit; /* one segment at snd_una whatever cwnd says */
    bool is_cwnd_limited;
    struct tcp_scoreboard *scoreboard;

    /* congestion control */
    const struct tcp_congestion_ops *congestion;
    uint32_t cwnd, ssthresh;
    struct tcp_cubic cubic;
    uint32_t reno_acked;

    /* round trip time (RFC 6298) */
    uint64_t srtt_ns, rttvar_ns; /* 0: no sample yet */
    uint64_t rto_ns;
    unsigned int backoff;      /* doublings in force */
    uint32_t rtt_seq;          /* without timestamps: the byte being timed */
    uint64_t rtt_start_ns;     /* 0: none is */
    uint64_t stalled_since_ns; /* nothing was acknowledged since; 0: no timeout since then */
    uint64_t give_up_ns;
    unsigned int syn_tries;

    /* receive sequence space */
    uint32_t irs;
    uint32_t rcv_nxt;
    uint32_t rcv_adv; /* right edge last advertised */
    uint32_t fin_seq;
    uint32_t last_ack_sent;
    struct frame_queue receive_queue; /* in order; payloads */
    struct frame_queue out_of_order;  /* by sequence number, control[0], disjoint */
    uint32_t receive_limit;           /* bytes we take without the user reading */
    uint32_t unread;                  /* bytes in receive_queue and read_queue */
    uint32_t consumed;                /* read since the last growth of receive_limit */
    uint32_t charged;                 /* memory in the queues, counted in tcp_memory_bytes() */
    bool has_fixed_receive_limit;
    unsigned int sack_block_count;
    struct tcp_range sack_blocks[TCP_SACK_BLOCKS]; /* most recent first */
    unsigned int unacked_segments;                 /* full-sized, since the last ACK sent */
    bool must_ack;                                 /* at the end of this call */
    bool is_reader_here;     /* he waits for data or copies some: tcp_window.c */
    unsigned int quick_acks; /* this many ACKs are not delayed: the peer is starting */

    /* timestamps (RFC 7323) */
    uint32_t ts_offset;
    uint32_t ts_recent;
    uint64_t ts_recent_ns;

    /* time */
    struct timer timer;
    bool is_timer_armed;
    uint64_t timer_deadline_ns;
    uint64_t deadlines[TCP_TIMER_COUNT]; /* DEADLINE_NEVER: not set */
    unsigned int probes;                 /* keep-alives unanswered */
    unsigned int persist_backoff;
    uint64_t keepalive_ns; /* 0: off */
    uint64_t last_received_ns;
    uint64_t confirmed_ns; /* when ARP was last told that the neighbour lives */
    uint64_t challenged_ns;
    int soft_error; /* last ICMP error, told if the connection times out */

    /* listening, and being accepted */
    struct tcp_listener *listener;
    struct tcp_socket *parent;    /* one reference; NULL once accepted */
    struct list_node accept_node; /* guarded by parent->listener->lock */
    bool is_ready;                /* likewise: on the ready list, not the half-open one */
    struct tcp_socket *to_notify; /* a listener to wake after unlocking; one reference */

    /* under the mutexes of the base */
    struct frame_queue read_queue;     /* reader: taken from receive_queue, counted in unread */
    struct frame_buffer *write_buffer; /* writer: being filled; one reference */
    uint32_t write_filled;
};

static inline struct tcp_socket *to_tcp(struct socket *socket)
{
    return container_of(socket, struct tcp_socket, base);
}

static inline irqflags_t tcp_lock(struct tcp_socket *tcp) __acquires(tcp->base.lock)
{
    return spin_lock_irqsave(&tcp->base.lock);
}

/** tcp_unlock() - and leave the table, if the connection has ended. */
void tcp_unlock(struct tcp_socket *tcp, irqflags_t flags) __releases(tcp->base.lock);

static inline bool tcp_is_synchronized(const struct tcp_socket *tcp)
{
    return tcp->state >= TCP_ESTABLISHED;
}

/** Sequence number after everything that is to be sent, FIN included. */
static inline uint32_t tcp_send_end(const struct tcp_socket *tcp)
{
    return tcp->snd_end + tcp->has_user_fin;
}

/* ---- tcp_connection.c ---- */

/** tcp_create() - a closed connection with one reference (the user's), NULL without memory. */
struct tcp_socket *tcp_create(void);
void tcp_destroy(struct socket *socket); /* the last reference is gone */
/** tcp_set_established() - RFC 9293 3.10.7: the handshake has ended. */
void tcp_set_established(struct tcp_socket *tcp);
/** tcp_end() - CLOSED, with @error (0 or -errno) for the user; everything queued to send goes. */
void tcp_end(struct tcp_socket *tcp, int error);
void tcp_enter_time_wait(struct tcp_socket *tcp);
void tcp_charge(struct tcp_socket *tcp, int64_t bytes);
bool tcp_memory_is_short(void);
void tcp_count(enum tcp_counter counter);
void tcp_count_add(enum tcp_counter counter, uint64_t value);

/* ---- tcp_socket.c, tcp_write.c, tcp_read.c: as struct socket_ops says ---- */

extern const struct socket_ops tcp_socket_ops;
int tcp_send(struct socket *socket, const void *data, size_t length, size_t *sent);
int tcp_send_buffer(struct socket *socket, struct frame_buffer *buffer, uint8_t *data,
                    uint32_t length);
int tcp_receive(struct socket *socket, void *data, size_t size, size_t *received,
                struct socket_address *peer);
int tcp_receive_frame(struct socket *socket, struct frame **frame);

/* ---- tcp_table.c; none is called with a connection's lock held ---- */

struct tcp_socket *tcp_table_find(const struct socket_address *local,
                                  const struct socket_address *peer);
/** tcp_table_find_listener() - counted reference to the best listener, or NULL. */
struct tcp_socket *tcp_table_find_listener(const struct socket_address *local,
                                           const struct netdev *netdev);
/** tcp_table_insert() - -EADDRINUSE when that pair of addresses is taken. Takes a reference. */
int __must_check tcp_table_insert(struct tcp_socket *tcp);
/** tcp_table_insert_anywhere() - with a free local port; -EADDRNOTAVAIL. */
int __must_check tcp_table_insert_anywhere(struct tcp_socket *tcp);
void tcp_table_remove(struct tcp_socket *tcp);
int __must_check tcp_ports_bind(struct tcp_socket *tcp, const struct socket_address *address);
void tcp_ports_unbind(struct tcp_socket *tcp);
/** tcp_table_get() - counted reference to entry @index of all (listeners first), for display. */
struct tcp_socket *tcp_table_get(unsigned int *cursor_bucket, unsigned int *cursor_index);
uint64_t tcp_hash(const struct socket_address *local, const struct socket_address *peer,
                  unsigned int purpose);

/* ---- tcp_output.c ---- */

/** tcp_output() - send all that may be sent now. */
void tcp_output(struct tcp_socket *tcp);
/** tcp_room_init() - prepare room_waiter. */
void tcp_room_init(struct tcp_socket *tcp);

/* ---- tcp_segment.c ---- */

/**
 * tcp_send_segment() - send [seq, seq + length) of the queue with @flags; @has_more: others follow
 * Return: bytes sent (fewer when the queue is in very small pieces), or -errno.
 */
int tcp_send_segment(struct tcp_socket *tcp, uint32_t seq, uint32_t length, uint8_t flags,
                     bool has_more);
void tcp_send_ack(struct tcp_socket *tcp);
/** tcp_send_syn() - SYN or SYN-ACK, by state. */
void tcp_send_syn(struct tcp_socket *tcp);
void tcp_send_reset(struct tcp_socket *tcp);
/** tcp_send_probe() - a keep-alive: an old sequence number that the peer must answer. */
void tcp_send_probe(struct tcp_socket *tcp);
/** tcp_send_window_probe() - one byte beyond the window (RFC 9293 3.8.6.1). */
void tcp_send_window_probe(struct tcp_socket *tcp);
/** tcp_update_route() - look up device and path MTU again. 0 or -errno of the route. */
int tcp_update_route(struct tcp_socket *tcp);
/** tcp_reply_reset() - answer a segment that belongs to nothing. No connection, no lock. */
void tcp_reply_reset(const struct tcp_segment *segment);
/** tcp_send_raw() - a bare segment from @local to @peer; for cookies and resets. No lock. */
void tcp_send_raw(const struct socket_address *local, const struct socket_address *peer,
                  struct netdev *netdev, uint32_t seq, uint32_t ack, uint8_t flags, uint16_t window,
                  const struct tcp_options *options);
uint32_t tcp_timestamp_now(const struct tcp_socket *tcp);
uint16_t tcp_mss_for(uint32_t destination, const struct netdev *netdev);

/* ---- tcp_input.c ---- */

/** tcp_dispatch() - to the connection, listener or nobody it is for. No lock held. */
void tcp_dispatch(struct tcp_segment *segment);

/* ---- tcp_ack.c ---- */

/** tcp_process_ack() - RFC 9293 3.10.7.4, fifth. Return: false when the segment is to be dropped.
 */
bool tcp_process_ack(struct tcp_socket *tcp, const struct tcp_segment *segment);
uint32_t tcp_pipe(const struct tcp_socket *tcp);
void tcp_rtt_sample(struct tcp_socket *tcp, uint64_t rtt_ns);
/** tcp_enter_loss() - a retransmission timeout (RFC 5681 3.1, RFC 6675 5.1). */
void tcp_enter_loss(struct tcp_socket *tcp);
uint64_t tcp_rto(const struct tcp_socket *tcp); /* with backoff */

/* ---- tcp_receive.c ---- */

/** tcp_receive_segment() - data and FIN of an acceptable segment. */
void tcp_receive_segment(struct tcp_socket *tcp, struct tcp_segment *segment);
void tcp_purge_receive(struct tcp_socket *tcp);

/* ---- tcp_window.c ---- */

uint32_t tcp_receive_window(const struct tcp_socket *tcp);
/** tcp_schedule_ack() - @length bytes have come in order: sets must_ack, or sees to it later. */
void tcp_schedule_ack(struct tcp_socket *tcp, uint32_t length);
/** tcp_delayed_ack_expired() - its timer; nobody has sent an ACK before. */
void tcp_delayed_ack_expired(struct tcp_socket *tcp);
/** tcp_reader_asks() - @is_served: and takes the receive queue; otherwise it is empty. May send. */
void tcp_reader_asks(struct tcp_socket *tcp, bool is_served);
/** tcp_consumed() - the user has read @bytes; @has_more: of what he took some is left. May send. */
void tcp_consumed(struct tcp_socket *tcp, uint32_t bytes, bool has_more);

/* ---- tcp_sack.c ---- */

/** tcp_sack_update() - blocks of @segment into the scoreboard. Return: was anything new? */
bool tcp_sack_update(struct tcp_socket *tcp, const struct tcp_segment *segment);
void tcp_sack_clear(struct tcp_socket *tcp);
void tcp_sack_advance(struct tcp_socket *tcp); /* snd_una has moved */
/** tcp_sack_unsacked() - bytes in [start, end) that the peer has not reported. */
uint32_t tcp_sack_unsacked(const struct tcp_socket *tcp, uint32_t start, uint32_t end);
/** tcp_sack_next_hole() - first unsacked stretch in [start, end); false: none. */
bool tcp_sack_next_hole(const struct tcp_socket *tcp, uint32_t start, uint32_t end,
                        struct tcp_range *hole);
/** tcp_sack_lost_edge() - below it everything unsacked counts as lost (RFC 6675 IsLost). */
uint32_t tcp_sack_lost_edge(const struct tcp_socket *tcp);
/** tcp_sack_report() - [start, end) arrived out of order, or again (D-SACK, RFC 2883). */
void tcp_sack_report(struct tcp_socket *tcp, uint32_t start, uint32_t end);
void tcp_sack_report_trim(struct tcp_socket *tcp); /* rcv_nxt has moved */

/* ---- tcp_timer.c ---- */

void tcp_timer_init(struct tcp_socket *tcp);
void tcp_timer_set(struct tcp_socket *tcp, enum tcp_timer_kind kind, uint64_t deadline_ns);
static inline void tcp_timer_clear(struct tcp_socket *tcp, enum tcp_timer_kind kind)
{
    tcp->deadlines[kind] = DEADLINE_NEVER; /* the timer itself finds nothing to do then */
}
static inline bool tcp_timer_is_set(const struct tcp_socket *tcp, enum tcp_timer_kind kind)
{
    return tcp->deadlines[kind] != DEADLINE_NEVER;
}
void tcp_timer_stop_all(struct tcp_socket *tcp);

/* ---- tcp_congestion.c ---- */

extern const struct tcp_congestion_ops tcp_cubic_ops;
extern const struct tcp_congestion_ops tcp_newreno_ops;
const struct tcp_congestion_ops *tcp_congestion_find(enum tcp_congestion_kind kind);
void tcp_congestion_start(struct tcp_socket *tcp); /* the connection is established */
void tcp_congestion_acked(struct tcp_socket *tcp, uint32_t bytes);
void tcp_congestion_idle(struct tcp_socket *tcp); /* about to send after a pause (RFC 5681 4.1) */

/* ---- tcp_listen.c, tcp_cookie.c ---- */

/** tcp_listen_input() - a segment for a listener (RFC 9293 3.10.7.2). No lock held. */
void tcp_listen_input(struct tcp_socket *listener, struct tcp_segment *segment);
int __must_check tcp_listener_create(struct tcp_socket *tcp, unsigned int backlog);
/** tcp_listener_close() - abort all that was not accepted. No lock held. */
void tcp_listener_close(struct tcp_socket *tcp);
/** tcp_listener_established() - @tcp's handshake ended: false when the accept queue is full. */
bool tcp_listener_established(struct tcp_socket *tcp);
/** tcp_listener_forget() - @tcp ended before it was accepted. */
void tcp_listener_forget(struct tcp_socket *tcp);
int __must_check tcp_listener_accept(struct tcp_socket *tcp, struct socket **connection);
bool tcp_listener_is_ready(struct tcp_socket *tcp);
/** tcp_passive_open() - a connection in SYN-RECEIVED for @segment's SYN; NULL: no memory, taken. */
struct tcp_socket *tcp_passive_open(struct tcp_socket *listener, const struct tcp_segment *segment,
                                    uint32_t iss, uint32_t irs, bool has_cookie);
void tcp_cookie_send(const struct tcp_segment *segment);
/** tcp_cookie_check() - is @segment's ACK one of ours? Then what the SYN said, as far as kept. */
bool tcp_cookie_check(const struct tcp_segment *segment, struct tcp_options *syn_options);
uint32_t tcp_initial_sequence(const struct socket_address *local,
                              const struct socket_address *peer);
void tcp_cookie_init(void);
void tcp_table_init(void);
/** tcp_negotiate() - take over what both SYNs said (RFC 7323 1.3, 2.2). */
void tcp_negotiate(struct tcp_socket *tcp, const struct tcp_options *options);
