/*
 * The internet side of a network device: its address. One IPv4 address per device.
 *
 * Setting an address installs the connected route, clearing it removes every route through the
 * device. Set by ifconfig, `ip=` and DHCP; the last one wins.
 */
#pragma once

#include "lib/compiler.h"
#include "lib/list.h"
#include "net/ip_address.h"

struct netdev;

struct interface {
    uint32_t ipv4;              /* 0: none; read by READ_ONCE, written under the config mutex */
    unsigned int prefix_length; /* written under the config mutex */
    struct list_node node;      /* while it has an address; under the config mutex */
};

/**
 * interface_set_ipv4() - give @netdev an address, replacing the one it had
 * Connections over the old address are not touched: they time out unless it comes back.
 * Return: 0; -EINVAL for an address no host can have; -ENOMEM. Context: task.
 */
int __must_check interface_set_ipv4(struct netdev *netdev, uint32_t address,
                                    unsigned int prefix_length);

/** interface_clear_ipv4() - no address, no routes. Context: task. */
void interface_clear_ipv4(struct netdev *netdev);

/** interface_set_gateway() - default route through @gateway, replacing the device's; 0: none. */
int __must_check interface_set_gateway(struct netdev *netdev, uint32_t gateway);

static inline uint32_t interface_ipv4(const struct interface *interface)
{
    return READ_ONCE(interface->ipv4);
}

enum address_kind {
    ADDRESS_FOREIGN,
    ADDRESS_OWN,      /* of this machine, 127.0.0.0/8 included */
    ADDRESS_BROADCAST /* 255.255.255.255, or the directed broadcast of a connected net */
};

/** interface_classify() - what @address is to this machine. Takes no lock (own_addresses.c). Any.
 */
enum address_kind interface_classify(uint32_t address);

static inline bool interface_is_local(uint32_t address)
{
    return interface_classify(address) == ADDRESS_OWN;
}

static inline bool interface_is_broadcast(uint32_t address)
{
    return interface_classify(address) == ADDRESS_BROADCAST;
}

/*
 * The `ip=` parameter names a DNS server too; and DHCP learns one. The resolver reads it here.
 */
#define NAME_SERVERS_MAX 3

/** interface_set_name_servers() - replace the list; at most NAME_SERVERS_MAX. Context: any. */
void interface_set_name_servers(const uint32_t *servers, unsigned int count);
/** interface_name_servers() - copy the list; return its length. Context: any. */
unsigned int interface_name_servers(uint32_t servers[NAME_SERVERS_MAX]);

/** interface_is_configured_by_hand() - `ip=` gave the address: DHCP does not start by itself. */
bool interface_is_configured_by_hand(const struct netdev *netdev);
/** interface_has_address_by_hand() - and it still has it: a DHCP client that runs ends. */
bool interface_has_address_by_hand(const struct netdev *netdev);
