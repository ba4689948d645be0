/*
 * Ethernet II: the link header off and on.
 *
 * Above: ipv4_input.c, arp.c. Below: netdev.c. No state, no locks.
 */
#include "net/ethernet.h"

#include "lib/byteorder.h"
#include "lib/string.h"
#include "net/arp.h"
#include "net/ipv4.h"
#include "net/netdev.h"

const uint8_t ethernet_broadcast[MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static void drop(struct netdev *netdev, struct frame *frame, enum netdev_drop reason)
{
    netdev_count_drop(netdev, reason);
    frame_free(frame);
}

void ethernet_input(struct netdev *netdev, struct frame *frame)
{
    const struct ethernet_header *header = (void *)frame_header(frame, sizeof(*header));
    uint16_t type;

    if (!header) {
        drop(netdev, frame, NETDEV_DROP_RX_LENGTH);
        return;
    }
    if (header->destination[0] & 1)
        frame->flags |= FRAME_BROADCAST;
    else if (memcmp(header->destination, netdev->mac, MAC_SIZE) != 0) {
        drop(netdev, frame, NETDEV_DROP_RX_OTHER);
        return;
    }
    type = be16_to_cpu(header->type);
    frame_pull(frame, sizeof(*header));
    frame->network_offset = sizeof(*header);
    switch (type) {
    case ETHERTYPE_IPV4:
        ipv4_input(netdev, frame);
        break;
    case ETHERTYPE_ARP:
        arp_input(netdev, frame);
        break;
    default:
        drop(netdev, frame, NETDEV_DROP_RX_PROTOCOL);
    }
}

void ethernet_output(struct netdev *netdev, struct frame *frame,
                     const uint8_t destination[MAC_SIZE], uint16_t type)
{
    struct ethernet_header *header = (void *)frame_push(frame, sizeof(*header));

    if (!header) {
        drop(netdev, frame, NETDEV_DROP_TX_ERROR);
        return;
    }
    memcpy(header->destination, destination, MAC_SIZE);
    memcpy(header->source, netdev->mac, MAC_SIZE);
    header->type = cpu_to_be16(type);
    netdev_transmit(netdev, frame);
}
