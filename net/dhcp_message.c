/*
 * DHCP messages: see dhcp_message.h.
 */
#include "net/dhcp_message.h"

#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/string.h"

/* The fixed part (RFC 2131, figure 1). */
enum field {
    FIELD_OP = 0,
    FIELD_HTYPE = 1,
    FIELD_HLEN = 2,
    FIELD_XID = 4,
    FIELD_SECS = 8,
    FIELD_FLAGS = 10,
    FIELD_CIADDR = 12,
    FIELD_YIADDR = 16,
    FIELD_CHADDR = 28,
    FIELD_SNAME = 44,
    FIELD_FILE = 108,
    FIELD_COOKIE = 236,
    FIELD_OPTIONS = 240,
};
#define SNAME_SIZE     64
#define FILE_SIZE      128
#define OP_REQUEST     1
#define OP_REPLY       2
#define HTYPE_ETHERNET 1
#define FLAG_BROADCAST 0x8000
#define MAGIC_COOKIE   0x63825363u
#define BOOTP_MINIMUM  300 /* some relays drop less (RFC 1542, 2.1) */

enum option { /* RFC 2132 */
    OPTION_PAD = 0,
    OPTION_NETMASK = 1,
    OPTION_ROUTER = 3,
    OPTION_DNS = 6,
    OPTION_HOST_NAME = 12,
    OPTION_DOMAIN = 15,
    OPTION_MTU = 26,
    OPTION_REQUESTED_ADDRESS = 50,
    OPTION_LEASE_TIME = 51,
    OPTION_OVERLOAD = 52,
    OPTION_TYPE = 53,
    OPTION_SERVER = 54,
    OPTION_PARAMETERS = 55,
    OPTION_MAX_SIZE = 57,
    OPTION_RENEWAL_TIME = 58,
    OPTION_REBIND_TIME = 59,
    OPTION_CLIENT_ID = 61,
    OPTION_END = 255,
};
#define OVERLOAD_FILE  1
#define OVERLOAD_SNAME 2

/* ---- building ------------------------------------------------------------------------------ */

static uint8_t *put_option(uint8_t *at, enum option option, const void *data, size_t length)
{
    *at++ = (uint8_t)option;
    *at++ = (uint8_t)length;
    memcpy(at, data, length);
    return at + length;
}

static uint8_t *put_address(uint8_t *at, enum option option, uint32_t address)
{
    uint8_t bytes[4];

    if (!address)
        return at;
    store_be32(bytes, address);
    return put_option(at, option, bytes, sizeof(bytes));
}

static uint8_t *put_client_id(uint8_t *at, const uint8_t mac[MAC_SIZE])
{
    uint8_t id[1 + MAC_SIZE] = { HTYPE_ETHERNET };

    memcpy(id + 1, mac, MAC_SIZE);
    return put_option(at, OPTION_CLIENT_ID, id, sizeof(id));
}

static uint8_t *put_wishes(uint8_t *at)
{
    static const uint8_t wanted[] = { OPTION_NETMASK,      OPTION_ROUTER,     OPTION_DNS,
                                      OPTION_DOMAIN,       OPTION_MTU,        OPTION_LEASE_TIME,
                                      OPTION_RENEWAL_TIME, OPTION_REBIND_TIME };
    uint8_t size[2];

    store_be16(size, DHCP_MESSAGE_MAX);
    at = put_option(at, OPTION_MAX_SIZE, size, sizeof(size));
    at = put_option(at, OPTION_HOST_NAME, "nos", 3);
    return put_option(at, OPTION_PARAMETERS, wanted, sizeof(wanted));
}

size_t dhcp_build(uint8_t message[DHCP_MESSAGE_MAX], const struct dhcp_request *request)
{
    uint8_t type = (uint8_t)request->type;
    uint8_t *at = message + FIELD_OPTIONS;

    memset(message, 0, DHCP_MESSAGE_MAX);
    message[FIELD_OP] = OP_REQUEST;
    message[FIELD_HTYPE] = HTYPE_ETHERNET;
    message[FIELD_HLEN] = MAC_SIZE;
    store_be32(message + FIELD_XID, request->transaction);
    store_be16(message + FIELD_SECS, request->seconds);
    store_be16(message + FIELD_FLAGS, request->wants_broadcast ? FLAG_BROADCAST : 0);
    store_be32(message + FIELD_CIADDR, request->client_address);
    memcpy(message + FIELD_CHADDR, request->mac, MAC_SIZE);
    store_be32(message + FIELD_COOKIE, MAGIC_COOKIE);
    at = put_option(at, OPTION_TYPE, &type, 1);
    at = put_client_id(at, request->mac);
    at = put_address(at, OPTION_REQUESTED_ADDRESS, request->requested_address);
    at = put_address(at, OPTION_SERVER, request->server);
    if (request->type == DHCP_DISCOVER || request->type == DHCP_REQUEST)
        at = put_wishes(at);
    *at++ = OPTION_END;
    return MAX((size_t)(at - message), (size_t)BOOTP_MINIMUM);
}

/* ---- reading ------------------------------------------------------------------------------- */

struct parse {
    struct dhcp_reply *reply;
    uint8_t overload;
    uint8_t type;
};

static void read_name_servers(struct dhcp_reply *reply, const uint8_t *data, size_t length)
{
    for (size_t i = 0; i + 4 <= length && reply->name_server_count < DHCP_SERVERS_MAX; i += 4)
        reply->name_servers[reply->name_server_count++] = load_be32(data + i);
}

/* A domain goes to the screen: printable characters only. */
static void read_domain(struct dhcp_reply *reply, const uint8_t *data, size_t length)
{
    size_t count = MIN(length, sizeof(reply->domain) - 1);

    for (size_t i = 0; i < count; i++)
        reply->domain[i] = data[i] > ' ' && data[i] < 0x7f ? (char)data[i] : '\0';
}

static void read_option(struct parse *parse, uint8_t option, const uint8_t *data, size_t length)
{
    struct dhcp_reply *reply = parse->reply;

    if (length == 1 && option == OPTION_TYPE)
        parse->type = data[0];
    else if (length == 1 && option == OPTION_OVERLOAD)
        parse->overload |= data[0];
    else if (length == 2 && option == OPTION_MTU)
        reply->mtu = load_be16(data);
    else if (option == OPTION_DNS)
        read_name_servers(reply, data, length);
    else if (option == OPTION_DOMAIN)
        read_domain(reply, data, length);
    if (length < 4)
        return;
    uint32_t value = load_be32(data);
    if (option == OPTION_NETMASK)
        reply->netmask = value;
    else if (option == OPTION_ROUTER)
        reply->gateway = value;
    else if (option == OPTION_SERVER)
        reply->server = value;
    else if (option == OPTION_LEASE_TIME)
        reply->lease_seconds = value;
    else if (option == OPTION_RENEWAL_TIME)
        reply->renewal_seconds = value;
    else if (option == OPTION_REBIND_TIME)
        reply->rebind_seconds = value;
}

/* Return: false when an option runs over the end. A missing end mark is forgiven. */
static bool read_options(struct parse *parse, const uint8_t *at, size_t length)
{
    const uint8_t *end = at + length;

    while (at < end && *at != OPTION_END) {
        uint8_t option = *at++;
        if (option == OPTION_PAD)
            continue;
        if (at == end || *at > end - at - 1)
            return false;
        read_option(parse, option, at + 1, *at);
        at += 1u + *at;
    }
    return true;
}

static bool makes_sense(const struct dhcp_reply *reply)
{
    uint32_t host_bits = ~reply->netmask;

    if (reply->netmask && (host_bits & (host_bits + 1)) != 0)
        return false; /* not a run of ones */
    if (reply->type == DHCP_NAK)
        return true;
    /* Whose it is must be said (RFC 2131, table 3), or it could not be asked for. */
    return (reply->type == DHCP_OFFER || reply->type == DHCP_ACK) && reply->server != 0 &&
           reply->address != 0 && reply->address != IPV4_BROADCAST &&
           !ipv4_is_multicast(reply->address) && !ipv4_is_loopback(reply->address);
}

int dhcp_parse(const uint8_t *message, size_t length, uint32_t transaction,
               const uint8_t mac[MAC_SIZE], struct dhcp_reply *reply)
{
    struct parse parse = { .reply = reply };

    memset(reply, 0, sizeof(*reply));
    if (length < FIELD_OPTIONS || message[FIELD_OP] != OP_REPLY ||
        load_be32(message + FIELD_COOKIE) != MAGIC_COOKIE)
        return -EBADMSG;
    if (load_be32(message + FIELD_XID) != transaction ||
        memcmp(message + FIELD_CHADDR, mac, MAC_SIZE) != 0)
        return -ENOENT;
    if (!read_options(&parse, message + FIELD_OPTIONS, length - FIELD_OPTIONS))
        return -EBADMSG;
    uint8_t overload = parse.overload;
    if ((overload & OVERLOAD_FILE) && !read_options(&parse, message + FIELD_FILE, FILE_SIZE))
        return -EBADMSG;
    if ((overload & OVERLOAD_SNAME) && !read_options(&parse, message + FIELD_SNAME, SNAME_SIZE))
        return -EBADMSG;
    reply->type = (enum dhcp_type)parse.type;
    reply->address = load_be32(message + FIELD_YIADDR);
    return makes_sense(reply) ? 0 : -EBADMSG;
}
