/*
 * Text of addresses, both ways.
 */
#include "net/ip_address.h"

#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/printf.h"
#include "lib/string.h"

bool ip_equal(const struct ip_address *a, const struct ip_address *b)
{
    if (a->family != b->family)
        return false;
    switch (a->family) {
    case IP_V4:
        return a->v4 == b->v4;
    case IP_V6:
        return memcmp(a->v6, b->v6, sizeof(a->v6)) == 0;
    case IP_NONE:
        break;
    }
    return true;
}

/* One decimal number 0-255 of at most three digits. Return: the text after it, NULL if it is not.
 */
static const char *parse_octet(const char *text, uint32_t *value)
{
    unsigned int digits = 0;
    uint32_t octet = 0;

    for (; *text >= '0' && *text <= '9'; text++) {
        if (++digits > 3)
            return NULL;
        octet = octet * 10 + (uint32_t)(*text - '0');
    }
    if (digits == 0 || octet > 255)
        return NULL;
    *value = octet;
    return text;
}

/* The four numbers at the start of @text. Return: the text after them, NULL if they are not. */
static const char *parse_four_octets(const char *text, uint32_t *v4)
{
    uint32_t address = 0;

    for (unsigned int i = 0; i < 4; i++) {
        uint32_t octet;

        if (i > 0 && *text++ != '.')
            return NULL;
        text = parse_octet(text, &octet);
        if (!text)
            return NULL;
        address = address << 8 | octet;
    }
    *v4 = address;
    return text;
}

int ipv4_parse(const char *text, uint32_t *v4)
{
    uint32_t address;
    const char *end = parse_four_octets(text, &address);

    if (!end || *end != '\0')
        return -EINVAL;
    *v4 = address;
    return 0;
}

int ipv4_parse_prefix(const char *text, uint32_t *v4, unsigned int *prefix_length)
{
    uint32_t address;
    uint64_t length = 32;
    const char *end = parse_four_octets(text, &address);

    if (!end)
        return -EINVAL;
    if (*end == '/') {
        if (end[1] < '0' || end[1] > '9' || parse_u64_max(end + 1, 32, &length))
            return -EINVAL;
    } else if (*end != '\0') {
        return -EINVAL;
    }
    *v4 = address;
    *prefix_length = (unsigned int)length;
    return 0;
}

int ip_parse(const char *text, struct ip_address *address)
{
    uint32_t v4;
    int error = ipv4_parse(text, &v4);

    if (!error)
        *address = ip_from_v4(v4);
    return error;
}

char *ipv4_format(char text[IP_ADDRESS_TEXT_SIZE], uint32_t v4)
{
    snprintf(text, IP_ADDRESS_TEXT_SIZE, "%u.%u.%u.%u", (unsigned int)(v4 >> 24),
             (unsigned int)(v4 >> 16 & 255), (unsigned int)(v4 >> 8 & 255),
             (unsigned int)(v4 & 255));
    return text;
}

char *ip_format(char text[IP_ADDRESS_TEXT_SIZE], const struct ip_address *address)
{
    const uint8_t *v6 = address->v6;

    switch (address->family) {
    case IP_V4:
        return ipv4_format(text, address->v4);
    case IP_V6:
        snprintf(text, IP_ADDRESS_TEXT_SIZE, "%x:%x:%x:%x:%x:%x:%x:%x", load_be16(v6),
                 load_be16(v6 + 2), load_be16(v6 + 4), load_be16(v6 + 6), load_be16(v6 + 8),
                 load_be16(v6 + 10), load_be16(v6 + 12), load_be16(v6 + 14));
        return text;
    case IP_NONE:
        break;
    }
    snprintf(text, IP_ADDRESS_TEXT_SIZE, "*");
    return text;
}

char *socket_address_format(char text[SOCKET_ADDRESS_TEXT_SIZE],
                            const struct socket_address *address)
{
    char ip[IP_ADDRESS_TEXT_SIZE];

    ip_format(ip, &address->ip);
    if (address->port == 0)
        snprintf(text, SOCKET_ADDRESS_TEXT_SIZE, address->ip.family == IP_V6 ? "[%s]:*" : "%s:*",
                 ip);
    else
        snprintf(text, SOCKET_ADDRESS_TEXT_SIZE, address->ip.family == IP_V6 ? "[%s]:%u" : "%s:%u",
                 ip, address->port);
    return text;
}

char *mac_format(char text[MAC_TEXT_SIZE], const uint8_t mac[MAC_SIZE])
{
    snprintf(text, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
             mac[4], mac[5]);
    return text;
}
