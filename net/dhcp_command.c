/*
 * The dhcp command: get a lease now, and say what was got.
 */
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "net/dhcp.h"
#include "net/netdev.h"
#include "shell/command.h"

#define DHCP_WAIT_NS (30 * NS_PER_S)

static struct netdev *first_real_netdev(void)
{
    struct netdev *netdev = netdev_next(NULL);

    while (netdev && netdev->features & NETDEV_LOOPBACK)
        netdev = netdev_next(netdev);
    return netdev;
}

static void print_lease(struct shell *shell, struct netdev *netdev)
{
    struct dhcp_status status;
    char address[IP_ADDRESS_TEXT_SIZE], server[IP_ADDRESS_TEXT_SIZE], gateway[IP_ADDRESS_TEXT_SIZE];

    if (!dhcp_status(netdev, &status))
        return;
    shell_printf(shell, "%s: %s, %s/%u from %s, gateway %s", netdev->name,
                 dhcp_state_name(status.state), ipv4_format(address, status.address),
                 status.prefix_length, ipv4_format(server, status.server),
                 status.gateway ? ipv4_format(gateway, status.gateway) : "none");
    if (status.expires_ns != DEADLINE_NEVER) {
        uint64_t now = clock_now_ns();
        uint64_t left = status.expires_ns > now ? status.expires_ns - now : 0;
        shell_printf(shell, ", %llu s left", (unsigned long long)(left / NS_PER_S));
    }
    shell_printf(shell, "\n");
}

static int dhcp_command(struct shell *shell, int argc, char **argv)
{
    if (argc > 2)
        return -EINVAL;
    struct netdev *netdev = argc == 2 ? netdev_find(argv[1]) : first_real_netdev();
    if (!netdev) {
        shell_error(shell, "no network device%s%s; `net` lists them", argc == 2 ? " named " : "",
                    argc == 2 ? argv[1] : "");
        return -ENODEV;
    }
    if (netdev->features & NETDEV_LOOPBACK) {
        shell_error(shell, "%s has its address for good", netdev->name);
        return -ENOTSUP;
    }
    int error = dhcp_start(netdev);
    if (error == -EPERM) {
        shell_error(shell, "DHCP is switched off by the kernel parameter dhcp=off");
        return error;
    }
    if (!error)
        error = dhcp_wait(netdev, deadline_after_ns(DHCP_WAIT_NS));
    if (error == -ETIMEDOUT)
        shell_error(shell, "%s: no server answers; it is asked on in the background", netdev->name);
    else if (error)
        shell_error(shell, "%s: %s", netdev->name, errno_text(error));
    else
        print_lease(shell, netdev);
    return error;
}
SHELL_COMMAND(dhcp, "dhcp [DEVICE]", "get an address by DHCP and show the lease", dhcp_command,
              CMD_NORMAL);
