/*
 * Metrics of network devices and protocols.
 */
#include "kernel/metrics.h"
#include "net/arp.h"
#include "net/ipv4.h"
#include "net/netdev.h"
#include "net/tcp.h"
#include "net/udp.h"

/* ---- devices ---- */

static void collect_devices(struct metric_writer *writer,
                            uint64_t (*value)(const struct netdev *netdev))
{
    struct netdev *netdev = NULL;

    while ((netdev = netdev_next(netdev)) != NULL) {
        metric_label(writer, "device", netdev->name);
        metric_value(writer, value(netdev));
    }
}

/* A metric that is an expression over struct netdev *netdev. */
#define DEVICE_METRIC(symbol, type, name, help, expression)                                        \
    static uint64_t symbol##_value(const struct netdev *netdev)                                    \
    {                                                                                              \
        return (expression);                                                                       \
    }                                                                                              \
    static void symbol##_collect(struct metric_writer *writer)                                     \
    {                                                                                              \
        collect_devices(writer, symbol##_value);                                                   \
    }                                                                                              \
    METRIC(symbol, type, name, help, symbol##_collect)

#define COUNT(field) atomic_load_relaxed(&netdev->counters.field)

DEVICE_METRIC(netdev_up, METRIC_GAUGE, "nos_network_up", "1 while started with its link up.",
              netdev_is_usable(netdev));
DEVICE_METRIC(netdev_mtu, METRIC_GAUGE, "nos_network_mtu_bytes", "Longest IP packet.",
              READ_ONCE(netdev->mtu));
DEVICE_METRIC(netdev_rx_bytes, METRIC_COUNTER, "nos_network_receive_bytes_total", "Bytes received.",
              COUNT(rx_bytes));
DEVICE_METRIC(netdev_rx_packets, METRIC_COUNTER, "nos_network_receive_packets_total",
              "Frames received.", COUNT(rx_frames));
DEVICE_METRIC(netdev_tx_bytes, METRIC_COUNTER, "nos_network_transmit_bytes_total", "Bytes sent.",
              COUNT(tx_bytes));
DEVICE_METRIC(netdev_tx_packets, METRIC_COUNTER, "nos_network_transmit_packets_total",
              "Frames sent.", COUNT(tx_frames));
DEVICE_METRIC(netdev_rx_errors, METRIC_COUNTER, "nos_network_receive_errors_total",
              "Frames dropped because the device or the frame was broken.",
              COUNT(drops[NETDEV_DROP_RX_ERROR]) + COUNT(drops[NETDEV_DROP_RX_LENGTH]));
DEVICE_METRIC(netdev_tx_errors, METRIC_COUNTER, "nos_network_transmit_errors_total",
              "Frames that the driver could not send.",
              COUNT(drops[NETDEV_DROP_TX_ERROR]) + COUNT(drops[NETDEV_DROP_TX_LENGTH]));

static void collect_drops(struct metric_writer *writer)
{
    struct netdev *netdev = NULL;

    while ((netdev = netdev_next(netdev)) != NULL) {
        for (unsigned int i = 0; i < NETDEV_DROP_COUNT; i++) {
            metric_label(writer, "device", netdev->name);
            metric_label(writer, "reason", netdev_drop_name(i));
            metric_value(writer, COUNT(drops[i]));
        }
    }
}
METRIC(netdev_drops, METRIC_COUNTER, "nos_network_drops_total",
       "Frames dropped, received and to be sent, by reason; errors too.", collect_drops);

/* ---- protocols: each counter under the name that the net command shows ---- */

static void put_event(struct metric_writer *writer, const char *name, uint64_t value)
{
    metric_label(writer, "event", name);
    metric_value(writer, value);
}

static void collect_arp(struct metric_writer *writer)
{
    for (unsigned int i = 0; i < ARP_COUNTER_COUNT; i++)
        put_event(writer, arp_counter_name(i), arp_counter(i));
}
METRIC(arp_events, METRIC_COUNTER, "nos_arp_events_total", "What ARP has done.", collect_arp);

static void collect_ipv4(struct metric_writer *writer)
{
    for (unsigned int i = 0; i < IPV4_COUNTER_COUNT; i++)
        put_event(writer, ipv4_counter_name(i), ipv4_counter(i));
}
METRIC(ipv4_events, METRIC_COUNTER, "nos_ipv4_events_total", "What IPv4 has done.", collect_ipv4);

static void collect_udp(struct metric_writer *writer)
{
    for (unsigned int i = 0; i < UDP_COUNTER_COUNT; i++)
        if (i != UDP_SOCKETS)
            put_event(writer, udp_counter_name(i), udp_counter(i));
}
METRIC(udp_events, METRIC_COUNTER, "nos_udp_events_total", "What UDP has done.", collect_udp);

static void collect_udp_sockets(struct metric_writer *writer)
{
    metric_value(writer, udp_counter(UDP_SOCKETS));
}
METRIC(udp_sockets, METRIC_GAUGE, "nos_udp_sockets", "UDP sockets that are open.",
       collect_udp_sockets);

static void collect_tcp(struct metric_writer *writer)
{
    for (unsigned int i = 0; i < TCP_COUNTER_COUNT; i++)
        if (i != TCP_BYTES_RECEIVED && i != TCP_BYTES_SENT)
            put_event(writer, tcp_counter_name(i), tcp_counter(i));
}
METRIC(tcp_events, METRIC_COUNTER, "nos_tcp_events_total", "What TCP has done.", collect_tcp);

#define TCP_METRIC(symbol, type, name, help, expression)                                           \
    static void symbol##_collect(struct metric_writer *writer)                                     \
    {                                                                                              \
        metric_value(writer, expression);                                                          \
    }                                                                                              \
    METRIC(symbol, type, name, help, symbol##_collect)

TCP_METRIC(tcp_received, METRIC_COUNTER, "nos_tcp_receive_bytes_total",
           "Bytes received in order and delivered.", tcp_counter(TCP_BYTES_RECEIVED));
TCP_METRIC(tcp_sent, METRIC_COUNTER, "nos_tcp_transmit_bytes_total",
           "Bytes sent, without retransmissions.", tcp_counter(TCP_BYTES_SENT));
TCP_METRIC(tcp_connections, METRIC_GAUGE, "nos_tcp_connections",
           "Connections, those in TIME-WAIT included.", tcp_connection_count());
TCP_METRIC(tcp_queued, METRIC_GAUGE, "nos_tcp_queued_bytes",
           "Bytes in the send and receive queues of all connections.", tcp_memory_bytes());
