/*
 * Network devices: the registry, links, and who is told of them.
 *
 * Above: ethernet.c and the protocols. Below: drivers, through struct netdev_ops; netdev_queue.c.
 * Locks: devices_lock (list and names).
 */
#include "net/netdev.h"

#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/arp.h"
#include "net/netdev_internal.h"

static DEFINE_SPINLOCK(devices_lock, "netdevs", LOCK_RANK_NET_TABLE);
static struct list devices __guarded_global(devices_lock) = LIST_INIT(devices);
static struct list listeners __guarded_global(devices_lock) = LIST_INIT(listeners);
static unsigned int next_index __guarded_global(devices_lock) = 1;

/* ---- events ---- */

static void tell_listeners(struct netdev *netdev, enum netdev_event event)
{
    irqflags_t flags = spin_lock_irqsave(&devices_lock);
    struct netdev_listener *listener;

    list_for_each_entry(listener, &listeners, node)
        listener->event(listener, netdev, event);
    spin_unlock_irqrestore(&devices_lock, flags);
}

void netdev_listen(struct netdev_listener *listener)
{
    irqflags_t flags = spin_lock_irqsave(&devices_lock);
    struct netdev *netdev;

    list_push_back(&listeners, &listener->node);
    list_for_each_entry(netdev, &devices, node)
        listener->event(listener, netdev, NETDEV_REGISTERED);
    spin_unlock_irqrestore(&devices_lock, flags);
}

void netdev_notify_address(struct netdev *netdev)
{
    tell_listeners(netdev, NETDEV_ADDRESS_CHANGED);
}

void netdev_set_link(struct netdev *netdev, bool is_up)
{
    if (READ_ONCE(netdev->is_link_up) == is_up)
        return;
    WRITE_ONCE(netdev->is_link_up, is_up);
    log_info("net", "%s: link %s", netdev->name, is_up ? "up" : "down");
    if (!is_up)
        arp_flush(netdev);
    tell_listeners(netdev, is_up ? NETDEV_LINK_UP : NETDEV_LINK_DOWN);
}

void netdev_fail(struct netdev *netdev, const char *reason)
{
    if (!READ_ONCE(netdev->is_started))
        return;
    WRITE_ONCE(netdev->is_started, false);
    log_error("net", "%s: stopped for good: %s", netdev->name, reason);
    netdev_set_link(netdev, false);
}

/* ---- registry ---- */

static int create_queues(struct netdev *netdev)
{
    if (netdev->queue_count == 0)
        netdev->queue_count = 1;
    if (netdev->queue_count > NETDEV_QUEUES_MAX)
        return -EINVAL;
    netdev->queues = kcalloc(netdev->queue_count, sizeof(*netdev->queues));
    if (!netdev->queues)
        return -ENOMEM;
    for (unsigned int i = 0; i < netdev->queue_count; i++)
        netdev_queue_init(&netdev->queues[i], netdev, i);
    return 0;
}

/* "eth" becomes "eth0", "eth1", ...; "lo" stays as it is. */
static void name_device(struct netdev *netdev)
{
    unsigned int number = 0;
    const struct netdev *other;
    size_t length = strlen(netdev->name);

    if (netdev->features & NETDEV_LOOPBACK)
        return;
    list_for_each_entry(other, &devices, node) {
        if (strncmp(other->name, netdev->name, length) == 0 && other->name[length] >= '0' &&
            other->name[length] <= '9')
            number++;
    }
    snprintf(netdev->name + length, sizeof(netdev->name) - length, "%u", number);
}

int netdev_start(struct netdev *netdev)
{
    int error;

    if (READ_ONCE(netdev->is_started))
        return 0;
    WRITE_ONCE(netdev->is_started, true); /* before: the first interrupt may come in start */
    error = netdev->ops->start ? netdev->ops->start(netdev) : 0;
    if (error)
        WRITE_ONCE(netdev->is_started, false);
    return error;
}

void netdev_stop(struct netdev *netdev)
{
    if (!READ_ONCE(netdev->is_started))
        return;
    WRITE_ONCE(netdev->is_started, false);
    if (netdev->ops->stop)
        netdev->ops->stop(netdev);
    for (unsigned int i = 0; i < netdev->queue_count; i++)
        netdev_queue_stop(&netdev->queues[i]);
    arp_flush(netdev);
}

int netdev_register(struct netdev *netdev)
{
    irqflags_t flags;
    int error;

    if (netdev->mtu < NETDEV_MTU_MIN || !netdev->ops || !netdev->ops->transmit)
        return -EINVAL;
    error = create_queues(netdev);
    if (error)
        return error;
    flags = spin_lock_irqsave(&devices_lock);
    name_device(netdev);
    netdev->index = next_index++;
    list_push_back(&devices, &netdev->node);
    spin_unlock_irqrestore(&devices_lock, flags);

    error = netdev_start(netdev);
    if (error) {
        netdev_unregister(netdev);
        return error;
    }
    tell_listeners(netdev, NETDEV_REGISTERED);
    return 0;
}

void netdev_unregister(struct netdev *netdev)
{
    irqflags_t flags;

    netdev_stop(netdev);
    tell_listeners(netdev, NETDEV_UNREGISTERED);
    interface_clear_ipv4(netdev);
    arp_flush(netdev);
    flags = spin_lock_irqsave(&devices_lock);
    list_remove(&netdev->node);
    spin_unlock_irqrestore(&devices_lock, flags);
    kfree(netdev->queues);
    netdev->queues = NULL;
}

int netdev_set_mtu(struct netdev *netdev, unsigned int mtu)
{
    int error;

    if (mtu < NETDEV_MTU_MIN || mtu > 65535)
        return -EINVAL;
    if (!netdev->ops->set_mtu)
        return -EOPNOTSUPP;
    error = netdev->ops->set_mtu(netdev, mtu);
    if (!error)
        WRITE_ONCE(netdev->mtu, mtu);
    return error;
}

struct netdev *netdev_find(const char *name)
{
    irqflags_t flags = spin_lock_irqsave(&devices_lock);
    struct netdev *found = NULL;
    struct netdev *netdev;

    list_for_each_entry(netdev, &devices, node) {
        if (strcmp(netdev->name, name) == 0)
            found = netdev;
    }
    spin_unlock_irqrestore(&devices_lock, flags);
    return found;
}

struct netdev *netdev_next(struct netdev *netdev)
{
    irqflags_t flags = spin_lock_irqsave(&devices_lock);
    struct list_node *node = netdev ? list_next(&devices, &netdev->node) : list_front(&devices);

    spin_unlock_irqrestore(&devices_lock, flags);
    return list_entry(node, struct netdev, node);
}

const char *netdev_drop_name(enum netdev_drop reason)
{
    static const char *const names[NETDEV_DROP_COUNT] = {
        [NETDEV_DROP_RX_NO_MEMORY] = "rx-no-memory",   [NETDEV_DROP_RX_LENGTH] = "rx-length",
        [NETDEV_DROP_RX_OTHER] = "rx-other-host",      [NETDEV_DROP_RX_PROTOCOL] = "rx-protocol",
        [NETDEV_DROP_RX_STOPPED] = "rx-stopped",       [NETDEV_DROP_RX_ERROR] = "rx-error",
        [NETDEV_DROP_TX_QUEUE_FULL] = "tx-queue-full", [NETDEV_DROP_TX_STOPPED] = "tx-stopped",
        [NETDEV_DROP_TX_LENGTH] = "tx-length",         [NETDEV_DROP_TX_ERROR] = "tx-error",
    };

    return (unsigned int)reason < NETDEV_DROP_COUNT ? names[reason] : "?";
}
