/*
 * ARP packets: made, checked, and handed to those whom they concern. And what was counted of them.
 *
 * Above: net/arp.c (the table), net/arp_conflict.c (our own addresses). Below: net/ethernet.h.
 */
#include "net/arp_internal.h"

#include "lib/atomic.h"
#include "lib/byteorder.h"
#include "lib/string.h"
#include "net/ethernet.h"
#include "net/ipv4.h"
#include "net/netdev.h"

static atomic_u64 counters[ARP_COUNTER_COUNT];

const uint8_t arp_no_mac[MAC_SIZE];

/* ---- to the link ---- */

void arp_send(struct netdev *netdev, uint16_t operation, const uint8_t destination[MAC_SIZE],
              uint32_t sender_ip, const uint8_t target_mac[MAC_SIZE], uint32_t target_ip)
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
    arp_count(operation == ARP_REQUEST ? ARP_REQUESTS_SENT : ARP_REPLIES_SENT);
    ethernet_output(netdev, frame, destination, ETHERTYPE_ARP);
}

void arp_ask(struct netdev *netdev, uint32_t address, const uint8_t *unicast)
{
    arp_send(netdev, ARP_REQUEST, unicast ? unicast : ethernet_broadcast,
             interface_ipv4(&netdev->interface), arp_no_mac, address);
}

/* ---- from the link ---- */

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
    arp_answer_probes(netdev, packet);
    if (own != 0 && sender == own) {
        arp_conflict_seen(netdev, own, packet->sender_mac);
        return;
    }
    if (be16_to_cpu(packet->operation) == ARP_REPLY) {
        arp_count(ARP_REPLIES_RECEIVED);
        if (sender != 0)
            arp_learn_answer(netdev, sender, packet->sender_mac);
        return;
    }
    arp_count(ARP_REQUESTS_RECEIVED);
    if (own == 0 || target != own)
        return;
    if (sender != 0) /* 0: a probe, which teaches nothing (RFC 5227 1.1) */
        arp_learn_asker(netdev, sender, packet->sender_mac);
    arp_send(netdev, ARP_REPLY, packet->sender_mac, own, packet->sender_mac, sender);
}

void arp_input(struct netdev *netdev, struct frame *frame)
{
    const struct arp_packet *packet = (void *)frame_header(frame, sizeof(*packet));
    uint16_t operation = packet ? be16_to_cpu(packet->operation) : 0;

    if (!packet || !is_well_formed(packet) || (operation != ARP_REQUEST && operation != ARP_REPLY))
        arp_count(ARP_MALFORMED);
    else
        process_packet(netdev, packet);
    frame_free(frame);
}

/* ---- counters ---- */

void arp_count(enum arp_counter counter)
{
    atomic_fetch_add_relaxed(&counters[counter], 1);
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
