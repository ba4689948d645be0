/*
 * Reassembly of IPv4 fragments (RFC 791 3.2, RFC 815, RFC 1122 3.3.2).
 *
 * A datagram under reassembly keeps its fragments as frames, sorted by offset. It is whole when the
 * last fragment is there and they touch each other all the way. Rules that keep attackers out:
 *
 *   - a fragment that overlaps another ends the datagram (RFC 5722's rule for IPv6, as Linux
 *     applies to IPv4); an exact repetition is ignored, since the network may duplicate;
 *   - all fragments but the last are multiples of 8 bytes, nothing reaches past 65535 bytes;
 *   - memory is bounded by REASSEMBLY_BYTES_MAX over all and FRAGMENTS_MAX per datagram: the oldest
 *     datagram makes room;
 *   - after 30 s a datagram ends, with an ICMP time exceeded if its first fragment is there.
 *
 * Locks: fragment_lock (rank NET_TABLE).
 */
#include "kernel/init.h"
#include "kernel/random.h"
#include "kernel/sync/spinlock.h"
#include "kernel/time/timer.h"
#include "lib/hash.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/icmp.h"
#include "net/ipv4.h"
#include "net/ipv4_internal.h"

#define REASSEMBLY_BUCKETS   64
#define REASSEMBLY_BYTES_MAX (4u << 20) /* counted as frame_truesize() */
#define REASSEMBLY_NS        (30 * NS_PER_S)
#define FRAGMENTS_MAX        64 /* 64 KiB in 1 KiB pieces */
#define DATAGRAM_MAX         65535

struct datagram {
    struct list_node node;     /* in its bucket */
    struct list_node age_node; /* oldest first */
    struct ipv4_packet packet; /* of the first fragment, or of any until that is there */
    uint16_t id;
    bool has_first;
    uint32_t total; /* payload bytes; 0 until the last fragment is there */
    uint32_t have;
    uint32_t truesize;
    uint64_t deadline_ns;
    struct frame_queue fragments; /* by offset, kept in frame->control[0] */
};

static DEFINE_SPINLOCK(fragment_lock, "fragments", LOCK_RANK_NET_TABLE);
static struct list buckets[REASSEMBLY_BUCKETS] __guarded_global(fragment_lock);
static struct list by_age __guarded_global(fragment_lock) = LIST_INIT(by_age);
static uint32_t bytes_held __guarded_global(fragment_lock);
static bool is_timer_armed __guarded_global(fragment_lock);
static struct timer fragment_timer;
static struct hash_key hash_key; /* const after init */

static struct list *bucket_of(const struct ipv4_packet *packet, uint16_t id)
{
    uint64_t addresses = (uint64_t)packet->source << 32 | packet->destination;

    return &buckets[hash_u64x2(&hash_key, addresses, (uint32_t)id << 8 | packet->protocol) %
                    REASSEMBLY_BUCKETS];
}

static struct datagram *find_locked(const struct ipv4_packet *packet, uint16_t id)
    __must_hold(fragment_lock)
{
    struct datagram *datagram;

    list_for_each_entry(datagram, bucket_of(packet, id), node) {
        if (datagram->id == id && datagram->packet.source == packet->source &&
            datagram->packet.destination == packet->destination &&
            datagram->packet.protocol == packet->protocol)
            return datagram;
    }
    return NULL;
}

static void arm_timer_locked(void) __must_hold(fragment_lock)
{
    const struct datagram *oldest = list_entry(list_front(&by_age), struct datagram, age_node);

    if (is_timer_armed || !oldest)
        return;
    is_timer_armed = true;
    timer_start(&fragment_timer, oldest->deadline_ns, 0);
}

static struct datagram *create_locked(const struct ipv4_packet *packet, uint16_t id)
    __must_hold(fragment_lock)
{
    struct datagram *datagram = kzalloc(sizeof(*datagram));

    if (!datagram)
        return NULL;
    datagram->packet = *packet;
    datagram->id = id;
    datagram->truesize = sizeof(*datagram);
    datagram->deadline_ns = deadline_after_ns(REASSEMBLY_NS);
    frame_queue_init(&datagram->fragments);
    list_push_back(bucket_of(packet, id), &datagram->node);
    list_push_back(&by_age, &datagram->age_node);
    bytes_held += datagram->truesize;
    arm_timer_locked();
    return datagram;
}

static void unlink_locked(struct datagram *datagram) __must_hold(fragment_lock)
{
    list_remove(&datagram->node);
    list_remove(&datagram->age_node);
    bytes_held -= datagram->truesize;
}

static void destroy(struct datagram *datagram)
{
    frame_queue_purge(&datagram->fragments);
    kfree(datagram);
}

static void make_room_locked(uint32_t needed) __must_hold(fragment_lock)
{
    while (bytes_held + needed > REASSEMBLY_BYTES_MAX && !list_is_empty(&by_age)) {
        struct datagram *oldest = list_entry(list_front(&by_age), struct datagram, age_node);

        ipv4_count(IPV4_FRAGMENT_NO_ROOM);
        unlink_locked(oldest);
        destroy(oldest);
    }
}

enum placement {
    PLACED,
    PLACED_BEFORE,
    OVERLAPS
};

/* Where @frame goes. PLACED: it is in the list. PLACED_BEFORE: the same piece is there already. */
static enum placement place_locked(struct datagram *datagram, struct frame *frame)
    __must_hold(fragment_lock)
{
    uint32_t start = (uint32_t)frame->control[0];
    uint32_t end = start + frame->length;
    struct list_node *position;

    /* From the end: fragments mostly come in order. */
    for (position = datagram->fragments.frames.head.prev;
         position != &datagram->fragments.frames.head; position = position->prev) {
        struct frame *other = container_of(position, struct frame, node);
        uint32_t other_start = (uint32_t)other->control[0];
        uint32_t other_end = other_start + other->length;

        if (start == other_start && end == other_end)
            return PLACED_BEFORE;
        if (start >= other_end)
            break;
        if (end > other_start)
            return OVERLAPS;
    }
    list_insert_after(position, &frame->node);
    datagram->fragments.count++;
    datagram->fragments.bytes += frame->length;
    return PLACED;
}

/* Does the fragment contradict what is known of the datagram's length? */
static bool is_contradiction(const struct datagram *datagram, uint32_t end, bool is_last)
{
    const struct frame *last =
        list_entry(list_back(&datagram->fragments.frames), struct frame, node);
    uint32_t reached = last ? (uint32_t)last->control[0] + last->length : 0;

    if (datagram->total != 0)
        return end > datagram->total || (is_last && end != datagram->total);
    return is_last && end < reached;
}

/* Add @frame to @datagram. Return: false when that ends the datagram. */
static bool add_locked(struct datagram *datagram, struct frame *frame,
                       const struct ipv4_packet *packet, bool is_last) __must_hold(fragment_lock)
{
    uint32_t start = (uint32_t)frame->control[0];
    uint32_t size = frame_truesize(frame);

    if (is_contradiction(datagram, start + frame->length, is_last)) {
        frame_free(frame);
        return false;
    }
    switch (place_locked(datagram, frame)) {
    case PLACED_BEFORE:
        frame_free(frame);
        return true;
    case OVERLAPS:
        frame_free(frame);
        return false;
    case PLACED:
        break;
    }
    datagram->truesize += size;
    bytes_held += size;
    datagram->have += frame->length;
    if (is_last)
        datagram->total = start + frame->length;
    if (start == 0) {
        datagram->has_first = true;
        datagram->packet = *packet;
    }
    return datagram->fragments.count <= FRAGMENTS_MAX;
}

/* All pieces in one frame. Consumes the datagram. */
static struct frame *join(struct datagram *datagram, struct ipv4_packet *packet)
{
    struct frame *whole = frame_alloc(FRAME_HEADROOM, datagram->total, 1);
    const struct frame *piece;

    *packet = datagram->packet;
    if (whole) {
        uint8_t *to = frame_data(whole);

        list_for_each_entry(piece, &datagram->fragments.frames, node) {
            frame_copy_out(piece, 0, to, piece->length);
            to += piece->length;
        }
        whole->netdev = datagram->packet.netdev;
        ipv4_count(IPV4_REASSEMBLED);
    }
    destroy(datagram);
    return whole;
}

static bool is_valid_fragment(const struct frame *frame, uint32_t start, bool is_last)
{
    if (frame->length == 0 || start + frame->length > DATAGRAM_MAX - IPV4_HEADER_SIZE)
        return false;
    return is_last || frame->length % 8 == 0;
}

struct frame *ipv4_reassemble(struct frame *frame, struct ipv4_packet *packet, uint16_t id,
                              uint16_t fragment)
{
    bool is_last = !(fragment & IPV4_FLAG_MF);
    uint32_t start = (fragment & IPV4_OFFSET_MASK) * 8u;
    struct datagram *datagram;
    struct datagram *ended = NULL;
    bool is_whole = false;
    irqflags_t flags;

    ipv4_count(IPV4_FRAGMENTS_RECEIVED);
    if (!is_valid_fragment(frame, start, is_last)) {
        ipv4_count(IPV4_BAD_HEADER);
        frame_free(frame);
        return NULL;
    }
    frame->control[0] = start;
    frame->flags &= (uint8_t) ~(FRAME_CSUM_VERIFIED | FRAME_CSUM_PARTIAL);

    flags = spin_lock_irqsave(&fragment_lock);
    make_room_locked(frame_truesize(frame) + sizeof(*datagram));
    datagram = find_locked(packet, id);
    if (!datagram)
        datagram = create_locked(packet, id);
    if (!datagram) {
        frame_free(frame);
    } else if (!add_locked(datagram, frame, packet, is_last)) {
        ipv4_count(IPV4_FRAGMENT_OVERLAP);
        ended = datagram;
    } else if (datagram->total != 0 && datagram->have == datagram->total) {
        ended = datagram;
        is_whole = true;
    }
    if (ended)
        unlink_locked(ended);
    spin_unlock_irqrestore(&fragment_lock, flags);

    if (is_whole)
        return join(ended, packet);
    if (ended)
        destroy(ended);
    return NULL;
}

static void fragment_timer_expired(struct timer *timer)
{
    uint64_t now = clock_now_ns();
    struct datagram *datagram;
    struct list expired;
    irqflags_t flags;

    (void)timer;
    list_init(&expired);
    flags = spin_lock_irqsave(&fragment_lock);
    list_for_each_entry_safe(datagram, &by_age, age_node) {
        if (datagram->deadline_ns > now)
            break;
        unlink_locked(datagram);
        list_push_back(&expired, &datagram->node);
    }
    is_timer_armed = false;
    arm_timer_locked();
    spin_unlock_irqrestore(&fragment_lock, flags);

    while ((datagram = list_entry(list_pop_front(&expired), struct datagram, node)) != NULL) {
        ipv4_count(IPV4_FRAGMENT_TIMEOUT);
        if (datagram->has_first)
            icmp_send_error(&datagram->packet, ICMP_TIME_EXCEEDED, ICMP_REASSEMBLY_TIMEOUT, 0);
        destroy(datagram);
    }
}

static int __init ipv4_fragment_init(void)
{
    random_bytes(&hash_key, sizeof(hash_key));
    for (unsigned int i = 0; i < REASSEMBLY_BUCKETS; i++)
        list_init(&buckets[i]);
    timer_init(&fragment_timer, "ip_fragments", fragment_timer_expired);
    return 0;
}
INIT_HOOK(ipv4_fragment_init, INIT_SMP);
