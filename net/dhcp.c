/*
 * DHCP: which devices have a client, who starts one (the dhcp command, and dhcp=auto), and who asks
 * how it fares. What a client does is in net/dhcp_client.c. Boot never waits for it.
 *
 * A client ends when its device is unregistered, or gets an address by `ip=` after boot.
 */
#include "net/dhcp.h"

#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/parameter.h"
#include "kernel/sched/task.h"
#include "kernel/sync/spinlock.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/dhcp_internal.h"
#include "net/interface.h"
#include "net/netdev.h"

enum dhcp_mode {
    DHCP_MODE_ON,
    DHCP_MODE_AUTO,
    DHCP_MODE_OFF
};
static enum dhcp_mode mode = DHCP_MODE_ON; /* const after the parameters */

static int dhcp_parameter(const char *value)
{
    static const char *const names[] = { "on", "auto", "off" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(value, names[i]) == 0) {
            mode = (enum dhcp_mode)i;
            return 0;
        }
    return -EINVAL;
}
PARAMETER(dhcp, "dhcp", "auto|on|off", "DHCP at boot, by command only, or never", dhcp_parameter);

static DEFINE_SPINLOCK(clients_lock, "dhcp_clients", LOCK_RANK_NET_LISTENER);
static struct list clients __guarded_global(clients_lock) = LIST_INIT(clients);
static DEFINE_WAIT_QUEUE(news, "dhcp"); /* of any client: what is published, and its end */

const char *dhcp_state_name(enum dhcp_state state)
{
    static const char *const names[] = {
        [DHCP_STATE_STOPPED] = "stopped",       [DHCP_STATE_SELECTING] = "selecting",
        [DHCP_STATE_REQUESTING] = "requesting", [DHCP_STATE_PROBING] = "probing",
        [DHCP_STATE_BOUND] = "bound",           [DHCP_STATE_RENEWING] = "renewing",
        [DHCP_STATE_REBINDING] = "rebinding",
    };

    return names[state];
}

/* ---- clients ------------------------------------------------------------------------------- */

static struct dhcp_client *find_locked(const struct netdev *netdev) __must_hold(clients_lock)
{
    struct dhcp_client *client;

    list_for_each_entry(client, &clients, node)
        if (client->netdev == netdev)
            return client;
    return NULL;
}

void dhcp_publish(struct dhcp_client *client)
{
    irqflags_t flags = spin_lock_irqsave(&clients_lock);

    client->published = client->status;
    spin_unlock_irqrestore(&clients_lock, flags);
    wake_all(&news);
}

static void free_client(struct dhcp_client *client)
{
    irqflags_t flags = spin_lock_irqsave(&clients_lock);

    list_remove(&client->node);
    spin_unlock_irqrestore(&clients_lock, flags);
    wake_all(&news);
    kfree(client);
}

static int client_task(void *arg)
{
    struct dhcp_client *client = arg;
    int error = dhcp_client_run(client);

    free_client(client);
    return error;
}

int dhcp_start(struct netdev *netdev)
{
    if (mode == DHCP_MODE_OFF)
        return -EPERM;
    struct dhcp_client *client = kzalloc(sizeof(*client));
    if (!client)
        return -ENOMEM;
    client->netdev = netdev;
    wait_queue_init(&client->told, "dhcp");
    irqflags_t flags = spin_lock_irqsave(&clients_lock);
    bool has_client = find_locked(netdev) != NULL;
    if (!has_client)
        list_push_back(&clients, &client->node);
    spin_unlock_irqrestore(&clients_lock, flags);
    if (has_client) {
        kfree(client);
        return 0;
    }
    int error = task_create("dhcp", client_task, client, NULL);
    if (error)
        free_client(client);
    return error;
}

bool dhcp_status(struct netdev *netdev, struct dhcp_status *status)
{
    irqflags_t flags = spin_lock_irqsave(&clients_lock);
    struct dhcp_client *client = find_locked(netdev);

    if (client)
        *status = client->published;
    spin_unlock_irqrestore(&clients_lock, flags);
    return client != NULL;
}

int dhcp_wait(struct netdev *netdev, uint64_t deadline_ns)
{
    struct dhcp_status status = { 0 };
    bool has_client = true;
    int error = wait_event(
        &news, !(has_client = dhcp_status(netdev, &status)) || status.state >= DHCP_STATE_BOUND,
        deadline_ns);

    return has_client ? error : -ENOENT;
}

/* ---- dhcp=auto ----------------------------------------------------------------------------- */

/* Devices come in any context: a task starts their clients. */
static DEFINE_WAIT_QUEUE(arrivals, "dhcp starter");
static bool has_arrival; /* atomic */

static int starter_task(void *arg __maybe_unused)
{
    while (wait_event_uncancellable(&arrivals,
                                    __atomic_exchange_n(&has_arrival, false, __ATOMIC_ACQ_REL),
                                    DEADLINE_NEVER) == 0) {
        for (struct netdev *netdev = netdev_next(NULL); netdev; netdev = netdev_next(netdev)) {
            if (netdev->features & NETDEV_LOOPBACK || interface_is_configured_by_hand(netdev))
                continue;
            int error = dhcp_start(netdev);
            if (error)
                log_error("dhcp", "%s: %s", netdev->name, errno_text(error));
        }
    }
    return 0;
}

static void netdev_event(struct netdev_listener *listener __maybe_unused, struct netdev *netdev,
                         enum netdev_event event)
{
    if (event == NETDEV_REGISTERED && mode == DHCP_MODE_AUTO) {
        __atomic_store_n(&has_arrival, true, __ATOMIC_RELEASE);
        wake_one(&arrivals);
    }
    irqflags_t flags = spin_lock_irqsave(&clients_lock);
    struct dhcp_client *client = find_locked(netdev);
    if (client && (event == NETDEV_UNREGISTERED ||
                   (event == NETDEV_ADDRESS_CHANGED && interface_has_address_by_hand(netdev))))
        __atomic_store_n(&client->is_stopped, true, __ATOMIC_RELEASE);
    if (client && event == NETDEV_LINK_UP)
        __atomic_store_n(&client->wants_check, true, __ATOMIC_RELEASE);
    if (client)
        wake_all(&client->told);
    spin_unlock_irqrestore(&clients_lock, flags);
}

static struct netdev_listener listener = { .event = netdev_event };

static int __init dhcp_init(void)
{
    netdev_listen(&listener);
    return mode == DHCP_MODE_AUTO ? task_create("dhcp-starter", starter_task, NULL, NULL) : 0;
}
INIT_HOOK(dhcp_init, INIT_SERVICE);
