/*
 * Sockets: what is the same for UDP and TCP - waiting, polling, arguments, life.
 *
 * Above: everyone. Below: udp.c, tcp_socket.c through struct socket_ops, whose functions never
 * wait: the waiting is done here, once.
 */
#include "net/socket.h"

#include "kernel/panic.h"
#include "kernel/sched/preempt.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "net/interface.h"
#include "net/socket_internal.h"

/* ---- life ---- */

void socket_init(struct socket *socket, enum socket_type type, const struct socket_ops *ops)
{
    socket->ops = ops;
    socket->type = type;
    atomic_store_relaxed(&socket->references, 1);
    spin_lock_init(&socket->lock, type == SOCKET_TCP ? "tcp_socket" : "udp_socket",
                   LOCK_RANK_SOCKET);
    wait_queue_init(&socket->changed, type == SOCKET_TCP ? "tcp" : "udp");
    list_init(&socket->pollers);
    mutex_init(&socket->reader, "socket_reader", LOCK_RANK_SOCKET_SLEEP);
    mutex_init(&socket->writer, "socket_writer", LOCK_RANK_SOCKET_SLEEP);
}

void socket_put(struct socket *socket)
{
    if (atomic_fetch_sub(&socket->references, 1) == 1)
        socket->ops->destroy(socket);
}

int socket_create(enum socket_type type, struct socket **socket)
{
    might_sleep();
    switch (type) {
    case SOCKET_UDP:
        return udp_socket_create(socket);
    case SOCKET_TCP:
        return tcp_socket_create(socket);
    }
    return -EINVAL;
}

void socket_close(struct socket *socket)
{
    if (socket)
        socket->ops->close(socket, false);
}

void socket_abort(struct socket *socket)
{
    if (socket)
        socket->ops->close(socket, true);
}

/* ---- waiting ---- */

/* A task in socket_poll(), on the list of each socket it waits for. */
struct poller {
    struct wait_queue changed;
    bool is_fired; /* atomic */
};

struct poller_link {
    struct list_node node; /* guarded by the socket's lock */
    struct poller *poller;
};

void socket_notify_locked(struct socket *socket)
{
    struct poller_link *link;

    spin_assert_held(&socket->lock);
    wake_all(&socket->changed);
    list_for_each_entry(link, &socket->pollers, node) {
        __atomic_store_n(&link->poller->is_fired, true, __ATOMIC_SEQ_CST);
        wake_all(&link->poller->changed);
    }
}

int socket_take_error_locked(struct socket *socket)
{
    int error = socket->error;

    spin_assert_held(&socket->lock);
    socket->error = 0;
    return error;
}

unsigned int socket_ready(struct socket *socket)
{
    irqflags_t flags = spin_lock_irqsave(&socket->lock);
    unsigned int ready = socket->ops->ready_locked(socket);

    spin_unlock_irqrestore(&socket->lock, flags);
    return ready;
}

/*
 * Wait until one of @events, or an error or hang-up, holds. Non-blocking sockets do not wait.
 * Return: 0; -EAGAIN; -ETIMEDOUT; -ECANCELED.
 */
static int wait_ready(struct socket *socket, unsigned int events, uint64_t deadline_ns)
{
    events |= SOCKET_ERROR | SOCKET_HANGUP;
    if (READ_ONCE(socket->is_nonblocking))
        return socket_ready(socket) & events ? 0 : -EAGAIN;
    return wait_event(&socket->changed, socket_ready(socket) & events, deadline_ns);
}

/* ---- addresses ---- */

int socket_bind(struct socket *socket, const struct socket_address *address)
{
    if (address->ip.family == IP_V6)
        return -EAFNOSUPPORT;
    if (address->ip.family == IP_V4 && address->ip.v4 != 0 && !interface_is_local(address->ip.v4) &&
        !interface_is_broadcast(address->ip.v4))
        return -EADDRNOTAVAIL;
    return socket->ops->bind(socket, address);
}

int socket_bind_netdev(struct socket *socket, struct netdev *netdev)
{
    irqflags_t flags = spin_lock_irqsave(&socket->lock);

    socket->netdev = netdev;
    spin_unlock_irqrestore(&socket->lock, flags);
    return 0;
}

void socket_local(struct socket *socket, struct socket_address *address)
{
    irqflags_t flags = spin_lock_irqsave(&socket->lock);

    *address = socket->local;
    spin_unlock_irqrestore(&socket->lock, flags);
}

void socket_peer(struct socket *socket, struct socket_address *address)
{
    irqflags_t flags = spin_lock_irqsave(&socket->lock);

    *address = socket->peer;
    spin_unlock_irqrestore(&socket->lock, flags);
}

/* ---- connections ---- */

int socket_listen(struct socket *socket, unsigned int backlog)
{
    if (!socket->ops->listen)
        return -EOPNOTSUPP;
    return socket->ops->listen(socket, backlog);
}

int socket_accept(struct socket *socket, struct socket **connection, uint64_t deadline_ns)
{
    int error;

    might_sleep();
    if (!socket->ops->accept)
        return -EOPNOTSUPP;
    while ((error = socket->ops->accept(socket, connection)) == -EAGAIN) {
        error = wait_ready(socket, SOCKET_READABLE, deadline_ns);
        if (error)
            return error;
    }
    return error;
}

/* The end of a handshake that is under way. */
static int wait_connected(struct socket *socket, uint64_t deadline_ns)
{
    int error = wait_event(&socket->changed,
                           socket_ready(socket) & (SOCKET_WRITABLE | SOCKET_ERROR | SOCKET_HANGUP),
                           deadline_ns);

    return error ? error : socket_error(socket);
}

int socket_connect(struct socket *socket, const struct socket_address *peer, uint64_t deadline_ns)
{
    int error;

    might_sleep();
    if (peer->ip.family != IP_V4)
        return -EAFNOSUPPORT;
    error = socket->ops->connect(socket, peer);
    if (error != -EINPROGRESS || READ_ONCE(socket->is_nonblocking))
        return error;
    return wait_connected(socket, deadline_ns);
}

int socket_shutdown(struct socket *socket, enum socket_shutdown how)
{
    if (how < SOCKET_SHUTDOWN_READ || how > SOCKET_SHUTDOWN_BOTH)
        return -EINVAL;
    return socket->ops->shutdown(socket, how);
}

/* ---- data ---- */

static int send_all(struct socket *socket, const uint8_t *data, size_t length, uint64_t deadline_ns,
                    size_t *sent)
{
    do {
        size_t part = 0;
        int error = socket->ops->send(socket, data + *sent, length - *sent, &part);

        *sent += part;
        if (error == -EAGAIN)
            error = wait_ready(socket, SOCKET_WRITABLE, deadline_ns);
        if (error)
            return error;
    } while (*sent < length);
    return 0;
}

int socket_send(struct socket *socket, const void *data, size_t length, uint64_t deadline_ns,
                size_t *sent)
{
    size_t taken = 0;
    int error;

    might_sleep();
    error = mutex_lock_deadline(&socket->writer, deadline_ns);
    if (!error) {
        error = send_all(socket, data, length, deadline_ns, &taken);
        mutex_unlock(&socket->writer);
    }
    if (sent)
        *sent = taken;
    return error;
}

int socket_send_to(struct socket *socket, const void *data, size_t length,
                   const struct socket_address *peer)
{
    if (!socket->ops->send_to)
        return -EISCONN;
    if (peer->ip.family != IP_V4)
        return -EAFNOSUPPORT;
    return socket->ops->send_to(socket, data, length, peer);
}

int socket_send_buffer(struct socket *socket, struct frame_buffer *buffer, uint8_t *data,
                       uint32_t length, uint64_t deadline_ns)
{
    int error;

    might_sleep();
    if (!socket->ops->send_buffer)
        return -EOPNOTSUPP;
    error = mutex_lock_deadline(&socket->writer, deadline_ns);
    if (error)
        return error;
    while ((error = socket->ops->send_buffer(socket, buffer, data, length)) == -EAGAIN) {
        error = wait_ready(socket, SOCKET_WRITABLE, deadline_ns);
        if (error)
            break;
    }
    mutex_unlock(&socket->writer);
    return error;
}

int socket_receive_from(struct socket *socket, void *data, size_t size, uint64_t deadline_ns,
                        size_t *received, struct socket_address *peer)
{
    int error;

    might_sleep();
    *received = 0;
    error = mutex_lock_deadline(&socket->reader, deadline_ns);
    if (error)
        return error;
    while ((error = socket->ops->receive(socket, data, size, received, peer)) == -EAGAIN) {
        error = wait_ready(socket, SOCKET_READABLE, deadline_ns);
        if (error)
            break;
    }
    mutex_unlock(&socket->reader);
    return error;
}

int socket_receive(struct socket *socket, void *data, size_t size, uint64_t deadline_ns,
                   size_t *received)
{
    return socket_receive_from(socket, data, size, deadline_ns, received, NULL);
}

int socket_receive_frame(struct socket *socket, uint64_t deadline_ns, struct frame **frame)
{
    int error;

    might_sleep();
    *frame = NULL;
    error = mutex_lock_deadline(&socket->reader, deadline_ns);
    if (error)
        return error;
    while ((error = socket->ops->receive_frame(socket, frame)) == -EAGAIN) {
        error = wait_ready(socket, SOCKET_READABLE, deadline_ns);
        if (error)
            break;
    }
    mutex_unlock(&socket->reader);
    return error;
}

/* ---- options and errors ---- */

/* The options that mean the same for all. Return: -ENOPROTOOPT for others. */
static int set_common_option(struct socket *socket, enum socket_option option, uint64_t value)
{
    irqflags_t flags;
    int error = 0;

    flags = spin_lock_irqsave(&socket->lock);
    switch (option) {
    case SOCKET_OPTION_NONBLOCK:
        socket->is_nonblocking = value != 0;
        break;
    case SOCKET_OPTION_BROADCAST:
        socket->may_broadcast = value != 0;
        break;
    case SOCKET_OPTION_TTL:
        if (value < 1 || value > 255)
            error = -EINVAL;
        else
            socket->ttl = (uint8_t)value;
        break;
    default:
        error = -ENOPROTOOPT;
    }
    spin_unlock_irqrestore(&socket->lock, flags);
    return error;
}

int socket_set_option(struct socket *socket, enum socket_option option, uint64_t value)
{
    int error = set_common_option(socket, option, value);

    return error == -ENOPROTOOPT ? socket->ops->set_option(socket, option, value) : error;
}

int socket_error(struct socket *socket)
{
    irqflags_t flags = spin_lock_irqsave(&socket->lock);
    int error = socket_take_error_locked(socket);

    spin_unlock_irqrestore(&socket->lock, flags);
    return error;
}

/* ---- several at once ---- */

#define POLL_SOCKETS_MAX 16

/* Fill in .ready everywhere. Return: how many sockets are ready. */
static int collect_ready(struct socket_poll *sockets, unsigned int count)
{
    int ready = 0;

    for (unsigned int i = 0; i < count; i++) {
        struct socket_poll *item = &sockets[i];

        item->ready = 0;
        if (item->socket)
            item->ready =
                socket_ready(item->socket) & (item->events | SOCKET_ERROR | SOCKET_HANGUP);
        ready += item->ready != 0;
    }
    return ready;
}

static void link_pollers(struct socket_poll *sockets, unsigned int count, struct poller *poller,
                         struct poller_link *links)
{
    for (unsigned int i = 0; i < count; i++) {
        irqflags_t flags;

        links[i].poller = poller;
        list_node_init(&links[i].node);
        if (!sockets[i].socket)
            continue;
        flags = spin_lock_irqsave(&sockets[i].socket->lock);
        list_push_back(&sockets[i].socket->pollers, &links[i].node);
        spin_unlock_irqrestore(&sockets[i].socket->lock, flags);
    }
}

static void unlink_pollers(struct socket_poll *sockets, unsigned int count,
                           struct poller_link *links)
{
    for (unsigned int i = 0; i < count; i++) {
        irqflags_t flags;

        if (!sockets[i].socket)
            continue;
        flags = spin_lock_irqsave(&sockets[i].socket->lock);
        list_remove(&links[i].node);
        spin_unlock_irqrestore(&sockets[i].socket->lock, flags);
    }
}

int socket_poll(struct socket_poll *sockets, unsigned int count, uint64_t deadline_ns)
{
    struct poller_link links[POLL_SOCKETS_MAX];
    struct poller poller = { .is_fired = false };
    int error = 0;
    int ready;

    might_sleep();
    if (count > POLL_SOCKETS_MAX)
        return -EINVAL;
    wait_queue_init(&poller.changed, "socket_poll");
    link_pollers(sockets, count, &poller, links);
    while ((ready = collect_ready(sockets, count)) == 0 && !error) {
        error =
            wait_event(&poller.changed,
                       __atomic_exchange_n(&poller.is_fired, false, __ATOMIC_SEQ_CST), deadline_ns);
    }
    unlink_pollers(sockets, count, links);
    return ready ? ready : error;
}

/* ---- names ---- */

static net_resolver_t resolver; /* atomic; set once */

void net_set_resolver(net_resolver_t function)
{
    __atomic_store_n(&resolver, function, __ATOMIC_RELEASE);
}

int net_resolve(const char *name, struct ip_address *address, uint64_t deadline_ns)
{
    net_resolver_t resolve = __atomic_load_n(&resolver, __ATOMIC_ACQUIRE);

    if (ip_parse(name, address) == 0)
        return 0;
    return resolve ? resolve(name, address, deadline_ns) : -EINVAL;
}

const char *net_resolve_problem(int error)
{
    switch (error) {
    case -ENOENT:
        return "no such host";
    case -ENODATA:
        return "has no IPv4 address";
    case -EINVAL:
    case -EBADMSG:
        return "not a host name";
    case -EDESTADDRREQ:
        return "no name server is known (DHCP or ip= tells it), or dns=off";
    case -ECONNREFUSED:
        return "no name server listens";
    case -EIO:
        return "the name servers do not tell";
    default:
        return errno_text(error);
    }
}
