/*
 * Two hosts with one address (RFC 5227): looked for before we take one, announced when we have, and
 * defended when somebody else speaks with it.
 *
 * Locks: conflict_lock (rank NET_TABLE) guards everything; packets are sent after it is dropped.
 */
#include "net/arp_internal.h"

#include "kernel/log.h"
#include "kernel/random.h"
#include "kernel/sync/spinlock.h"
#include "kernel/sync/wait_queue.h"
#include "kernel/time/clock.h"
#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/list.h"
#include "lib/string.h"
#include "net/ethernet.h"
#include "net/netdev.h"

#define ARP_DEFEND_NS       (10 * NS_PER_S) /* RFC 5227: DEFEND_INTERVAL */
#define ARP_PROBES          3
#define ARP_PROBE_MIN_NS    (200 * NS_PER_MS) /* RFC 5227 has 1-2 s; links are faster today */
#define ARP_PROBE_SPREAD_MS 100

/* A DHCP client asking whether an address is in use. */
struct arp_probe_wait {
    struct list_node node;
    struct netdev *netdev;
    uint32_t address;
    bool is_in_use;
    uint8_t mac[MAC_SIZE];
    struct wait_queue answered;
};

static DEFINE_SPINLOCK(conflict_lock, "arp_conflict", LOCK_RANK_NET_TABLE);
static struct list probes __guarded_global(conflict_lock) = LIST_INIT(probes);
static uint64_t defended_ns __guarded_global(conflict_lock);

/* ---- an address that we want ---- */

/* Tell those who probe for @sender (or are probed for by another host) that it is taken. */
void arp_answer_probes(struct netdev *netdev, const struct arp_packet *packet)
{
    uint32_t sender = be32_to_cpu(packet->sender_ip);
    uint32_t target = be32_to_cpu(packet->target_ip);
    irqflags_t flags = spin_lock_irqsave(&conflict_lock);
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
    spin_unlock_irqrestore(&conflict_lock, flags);
}

int arp_probe(struct netdev *netdev, uint32_t address, uint8_t mac[MAC_SIZE])
{
    struct arp_probe_wait probe = { .netdev = netdev, .address = address };
    irqflags_t flags;
    int error = -ETIMEDOUT;

    if (!netdev_is_usable(netdev))
        return -ENETDOWN;
    wait_queue_init(&probe.answered, "arp_probe");
    flags = spin_lock_irqsave(&conflict_lock);
    list_push_back(&probes, &probe.node);
    spin_unlock_irqrestore(&conflict_lock, flags);

    for (unsigned int i = 0; i < ARP_PROBES && error == -ETIMEDOUT; i++) {
        uint64_t pause = ARP_PROBE_MIN_NS + random_below(ARP_PROBE_SPREAD_MS) * NS_PER_MS;

        arp_send(netdev, ARP_REQUEST, ethernet_broadcast, 0, arp_no_mac, address);
        error = wait_event(&probe.answered, READ_ONCE(probe.is_in_use), deadline_after_ns(pause));
    }

    flags = spin_lock_irqsave(&conflict_lock);
    list_remove(&probe.node);
    spin_unlock_irqrestore(&conflict_lock, flags);
    if (probe.is_in_use) {
        memcpy(mac, probe.mac, MAC_SIZE);
        return -EADDRINUSE;
    }
    return error == -ETIMEDOUT ? 0 : error;
}

/* ---- an address that we have ---- */

void arp_announce(struct netdev *netdev)
{
    uint32_t own = interface_ipv4(&netdev->interface);

    if (own != 0 && netdev_is_usable(netdev))
        arp_send(netdev, ARP_REQUEST, ethernet_broadcast, own, arp_no_mac, own);
}

/* Somebody else speaks with our address (RFC 5227 2.4 b): say so, and defend it, but not often. */
void arp_conflict_seen(struct netdev *netdev, uint32_t address, const uint8_t mac[MAC_SIZE])
{
    char ip_text[IP_ADDRESS_TEXT_SIZE], mac_text[MAC_TEXT_SIZE];
    uint64_t now = clock_now_ns();
    bool may_defend;
    irqflags_t flags;

    arp_count(ARP_CONFLICTS);
    flags = spin_lock_irqsave(&conflict_lock);
    may_defend = defended_ns == 0 || now - defended_ns >= ARP_DEFEND_NS;
    if (may_defend)
        defended_ns = now;
    spin_unlock_irqrestore(&conflict_lock, flags);
    if (!may_defend)
        return;
    log_warning("arp", "%s: %s is also used by %s", netdev->name, ipv4_format(ip_text, address),
                mac_format(mac_text, mac));
    arp_announce(netdev);
}
