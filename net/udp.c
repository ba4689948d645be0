/*
 * UDP (RFC 768, RFC 1122 4.1).
 *
 * Above: socket.c. Below: ipv4. Sockets are found by their local port in a hashed table.
 * Locks: bucket locks (rank SOCKET_TABLE) guard the chains; each socket's own lock its queue.
 */
#include "net/udp.h"

#include "kernel/init.h"
#include "kernel/random.h"
#include "lib/byteorder.h"
#include "lib/checksum.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/interface.h"
#include "net/netdev.h"
#include "net/route.h"
#include "net/socket_internal.h"

#define UDP_BUCKETS               256 /* ports modulo this: ephemeral ones are random anyway */
#define UDP_RECEIVE_BUFFER        (256u * 1024)
#define UDP_RECEIVE_BUFFER_MAX    (4u << 20)
#define UDP_RECEIVE_DATAGRAMS_MAX 4096

struct udp_socket {
    struct socket base;
    struct list_node bucket_node; /* guarded by the bucket's lock */
    struct frame_queue received;  /* guarded by base.lock, as all below; payloads */
    uint32_t truesize;            /* of what is in received */
    uint32_t receive_limit;       /* bound on truesize */
    bool is_read_shut;
    bool is_write_shut;
};

struct udp_bucket {
    struct spinlock lock; /* rank: LOCK_RANK_SOCKET_TABLE */
    struct list sockets __guarded_by(lock);
};

static struct udp_bucket buckets[UDP_BUCKETS];
static atomic_u64 counters[UDP_COUNTER_COUNT];

static void count(enum udp_counter counter)
{
    atomic_fetch_add_relaxed(&counters[counter], 1);
}

static struct udp_socket *to_udp(struct socket *socket)
{
    return container_of(socket, struct udp_socket, base);
}

static struct udp_bucket *bucket_of(uint16_t port)
{
    return &buckets[port % UDP_BUCKETS];
}

/* ---- the port table ---- */

/*
 * How well a socket fits a datagram that came from @peer to @local: -1 not at all, otherwise the
 * more of its addresses are fixed the better. Reads fields that are fixed while it is in the table,
 * or single words.
 */
static int fitness(const struct udp_socket *udp, const struct netdev *netdev,
                   const struct socket_address *local, const struct socket_address *peer)
{
    const struct socket *socket = &udp->base;
    int score = 0;

    if (socket->local.port != local->port)
        return -1;
    if (socket->netdev && socket->netdev != netdev)
        return -1;
    if (socket->local.ip.family == IP_V4) {
        if (socket->local.ip.v4 != local->ip.v4)
            return -1;
        score += 1;
    }
    if (socket->peer.port != 0) {
        if (socket->peer.port != peer->port || !ip_equal(&socket->peer.ip, &peer->ip))
            return -1;
        score += 2;
    }
    return score + (socket->netdev != NULL);
}

/* Counted reference to the socket that fits best, or NULL. */
static struct udp_socket *lookup(const struct netdev *netdev, const struct socket_address *local,
                                 const struct socket_address *peer)
{
    struct udp_bucket *bucket = bucket_of(local->port);
    irqflags_t flags = spin_lock_irqsave(&bucket->lock);
    struct udp_socket *best = NULL;
    struct udp_socket *udp;
    int best_score = -1;

    list_for_each_entry(udp, &bucket->sockets, bucket_node) {
        int score = fitness(udp, netdev, local, peer);

        if (score > best_score) {
            best = udp;
            best_score = score;
        }
    }
    if (best)
        socket_get(&best->base);
    spin_unlock_irqrestore(&bucket->lock, flags);
    return best;
}

/* Would a socket bound to @address on @netdev compete with one that is there? */
static bool is_taken_locked(const struct udp_bucket *bucket, const struct socket_address *address,
                            const struct netdev *netdev)
{
    const struct udp_socket *udp;

    list_for_each_entry(udp, &bucket->sockets, bucket_node) {
        const struct socket *other = &udp->base;

        if (other->local.port != address->port)
            continue;
        if (other->netdev && netdev && other->netdev != netdev)
            continue;
        if (other->local.ip.family == IP_NONE || address->ip.family == IP_NONE ||
            other->local.ip.v4 == address->ip.v4)
            return true;
    }
    return false;
}

/* Put the socket into the table under @address. Return: 0 or -EADDRINUSE. */
static int enter_table(struct udp_socket *udp, const struct socket_address *address)
{
    struct udp_bucket *bucket = bucket_of(address->port);
    irqflags_t flags = spin_lock_irqsave(&bucket->lock);
    int error = -EADDRINUSE;

    if (!is_taken_locked(bucket, address, udp->base.netdev)) {
        udp->base.local = *address;
        udp->base.is_bound = true;
        list_push_back(&bucket->sockets, &udp->bucket_node);
        error = 0;
    }
    spin_unlock_irqrestore(&bucket->lock, flags);
    return error;
}

static void leave_table(struct udp_socket *udp)
{
    struct udp_bucket *bucket = bucket_of(udp->base.local.port);
    irqflags_t flags = spin_lock_irqsave(&bucket->lock);

    list_remove(&udp->bucket_node);
    spin_unlock_irqrestore(&bucket->lock, flags);
}

static int enter_table_anywhere(struct udp_socket *udp, struct socket_address address)
{
    struct port_search search = { 0 };

    while (port_search_next(&search, &address.port)) {
        if (enter_table(udp, &address) == 0)
            return 0;
    }
    return -EADDRNOTAVAIL;
}

static int udp_bind(struct socket *socket, const struct socket_address *address)
{
    struct udp_socket *udp = to_udp(socket);
    struct socket_address local = *address;
    int error;

    if (local.ip.family == IP_V4 && local.ip.v4 == 0)
        local.ip.family = IP_NONE;
    mutex_lock(&socket->writer); /* two tasks binding one socket */
    if (socket->is_bound)
        error = -EINVAL;
    else if (local.port == 0)
        error = enter_table_anywhere(udp, local);
    else
        error = enter_table(udp, &local);
    mutex_unlock(&socket->writer);
    return error;
}

static int bind_if_needed(struct socket *socket)
{
    const struct socket_address any = { .ip = { .family = IP_NONE } };
    int error = READ_ONCE(socket->is_bound) ? 0 : enter_table_anywhere(to_udp(socket), any);

    return error;
}

static int udp_connect(struct socket *socket, const struct socket_address *peer)
{
    irqflags_t flags;
    int error;

    if (peer->port == 0)
        return -EINVAL;
    mutex_lock(&socket->writer);
    error = bind_if_needed(socket);
    mutex_unlock(&socket->writer);
    if (error)
        return error;
    flags = spin_lock_irqsave(&socket->lock);
    socket->peer = *peer;
    spin_unlock_irqrestore(&socket->lock, flags);
    return 0;
}

/* ---- output ---- */

/* The source address: the one bound to, or the one the route gives; 0 only for broadcasts. */
static uint32_t choose_source(const struct socket *socket, const struct route_result *route)
{
    if (socket->local.ip.family == IP_V4 && !interface_is_broadcast(socket->local.ip.v4))
        return socket->local.ip.v4;
    return route->source;
}

static struct frame *make_datagram(uint16_t source_port, const struct socket_address *peer,
                                   uint32_t source, const void *data, size_t length)
{
    uint32_t total = UDP_HEADER_SIZE + (uint32_t)length;
    struct frame *frame = frame_alloc(FRAME_HEADROOM, total, 1);
    struct udp_header *header;

    if (!frame)
        return NULL;
    header = (void *)frame_data(frame);
    header->source = cpu_to_be16(source_port);
    header->destination = cpu_to_be16(peer->port);
    header->length = cpu_to_be16((uint16_t)total);
    header->checksum =
        (uint16_t)~checksum_fold(ipv4_pseudo_sum(source, peer->ip.v4, IP_PROTOCOL_UDP, total));
    memcpy(header + 1, data, length);
    frame->flags = FRAME_CSUM_PARTIAL;
    frame->csum_start = 0;
    frame->csum_offset = offsetof(struct udp_header, checksum);
    return frame;
}

static int send_datagram(struct socket *socket, const void *data, size_t length,
                         const struct socket_address *peer)
{
    struct ipv4_output_options options = { .destination = peer->ip.v4,
                                           .protocol = IP_PROTOCOL_UDP,
                                           .ttl = socket->ttl,
                                           .netdev = socket->netdev };
    struct route_result route;
    struct frame *frame;
    int error;

    if (length > UDP_PAYLOAD_MAX)
        return -EMSGSIZE;
    if (peer->port == 0 || peer->ip.v4 == 0)
        return -EDESTADDRREQ;
    if (to_udp(socket)->is_write_shut)
        return -EPIPE;
    if (!socket->may_broadcast && interface_is_broadcast(peer->ip.v4))
        return -EACCES;
    error = bind_if_needed(socket);
    if (error)
        return error;
    error = route_lookup(peer->ip.v4, socket->netdev, &route);
    if (error)
        return error;
    options.source = choose_source(socket, &route);
    if (options.source == 0 && !route.is_broadcast)
        return -EADDRNOTAVAIL;
    frame = make_datagram(socket->local.port, peer, options.source, data, length);
    if (!frame)
        return -ENOMEM;
    error = ipv4_output_routed(frame, &options, &route);
    if (!error)
        count(UDP_SENT);
    return error;
}

static int take_error(struct socket *socket)
{
    return READ_ONCE(socket->error) ? socket_error(socket) : 0;
}

static int udp_send(struct socket *socket, const void *data, size_t length, size_t *sent)
{
    struct socket_address peer;
    int error = take_error(socket);

    if (error)
        return error;
    socket_peer(socket, &peer);
    if (peer.port == 0)
        return -ENOTCONN;
    error = send_datagram(socket, data, length, &peer);
    if (!error)
        *sent = length;
    return error;
}

static int udp_send_to(struct socket *socket, const void *data, size_t length,
                       const struct socket_address *peer)
{
    int error;

    mutex_lock(&socket->writer);
    error = take_error(socket);
    if (!error)
        error = send_datagram(socket, data, length, peer);
    mutex_unlock(&socket->writer);
    return error;
}

/* ---- input ---- */

/* Header and checksum right? The payload is what is left in @frame then. */
static bool check_datagram(struct frame *frame, const struct ipv4_packet *packet,
                           struct socket_address *local, struct socket_address *peer)
{
    const struct udp_header *header = (void *)frame_header(frame, UDP_HEADER_SIZE);
    uint32_t length = header ? be16_to_cpu(header->length) : 0;
    bool is_trusted = frame->flags & (FRAME_CSUM_VERIFIED | FRAME_CSUM_PARTIAL);

    if (length < UDP_HEADER_SIZE || length > frame->length) {
        count(UDP_BAD_HEADER);
        return false;
    }
    frame_trim(frame, length);
    if (header->checksum != 0 && !is_trusted &&
        checksum_fold(frame_checksum(
            frame, 0, length,
            ipv4_pseudo_sum(packet->source, packet->destination, IP_PROTOCOL_UDP, length))) != 0) {
        count(UDP_BAD_CHECKSUM);
        return false;
    }
    *local = socket_address_v4(packet->destination, be16_to_cpu(header->destination));
    *peer = socket_address_v4(packet->source, be16_to_cpu(header->source));
    frame_pull(frame, UDP_HEADER_SIZE);
    return true;
}

/*
 * A small datagram in a large receive buffer pins more than it is worth: copy it, and the device
 * has its buffer back at once. Takes @frame; returns the frame to queue.
 */
static struct frame *compact(struct frame *frame)
{
    struct frame *copy;

    if (frame_truesize(frame) < 4 * (frame->length + 256))
        return frame;
    copy = frame_copy(frame, 0);
    if (!copy)
        return frame;
    frame_free(frame);
    return copy;
}

static void queue_datagram(struct udp_socket *udp, struct frame *frame,
                           const struct socket_address *peer)
{
    irqflags_t flags;
    uint32_t size;

    frame = compact(frame);
    frame->control[0] = peer->ip.v4;
    frame->control[1] = peer->port;
    size = frame_truesize(frame);
    flags = spin_lock_irqsave(&udp->base.lock);
    if (udp->is_read_shut || udp->truesize + size > udp->receive_limit ||
        udp->received.count >= UDP_RECEIVE_DATAGRAMS_MAX) {
        count(UDP_QUEUE_FULL);
    } else {
        udp->truesize += size;
        frame_queue_push(&udp->received, frame);
        frame = NULL;
        socket_notify_locked(&udp->base);
    }
    spin_unlock_irqrestore(&udp->base.lock, flags);
    frame_free(frame);
}

void udp_input(struct frame *frame, const struct ipv4_packet *packet)
{
    struct socket_address local, peer;
    struct udp_socket *udp;

    count(UDP_RECEIVED);
    if (!check_datagram(frame, packet, &local, &peer)) {
        frame_free(frame);
        return;
    }
    udp = lookup(packet->netdev, &local, &peer);
    if (!udp) {
        count(UDP_NO_PORT);
        if (interface_is_local(packet->destination))
            icmp_send_error(packet, ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE, 0);
        frame_free(frame);
        return;
    }
    queue_datagram(udp, frame, &peer);
    socket_put(&udp->base);
}

/* Only connected sockets hear of errors: the others would not know which datagram is meant. */
void udp_error(const struct icmp_error *error)
{
    const struct udp_header *header = (const void *)error->transport;
    struct socket_address local = socket_address_v4(error->source, be16_to_cpu(header->source));
    struct socket_address peer =
        socket_address_v4(error->destination, be16_to_cpu(header->destination));
    int code = icmp_error_to_errno(error->type, error->code);
    struct udp_socket *udp = code ? lookup(NULL, &local, &peer) : NULL;
    irqflags_t flags;

    if (!udp)
        return;
    flags = spin_lock_irqsave(&udp->base.lock);
    if (udp->base.peer.port != 0 && code != -EMSGSIZE) {
        udp->base.error = code;
        socket_notify_locked(&udp->base);
    }
    spin_unlock_irqrestore(&udp->base.lock, flags);
    socket_put(&udp->base);
}

/* ---- receiving ---- */

static int udp_receive_frame(struct socket *socket, struct frame **frame)
{
    struct udp_socket *udp = to_udp(socket);
    irqflags_t flags = spin_lock_irqsave(&socket->lock);
    int error = 0;

    *frame = frame_queue_pop(&udp->received);
    if (*frame)
        udp->truesize -= frame_truesize(*frame);
    else if (socket->error)
        error = socket_take_error_locked(socket);
    else if (!udp->is_read_shut)
        error = -EAGAIN;
    spin_unlock_irqrestore(&socket->lock, flags);
    return error;
}

static int udp_receive(struct socket *socket, void *data, size_t size, size_t *received,
                       struct socket_address *peer)
{
    struct frame *frame;
    int error = udp_receive_frame(socket, &frame);

    if (error || !frame)
        return error;
    *received = MIN(size, (size_t)frame->length);
    frame_copy_out(frame, 0, data, (uint32_t)*received);
    if (peer)
        *peer = socket_address_v4((uint32_t)frame->control[0], (uint16_t)frame->control[1]);
    frame_free(frame);
    return 0;
}

/* ---- the rest of the interface ---- */

static unsigned int udp_ready_locked(struct socket *socket)
{
    const struct udp_socket *udp = to_udp(socket);
    unsigned int ready = SOCKET_WRITABLE;

    if (udp->received.count > 0 || udp->is_read_shut)
        ready |= SOCKET_READABLE;
    if (socket->error)
        ready |= SOCKET_ERROR;
    return ready;
}

static int udp_shutdown(struct socket *socket, enum socket_shutdown how)
{
    struct udp_socket *udp = to_udp(socket);
    irqflags_t flags = spin_lock_irqsave(&socket->lock);

    if (how & SOCKET_SHUTDOWN_READ)
        udp->is_read_shut = true;
    if (how & SOCKET_SHUTDOWN_WRITE)
        udp->is_write_shut = true;
    socket_notify_locked(socket);
    spin_unlock_irqrestore(&socket->lock, flags);
    return 0;
}

static int udp_set_option(struct socket *socket, enum socket_option option, uint64_t value)
{
    if (option != SOCKET_OPTION_RECEIVE_BUFFER)
        return -ENOPROTOOPT;
    WRITE_ONCE(to_udp(socket)->receive_limit,
               (uint32_t)CLAMP(value, (uint64_t)4096, (uint64_t)UDP_RECEIVE_BUFFER_MAX));
    return 0;
}

static void udp_close(struct socket *socket, bool is_abort)
{
    struct udp_socket *udp = to_udp(socket);

    (void)is_abort;
    if (socket->is_bound)
        leave_table(udp);
    socket_put(socket);
}

static void udp_destroy(struct socket *socket)
{
    struct udp_socket *udp = to_udp(socket);

    frame_queue_purge(&udp->received);
    atomic_fetch_sub_relaxed(&counters[UDP_SOCKETS], 1);
    kfree(udp);
}

static const struct socket_ops udp_ops = {
    .bind = udp_bind,
    .connect = udp_connect,
    .send = udp_send,
    .send_to = udp_send_to,
    .receive = udp_receive,
    .receive_frame = udp_receive_frame,
    .shutdown = udp_shutdown,
    .set_option = udp_set_option,
    .ready_locked = udp_ready_locked,
    .close = udp_close,
    .destroy = udp_destroy,
};

int udp_socket_create(struct socket **socket)
{
    struct udp_socket *udp = kzalloc(sizeof(*udp));

    if (!udp)
        return -ENOMEM;
    socket_init(&udp->base, SOCKET_UDP, &udp_ops);
    list_node_init(&udp->bucket_node);
    frame_queue_init(&udp->received);
    udp->receive_limit = UDP_RECEIVE_BUFFER;
    count(UDP_SOCKETS);
    *socket = &udp->base;
    return 0;
}

uint64_t udp_counter(enum udp_counter counter)
{
    return atomic_load_relaxed(&counters[counter]);
}

const char *udp_counter_name(enum udp_counter counter)
{
    static const char *const names[UDP_COUNTER_COUNT] = {
        [UDP_RECEIVED] = "received",     [UDP_SENT] = "sent",
        [UDP_BAD_HEADER] = "bad header", [UDP_BAD_CHECKSUM] = "bad checksum",
        [UDP_NO_PORT] = "no such port",  [UDP_QUEUE_FULL] = "queue full",
        [UDP_SOCKETS] = "sockets open",
    };

    return names[counter];
}

static int __init udp_init(void)
{
    for (unsigned int i = 0; i < UDP_BUCKETS; i++) {
        spin_lock_init(&buckets[i].lock, "udp_bucket", LOCK_RANK_SOCKET_TABLE);
        list_init(&buckets[i].sockets);
    }
    return 0;
}
INIT_HOOK(udp_init, INIT_SMP);
