/*
 * The DHCP client of one device (RFC 2131, 4.4): its states, as functions of one task.
 *
 * Above: net/dhcp.c, whose task it is. Below: a UDP socket bound to the device, ARP for the probe,
 * net/interface.h for the result. It ends when it is told to stop, never because no server answers:
 * it asks on, ever more seldom. No locks: what others may see is published.
 */
#include "kernel/log.h"
#include "kernel/random.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "net/arp.h"
#include "net/dhcp_internal.h"
#include "net/interface.h"
#include "net/netdev.h"
#include "net/socket.h"

/*
 * RFC 2131, 4.1 has the first wait at 4 s, which made sense on a bus of coaxial cable; a lost frame
 * costs a virtual machine less if it asks again after one.
 */
#define FIRST_WAIT_NS   (1 * NS_PER_S)
#define LAST_WAIT_NS    (64 * NS_PER_S)
#define DECLINE_WAIT_NS (10 * NS_PER_S) /* RFC 2131, 3.1, 5 */
#define REQUEST_TRIES   4
#define LEASE_FOREVER   UINT32_MAX
#define RENEW_RETRY_MIN 60 /* seconds; RFC 2131, 4.4.5 */

static void set_state(struct dhcp_client *client, enum dhcp_state state)
{
    client->status.state = state;
    dhcp_publish(client);
}

static bool is_stopped(const struct dhcp_client *client)
{
    return __atomic_load_n(&client->is_stopped, __ATOMIC_ACQUIRE);
}

/* ---- messages ------------------------------------------------------------------------------ */

static int send_request(struct dhcp_client *client, const struct dhcp_request *request,
                        uint32_t server)
{
    struct socket_address to = socket_address_v4(server, DHCP_SERVER_PORT);
    size_t length = dhcp_build(client->message, request);

    return socket_send_to(client->socket, client->message, length, &to);
}

static void fill_request(struct dhcp_client *client, struct dhcp_request *request,
                         enum dhcp_type type)
{
    uint64_t seconds = (clock_now_ns() - client->begun_ns) / NS_PER_S;

    memset(request, 0, sizeof(*request));
    request->type = type;
    request->transaction = client->transaction;
    request->seconds = (uint16_t)MIN(seconds, (uint64_t)UINT16_MAX);
    memcpy(request->mac, client->netdev->mac, MAC_SIZE);
}

/*
 * Wait for a reply to our transaction: an OFFER (@type DHCP_OFFER), or an ACK or NAK (DHCP_ACK),
 * from @server (0: any). 0 or -ETIMEDOUT, -ECANCELED, or a socket error.
 */
static int await_reply(struct dhcp_client *client, enum dhcp_type type, uint32_t server,
                       uint64_t deadline_ns, struct dhcp_reply *reply)
{
    for (;;) {
        size_t length;
        int error = socket_receive(client->socket, client->message, sizeof(client->message),
                                   deadline_ns, &length);
        if (error)
            return error;
        if (is_stopped(client))
            return -ECANCELED;
        if (dhcp_parse(client->message, length, client->transaction, client->netdev->mac, reply))
            continue;
        if (server && reply->server && reply->server != server)
            continue;
        if (type == DHCP_OFFER ? reply->type == DHCP_OFFER : reply->type != DHCP_OFFER)
            return 0;
    }
}

/* Plus or minus half a second, so that a rack that lost power does not ask in step. */
static uint64_t spread(uint64_t wait_ns)
{
    return wait_ns - NS_PER_S / 2 + random_u64() % NS_PER_S;
}

/* A pause in which a stop or a link event is noticed. */
static void pause_until(struct dhcp_client *client, uint64_t deadline_ns)
{
    int error = wait_event(
        &client->told,
        is_stopped(client) || __atomic_load_n(&client->wants_check, __ATOMIC_ACQUIRE), deadline_ns);
    (void)error; /* each of its ends is a reason to go on */
}

/* ---- getting a lease ----------------------------------------------------------------------- */

/* DISCOVER until somebody offers. 0 or -ECANCELED. */
static int select_offer(struct dhcp_client *client, struct dhcp_reply *offer)
{
    uint64_t wait_ns = FIRST_WAIT_NS;
    struct dhcp_request request;

    set_state(client, DHCP_STATE_SELECTING);
    client->transaction = random_u32();
    client->begun_ns = clock_now_ns();
    for (;;) {
        uint64_t deadline_ns = deadline_after_ns(spread(wait_ns));
        fill_request(client, &request, DHCP_DISCOVER);
        request.wants_broadcast = true;
        int error = send_request(client, &request, IPV4_BROADCAST);
        if (!error)
            error = await_reply(client, DHCP_OFFER, 0, deadline_ns, offer);
        if (!error || is_stopped(client))
            return error;
        if (error != -ETIMEDOUT) /* the link is down, say */
            pause_until(client, deadline_ns);
        __atomic_store_n(&client->wants_check, false, __ATOMIC_RELEASE);
        wait_ns = MIN(wait_ns * 2, (uint64_t)LAST_WAIT_NS);
    }
}

/* REQUEST what was offered. 0 with the lease; -EAGAIN refused or no answer; -ECANCELED. */
static int request_offer(struct dhcp_client *client, const struct dhcp_reply *offer)
{
    uint64_t wait_ns = FIRST_WAIT_NS;
    struct dhcp_request request;

    set_state(client, DHCP_STATE_REQUESTING);
    for (int try = 0; try < REQUEST_TRIES; try++, wait_ns *= 2) {
        fill_request(client, &request, DHCP_REQUEST);
        request.requested_address = offer->address;
        request.server = offer->server;
        request.wants_broadcast = true;
        client->requested_ns = clock_now_ns();
        int error = send_request(client, &request, IPV4_BROADCAST);
        if (!error)
            error = await_reply(client, DHCP_ACK, offer->server, deadline_after_ns(spread(wait_ns)),
                                &client->lease);
        if (!error)
            return client->lease.type == DHCP_ACK ? 0 : -EAGAIN;
        if (is_stopped(client))
            return -ECANCELED;
    }
    return -EAGAIN;
}

/* RFC 2131, 3.1, 5: nobody else may have it. 0; -EAGAIN it was declined; -ECANCELED. */
static int probe_address(struct dhcp_client *client)
{
    struct dhcp_request request;
    uint8_t mac[MAC_SIZE];
    char address[IP_ADDRESS_TEXT_SIZE], owner[MAC_TEXT_SIZE];

    set_state(client, DHCP_STATE_PROBING);
    int error = arp_probe(client->netdev, client->lease.address, mac);
    if (error != -EADDRINUSE)
        return error == -ECANCELED ? error : 0;
    log_warning("dhcp", "%s: %s is in use by %s: declined", client->netdev->name,
                ipv4_format(address, client->lease.address), mac_format(owner, mac));
    fill_request(client, &request, DHCP_DECLINE);
    request.requested_address = client->lease.address;
    request.server = client->lease.server;
    error = send_request(client, &request, IPV4_BROADCAST);
    pause_until(client, deadline_after_ns(DECLINE_WAIT_NS));
    return error && is_stopped(client) ? -ECANCELED : -EAGAIN;
}

static unsigned int prefix_length_of(const struct dhcp_reply *lease)
{
    uint32_t mask = lease->netmask;
    unsigned int length = 0;

    if (!mask) /* by class, as they did then */
        return lease->address >> 31 == 0 ? 8 : lease->address >> 30 == 2 ? 16 : 24;
    while (length < 32 && mask & (1u << (31 - length)))
        length++;
    return length;
}

/* When to renew, rebind and give up, from the moment the request was sent (RFC 2131, 4.4.1). */
static void set_times(struct dhcp_client *client)
{
    struct dhcp_reply *lease = &client->lease;
    uint64_t start = client->requested_ns;
    uint64_t seconds = lease->lease_seconds ? lease->lease_seconds : 3600;
    bool is_forever = lease->lease_seconds == LEASE_FOREVER;
    uint64_t t1 = lease->renewal_seconds, t2 = lease->rebind_seconds;

    if (t2 == 0 || t2 >= seconds)
        t2 = seconds * 7 / 8;
    if (t1 == 0 || t1 >= t2)
        t1 = MIN(seconds / 2, t2);
    client->status.expires_ns = is_forever ? DEADLINE_NEVER : start + seconds * NS_PER_S;
    client->status.renew_ns = is_forever ? DEADLINE_NEVER : start + t1 * NS_PER_S;
    client->rebind_ns = is_forever ? DEADLINE_NEVER : start + t2 * NS_PER_S;
    client->status.address = lease->address;
    client->status.prefix_length = prefix_length_of(lease);
    client->status.server = lease->server;
    client->status.gateway = lease->gateway;
}

static void apply_lease(struct dhcp_client *client, bool is_new)
{
    const struct dhcp_reply *lease = &client->lease;
    struct netdev *netdev = client->netdev;
    char address[IP_ADDRESS_TEXT_SIZE], server[IP_ADDRESS_TEXT_SIZE];
    unsigned int prefix_length = prefix_length_of(lease);
    int error = 0;

    if (is_new || interface_ipv4(&netdev->interface) != lease->address)
        error = interface_set_ipv4(netdev, lease->address, prefix_length);
    if (!error && lease->gateway)
        error = interface_set_gateway(netdev, lease->gateway);
    if (error)
        log_warning("dhcp", "%s: the lease cannot be used whole: %s", netdev->name,
                    errno_text(error));
    if (lease->name_server_count)
        interface_set_name_servers(lease->name_servers, lease->name_server_count);
    if (lease->mtu >= NETDEV_MTU_MIN && lease->mtu < netdev->mtu &&
        netdev_set_mtu(netdev, lease->mtu))
        log_warning("dhcp", "%s: MTU %u refused", netdev->name, lease->mtu);
    set_times(client);
    if (is_new) {
        arp_announce(netdev);
        log_info("dhcp", "%s: %s/%u from %s, lease %u s", netdev->name,
                 ipv4_format(address, lease->address), prefix_length,
                 ipv4_format(server, lease->server), lease->lease_seconds);
    }
    set_state(client, DHCP_STATE_BOUND);
}

static void drop_lease(struct dhcp_client *client, const char *why)
{
    log_warning("dhcp", "%s: %s", client->netdev->name, why);
    interface_clear_ipv4(client->netdev);
    client->status.address = 0;
    dhcp_publish(client);
}

/* 0 with an address in use, or -ECANCELED. */
static int obtain_lease(struct dhcp_client *client)
{
    struct dhcp_reply offer;
    int error;

    do {
        error = select_offer(client, &offer);
        if (!error)
            error = request_offer(client, &offer);
        if (error == -EAGAIN) /* a server that offers and refuses would do so for ever */
            pause_until(client, deadline_after_ns(spread(FIRST_WAIT_NS)));
        if (!error)
            error = probe_address(client);
    } while (error && !is_stopped(client));
    if (!error && is_stopped(client))
        error = -ECANCELED;
    if (!error)
        apply_lease(client, true);
    return error;
}

/* ---- keeping it ---------------------------------------------------------------------------- */

/* Half of what is left, but not too often (RFC 2131, 4.4.5); short leases want a finer measure. */
static uint64_t retry_time(const struct dhcp_client *client, uint64_t limit_ns)
{
    uint64_t now = clock_now_ns();
    uint64_t lease_seconds = client->lease.lease_seconds;
    uint64_t least = MIN(RENEW_RETRY_MIN * NS_PER_S, lease_seconds * NS_PER_S / 16);

    if (limit_ns <= now)
        return now;
    return MIN(limit_ns, now + MAX((limit_ns - now) / 2, least));
}

/*
 * One REQUEST for the address that we have: to the server (RENEWING), or to all (REBINDING).
 * 0 extended; -EAGAIN no answer by @deadline_ns; -ECONNREFUSED it was taken away (NAK).
 */
static int extend(struct dhcp_client *client, uint32_t server, uint64_t deadline_ns)
{
    struct dhcp_request request;
    struct dhcp_reply reply;
    uint64_t sent_ns = clock_now_ns();

    client->transaction = random_u32();
    client->begun_ns = sent_ns;
    fill_request(client, &request, DHCP_REQUEST);
    request.client_address = client->lease.address;
    int error = send_request(client, &request, server);
    if (!error)
        error = await_reply(client, DHCP_ACK, 0, deadline_ns, &reply);
    if (error) {
        pause_until(client, error == -ETIMEDOUT ? 0 : deadline_ns);
        return -EAGAIN;
    }
    if (is_stopped(client))
        return -EAGAIN;
    if (reply.type == DHCP_NAK)
        return -ECONNREFUSED;
    client->requested_ns = sent_ns;
    client->lease = reply;
    apply_lease(client, false);
    return 0;
}

/* From T1 on: the server we know until T2, then anyone until the lease ends. */
static int extend_lease(struct dhcp_client *client)
{
    uint64_t expires_ns = client->status.expires_ns;

    for (;;) {
        uint64_t now = clock_now_ns();
        bool is_rebinding = now >= client->rebind_ns;
        uint64_t limit_ns = is_rebinding ? expires_ns : client->rebind_ns;
        if (now >= expires_ns)
            return -ETIMEDOUT;
        set_state(client, is_rebinding ? DHCP_STATE_REBINDING : DHCP_STATE_RENEWING);
        __atomic_store_n(&client->wants_check, false, __ATOMIC_RELEASE);
        int error = extend(client, is_rebinding ? IPV4_BROADCAST : client->lease.server,
                           retry_time(client, limit_ns));
        if (error != -EAGAIN || is_stopped(client))
            return error;
    }
}

/* Until the lease is lost: why, as a text; NULL when the device is gone. */
static const char *keep_lease(struct dhcp_client *client)
{
    for (;;) {
        pause_until(client, client->status.renew_ns);
        if (is_stopped(client))
            return NULL;
        int error = extend_lease(client);
        if (error == -ECONNREFUSED)
            return "the server took the address back";
        if (error == -ETIMEDOUT)
            return "the lease has expired";
        if (is_stopped(client))
            return NULL;
    }
}

static int open_socket(struct dhcp_client *client)
{
    struct socket_address any = { .port = DHCP_CLIENT_PORT };
    int error = socket_create(SOCKET_UDP, &client->socket);

    if (error)
        return error;
    error = socket_bind_netdev(client->socket, client->netdev);
    if (!error)
        error = socket_bind(client->socket, &any);
    if (!error)
        error = socket_set_option(client->socket, SOCKET_OPTION_BROADCAST, 1);
    if (error)
        socket_close(client->socket);
    return error;
}

int dhcp_client_run(struct dhcp_client *client)
{
    int error = open_socket(client);

    if (error) {
        log_error("dhcp", "%s: no socket: %s", client->netdev->name, errno_text(error));
        return error;
    }
    while (!is_stopped(client) && obtain_lease(client) == 0) {
        const char *why = keep_lease(client);
        if (why)
            drop_lease(client, why);
    }
    socket_close(client->socket);
    return 0;
}
