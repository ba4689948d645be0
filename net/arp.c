/*
 * Address resolution for IPv4 over Ethernet (RFC 826, RFC 5227).
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
#include "kernel/log.h"
#include "kernel/random.h"
#include "kernel/sync/spinlock.h"
#include "kernel/sync/wait_queue.h"
#include "kernel/time/timer.h"
#include "lib/atomic.h"
#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/ethernet.h"
#include "net/icmp.h"
#include "net/ipv4.h"
#include "net/netdev.h"

#define ARP_BUCKETS_LOG2    8
#define ARP_BUCKETS         (1u << ARP_BUCKETS_LOG2)
#define ARP_LEARNT_MAX      (ARP_ENTRIES_MAX * 3 / 4) /* the rest is for those we ask about */
#define ARP_TRIES           3
#define ARP_RETRY_NS        NS_PER_S
#define ARP_REACHABLE_NS    (60 * NS_PER_S)
#define ARP_UNUSED_NS       (600 * NS_PER_S)
#define ARP_DEFEND_NS       (10 * NS_PER_S) /* RFC 5227: DEFEND_INTERVAL */
#define ARP_PROBES          3
#define ARP_PROBE_MIN_NS    (200 * NS_PER_MS) /* RFC 5227 has 1-2 s; links are faster today */
#define ARP_PROBE_SPREAD_MS 100

#define ARP_REQUEST 1
#define ARP_REPLY   2

struct arp_packet {
    uint16_t hardware_type; /* big endian, as all */
    uint16_t protocol_type;
    uint8_t hardware_length;
    uint8_t protocol_length;
    uint16_t operation;
    uint8_t sender_mac[MAC_SIZE];
    uint32_t sender_ip;
    uint8_t target_mac[MAC_SIZE];
    uint32_t target_ip;
} __packed;

struct arp_entry {
    struct list_node node;     /* in its bucket */
    struct list_node all_node; /* in entries */
    struct netdev *netdev;
    uint32_t address;
    uint8_t mac[MAC_SIZE];
    enum arp_state state;
    unsigned int tries; /* questions out since the last confirmation; 0: none */
    uint64_t asked_ns;  /* when the last one went out */
    uint64_t confirmed_ns;
    uint64_t used_ns;
    struct frame_queue pending;
};

/* A DHCP client asking whether an address is in use. */
struct arp_probe_wait {
    struct list_node node;
    struct netdev *netdev;
    uint32_t address;
    bool is_in_use;
    uint8_t mac[MAC_SIZE];
    struct wait_queue answered;
};

static DEFINE_SPINLOCK(arp_lock, "arp", LOCK_RANK_NET_TABLE);
static struct list buckets[ARP_BUCKETS] __guarded_global(arp_lock);
static struct list entries __guarded_global(arp_lock) = LIST_INIT(entries); /* all, oldest first */
static unsigned int entry_count __guarded_global(arp_lock);
static bool is_timer_armed __guarded_global(arp_lock);
static uint64_t defended_ns __guarded_global(arp_lock);
static struct list probes __guarded_global(arp_lock) = LIST_INIT(probes);
static uint64_t hash_multiplier; /* random and odd; const after arp_init */
static struct timer arp_timer;
static atomic_u64 counters[ARP_COUNTER_COUNT];

static void count(enum arp_counter counter)
{
    atomic_fetch_add_relaxed(&counters[counter], 1);
}

/* ---- packets ---- */

static void send_packet(struct netdev *netdev, uint16_t operation, const uint8_t destination[6],
                        uint32_t sender_ip, const uint8_t target_mac[6], uint32_t target_ip)
{
    struct frame *frame = frame_alloc(FRAME_HEADROOM, sizeof(struct arp_packet), 1);
    struct arp_packet *packet;

    if (!frame)
        return;
    packet = (void *)frame_data(frame);
    packet->hardware_type = cpu_to_be16(1);
    packet->protocol_type = cpu_to_be16(ETHERTYPE_IPV4);
    packet->hardware_length = MAC_SIZE;
    packet->protocol_length = 4;
    packet->operation = cpu_to_be16(operation);
    memcpy(packet->sender_mac, netdev->mac, MAC_SIZE);
    packet->sender_ip = cpu_to_be32(sender_ip);
    memcpy(packet->target_mac, target_mac, MAC_SIZE);
    packet->target_ip = cpu_to_be32(target_ip);
    count(operation == ARP_REQUEST ? ARP_REQUESTS_SENT : ARP_REPLIES_SENT);
    ethernet_output(netdev, frame, destination, ETHERTYPE_ARP);
}

static const uint8_t no_mac[MAC_SIZE];

static void ask(struct netdev *netdev, uint32_t address, const uint8_t *unicast)
{
    send_packet(netdev, ARP_REQUEST, unicast ? unicast : ethernet_broadcast,
                interface_ipv4(&netdev->interface), no_mac, address);
}

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

static void arm_timer_locked(void) __must_hold(arp_lock)
{
    if (is_timer_armed)
        return;
    is_timer_armed = true;
    timer_start(&arp_timer, deadline_after_ns(ARP_RETRY_NS), 0);
}

static struct arp_entry *create_locked(struct netdev *netdev, uint32_t address, unsigned int limit)
    __must_hold(arp_lock)
{
    struct arp_entry *entry;

    if (entry_count >= limit) {
        count(ARP_TABLE_FULL);
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
    list_push_back(&entries, &entry->all_node);
    entry_count++;
    arm_timer_locked();
    return entry;
}

/* Takes the entry out; the caller disposes of what waited. */
static void destroy_locked(struct arp_entry *entry, struct frame_queue *pending)
    __must_hold(arp_lock)
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
    arm_timer_locked();
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
        count(ARP_PENDING_DROPPED);
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
            count(ARP_PENDING_DROPPED);
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
        ask(netdev, next_hop, is_known ? mac : NULL);
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

/* ---- input ---- */

static void send_pending(struct netdev *netdev, struct frame_queue *pending,
                         const uint8_t mac[MAC_SIZE])
{
    struct frame *frame;

    while ((frame = frame_queue_pop(pending)) != NULL)
        ethernet_output(netdev, frame, mac, ETHERTYPE_IPV4);
}

/* An answer: it counts while our question is out, and not otherwise. */
static void process_reply(struct netdev *netdev, uint32_t sender, const uint8_t mac[MAC_SIZE])
{
    irqflags_t flags = spin_lock_irqsave(&arp_lock);
    struct arp_entry *entry = find_locked(netdev, sender);
    struct frame_queue pending;
    struct frame *frame;

    frame_queue_init(&pending);
    if (!entry || entry->tries == 0) {
        count(ARP_UNSOLICITED);
    } else {
        confirm_locked(entry, mac);
        while ((frame = frame_queue_pop(&entry->pending)) != NULL)
            frame_queue_push(&pending, frame);
    }
    spin_unlock_irqrestore(&arp_lock, flags);
    send_pending(netdev, &pending, mac);
}

/* A question to us: its sender will want our answer, so remember where it is; unverified. */
static void learn_from_request(struct netdev *netdev, uint32_t sender, const uint8_t mac[MAC_SIZE])
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

/* Somebody else speaks with our address (RFC 5227 2.4 b): say so, and defend it, but not often. */
static void process_conflict(struct netdev *netdev, uint32_t address, const uint8_t mac[MAC_SIZE])
{
    char ip_text[IP_ADDRESS_TEXT_SIZE], mac_text[MAC_TEXT_SIZE];
    uint64_t now = clock_now_ns();
    bool may_defend;
    irqflags_t flags;

    count(ARP_CONFLICTS);
    flags = spin_lock_irqsave(&arp_lock);
    may_defend = defended_ns == 0 || now - defended_ns >= ARP_DEFEND_NS;
    if (may_defend)
        defended_ns = now;
    spin_unlock_irqrestore(&arp_lock, flags);
    if (!may_defend)
        return;
    log_warning("arp", "%s: %s is also used by %s", netdev->name, ipv4_format(ip_text, address),
                mac_format(mac_text, mac));
    arp_announce(netdev);
}

/* Tell those who probe for @sender (or are probed for by another host) that it is taken. */
static void answer_probes(struct netdev *netdev, const struct arp_packet *packet)
{
    uint32_t sender = be32_to_cpu(packet->sender_ip);
    uint32_t target = be32_to_cpu(packet->target_ip);
    irqflags_t flags = spin_lock_irqsave(&arp_lock);
    struct arp_probe_wait *probe;

    list_for_each_entry(probe, &probes, node) {
        bool is_owner = sender == probe->address;
        bool is_rival = sender == 0 && target == probe->address &&
                        be16_to_cpu(packet->operation) == ARP_REQUEST;

        if (probe->netdev != netdev || (!is_owner && !is_rival))
            continue;
        memcpy(probe->mac, packet->sender_mac, MAC_SIZE);
        probe->is_in_use = true;
        wake_all(&probe->answered);
    }
    spin_unlock_irqrestore(&arp_lock, flags);
}

static bool is_well_formed(const struct arp_packet *packet)
{
    uint32_t sender = be32_to_cpu(packet->sender_ip);

    return be16_to_cpu(packet->hardware_type) == 1 &&
           be16_to_cpu(packet->protocol_type) == ETHERTYPE_IPV4 &&
           packet->hardware_length == MAC_SIZE && packet->protocol_length == 4 &&
           !(packet->sender_mac[0] & 1) && !ipv4_is_multicast(sender) && sender != IPV4_BROADCAST &&
           !ipv4_is_loopback(sender);
}

static void process_packet(struct netdev *netdev, const struct arp_packet *packet)
{
    uint32_t own = interface_ipv4(&netdev->interface);
    uint32_t sender = be32_to_cpu(packet->sender_ip);
    uint32_t target = be32_to_cpu(packet->target_ip);

    if (memcmp(packet->sender_mac, netdev->mac, MAC_SIZE) == 0)
        return; /* our own, reflected */
    answer_probes(netdev, packet);
    if (own != 0 && sender == own) {
        process_conflict(netdev, own, packet->sender_mac);
        return;
    }
    if (be16_to_cpu(packet->operation) == ARP_REPLY) {
        count(ARP_REPLIES_RECEIVED);
        if (sender != 0)
            process_reply(netdev, sender, packet->sender_mac);
        return;
    }
    count(ARP_REQUESTS_RECEIVED);
    if (own == 0 || target != own)
        return;
    if (sender != 0) /* 0: a probe, which teaches nothing (RFC 5227 1.1) */
        learn_from_request(netdev, sender, packet->sender_mac);
    send_packet(netdev, ARP_REPLY, packet->sender_mac, own, packet->sender_mac, sender);
}

void arp_input(struct netdev *netdev, struct frame *frame)
{
    const struct arp_packet *packet = (void *)frame_header(frame, sizeof(*packet));
    uint16_t operation = packet ? be16_to_cpu(packet->operation) : 0;

    if (!packet || !is_well_formed(packet) || (operation != ARP_REQUEST && operation != ARP_REPLY))
        count(ARP_MALFORMED);
    else
        process_packet(netdev, packet);
    frame_free(frame);
}

/* ---- time ---- */

/* The frame's transport hears that its host cannot be reached. Takes @frame. */
static void fail_frame(struct frame *frame)
{
    const struct ipv4_header *header = (void *)frame_header(frame, sizeof(*header));
    unsigned int header_length = header ? (header->version_ihl & 15u) * 4 : 0;
    const uint8_t *bytes = header ? frame_header(frame, header_length + 8) : NULL;

    if (bytes) {
        struct icmp_error error = { .type = ICMP_UNREACHABLE, .code = ICMP_HOST_UNREACHABLE };

        header = (const void *)bytes;
        error.source = be32_to_cpu(header->source);
        error.destination = be32_to_cpu(header->destination);
        error.transport = bytes + header_length;
        error.transport_length = 8;
        icmp_deliver_error(header->protocol, &error);
    }
    frame_free(frame);
}

enum arp_action {
    ARP_KEEP,
    ARP_ASK_AGAIN,
    ARP_END
};

static enum arp_action age_locked(struct arp_entry *entry, uint64_t now) __must_hold(arp_lock)
{
    if (entry->tries > 0 && now - entry->asked_ns >= ARP_RETRY_NS) {
        if (entry->tries >= ARP_TRIES)
            return ARP_END;
        entry->tries++;
        entry->asked_ns = now;
        return ARP_ASK_AGAIN;
    }
    if (entry->state == ARP_REACHABLE && now - entry->confirmed_ns >= ARP_REACHABLE_NS)
        entry->state = ARP_STALE;
    if (entry->state == ARP_STALE && entry->tries == 0 && now - entry->used_ns >= ARP_UNUSED_NS)
        return ARP_END;
    return ARP_KEEP;
}

#define ARP_QUESTIONS_PER_TURN 16

struct arp_question {
    struct netdev *netdev;
    uint32_t address;
    bool is_unicast;
    uint8_t mac[MAC_SIZE];
};

/*
 * Age the table until it has no more to ask, or @questions are full: then there may be more, and
 * the next turn passes over those that were asked in this one. Return: how many questions to ask.
 */
static unsigned int age_table_locked(uint64_t now, struct frame_queue *failed,
                                     struct arp_question *questions) __must_hold(arp_lock)
{
    unsigned int asked = 0;
    struct arp_entry *entry;

    list_for_each_entry_safe(entry, &entries, all_node) {
        enum arp_action action = age_locked(entry, now);

        if (action == ARP_ASK_AGAIN) {
            questions[asked] = (struct arp_question){
                entry->netdev, entry->address, entry->state != ARP_INCOMPLETE, { 0 }
            };
            memcpy(questions[asked].mac, entry->mac, MAC_SIZE);
            if (++asked == ARP_QUESTIONS_PER_TURN)
                break;
        } else if (action == ARP_END) {
            if (entry->tries > 0)
                count(ARP_TIMEOUTS);
            destroy_locked(entry, failed);
        }
    }
    return asked;
}

static void arp_timer_expired(struct timer *timer)
{
    struct arp_question questions[ARP_QUESTIONS_PER_TURN];
    uint64_t now = clock_now_ns();
    struct frame_queue failed;
    struct frame *frame;
    unsigned int asked;
    irqflags_t flags;

    (void)timer;
    frame_queue_init(&failed);
    do {
        flags = spin_lock_irqsave(&arp_lock);
        asked = age_table_locked(now, &failed, questions);
        spin_unlock_irqrestore(&arp_lock, flags);
        for (unsigned int q = 0; q < asked; q++)
            ask(questions[q].netdev, questions[q].address,
                questions[q].is_unicast ? questions[q].mac : NULL);
    } while (asked == ARP_QUESTIONS_PER_TURN);
    flags = spin_lock_irqsave(&arp_lock);
    is_timer_armed = false;
    if (entry_count > 0)
        arm_timer_locked();
    spin_unlock_irqrestore(&arp_lock, flags);
    while ((frame = frame_queue_pop(&failed)) != NULL)
        fail_frame(frame);
}

/* ---- for DHCP and interface.c ---- */

int arp_probe(struct netdev *netdev, uint32_t address, uint8_t mac[MAC_SIZE])
{
    struct arp_probe_wait probe = { .netdev = netdev, .address = address };
    irqflags_t flags;
    int error = -ETIMEDOUT;

    if (!netdev_is_usable(netdev))
        return -ENETDOWN;
    wait_queue_init(&probe.answered, "arp_probe");
    flags = spin_lock_irqsave(&arp_lock);
    list_push_back(&probes, &probe.node);
    spin_unlock_irqrestore(&arp_lock, flags);

    for (unsigned int i = 0; i < ARP_PROBES && error == -ETIMEDOUT; i++) {
        uint64_t pause = ARP_PROBE_MIN_NS + random_below(ARP_PROBE_SPREAD_MS) * NS_PER_MS;

        send_packet(netdev, ARP_REQUEST, ethernet_broadcast, 0, no_mac, address);
        error = wait_event(&probe.answered, READ_ONCE(probe.is_in_use), deadline_after_ns(pause));
    }

    flags = spin_lock_irqsave(&arp_lock);
    list_remove(&probe.node);
    spin_unlock_irqrestore(&arp_lock, flags);
    if (probe.is_in_use) {
        memcpy(mac, probe.mac, MAC_SIZE);
        return -EADDRINUSE;
    }
    return error == -ETIMEDOUT ? 0 : error;
}

void arp_announce(struct netdev *netdev)
{
    uint32_t own = interface_ipv4(&netdev->interface);

    if (own != 0 && netdev_is_usable(netdev))
        send_packet(netdev, ARP_REQUEST, ethernet_broadcast, own, no_mac, own);
}

void arp_flush(struct netdev *netdev)
{
    irqflags_t flags = spin_lock_irqsave(&arp_lock);
    struct frame_queue pending;
    struct arp_entry *entry;

    frame_queue_init(&pending);
    list_for_each_entry_safe(entry, &entries, all_node) {
        if (!netdev || entry->netdev == netdev)
            destroy_locked(entry, &pending);
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

    list_for_each_entry(entry, &entries, all_node) {
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

uint64_t arp_counter(enum arp_counter counter)
{
    return atomic_load_relaxed(&counters[counter]);
}

const char *arp_counter_name(enum arp_counter counter)
{
    static const char *const names[ARP_COUNTER_COUNT] = {
        [ARP_REQUESTS_SENT] = "requests sent",
        [ARP_REPLIES_SENT] = "replies sent",
        [ARP_REQUESTS_RECEIVED] = "requests received",
        [ARP_REPLIES_RECEIVED] = "replies received",
        [ARP_UNSOLICITED] = "unsolicited, ignored",
        [ARP_MALFORMED] = "malformed",
        [ARP_TIMEOUTS] = "unanswered",
        [ARP_PENDING_DROPPED] = "waiting frames dropped",
        [ARP_TABLE_FULL] = "table full",
        [ARP_CONFLICTS] = "address conflicts",
    };

    return names[counter];
}

static int arp_init(void)
{
    random_bytes(&hash_multiplier, sizeof(hash_multiplier));
    hash_multiplier |= 1;
    for (unsigned int i = 0; i < ARP_BUCKETS; i++)
        list_init(&buckets[i]);
    timer_init(&arp_timer, "arp", arp_timer_expired);
    return 0;
}
INIT_HOOK(arp_init, INIT_SMP);
