/*
 * Addresses of the network layer: a tagged union, ready for IPv6.
 *
 * IPv4 addresses are numbers in host order everywhere but in packets: 192.168.1.2 is 0xC0A80102,
 * so that masks, ranges and prefixes are plain arithmetic. Ports are host order likewise.
 */
#pragma once

#include "lib/compiler.h"

enum ip_family {
    IP_NONE,
    IP_V4,
    IP_V6
};

struct ip_address {
    enum ip_family family;
    union {
        uint32_t v4;    /* host order */
        uint8_t v6[16]; /* as on the wire */
    };
};

struct socket_address {
    struct ip_address ip; /* IP_NONE: any */
    uint16_t port;        /* host order; 0: any */
};

#define IPV4(a, b, c, d)                                                                           \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
#define IPV4_BROADCAST 0xFFFFFFFFu
#define IPV4_LOOPBACK  IPV4(127, 0, 0, 1)

#define IP_ADDRESS_TEXT_SIZE     46 /* longest text of an address, with its NUL */
#define SOCKET_ADDRESS_TEXT_SIZE 54 /* the same with [] and :port */
#define MAC_TEXT_SIZE            18
#define MAC_SIZE                 6

static inline struct ip_address ip_from_v4(uint32_t v4)
{
    struct ip_address address = { .family = IP_V4 };

    address.v4 = v4;
    return address;
}

static inline struct socket_address socket_address_v4(uint32_t v4, uint16_t port)
{
    struct socket_address address = { .ip = ip_from_v4(v4), .port = port };

    return address;
}

static inline bool ipv4_is_multicast(uint32_t v4)
{
    return v4 >> 28 == 0xE;
}

static inline bool ipv4_is_loopback(uint32_t v4)
{
    return v4 >> 24 == 127;
}

/** ipv4_mask() - the netmask of a prefix length 0-32. */
static inline uint32_t ipv4_mask(unsigned int prefix_length)
{
    return prefix_length == 0 ? 0 : ~0u << (32 - prefix_length);
}

bool ip_equal(const struct ip_address *a, const struct ip_address *b);

/** ipv4_parse() - "10.0.2.15": four decimal numbers, nothing else. 0 or -EINVAL. */
int __must_check ipv4_parse(const char *text, uint32_t *v4);
/** ipv4_parse_prefix() - "10.0.2.15/24"; -EINVAL. Without "/": prefix length 32. */
int __must_check ipv4_parse_prefix(const char *text, uint32_t *v4, unsigned int *prefix_length);
int __must_check ip_parse(const char *text, struct ip_address *address);

/* Format into @text and return it. */
char *ipv4_format(char text[IP_ADDRESS_TEXT_SIZE], uint32_t v4);
char *ip_format(char text[IP_ADDRESS_TEXT_SIZE], const struct ip_address *address);
char *socket_address_format(char text[SOCKET_ADDRESS_TEXT_SIZE],
                            const struct socket_address *address);
char *mac_format(char text[MAC_TEXT_SIZE], const uint8_t mac[MAC_SIZE]);
