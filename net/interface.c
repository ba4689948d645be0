/*
 * Addresses of network devices, and the `ip=` parameter.
 *
 * Every packet asks what kind of address it came from and goes to: own_addresses.c has the answers.
 *
 * Locks: config_mutex serialises changes; readers use single words (the address) without a lock.
 */
#include "net/interface.h"

#include "arch/irq.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/parameter.h"
#include "kernel/sync/mutex.h"
#include "kernel/sync/spinlock.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "net/arp.h"
#include "net/netdev.h"
#include "net/own_addresses.h"
#include "net/route.h"

static DEFINE_MUTEX(config_mutex, "net_config", LOCK_RANK_NET_CONFIG);

static DEFINE_SPINLOCK(servers_lock, "name_servers", LOCK_RANK_NET_TABLE);
static uint32_t name_servers[NAME_SERVERS_MAX] __guarded_global(servers_lock);
static unsigned int name_server_count __guarded_global(servers_lock);

static struct list interfaces __guarded_global(config_mutex) = LIST_INIT(interfaces);
static unsigned int interface_count __guarded_global(config_mutex); /* in that list */

/* Can a host have it? */
static bool is_host_address(uint32_t address, unsigned int prefix_length)
{
    uint32_t host = address & ~ipv4_mask(prefix_length);

    if (address >> 24 == 0 || address >> 28 >= 0xE)
        return false;
    if (prefix_length < 31 && (host == 0 || host == ~ipv4_mask(prefix_length)))
        return false;
    return true;
}

/* Tell the readers that @netdev has @address, or none (0). There is room for it. */
static void publish_locked(struct netdev *netdev, uint32_t address, unsigned int prefix_length)
    __must_hold(config_mutex)
{
    struct interface *interface = &netdev->interface;
    irqflags_t flags = irq_save(); /* a reader in an interrupt would wait for us for ever */

    own_addresses_begin();
    if (interface->ipv4) {
        list_remove(&interface->node);
        interface_count--;
    }
    interface->prefix_length = prefix_length;
    WRITE_ONCE(interface->ipv4, address);
    if (address) {
        list_push_back(&interfaces, &interface->node);
        interface_count++;
    }
    own_addresses_end(&interfaces);
    irq_restore(flags);
}

static void clear_ipv4_locked(struct netdev *netdev) __must_hold(config_mutex)
{
    if (netdev->interface.ipv4 == 0)
        return;
    publish_locked(netdev, 0, 0);
    route_remove_netdev(netdev);
    arp_flush(netdev);
}

/* The connected route comes with the address. */
static int replace_ipv4_locked(struct netdev *netdev, uint32_t address, unsigned int prefix_length)
    __must_hold(config_mutex)
{
    struct route connected = {
        .destination = address & ipv4_mask(prefix_length),
        .prefix_length = prefix_length,
        .netdev = netdev,
    };
    int error = own_addresses_reserve(interface_count + 1);

    if (error)
        return error;
    clear_ipv4_locked(netdev);
    publish_locked(netdev, address, prefix_length);
    error = route_add(&connected);
    if (error)
        clear_ipv4_locked(netdev);
    return error;
}

int interface_set_ipv4(struct netdev *netdev, uint32_t address, unsigned int prefix_length)
{
    int error;

    if (prefix_length == 0 || prefix_length > 32 || !is_host_address(address, prefix_length))
        return -EINVAL;
    mutex_lock(&config_mutex);
    error = replace_ipv4_locked(netdev, address, prefix_length);
    mutex_unlock(&config_mutex);
    if (!error && !(netdev->features & NETDEV_LOOPBACK))
        arp_announce(netdev);
    netdev_notify_address(netdev);
    return error;
}

void interface_clear_ipv4(struct netdev *netdev)
{
    mutex_lock(&config_mutex);
    clear_ipv4_locked(netdev);
    mutex_unlock(&config_mutex);
    netdev_notify_address(netdev);
}

int interface_set_gateway(struct netdev *netdev, uint32_t gateway)
{
    struct route route = { .gateway = gateway, .netdev = netdev };
    int error = 0;

    mutex_lock(&config_mutex);
    if (route_remove(0, 0, netdev) == 0)
        log_debug("route", "%s: the default route is replaced", netdev->name);
    if (gateway)
        error = route_add(&route);
    mutex_unlock(&config_mutex);
    return error;
}

/* ---- name servers ---- */

void interface_set_name_servers(const uint32_t *servers, unsigned int count)
{
    irqflags_t flags = spin_lock_irqsave(&servers_lock);

    name_server_count = MIN(count, (unsigned int)NAME_SERVERS_MAX);
    memcpy(name_servers, servers, name_server_count * sizeof(servers[0]));
    spin_unlock_irqrestore(&servers_lock, flags);
}

unsigned int interface_name_servers(uint32_t servers[NAME_SERVERS_MAX])
{
    irqflags_t flags = spin_lock_irqsave(&servers_lock);
    unsigned int count = name_server_count;

    memcpy(servers, name_servers, count * sizeof(servers[0]));
    spin_unlock_irqrestore(&servers_lock, flags);
    return count;
}

/* ---- ip=ADDR/LEN[,GW[,DNS]] ---- */

static struct {
    uint32_t address;
    unsigned int prefix_length;
    uint32_t gateway;
    uint32_t name_server;
    struct netdev *netdev; /* the device that got it: the first with a link header */
} by_hand;

/* The part of @text up to a comma, copied to @part. Return: what follows the comma, NULL at the
 * end of the text; a part that does not fit comes back empty. */
static const char *split_part(const char *text, char *part, size_t size)
{
    size_t length = strcspn(text, ",");

    part[0] = '\0';
    if (length < size) {
        memcpy(part, text, length);
        part[length] = '\0';
    }
    return text[length] == ',' ? text + length + 1 : NULL;
}

static int ip_parameter(const char *value)
{
    char part[IP_ADDRESS_TEXT_SIZE];
    uint32_t address, gateway = 0, name_server = 0;
    unsigned int prefix_length;

    value = split_part(value, part, sizeof(part));
    if (ipv4_parse_prefix(part, &address, &prefix_length) || !strchr(part, '/') ||
        prefix_length == 0 || !is_host_address(address, prefix_length))
        return -EINVAL;
    if (value) {
        value = split_part(value, part, sizeof(part));
        if (part[0] && ipv4_parse(part, &gateway))
            return -EINVAL;
    }
    if (value && ipv4_parse(value, &name_server))
        return -EINVAL;
    by_hand.address = address;
    by_hand.prefix_length = prefix_length;
    by_hand.gateway = gateway;
    by_hand.name_server = name_server;
    return 0;
}

bool interface_is_configured_by_hand(const struct netdev *netdev)
{
    return READ_ONCE(by_hand.netdev) == netdev;
}

bool interface_has_address_by_hand(const struct netdev *netdev)
{
    return interface_is_configured_by_hand(netdev) &&
           interface_ipv4(&netdev->interface) == by_hand.address;
}

static int interface_init(void)
{
    struct netdev *netdev = NULL;
    int error;

    if (!by_hand.address)
        return 0;
    while ((netdev = netdev_next(netdev)) != NULL && (netdev->features & NETDEV_LOOPBACK))
        ;
    if (!netdev) {
        log_warning("net", "ip=: there is no network device");
        return 0;
    }
    WRITE_ONCE(by_hand.netdev, netdev); /* DHCP lets go of it when it hears of the address */
    error = interface_set_ipv4(netdev, by_hand.address, by_hand.prefix_length);
    if (!error && by_hand.gateway)
        error = interface_set_gateway(netdev, by_hand.gateway);
    if (by_hand.name_server)
        interface_set_name_servers(&by_hand.name_server, 1);
    if (error)
        log_error("net", "ip=: %s: %s", netdev->name, errno_text(error));
    return error;
}
INIT_HOOK(interface_init, INIT_SERVICE);
PARAMETER_LATE(ip, "ip", "ADDRESS/LENGTH[,GATEWAY[,DNS]]", "address of the first network device",
               ip_parameter, PARAMETER_STAGE_NETWORK, interface_init);
