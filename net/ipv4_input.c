/*
 * IPv4 input (RFC 791 3, RFC 1122 3.2.1): check the header, check that it is for us, reassemble,
 * hand to the transport protocol.
 *
 * Below: ethernet.c, loopback.c. Above: icmp.c, udp.c, tcp_input.c. Stateless; no locks.
 */
#include "lib/atomic.h"
#include "lib/byteorder.h"
#include "lib/checksum.h"
#include "lib/string.h"
#include "net/icmp.h"
#include "net/interface.h"
#include "net/ipv4.h"
#include "net/ipv4_internal.h"
#include "net/netdev.h"
#include "net/tcp.h"
#include "net/udp.h"

static atomic_u64 counters[IPV4_COUNTER_COUNT];

void ipv4_count(enum ipv4_counter counter)
{
    atomic_fetch_add_relaxed(&counters[counter], 1);
}

uint64_t ipv4_counter(enum ipv4_counter counter)
{
    return atomic_load_relaxed(&counters[counter]);
}

const char *ipv4_counter_name(enum ipv4_counter counter)
{
    static const char *const names[IPV4_COUNTER_COUNT] = {
        [IPV4_RECEIVED] = "received",
        [IPV4_DELIVERED] = "delivered",
        [IPV4_BAD_HEADER] = "bad header",
        [IPV4_BAD_CHECKSUM] = "bad checksum",
        [IPV4_NOT_FOR_US] = "not for us",
        [IPV4_BAD_SOURCE] = "bad source address",
        [IPV4_UNKNOWN_PROTOCOL] = "unknown protocol",
        [IPV4_FRAGMENTS_RECEIVED] = "fragments received",
        [IPV4_REASSEMBLED] = "reassembled",
        [IPV4_FRAGMENT_OVERLAP] = "fragment overlaps",
        [IPV4_FRAGMENT_TIMEOUT] = "reassembly timeouts",
        [IPV4_FRAGMENT_NO_ROOM] = "fragments without room",
        [IPV4_SENT] = "sent",
        [IPV4_FRAGMENTS_SENT] = "fragments sent",
        [IPV4_NO_ROUTE] = "no route",
        [IPV4_TOO_BIG] = "too big to send",
    };

    return names[counter];
}

/*
 * The header in one piece, with lengths and checksum right; NULL (counted) otherwise.
 * Options are skipped: none of them is needed by a host (RFC 1122 3.2.1.8; source routes are not
 * followed, RFC 7126).
 */
static const struct ipv4_header *check_header(struct frame *frame, unsigned int *header_length)
{
    const struct ipv4_header *header = (void *)frame_header(frame, IPV4_HEADER_SIZE);
    unsigned int length, total;

    if (!header || header->version_ihl >> 4 != 4)
        goto bad;
    length = (header->version_ihl & 15u) * 4;
    if (length < IPV4_HEADER_SIZE)
        goto bad;
    header = (void *)frame_header(frame, length);
    if (!header)
        goto bad;
    total = be16_to_cpu(header->total_length);
    if (total < length || total > frame->length)
        goto bad;
    if (checksum(header, length) != 0) {
        ipv4_count(IPV4_BAD_CHECKSUM);
        return NULL;
    }
    *header_length = length;
    return header;

bad:
    ipv4_count(IPV4_BAD_HEADER);
    return NULL;
}

/* RFC 1122 3.2.1.3: addresses that no packet comes from. */
static bool is_bad_source(const struct netdev *netdev, uint32_t source)
{
    if (netdev->features & NETDEV_LOOPBACK)
        return false; /* our own addresses, of course */
    return ipv4_is_multicast(source) || source >> 28 == 0xF ||
           interface_classify(source) != ADDRESS_FOREIGN;
}

/* Is the packet for this machine, as it stands? (strong end system model, RFC 1122 3.3.4.2) */
static bool is_for_us(const struct netdev *netdev, struct ipv4_packet *packet)
{
    uint32_t own = interface_ipv4(&netdev->interface);

    if (own && packet->destination == own) /* nearly always */
        return true;
    if (interface_is_broadcast(packet->destination)) {
        packet->is_broadcast = true;
        return true;
    }
    if (netdev->features & NETDEV_LOOPBACK)
        return interface_is_local(packet->destination);
    if (own == 0) /* not configured yet: a DHCP answer may be addressed to what it offers */
        return packet->protocol == IP_PROTOCOL_UDP;
    return false;
}

static void deliver(struct frame *frame, struct ipv4_packet *packet)
{
    ipv4_count(IPV4_DELIVERED);
    switch (packet->protocol) {
    case IP_PROTOCOL_TCP:
        tcp_input(frame, packet);
        break;
    case IP_PROTOCOL_UDP:
        udp_input(frame, packet);
        break;
    case IP_PROTOCOL_ICMP:
        icmp_input(frame, packet);
        break;
    default:
        ipv4_count(IPV4_UNKNOWN_PROTOCOL);
        icmp_send_error(packet, ICMP_UNREACHABLE, ICMP_PROTOCOL_UNREACHABLE, 0);
        frame_free(frame);
    }
}

void ipv4_input(struct netdev *netdev, struct frame *frame)
{
    struct ipv4_packet packet = { .netdev = netdev };
    const struct ipv4_header *header;
    unsigned int header_length;
    uint16_t id, fragment;

    ipv4_count(IPV4_RECEIVED);
    header = check_header(frame, &header_length);
    if (!header)
        goto drop;
    packet.source = be32_to_cpu(header->source);
    packet.destination = be32_to_cpu(header->destination);
    packet.protocol = header->protocol;
    packet.ttl = header->ttl;
    packet.tos = header->tos;
    packet.is_broadcast = frame->flags & FRAME_BROADCAST;
    id = be16_to_cpu(header->id);
    fragment = be16_to_cpu(header->fragment);
    if (is_bad_source(netdev, packet.source)) {
        ipv4_count(IPV4_BAD_SOURCE);
        goto drop;
    }
    if (!is_for_us(netdev, &packet)) {
        ipv4_count(IPV4_NOT_FOR_US);
        goto drop;
    }

    frame_trim(frame, be16_to_cpu(header->total_length)); /* Ethernet pads */
    packet.original_length = (uint8_t)MIN(frame->length, header_length + 8);
    frame_copy_out(frame, 0, packet.original, packet.original_length);
    frame_pull(frame, header_length);
    if (fragment & (IPV4_FLAG_MF | IPV4_OFFSET_MASK)) {
        frame = ipv4_reassemble(frame, &packet, id, fragment);
        if (!frame)
            return;
    }
    deliver(frame, &packet);
    return;

drop:
    frame_free(frame);
}
