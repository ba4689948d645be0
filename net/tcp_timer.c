/*
 * TCP's timers: five deadlines per connection behind one struct timer.
 *
 * Deadlines move all the time (every ACK restarts the retransmission timer); the struct timer moves
 * only to an earlier time. When it expires too early, it finds nothing due and is set again.
 * The armed timer holds a reference to the connection.
 */
#include "kernel/parameter.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "net/arp.h"
#include "net/tcp_internal.h"

#define GIVE_UP_SECONDS_MAX 86400

static uint64_t earliest(const struct tcp_socket *tcp)
{
    uint64_t first = DEADLINE_NEVER;

    for (unsigned int i = 0; i < TCP_TIMER_COUNT; i++)
        first = MIN(first, tcp->deadlines[i]);
    return first;
}

static void arm(struct tcp_socket *tcp, uint64_t deadline_ns)
{
    if (deadline_ns == DEADLINE_NEVER)
        return;
    if (!tcp->is_timer_armed) {
        socket_get(&tcp->base);
        tcp->is_timer_armed = true;
    } else if (deadline_ns >= tcp->timer_deadline_ns || !timer_stop(&tcp->timer)) {
        return; /* early enough; or the callback waits for our lock and will see to it */
    }
    tcp->timer_deadline_ns = deadline_ns;
    timer_start(&tcp->timer, deadline_ns, 0);
}

void tcp_timer_set(struct tcp_socket *tcp, enum tcp_timer_kind kind, uint64_t deadline_ns)
{
    tcp->deadlines[kind] = deadline_ns;
    arm(tcp, deadline_ns);
}

void tcp_timer_stop_all(struct tcp_socket *tcp)
{
    for (unsigned int i = 0; i < TCP_TIMER_COUNT; i++)
        tcp->deadlines[i] = DEADLINE_NEVER;
    if (tcp->is_timer_armed && timer_stop(&tcp->timer)) {
        tcp->is_timer_armed = false;
        socket_put(&tcp->base); /* never the last: the caller has one */
    }
}

/* ---- giving up: RFC 9293 3.8.3, R2 ---- */

static uint64_t given_give_up_ns; /* const after the parameters are read; 0: not given */

static int give_up_parameter(const char *value)
{
    uint64_t seconds;

    if (parse_u64(value, &seconds) || seconds == 0 || seconds > GIVE_UP_SECONDS_MAX)
        return -EINVAL;
    given_give_up_ns = seconds * NS_PER_S;
    return 0;
}
PARAMETER(tcp_give_up, "tcp.give_up", "SECONDS (1 to 86400)",
          "when TCP gives up sending again (default 120, and 180 to connect)", give_up_parameter);

/* When it is over, if no acknowledgment comes before. */
static uint64_t give_up_at(const struct tcp_socket *tcp)
{
    uint64_t limit_ns = tcp_is_synchronized(tcp) ? TCP_GIVE_UP_NS : TCP_SYN_GIVE_UP_NS;

    if (tcp->give_up_ns)
        limit_ns = tcp->give_up_ns;
    else if (given_give_up_ns)
        limit_ns = given_give_up_ns;
    return tcp->stalled_since_ns + limit_ns;
}

/*
 * A timer that was set @waited_ns ago has expired: nothing was acknowledged since then, or longer.
 * Return: for so long that the connection is over?
 */
static bool has_given_up(struct tcp_socket *tcp, uint64_t waited_ns)
{
    uint64_t now = clock_now_ns();

    if (tcp->stalled_since_ns == 0)
        tcp->stalled_since_ns = now - MIN(waited_ns, now - 1);
    if (now < give_up_at(tcp))
        return false;
    tcp_count(TCP_GAVE_UP);
    tcp_end(tcp, tcp->soft_error ? tcp->soft_error : -ETIMEDOUT);
    return true;
}

/* The next attempt after @interval_ns, or the end if that comes before. */
static void set_next_attempt(struct tcp_socket *tcp, enum tcp_timer_kind kind, uint64_t interval_ns)
{
    tcp_timer_set(tcp, kind, MIN(deadline_after_ns(interval_ns), give_up_at(tcp)));
}

/* ---- what each of them does ---- */

#define SUSPECT_BACKOFF 2 /* so many times in a row were in vain */

/* RFC 1122 3.3.1.4: a gateway, or a neighbour's link address, is not trusted in spite of silence.
 */
static void suspect_neighbour(const struct tcp_socket *tcp)
{
    if (tcp->backoff >= SUSPECT_BACKOFF && tcp->netdev)
        arp_suspect(tcp->netdev, tcp->next_hop);
}

/* RFC 6298 5.4-5.7 for SYN and SYN-ACK. */
static void retransmit_syn(struct tcp_socket *tcp)
{
    if (tcp->state == TCP_SYN_RECEIVED && tcp->syn_tries > TCP_SYN_ACK_TRIES) {
        tcp_count(TCP_ATTEMPTS_FAILED);
        tcp_end(tcp, -ETIMEDOUT);
        return;
    }
    if (has_given_up(tcp, tcp_rto(tcp)))
        return;
    tcp->backoff++;
    suspect_neighbour(tcp);
    tcp_count(TCP_RETRANSMITTED);
    tcp_send_syn(tcp);
    set_next_attempt(tcp, TCP_TIMER_RETRANSMIT, tcp_rto(tcp));
}

static void retransmit_expired(struct tcp_socket *tcp)
{
    if (tcp->state == TCP_SYN_SENT || tcp->state == TCP_SYN_RECEIVED) {
        retransmit_syn(tcp);
        return;
    }
    if (tcp->snd_una == tcp->snd_nxt)
        return;
    if (has_given_up(tcp, tcp_rto(tcp)))
        return;
    tcp_count(TCP_TIMEOUTS);
    tcp_enter_loss(tcp);
    tcp->backoff++; /* RFC 6298 5.5 */
    suspect_neighbour(tcp);
    if (tcp_update_route(tcp) == 0)
        tcp_output(tcp);
    set_next_attempt(tcp, TCP_TIMER_RETRANSMIT, tcp_rto(tcp));
}

static uint64_t persist_interval(const struct tcp_socket *tcp)
{
    return MIN_T(uint64_t, tcp->rto_ns << tcp->persist_backoff, TCP_RTO_MAX_NS);
}

/*
 * RFC 9293 3.8.6.1: the window may stay shut for ever while the peer answers (each answer ends the
 * stall, in tcp_process_ack()), but not after the user has left.
 */
static void persist_expired(struct tcp_socket *tcp)
{
    if (tcp->snd_end == tcp->snd_una && !tcp->has_user_fin)
        return;
    if (has_given_up(tcp, persist_interval(tcp)))
        return;
    tcp_send_window_probe(tcp);
    tcp->persist_backoff = MIN(tcp->persist_backoff + 1, 16u);
    set_next_attempt(tcp, TCP_TIMER_PERSIST, persist_interval(tcp));
}

/* RFC 9293 3.8.4. */
static void keepalive_expired(struct tcp_socket *tcp)
{
    uint64_t idle = clock_now_ns() - tcp->last_received_ns;

    if (tcp->keepalive_ns == 0 || !tcp_is_synchronized(tcp) || tcp->state == TCP_TIME_WAIT)
        return;
    if (idle < tcp->keepalive_ns) {
        tcp_timer_set(tcp, TCP_TIMER_KEEPALIVE, deadline_after_ns(tcp->keepalive_ns - idle));
        return;
    }
    if (tcp->probes >= TCP_KEEPALIVE_PROBES_MAX) {
        tcp_count(TCP_GAVE_UP);
        tcp_send_reset(tcp);
        tcp_end(tcp, tcp->soft_error ? tcp->soft_error : -ETIMEDOUT);
        return;
    }
    tcp->probes++;
    tcp_count(TCP_KEEPALIVE_PROBES);
    tcp_send_probe(tcp);
    tcp_timer_set(tcp, TCP_TIMER_KEEPALIVE,
                  deadline_after_ns(MIN_T(uint64_t, tcp->keepalive_ns, TCP_KEEPALIVE_INTERVAL_NS)));
}

static void expire(struct tcp_socket *tcp, enum tcp_timer_kind kind)
{
    switch (kind) {
    case TCP_TIMER_RETRANSMIT:
        retransmit_expired(tcp);
        break;
    case TCP_TIMER_PERSIST:
        persist_expired(tcp);
        break;
    case TCP_TIMER_DELAYED_ACK:
        tcp_delayed_ack_expired(tcp);
        break;
    case TCP_TIMER_KEEPALIVE:
        keepalive_expired(tcp);
        break;
    case TCP_TIMER_STATE: /* TIME-WAIT is over; or FIN-WAIT-2 was left alone too long */
        tcp_end(tcp, 0);
        break;
    case TCP_TIMER_COUNT:
        break;
    }
}

static void timer_expired(struct timer *timer)
{
    struct tcp_socket *tcp = container_of(timer, struct tcp_socket, timer);
    irqflags_t flags = tcp_lock(tcp);
    uint64_t now = clock_now_ns();

    tcp->is_timer_armed = false;
    for (unsigned int i = 0; i < TCP_TIMER_COUNT && tcp->state != TCP_CLOSED; i++) {
        if (tcp->deadlines[i] > now)
            continue;
        tcp->deadlines[i] = DEADLINE_NEVER;
        expire(tcp, i);
    }
    if (tcp->state != TCP_CLOSED)
        arm(tcp, earliest(tcp));
    tcp_unlock(tcp, flags);
    socket_put(&tcp->base);
}

void tcp_timer_init(struct tcp_socket *tcp)
{
    timer_init(&tcp->timer, "tcp", timer_expired);
    for (unsigned int i = 0; i < TCP_TIMER_COUNT; i++)
        tcp->deadlines[i] = DEADLINE_NEVER;
}
