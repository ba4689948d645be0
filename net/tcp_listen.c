/*
 * Passive open: RFC 9293 3.10.7.2, the backlog, and who waits to be accepted.
 *
 * A connection in SYN-RECEIVED is a whole struct tcp_socket, so that it follows the same code as
 * any other; there are at most backlog of them per listener, and as many accepted by TCP but not
 * yet by the user. When the first are used up, SYN cookies take over (tcp_cookie.c), and a flood
 * costs no memory. When the second are, SYNs are dropped: the peer tries again.
 *
 * The lists hold the reference that the user will get. Locks: listener->lock, inside the lock of
 * any one connection.
 */
#include "lib/errno.h"
#include "mm/kmalloc.h"
#include "net/tcp_internal.h"

#define BACKLOG_MAX 4096u

int tcp_listener_create(struct tcp_socket *tcp, unsigned int backlog)
{
    struct tcp_listener *listener = kzalloc(sizeof(*listener));

    if (!listener)
        return -ENOMEM;
    spin_lock_init(&listener->lock, "tcp_listener", LOCK_RANK_NET_TABLE);
    list_init(&listener->half_open);
    list_init(&listener->ready);
    listener->backlog = CLAMP(backlog, 1u, BACKLOG_MAX);
    tcp->listener = listener;
    return 0;
}

/* ---- the two lists ---- */

/*
 * Put a new connection among the half-open. Return: false when there are too many. One that brings
 * a cookie stays there for a moment only, and is not kept out by the flood that made us send it.
 */
static bool add_half_open(struct tcp_socket *parent, struct tcp_socket *child, bool has_cookie)
{
    struct tcp_listener *listener = parent->listener;
    irqflags_t flags = spin_lock_irqsave(&listener->lock);
    bool has_room = !listener->is_closed &&
                    listener->half_open_count < listener->backlog * (has_cookie ? 2 : 1);

    if (has_room) {
        socket_get(&parent->base);
        child->parent = parent;
        list_push_back(&listener->half_open, &child->accept_node);
        listener->half_open_count++;
    }
    spin_unlock_irqrestore(&listener->lock, flags);
    return has_room;
}

bool tcp_listener_established(struct tcp_socket *tcp)
{
    struct tcp_listener *listener = tcp->parent->listener;
    irqflags_t flags = spin_lock_irqsave(&listener->lock);
    bool has_room = !listener->is_closed && listener->ready_count < listener->backlog;

    if (has_room) {
        list_remove(&tcp->accept_node);
        listener->half_open_count--;
        list_push_back(&listener->ready, &tcp->accept_node);
        listener->ready_count++;
        tcp->is_ready = true;
        socket_get(&tcp->parent->base);
        tcp->to_notify = tcp->parent;
    }
    spin_unlock_irqrestore(&listener->lock, flags);
    return has_room;
}

/* Take @tcp off the list it is on. Return: was it on one? */
static bool remove_locked(struct tcp_listener *listener, struct tcp_socket *tcp)
{
    if (!list_node_is_linked(&tcp->accept_node))
        return false;
    list_remove(&tcp->accept_node);
    if (tcp->is_ready)
        listener->ready_count--;
    else
        listener->half_open_count--;
    return true;
}

void tcp_listener_forget(struct tcp_socket *tcp)
{
    struct tcp_socket *parent = tcp->parent;
    irqflags_t flags;
    bool was_listed;

    if (!parent)
        return;
    flags = spin_lock_irqsave(&parent->listener->lock);
    was_listed = remove_locked(parent->listener, tcp);
    spin_unlock_irqrestore(&parent->listener->lock, flags);
    if (!was_listed)
        return; /* being accepted at this moment: the user will find it closed */
    tcp->parent = NULL;
    tcp->is_orphan = true;
    socket_put(&parent->base);
    socket_put(&tcp->base); /* the reference for the user; the caller has another */
}

/* The oldest of @list, off it; NULL when it is empty. */
static struct tcp_socket *pop(struct tcp_listener *listener, struct list *list)
{
    irqflags_t flags = spin_lock_irqsave(&listener->lock);
    struct tcp_socket *tcp = list_entry(list_front(list), struct tcp_socket, accept_node);

    if (tcp)
        remove_locked(listener, tcp);
    spin_unlock_irqrestore(&listener->lock, flags);
    return tcp;
}

/* @tcp belongs to the user from now on. */
static void release_from_parent(struct tcp_socket *tcp)
{
    struct tcp_socket *parent;
    irqflags_t flags = tcp_lock(tcp);

    parent = tcp->parent;
    tcp->parent = NULL;
    tcp_unlock(tcp, flags);
    if (parent)
        socket_put(&parent->base);
}

int tcp_listener_accept(struct tcp_socket *tcp, struct socket **connection)
{
    struct tcp_socket *child = pop(tcp->listener, &tcp->listener->ready);

    if (!child)
        return -EAGAIN;
    release_from_parent(child);
    *connection = &child->base;
    return 0;
}

bool tcp_listener_is_ready(struct tcp_socket *tcp)
{
    return READ_ONCE(tcp->listener->ready_count) > 0;
}

static void abort_all(struct tcp_listener *listener, struct list *list)
{
    struct tcp_socket *child;

    while ((child = pop(listener, list)) != NULL) {
        release_from_parent(child);
        socket_abort(&child->base);
    }
}

void tcp_listener_close(struct tcp_socket *tcp)
{
    struct tcp_listener *listener = tcp->listener;
    irqflags_t flags = spin_lock_irqsave(&listener->lock);

    listener->is_closed = true;
    spin_unlock_irqrestore(&listener->lock, flags);
    abort_all(listener, &listener->half_open);
    abort_all(listener, &listener->ready);
}

/* ---- segments for a listener ---- */

struct tcp_socket *tcp_passive_open(struct tcp_socket *listener, const struct tcp_segment *segment,
                                    uint32_t iss, uint32_t irs, bool has_cookie)
{
    struct tcp_socket *tcp = tcp_create();

    if (!tcp)
        return NULL;
    tcp->base.local = segment->local;
    tcp->base.peer = segment->peer;
    tcp->base.netdev = listener->base.netdev;
    tcp->base.ttl = listener->base.ttl;
    tcp->congestion = listener->congestion;
    tcp->is_nodelay = listener->is_nodelay;
    tcp->keepalive_ns = listener->keepalive_ns;
    tcp->give_up_ns = listener->give_up_ns;
    tcp->receive_limit = listener->receive_limit;
    tcp->has_fixed_receive_limit = listener->has_fixed_receive_limit;
    tcp->send_limit = listener->send_limit;
    tcp->has_fixed_send_limit = listener->has_fixed_send_limit;
    tcp->is_passive = true;
    tcp->was_opened = true;
    tcp->iss = iss;
    tcp->snd_una = tcp->high_rxt = tcp->lost_edge = iss;
    tcp->snd_nxt = tcp->snd_max = tcp->snd_end = iss + 1;
    tcp->irs = irs;
    tcp->rcv_nxt = tcp->rcv_adv = tcp->last_ack_sent = irs + 1;
    tcp->state = TCP_SYN_RECEIVED;
    if (!add_half_open(listener, tcp, has_cookie)) {
        socket_put(&tcp->base);
        return NULL;
    }
    if (tcp_table_insert(tcp)) { /* another CPU was first */
        irqflags_t flags = tcp_lock(tcp);

        socket_get(&tcp->base);
        tcp_end(tcp, 0);
        tcp_unlock(tcp, flags);
        socket_put(&tcp->base);
        return NULL;
    }
    return tcp;
}

/*
 * Our number for the answer to a SYN. The clock that it follows is slower than a fast connection
 * uses numbers up; so one that takes over from TIME-WAIT is told how far that went (RFC
 * 9293 3.6.1).
 */
static uint32_t choose_iss(const struct tcp_segment *segment)
{
    uint32_t iss = tcp_initial_sequence(&segment->local, &segment->peer);

    if (segment->has_iss_after && seq_leq(iss, segment->iss_after + TCP_WINDOW_MAX))
        iss = segment->iss_after + TCP_WINDOW_MAX + 1;
    return iss;
}

/* Third: a SYN (3.10.7.2). */
static void process_syn(struct tcp_socket *listener, const struct tcp_segment *segment)
{
    struct tcp_socket *tcp;
    irqflags_t flags;

    if (READ_ONCE(listener->listener->ready_count) >= listener->listener->backlog) {
        tcp_count(TCP_ACCEPT_QUEUE_FULL);
        return;
    }
    if (READ_ONCE(listener->listener->half_open_count) >= listener->listener->backlog) {
        tcp_cookie_send(segment);
        return;
    }
    tcp = tcp_passive_open(listener, segment, choose_iss(segment), segment->seq, false);
    if (!tcp)
        return;
    flags = tcp_lock(tcp);
    if (tcp->state == TCP_SYN_RECEIVED) {
        tcp_negotiate(tcp, &segment->options);
        tcp->snd_wnd = tcp->snd_wnd_max = segment->window;
        tcp_send_syn(tcp);
    }
    tcp_unlock(tcp, flags);
}

/* Second: an ACK: the end of a handshake that a cookie began, or a mistake. */
static void process_stray_ack(struct tcp_socket *listener, struct tcp_segment *segment)
{
    struct tcp_options syn_options;
    struct tcp_socket *tcp;
    irqflags_t flags;

    if (!tcp_cookie_check(segment, &syn_options)) {
        tcp_reply_reset(segment);
        return;
    }
    if (READ_ONCE(listener->listener->ready_count) >= listener->listener->backlog) {
        tcp_count(TCP_ACCEPT_QUEUE_FULL); /* dropped: the peer's data comes again */
        return;
    }
    tcp = tcp_passive_open(listener, segment, segment->ack - 1, segment->seq - 1, true);
    if (!tcp)
        return; /* likewise */
    flags = tcp_lock(tcp);
    tcp_negotiate(tcp, &syn_options);
    (void)tcp_update_route(tcp);
    tcp->rcv_adv = tcp->rcv_nxt + MIN(tcp->receive_limit, TCP_WINDOW_MAX);
    /* If this segment does not complete it, nothing else may: there is no SYN-ACK to repeat. */
    tcp_timer_set(tcp, TCP_TIMER_STATE, deadline_after_ns(TCP_RTO_INITIAL_NS));
    tcp_unlock(tcp, flags);
    tcp_dispatch(segment);
}

void tcp_listen_input(struct tcp_socket *listener, struct tcp_segment *segment)
{
    if (segment->flags & TCP_RST) /* First */
        return;
    if (segment->flags & TCP_ACK) {
        if (segment->flags & TCP_SYN)
            tcp_reply_reset(segment);
        else
            process_stray_ack(listener, segment);
        return;
    }
    if (segment->flags & TCP_SYN && !(segment->flags & TCP_FIN))
        process_syn(listener, segment);
}
