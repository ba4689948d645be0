/*
 * Neighbours: the table of who is where, and the frames that wait for an answer (RFC 826). Packets
 * are made and taken apart in net/arp_packet.c, entries grow old in net/arp_timer.c, and addresses
 * are defended in net/arp_conflict.c.
 *
 * An entry's life:
 *
 *   INCOMPLETE  asked, up to 3 times a second apart; frames wait. An answer makes it REACHABLE;
 *               none ends it, and the transport of each waiting frame hears "host unreachable".
 *   REACHABLE   confirmed within the last minute, by an answer or by the transport (arp_confirm).
 *   STALE       older, doubted by the transport (arp_suspect), or learnt from a question to us:
 *               used, and asked for by unicast when used.
 *               No answer to that ends it; nobody using it for ten minutes ends it.
 *
 * Answers count only while a question is out, so unsolicited ones poison nothing; a question from
 * a neighbour may create a STALE entry, but never changes the address of an existing one.
 *
 * Locks: arp_lock (rank NET_TABLE) guards everything; frames are sent after it is dropped.
 */
#include "net/arp.h"

#include "kernel/init.h"
#include "kernel/random.h"
#include "kernel/sync/spinlock.h"
#include "kernel/time/clock.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/arp_internal.h"
#include "net/ethernet.h"
#include "net/netdev.h"

#define ARP_BUCKETS_LOG2 8
#define ARP_BUCKETS      (1u << ARP_BUCKETS_LOG2)
#define ARP_LEARNT_MAX   (ARP_ENTRIES_MAX * 3 / 4) /* the rest is for those we ask about */

DEFINE_SPINLOCK(arp_lock, "arp", LOCK_RANK_NET_TABLE);
struct list arp_entries __guarded_global(arp_lock) = LIST_INIT(arp_entries);
static struct list buckets[ARP_BUCKETS] __guarded_global(arp_lock);
static unsigned int entry_count __guarded_global(arp_lock);
static uint64_t hash_multiplier; /* random and odd; const after arp_init */

/* ---- the table ---- */

/*
 * Multiply-shift (Dietzfelbinger et al., 1997): to whoever does not know the multiplier, two
 * neighbours share a bucket no more often than by chance; and the table is bounded anyway.
 */
static struct list *bucket_of(const struct netdev *netdev, uint32_t address)
{
    uint64_t key = (uint64_t)netdev->index << 32 | address;

    return &buckets[key * hash_multiplier >> (64 - ARP_BUCKETS_LOG2)];
}

static struct arp_entry *find_locked(struct netdev *netdev, uint32_t address) __must_hold(arp_lock)
{
    struct arp_entry *entry;

    list_for_each_entry(entry, bucket_of(netdev, address), node) {
        if (entry->address == address && entry->netdev == netdev)
            return entry;
    }
    return NULL;
}

static struct arp_entry *create_locked(struct netdev *netdev, uint32_t address, unsigned int limit)
    __must_hold(arp_lock)
{
    struct arp_entry *entry;

    if (entry_count >= limit) {
        arp_count(ARP_TABLE_FULL);
        return NULL;
    }
    entry = kzalloc(sizeof(*entry));
    if (!entry)
        return NULL;
    entry->netdev = netdev;
    entry->address = address;
    entry->used_ns = clock_now_ns();
    frame_queue_init(&entry->pending);
    list_push_back(bucket_of(netdev, address), &entry->node);
    list_push_back(&arp_entries, &entry->all_node);
    entry_count++;
    arp_timer_start_locked();
    return entry;
}

void arp_destroy_locked(struct arp_entry *entry, struct frame_queue *pending) __must_hold(arp_lock)
{
    struct frame *frame;

    while ((frame = frame_queue_pop(&entry->pending)) != NULL)
        frame_queue_push(pending, frame);
    list_remove(&entry->node);
    list_remove(&entry->all_node);
    entry_count--;
    kfree(entry);
}

static void confirm_locked(struct arp_entry *entry, const uint8_t mac[MAC_SIZE])
    __must_hold(arp_lock)
{
    memcpy(entry->mac, mac, MAC_SIZE);
    entry->state = ARP_REACHABLE;
    entry->confirmed_ns = clock_now_ns();
    entry->tries = 0;
}

/* ---- output ---- */

/* The entry is not fresh and in use: ask, unless a question is out. Return: ask now? */
static bool begin_question_locked(struct arp_entry *entry) __must_hold(arp_lock)
{
    if (entry->tries > 0)
        return false;
    entry->tries = 1;
    entry->asked_ns = clock_now_ns();
    arp_timer_start_locked();
    return true;
}

static bool is_fresh(const struct arp_entry *entry, uint64_t now)
{
    return entry->state == ARP_REACHABLE && now - entry->confirmed_ns < ARP_REACHABLE_NS;
}

static void wait_for_answer_locked(struct arp_entry *entry, struct frame *frame)
    __must_hold(arp_lock)
{
    if (entry->pending.count >= ARP_PENDING_MAX) {
        arp_count(ARP_PENDING_DROPPED);
        frame_free(frame_queue_pop(&entry->pending)); /* the oldest is the least wanted */
    }
    frame->flags &= (uint8_t)~FRAME_MORE;
    frame_queue_push(&entry->pending, frame);
}

void arp_output(struct netdev *netdev, struct frame *frame, uint32_t next_hop)
{
    irqflags_t flags = spin_lock_irqsave(&arp_lock);
    struct arp_entry *entry = find_locked(netdev, next_hop);
    bool must_ask = false;
    bool is_known;
    uint8_t mac[MAC_SIZE];

    if (!entry) {
        entry = create_locked(netdev, next_hop, ARP_ENTRIES_MAX);
        if (!entry) {
            spin_unlock_irqrestore(&arp_lock, flags);
            arp_count(ARP_PENDING_DROPPED);
            frame_free(frame);
            return;
        }
        entry->state = ARP_INCOMPLETE;
    }
    entry->used_ns = clock_now_ns();
    is_known = entry->state != ARP_INCOMPLETE;
    if (!is_fresh(entry, entry->used_ns))
        must_ask = begin_question_locked(entry);
    if (is_known)
        memcpy(mac, entry->mac, MAC_SIZE);
    else
        wait_for_answer_locked(entry, frame);
    spin_unlock_irqrestore(&arp_lock, flags);

    if (must_ask)
        arp_ask(netdev, next_hop, is_known ? mac : NULL);
    if (is_known)
        ethernet_output(netdev, frame, mac, ETHERTYPE_IPV4);
}

void arp_confirm(struct netdev *netdev, uint32_t address)
{
    irqflags_t flags = spin_lock_irqsave(&arp_lock);
    struct arp_entry *entry = find_locked(netdev, address);

    if (entry && entry->state != ARP_INCOMPLETE) {
        entry->state = ARP_REACHABLE;
        entry->confirmed_ns = clock_now_ns();
        entry->tries = 0;
    }
    spin_unlock_irqrestore(&arp_lock, flags);
}

void arp_suspect(struct netdev *netdev, uint32_t address)
{
    irqflags_t flags = spin_lock_irqsave(&arp_lock);
    struct arp_entry *entry = find_locked(netdev, address);

    if (entry && entry->state == ARP_REACHABLE &&
        clock_now_ns() - entry->confirmed_ns >= ARP_RETRY_NS)
        entry->state = ARP_STALE;
    spin_unlock_irqrestore(&arp_lock, flags);
}

/* ---- what neighbours say ---- */

static void send_pending(struct netdev *netdev, struct frame_queue *pending,
                         const uint8_t mac[MAC_SIZE])
{
    struct frame *frame;

    while ((frame = frame_queue_pop(pending)) != NULL)
        ethernet_output(netdev, frame, mac, ETHERTYPE_IPV4);
}

/* An answer: it counts while our question is out, and not otherwise. */
void arp_learn_answer(struct netdev *netdev, uint32_t sender, const uint8_t mac[MAC_SIZE])
{
    irqflags_t flags = spin_lock_irqsave(&arp_lock);
    struct arp_entry *entry = find_locked(netdev, sender);
    struct frame_queue pending;
    struct frame *frame;

    frame_queue_init(&pending);
    if (!entry || entry->tries == 0) {
        arp_count(ARP_UNSOLICITED);
    } else {
        confirm_locked(entry, mac);
        while ((frame = frame_queue_pop(&entry->pending)) != NULL)
            frame_queue_push(&pending, frame);
    }
    spin_unlock_irqrestore(&arp_lock, flags);
    send_pending(netdev, &pending, mac);
}

/* A question to us: its sender will want our answer, so remember where it is; unverified. */
void arp_learn_asker(struct netdev *netdev, uint32_t sender, const uint8_t mac[MAC_SIZE])
{
    irqflags_t flags = spin_lock_irqsave(&arp_lock);
    struct arp_entry *entry = find_locked(netdev, sender);
    struct frame_queue pending;
    struct frame *frame;

    frame_queue_init(&pending);
    if (!entry) {
        entry = create_locked(netdev, sender, ARP_LEARNT_MAX);
        if (entry) {
            memcpy(entry->mac, mac, MAC_SIZE);
            entry->state = ARP_STALE;
        }
    } else if (entry->state == ARP_INCOMPLETE) {
        confirm_locked(entry, mac);
        while ((frame = frame_queue_pop(&entry->pending)) != NULL)
            frame_queue_push(&pending, frame);
    }
    spin_unlock_irqrestore(&arp_lock, flags);
    send_pending(netdev, &pending, mac);
}

/* ---- the end of an address ---- */

void arp_flush(struct netdev *netdev)
{
    irqflags_t flags = spin_lock_irqsave(&arp_lock);
    struct frame_queue pending;
    struct arp_entry *entry;

    frame_queue_init(&pending);
    list_for_each_entry_safe(entry, &arp_entries, all_node) {
        if (!netdev || entry->netdev == netdev)
            arp_destroy_locked(entry, &pending);
    }
    spin_unlock_irqrestore(&arp_lock, flags);
    frame_queue_purge(&pending);
}

/* ---- display ---- */

bool arp_get(unsigned int index, struct arp_entry_info *info)
{
    irqflags_t flags = spin_lock_irqsave(&arp_lock);
    struct arp_entry *found = NULL;
    struct arp_entry *entry;

    list_for_each_entry(entry, &arp_entries, all_node) {
        if (index-- == 0) {
            found = entry;
            break;
        }
    }
    if (found) {
        info->address = found->address;
        memcpy(info->mac, found->mac, MAC_SIZE);
        info->state = found->state;
        info->netdev = found->netdev;
        info->age_ns = clock_now_ns() - found->confirmed_ns;
        info->pending = found->pending.count;
    }
    spin_unlock_irqrestore(&arp_lock, flags);
    return found != NULL;
}

static int __init arp_init(void)
{
    random_bytes(&hash_multiplier, sizeof(hash_multiplier));
    hash_multiplier |= 1;
    for (unsigned int i = 0; i < ARP_BUCKETS; i++)
        list_init(&buckets[i]);
    return 0;
}
INIT_HOOK(arp_init, INIT_SMP);
