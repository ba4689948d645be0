/*
 * IPv4 output (RFC 791, RFC 1122 3.3): route, header, fragments where needed, link layer.
 *
 * Above: the transport protocols. Below: arp.c, ethernet.c, loopback.c. No locks.
 */
#include "arch/percpu.h"
#include "kernel/random.h"
#include "lib/atomic.h"
#include "lib/byteorder.h"
#include "lib/checksum.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "net/arp.h"
#include "net/ethernet.h"
#include "net/ipv4.h"
#include "net/ipv4_internal.h"
#include "net/netdev.h"
#include "net/route.h"

uint32_t ipv4_pseudo_sum(uint32_t source, uint32_t destination, uint8_t protocol, uint32_t length)
{
    struct {
        uint32_t source, destination;
        uint8_t zero, protocol;
        uint16_t length;
    } __packed pseudo = { cpu_to_be32(source), cpu_to_be32(destination), 0, protocol,
                          cpu_to_be16((uint16_t)length) };

    return checksum_partial(&pseudo, sizeof(pseudo), 0);
}

/*
 * Random identifications, fetched by the dozen. A task may be interrupted, or go on on another CPU,
 * between its look at the count and at the number: at worst it gets one twice, as chance may have
 * it too.
 */
#define IDS_FETCHED 32
struct id_stock {
    atomic_uint left;
    uint16_t ids[IDS_FETCHED];
};
static DEFINE_PER_CPU(struct id_stock, id_stock);

static uint16_t random_id(void)
{
    struct id_stock *stock = this_cpu_ptr(id_stock);
    unsigned int left = atomic_load_relaxed(&stock->left);

    if (left == 0 || left > IDS_FETCHED) {
        random_bytes(stock->ids, sizeof(stock->ids));
        left = IDS_FETCHED;
    }
    atomic_store_relaxed(&stock->left, left - 1);
    return READ_ONCE(stock->ids[left - 1]);
}

/*
 * Identification (RFC 6864): it matters only for packets that may be fragmented, and must not tell
 * a stranger how much we send; 0 for the others.
 */
static uint16_t next_id(bool may_fragment)
{
    return may_fragment ? random_id() : 0;
}

static void fill_header(struct ipv4_header *header, const struct ipv4_output_options *options,
                        uint32_t source, uint32_t total, uint16_t id, uint16_t fragment)
{
    header->version_ihl = 0x45;
    header->tos = options->tos;
    header->total_length = cpu_to_be16((uint16_t)total);
    header->id = cpu_to_be16(id);
    header->fragment = cpu_to_be16(fragment);
    header->ttl = options->ttl ? options->ttl : IPV4_TTL_DEFAULT;
    header->protocol = options->protocol;
    header->checksum = 0;
    header->source = cpu_to_be32(source);
    header->destination = cpu_to_be32(options->destination);
    header->checksum = checksum(header, IPV4_HEADER_SIZE);
}

/* Down to the link. Takes @frame. */
static void send_to_link(struct frame *frame, const struct route_result *route)
{
    ipv4_count(IPV4_SENT);
    if (route->netdev->features & NETDEV_LOOPBACK)
        netdev_transmit(route->netdev, frame);
    else if (route->is_broadcast)
        ethernet_output(route->netdev, frame, ethernet_broadcast, ETHERTYPE_IPV4);
    else
        arp_output(route->netdev, frame, route->next_hop);
}

/* Cut @frame into pieces of at most @mtu bytes with their headers. Takes @frame. */
static int send_fragments(struct frame *frame, const struct ipv4_output_options *options,
                          const struct route_result *route, uint32_t source, unsigned int mtu)
{
    uint32_t piece_max = ALIGN_DOWN(mtu - IPV4_HEADER_SIZE, 8);
    uint16_t id = next_id(true);
    int error = frame_complete_checksum(frame);

    for (uint32_t offset = 0; !error && offset < frame->length;) {
        uint32_t length = MIN(piece_max, frame->length - offset);
        bool is_last = offset + length == frame->length;
        struct frame *piece = frame_alloc(FRAME_HEADROOM, IPV4_HEADER_SIZE + length, 1);

        if (!piece) {
            error = -ENOMEM;
            break;
        }
        fill_header((void *)frame_data(piece), options, source, IPV4_HEADER_SIZE + length, id,
                    (uint16_t)(offset / 8 | (is_last ? 0 : IPV4_FLAG_MF)));
        frame_copy_out(frame, offset, frame_data(piece) + IPV4_HEADER_SIZE, length);
        ipv4_count(IPV4_FRAGMENTS_SENT);
        send_to_link(piece, route);
        offset += length;
    }
    frame_free(frame);
    return error;
}

/* What keeps the packet from being sent as it is: 0 or -errno. */
static int check_output(const struct frame *frame, const struct ipv4_output_options *options,
                        const struct route_result *route, uint32_t source, bool is_too_long)
{
    if (source == 0 && !route->is_broadcast)
        return -EADDRNOTAVAIL;
    if (frame->length + IPV4_HEADER_SIZE > 65535)
        return -EMSGSIZE;
    if (is_too_long && options->has_dont_fragment)
        return -EMSGSIZE;
    return 0;
}

int ipv4_output_routed(struct frame *frame, const struct ipv4_output_options *options,
                       const struct route_result *route)
{
    uint32_t source = options->source ? options->source : route->source;
    unsigned int mtu = path_mtu(options->destination, route->netdev);
    bool is_too_long = frame->gso_type == FRAME_GSO_NONE && frame->length + IPV4_HEADER_SIZE > mtu;
    int error = check_output(frame, options, route, source, is_too_long);
    struct ipv4_header *header;

    if (error == -EMSGSIZE)
        ipv4_count(IPV4_TOO_BIG);
    if (error)
        goto drop;
    if (is_too_long)
        return send_fragments(frame, options, route, source, mtu);

    header = (void *)frame_push(frame, IPV4_HEADER_SIZE);
    if (!header) {
        error = -ENOMEM;
        goto drop;
    }
    fill_header(header, options, source, frame->length, next_id(!options->has_dont_fragment),
                options->has_dont_fragment ? IPV4_FLAG_DF : 0);
    send_to_link(frame, route);
    return 0;

drop:
    frame_free(frame);
    return error;
}

int ipv4_output(struct frame *frame, const struct ipv4_output_options *options)
{
    struct route_result route;
    int error = route_lookup(options->destination, options->netdev, &route);

    if (!error)
        return ipv4_output_routed(frame, options, &route);
    ipv4_count(IPV4_NO_ROUTE);
    frame_free(frame);
    return error;
}

int ipv4_source_for(uint32_t destination, struct netdev *netdev, uint32_t *source)
{
    struct route_result route;
    int error = route_lookup(destination, netdev, &route);

    if (error)
        return error;
    if (route.source == 0)
        return -EADDRNOTAVAIL;
    *source = route.source;
    return 0;
}
