/*
 * Commands that show and set devices, addresses and routes: net, ifconfig, route, arp, icmpstat.
 */
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "net/arp.h"
#include "net/icmp.h"
#include "net/ipv4.h"
#include "net/netdev.h"
#include "net/route.h"
#include "net/tcp.h"
#include "net/udp.h"
#include "shell/command.h"

typedef unsigned long long ull;

/* ---- net ---- */

static void show_device(struct shell *shell, const struct netdev *netdev)
{
    const struct netdev_counters *c = &netdev->counters;
    char mac[MAC_TEXT_SIZE], ip[IP_ADDRESS_TEXT_SIZE];
    uint32_t own = interface_ipv4(&netdev->interface);

    shell_printf(shell, "%s: %s, link %s, mtu %u, mac %s, %u queue%s, %s\n", netdev->name,
                 netdev->is_started ? "started" : "stopped", netdev->is_link_up ? "up" : "down",
                 netdev->mtu, mac_format(mac, netdev->mac), netdev->queue_count,
                 netdev->queue_count == 1 ? "" : "s", netdev->driver ? netdev->driver : "?");
    if (own)
        shell_printf(shell, "    ipv4 %s/%u\n", ipv4_format(ip, own),
                     netdev->interface.prefix_length);
    shell_printf(shell, "    rx %llu frames %llu bytes, tx %llu frames %llu bytes\n",
                 (ull)atomic_load_relaxed(&c->rx_frames), (ull)atomic_load_relaxed(&c->rx_bytes),
                 (ull)atomic_load_relaxed(&c->tx_frames), (ull)atomic_load_relaxed(&c->tx_bytes));
    for (unsigned int i = 0; i < NETDEV_DROP_COUNT; i++) {
        uint64_t drops = atomic_load_relaxed(&c->drops[i]);

        if (drops)
            shell_printf(shell, "    dropped %s %llu\n", netdev_drop_name(i), (ull)drops);
    }
}

static void show_counters(struct shell *shell, const char *title, unsigned int number,
                          uint64_t (*value)(unsigned int), const char *(*name)(unsigned int))
{
    shell_printf(shell, "%s:\n", title);
    for (unsigned int i = 0; i < number; i++) {
        if (value(i))
            shell_printf(shell, "    %-28s %llu\n", name(i), (ull)value(i));
    }
}

static uint64_t ipv4_value(unsigned int i)
{
    return ipv4_counter(i);
}

static const char *ipv4_name(unsigned int i)
{
    return ipv4_counter_name(i);
}

static uint64_t udp_value(unsigned int i)
{
    return udp_counter(i);
}

static const char *udp_name(unsigned int i)
{
    return udp_counter_name(i);
}

static uint64_t arp_value(unsigned int i)
{
    return arp_counter(i);
}

static const char *arp_name(unsigned int i)
{
    return arp_counter_name(i);
}

static uint64_t tcp_value(unsigned int i)
{
    return tcp_counter(i);
}

static const char *tcp_name(unsigned int i)
{
    return tcp_counter_name(i);
}

static int net_command(struct shell *shell, int argc, char **argv)
{
    struct netdev *netdev = NULL;

    (void)argv;
    if (argc != 1)
        return -EINVAL;
    while ((netdev = netdev_next(netdev)) != NULL)
        show_device(shell, netdev);
    show_counters(shell, "arp", ARP_COUNTER_COUNT, arp_value, arp_name);
    show_counters(shell, "ipv4", IPV4_COUNTER_COUNT, ipv4_value, ipv4_name);
    show_counters(shell, "udp", UDP_COUNTER_COUNT, udp_value, udp_name);
    show_counters(shell, "tcp", TCP_COUNTER_COUNT, tcp_value, tcp_name);
    return 0;
}
SHELL_COMMAND(net, "net", "network devices, and counters of each protocol", net_command,
              CMD_PANIC_OK);

/* ---- ifconfig ---- */

static int set_address(struct shell *shell, struct netdev *netdev, const char *text)
{
    unsigned int prefix_length;
    uint32_t address;
    int error;

    if (ipv4_parse_prefix(text, &address, &prefix_length) || !strchr(text, '/')) {
        shell_error(shell, "'%s' is not ADDRESS/LENGTH, such as 10.0.2.15/24", text);
        return -EINVAL;
    }
    error = interface_set_ipv4(netdev, address, prefix_length);
    if (error)
        shell_error(shell, "%s: %s cannot be the address of a host", netdev->name, text);
    return error;
}

static int set_mtu(struct shell *shell, struct netdev *netdev, const char *text)
{
    uint32_t mtu;
    int error = parse_u32(text, &mtu);

    if (!error)
        error = netdev_set_mtu(netdev, mtu);
    if (error)
        shell_error(shell, "%s: mtu %s: %s", netdev->name, text, errno_text(error));
    return error;
}

static int ifconfig_command(struct shell *shell, int argc, char **argv)
{
    struct netdev *netdev = NULL;
    int error = 0;

    if (argc == 1) {
        while ((netdev = netdev_next(netdev)) != NULL)
            show_device(shell, netdev);
        return 0;
    }
    netdev = netdev_find(argv[1]);
    if (!netdev) {
        shell_error(shell, "there is no device '%s'", argv[1]);
        return -ENODEV;
    }
    if (argc == 2)
        show_device(shell, netdev);
    else if (argc == 4 && strcmp(argv[2], "mtu") == 0)
        error = set_mtu(shell, netdev, argv[3]);
    else if (argc != 3)
        error = -EINVAL;
    else if (strcmp(argv[2], "up") == 0)
        error = netdev_start(netdev);
    else if (strcmp(argv[2], "down") == 0)
        netdev_stop(netdev);
    else if (strcmp(argv[2], "none") == 0)
        interface_clear_ipv4(netdev);
    else
        error = set_address(shell, netdev, argv[2]);
    return error;
}
SHELL_COMMAND(ifconfig, "ifconfig [DEVICE [ADDRESS/LENGTH | none | up | down | mtu BYTES]]",
              "show or set network devices and their addresses", ifconfig_command, CMD_NORMAL);

/* ---- route ---- */

static void show_routes(struct shell *shell)
{
    char destination[IP_ADDRESS_TEXT_SIZE], gateway[IP_ADDRESS_TEXT_SIZE];
    struct route route;

    for (unsigned int i = 0; route_get(i, &route); i++) {
        ipv4_format(destination, route.destination);
        if (route.gateway)
            shell_printf(shell, "%s/%u via %s dev %s\n", destination, route.prefix_length,
                         ipv4_format(gateway, route.gateway), route.netdev->name);
        else
            shell_printf(shell, "%s/%u dev %s\n", destination, route.prefix_length,
                         route.netdev->name);
    }
}

/* "default", "10.1.0.0/16", "10.1.2.3" */
static int parse_destination(const char *text, struct route *route)
{
    if (strcmp(text, "default") == 0) {
        route->destination = 0;
        route->prefix_length = 0;
        return 0;
    }
    return ipv4_parse_prefix(text, &route->destination, &route->prefix_length);
}

static int add_route(struct shell *shell, const char *destination, const char *via)
{
    struct route route = { 0 };
    struct route_result neighbour;
    int error;

    if (parse_destination(destination, &route)) {
        shell_error(shell, "'%s' is not a net such as 10.1.0.0/16, nor 'default'", destination);
        return -EINVAL;
    }
    route.netdev = netdev_find(via);
    if (!route.netdev) {
        if (ipv4_parse(via, &route.gateway)) {
            shell_error(shell, "'%s' is neither an address nor a device", via);
            return -EINVAL;
        }
        error = route_lookup(route.gateway, NULL, &neighbour);
        if (error) {
            shell_error(shell, "gateway %s: %s", via, errno_text(error));
            return error;
        }
        route.netdev = neighbour.netdev;
    }
    error = route_add(&route);
    if (error)
        shell_error(shell, "%s: %s", destination, errno_text(error));
    return error;
}

static int route_command(struct shell *shell, int argc, char **argv)
{
    struct route route = { 0 };
    int error;

    if (argc == 1) {
        show_routes(shell);
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "add") == 0)
        return add_route(shell, argv[2], argv[3]);
    if (argc != 3 || strcmp(argv[1], "del") != 0)
        return -EINVAL;
    error = parse_destination(argv[2], &route);
    if (!error)
        error = route_remove(route.destination, route.prefix_length, NULL);
    if (error)
        shell_error(shell, "%s: there is no such route", argv[2]);
    return error ? -ENOENT : 0;
}
SHELL_COMMAND(route, "route [add NET|default GATEWAY|DEVICE | del NET|default]",
              "show or change the routing table", route_command, CMD_NORMAL);

/* ---- arp ---- */

static int arp_command(struct shell *shell, int argc, char **argv)
{
    static const char *const states[] = { "free", "incomplete", "reachable", "stale" };
    char ip[IP_ADDRESS_TEXT_SIZE], mac[MAC_TEXT_SIZE];
    struct arp_entry_info info;

    (void)argv;
    if (argc != 1)
        return -EINVAL;
    for (unsigned int i = 0; arp_get(i, &info); i++)
        shell_printf(shell, "%-15s %s %s %s, age %llu s\n", ipv4_format(ip, info.address),
                     info.state == ARP_INCOMPLETE ? "(unknown)        " : mac_format(mac, info.mac),
                     info.netdev->name, states[info.state], (ull)(info.age_ns / NS_PER_S));
    return 0;
}
SHELL_COMMAND(arp, "arp", "link addresses of neighbours", arp_command, CMD_PANIC_OK);

/* ---- icmpstat ---- */

static int icmpstat_command(struct shell *shell, int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return -EINVAL;
    shell_printf(shell, "%-20s %12s %12s\n", "type", "received", "sent");
    for (unsigned int type = 0; type <= ICMP_TYPE_COUNT; type++) {
        if (icmp_type_name(type))
            shell_printf(shell, "%-20s %12llu %12llu\n", icmp_type_name(type),
                         (ull)icmp_received(type), (ull)icmp_sent(type));
    }
    for (unsigned int i = 0; i < ICMP_COUNTER_COUNT; i++)
        shell_printf(shell, "%-28s %llu\n", icmp_counter_name(i), (ull)icmp_counter(i));
    return 0;
}
SHELL_COMMAND(icmpstat, "icmpstat", "ICMP messages received and sent, by type", icmpstat_command,
              CMD_PANIC_OK);
