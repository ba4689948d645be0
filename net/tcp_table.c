/*
 * Finding connections, listeners and ports.
 *
 * Three hashed tables: connections by both addresses (keyed: strangers choose them), bound ports,
 * and the listeners among these. Locks: one of BUCKET_LOCKS for a group of buckets (rank
 * SOCKET_TABLE), and one per port bucket. No connection's lock is held by callers.
 */
#include "kernel/random.h"
#include "lib/errno.h"
#include "lib/hash.h"
#include "net/tcp_internal.h"

#define CONNECTION_BUCKETS 4096
#define BUCKET_LOCKS       256
#define PORT_BUCKETS       256

struct port_bucket {
    struct spinlock lock;                   /* rank: LOCK_RANK_SOCKET_TABLE */
    struct list sockets __guarded_by(lock); /* tcp_socket.port_node */
};

static struct list connections[CONNECTION_BUCKETS];
static struct spinlock bucket_locks[BUCKET_LOCKS];
static struct port_bucket ports[PORT_BUCKETS];
static struct hash_key hash_keys[4]; /* one per purpose; const after init */
static atomic_uint connection_count;

uint64_t tcp_hash(const struct socket_address *local, const struct socket_address *peer,
                  unsigned int purpose)
{
    return hash_u64x2(&hash_keys[purpose], (uint64_t)local->ip.v4 << 32 | peer->ip.v4,
                      (uint32_t)local->port << 16 | peer->port);
}

static unsigned int bucket_of(const struct socket_address *local, const struct socket_address *peer)
{
    return (unsigned int)tcp_hash(local, peer, 0) % CONNECTION_BUCKETS;
}

static struct tcp_socket *find_locked(unsigned int bucket, const struct socket_address *local,
                                      const struct socket_address *peer)
{
    struct tcp_socket *tcp;

    list_for_each_entry(tcp, &connections[bucket], table_node) {
        if (tcp->base.peer.port == peer->port && tcp->base.local.port == local->port &&
            tcp->base.peer.ip.v4 == peer->ip.v4 && tcp->base.local.ip.v4 == local->ip.v4)
            return tcp;
    }
    return NULL;
}

struct tcp_socket *tcp_table_find(const struct socket_address *local,
                                  const struct socket_address *peer)
{
    unsigned int bucket = bucket_of(local, peer);
    struct spinlock *lock = &bucket_locks[bucket % BUCKET_LOCKS];
    irqflags_t flags = spin_lock_irqsave(lock);
    struct tcp_socket *tcp = find_locked(bucket, local, peer);

    if (tcp)
        socket_get(&tcp->base);
    spin_unlock_irqrestore(lock, flags);
    return tcp;
}

int tcp_table_insert(struct tcp_socket *tcp)
{
    unsigned int bucket = bucket_of(&tcp->base.local, &tcp->base.peer);
    struct spinlock *lock = &bucket_locks[bucket % BUCKET_LOCKS];
    irqflags_t flags = spin_lock_irqsave(lock);
    int error = -EADDRINUSE;

    if (!find_locked(bucket, &tcp->base.local, &tcp->base.peer)) {
        socket_get(&tcp->base);
        tcp->is_in_table = true;
        list_push_back(&connections[bucket], &tcp->table_node);
        atomic_fetch_add_relaxed(&connection_count, 1);
        error = 0;
    }
    spin_unlock_irqrestore(lock, flags);
    return error;
}

static bool is_port_taken_locked(const struct port_bucket *bucket,
                                 const struct socket_address *address)
{
    const struct tcp_socket *other;

    list_for_each_entry(other, &bucket->sockets, port_node) {
        const struct socket_address *taken = &other->base.local;

        if (taken->port == address->port &&
            (taken->ip.family == IP_NONE || address->ip.family == IP_NONE ||
             taken->ip.v4 == address->ip.v4))
            return true;
    }
    return false;
}

static bool is_port_taken(const struct socket_address *address)
{
    struct port_bucket *bucket = &ports[address->port % PORT_BUCKETS];
    irqflags_t flags = spin_lock_irqsave(&bucket->lock);
    bool is_taken = is_port_taken_locked(bucket, address);

    spin_unlock_irqrestore(&bucket->lock, flags);
    return is_taken;
}

/*
 * A port that somebody bound is left alone: from a listener's own port, a connection to it would
 * meet itself.
 */
int tcp_table_insert_anywhere(struct tcp_socket *tcp)
{
    struct port_search search = { 0 };

    while (port_search_next(&search, &tcp->base.local.port)) {
        if (!is_port_taken(&tcp->base.local) && tcp_table_insert(tcp) == 0)
            return 0;
    }
    tcp->base.local.port = 0;
    tcp_count(TCP_NO_PORT);
    return -EADDRNOTAVAIL;
}

void tcp_table_remove(struct tcp_socket *tcp)
{
    unsigned int bucket = bucket_of(&tcp->base.local, &tcp->base.peer);
    struct spinlock *lock = &bucket_locks[bucket % BUCKET_LOCKS];
    irqflags_t flags = spin_lock_irqsave(lock);

    list_remove(&tcp->table_node);
    atomic_fetch_sub_relaxed(&connection_count, 1);
    spin_unlock_irqrestore(lock, flags);
    socket_put(&tcp->base);
}

unsigned int tcp_connection_count(void)
{
    return atomic_load_relaxed(&connection_count);
}

/* ---- ports and listeners ---- */

static int bind_exactly(struct tcp_socket *tcp, const struct socket_address *address)
{
    struct port_bucket *bucket = &ports[address->port % PORT_BUCKETS];
    irqflags_t flags = spin_lock_irqsave(&bucket->lock);
    int error = -EADDRINUSE;

    if (!is_port_taken_locked(bucket, address)) {
        tcp->base.local = *address;
        tcp->base.is_bound = true;
        tcp->is_in_ports = true;
        list_push_back(&bucket->sockets, &tcp->port_node);
        error = 0;
    }
    spin_unlock_irqrestore(&bucket->lock, flags);
    return error;
}

int tcp_ports_bind(struct tcp_socket *tcp, const struct socket_address *address)
{
    struct socket_address local = *address;
    struct port_search search = { 0 };

    if (local.port != 0)
        return bind_exactly(tcp, &local);
    while (port_search_next(&search, &local.port)) {
        if (bind_exactly(tcp, &local) == 0)
            return 0;
    }
    tcp_count(TCP_NO_PORT);
    return -EADDRNOTAVAIL;
}

void tcp_ports_unbind(struct tcp_socket *tcp)
{
    struct port_bucket *bucket = &ports[tcp->base.local.port % PORT_BUCKETS];
    irqflags_t flags = spin_lock_irqsave(&bucket->lock);

    list_remove(&tcp->port_node);
    tcp->is_in_ports = false;
    spin_unlock_irqrestore(&bucket->lock, flags);
}

struct tcp_socket *tcp_table_find_listener(const struct socket_address *local,
                                           const struct netdev *netdev)
{
    struct port_bucket *bucket = &ports[local->port % PORT_BUCKETS];
    irqflags_t flags = spin_lock_irqsave(&bucket->lock);
    struct tcp_socket *best = NULL;
    struct tcp_socket *tcp;

    list_for_each_entry(tcp, &bucket->sockets, port_node) {
        const struct socket *socket = &tcp->base;

        if (READ_ONCE(tcp->state) != TCP_LISTEN || socket->local.port != local->port ||
            (socket->netdev && socket->netdev != netdev))
            continue;
        if (socket->local.ip.family == IP_V4 && socket->local.ip.v4 != local->ip.v4)
            continue;
        if (!best || socket->local.ip.family == IP_V4)
            best = tcp;
    }
    if (best)
        socket_get(&best->base);
    spin_unlock_irqrestore(&bucket->lock, flags);
    return best;
}

/* ---- walking, for display ---- */

/* Entry @index of @list, counted. */
static struct tcp_socket *get_nth_locked(struct list *list, unsigned int index, bool is_port)
{
    struct list_node *node;

    list_for_each(node, list) {
        if (index-- == 0) {
            struct tcp_socket *tcp = is_port ? container_of(node, struct tcp_socket, port_node)
                                             : container_of(node, struct tcp_socket, table_node);

            socket_get(&tcp->base);
            return tcp;
        }
    }
    return NULL;
}

struct tcp_socket *tcp_table_get(unsigned int *cursor_bucket, unsigned int *cursor_index)
{
    for (; *cursor_bucket < PORT_BUCKETS + CONNECTION_BUCKETS; (*cursor_bucket)++) {
        bool is_port = *cursor_bucket < PORT_BUCKETS;
        unsigned int bucket = is_port ? *cursor_bucket : *cursor_bucket - PORT_BUCKETS;
        struct spinlock *lock =
            is_port ? &ports[bucket].lock : &bucket_locks[bucket % BUCKET_LOCKS];
        irqflags_t flags = spin_lock_irqsave(lock);
        struct tcp_socket *tcp = get_nth_locked(
            is_port ? &ports[bucket].sockets : &connections[bucket], (*cursor_index)++, is_port);

        spin_unlock_irqrestore(lock, flags);
        if (tcp)
            return tcp;
        *cursor_index = 0;
    }
    return NULL;
}

void tcp_table_init(void)
{
    random_bytes(hash_keys, sizeof(hash_keys));
    for (unsigned int i = 0; i < CONNECTION_BUCKETS; i++)
        list_init(&connections[i]);
    for (unsigned int i = 0; i < BUCKET_LOCKS; i++)
        spin_lock_init(&bucket_locks[i], "tcp_bucket", LOCK_RANK_SOCKET_TABLE);
    for (unsigned int i = 0; i < PORT_BUCKETS; i++) {
        spin_lock_init(&ports[i].lock, "tcp_ports", LOCK_RANK_SOCKET_TABLE);
        list_init(&ports[i].sockets);
    }
}
