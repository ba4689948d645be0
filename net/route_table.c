/*
 * The routing table: an array that grows, longest prefix first, then by destination, then lowest
 * metric. Where the routes of each length end is kept, so a look-up is one binary search for each
 * prefix length that occurs, which is three of them on most machines.
 *
 * Readers take no lock (seqlock) and read again when the table was changed meanwhile; what they see
 * of it until then is wrong at worst, but never outside of it. A table that was replaced by one of
 * twice the size is kept for those who still read it; all of these together are as large as the
 * one in use.
 *
 * Locks: routes_lock (rank NET_TABLE) serialises writers.
 */
#include "net/route_table.h"

#include "kernel/sync/seqlock.h"
#include "kernel/sync/spinlock.h"
#include "lib/bits.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define FIRST_CAPACITY 16
#define LENGTHS        33 /* prefixes of 0 to 32 bits */

struct route_table {
    unsigned int capacity;          /* const */
    uint64_t lengths;               /* bit n: there are routes with a prefix of n bits */
    unsigned int ends[LENGTHS + 1]; /* of n bits: from ends[n + 1] up to ends[n]; [33] is 0 */
    struct route routes[];
};

static struct route_table first_table = {
    .capacity = FIRST_CAPACITY,
    .routes = { [FIRST_CAPACITY - 1] = { .netdev = NULL } },
};

static DEFINE_SPINLOCK(routes_lock, "routes", LOCK_RANK_NET_TABLE);
static struct seqlock routes_sequence;
static struct route_table *table = &first_table; /* written under both; replaced with release */

/* The first route from @from up to @end whose destination is not below @destination. */
static unsigned int first_at(const struct route_table *in, unsigned int from, unsigned int end,
                             uint32_t destination)
{
    while (from < end) {
        unsigned int middle = from + (end - from) / 2;

        if (READ_ONCE(in->routes[middle].destination) < destination)
            from = middle + 1;
        else
            end = middle;
    }
    return from;
}

/* Where @route belongs; -EEXIST when it is there. */
static int position_locked(const struct route *route, unsigned int *position)
    __must_hold(routes_lock)
{
    unsigned int end = table->ends[route->prefix_length];
    unsigned int i =
        first_at(table, table->ends[route->prefix_length + 1], end, route->destination);

    for (; i < end && table->routes[i].destination == route->destination; i++) {
        const struct route *other = &table->routes[i];

        if (other->metric > route->metric)
            break;
        if (other->metric == route->metric && other->netdev == route->netdev)
            return -EEXIST;
    }
    *position = i;
    return 0;
}

/* After routes with a prefix of @length bits have become @change more. */
static void count_locked(struct route_table *in, unsigned int length, int change)
    __must_hold(routes_lock)
{
    for (unsigned int n = 0; n <= length; n++)
        WRITE_ONCE(in->ends[n], in->ends[n] + (unsigned int)change);
    bool is_any = in->ends[length] != in->ends[length + 1];
    WRITE_ONCE(in->lengths, (in->lengths & ~BIT64(length)) | (uint64_t)is_any << length);
}

/* The table itself, or a copy with more room, which nobody else sees yet; NULL: no memory. */
static struct route_table *with_room_locked(void) __must_hold(routes_lock)
{
    size_t size = sizeof(*table) + table->capacity * sizeof(table->routes[0]);
    struct route_table *larger;

    if (table->ends[0] < table->capacity)
        return table;
    larger = kmalloc(size + table->capacity * sizeof(table->routes[0]));
    if (!larger)
        return NULL;
    memcpy(larger, table, size);
    larger->capacity = 2 * table->capacity;
    return larger;
}

static int insert_locked(const struct route *route) __must_hold(routes_lock)
{
    unsigned int position;
    int error = position_locked(route, &position);

    if (error)
        return error;
    struct route_table *in = with_room_locked();
    if (!in)
        return -ENOMEM;
    seqlock_write_begin(&routes_sequence);
    memmove(&in->routes[position + 1], &in->routes[position],
            (in->ends[0] - position) * sizeof(in->routes[0]));
    in->routes[position] = *route;
    count_locked(in, route->prefix_length, 1);
    __atomic_store_n(&table, in, __ATOMIC_RELEASE); /* pairs with the acquire of the readers */
    seqlock_write_end(&routes_sequence);
    return 0;
}

static void remove_locked(unsigned int position) __must_hold(routes_lock)
{
    unsigned int length = table->routes[position].prefix_length;

    seqlock_write_begin(&routes_sequence);
    memmove(&table->routes[position], &table->routes[position + 1],
            (table->ends[0] - position - 1) * sizeof(table->routes[0]));
    count_locked(table, length, -1);
    seqlock_write_end(&routes_sequence);
}

int route_table_insert(const struct route *route)
{
    irqflags_t flags = spin_lock_irqsave(&routes_lock);
    int error = insert_locked(route);

    spin_unlock_irqrestore(&routes_lock, flags);
    return error;
}

int route_table_remove(uint32_t destination, unsigned int prefix_length,
                       const struct netdev *netdev)
{
    irqflags_t flags = spin_lock_irqsave(&routes_lock);
    unsigned int end = table->ends[prefix_length];
    unsigned int i = first_at(table, table->ends[prefix_length + 1], end, destination);

    while (i < end && table->routes[i].destination == destination && netdev &&
           table->routes[i].netdev != netdev)
        i++;
    bool is_there = i < end && table->routes[i].destination == destination;
    if (is_there)
        remove_locked(i);
    spin_unlock_irqrestore(&routes_lock, flags);
    return is_there ? 0 : -ENOENT;
}

void route_table_remove_netdev(const struct netdev *netdev)
{
    irqflags_t flags = spin_lock_irqsave(&routes_lock);

    for (unsigned int i = table->ends[0]; i-- > 0;) {
        if (table->routes[i].netdev == netdev)
            remove_locked(i);
    }
    spin_unlock_irqrestore(&routes_lock, flags);
}

static bool find_in(const struct route_table *in, uint32_t destination, const struct netdev *netdev,
                    struct route *result)
{
    for (uint64_t left = READ_ONCE(in->lengths), bit; left; left ^= bit) {
        unsigned int length = log2_floor(left);
        unsigned int end = READ_ONCE(in->ends[length]);
        uint32_t wanted = destination & ipv4_mask(length);
        unsigned int i = first_at(in, READ_ONCE(in->ends[length + 1]), end, wanted);

        bit = BIT64(length);
        for (; i < end && in->routes[i].destination == wanted; i++) {
            if (netdev && in->routes[i].netdev != netdev)
                continue;
            *result = in->routes[i];
            return true;
        }
    }
    return false;
}

bool route_table_find(uint32_t destination, const struct netdev *netdev, struct route *result)
{
    uint32_t sequence;
    bool is_found;

    do {
        sequence = seqlock_read_begin(&routes_sequence);
        /* acquire: pairs with the release in insert_locked() */
        is_found = find_in(__atomic_load_n(&table, __ATOMIC_ACQUIRE), destination, netdev, result);
    } while (seqlock_read_retry(&routes_sequence, sequence));
    return is_found;
}

bool route_get(unsigned int index, struct route *route)
{
    irqflags_t flags = spin_lock_irqsave(&routes_lock);
    bool is_there = index < table->ends[0];

    if (is_there)
        *route = table->routes[index];
    spin_unlock_irqrestore(&routes_lock, flags);
    return is_there;
}
