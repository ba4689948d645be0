/*
 * DHCP messages: what is sent, and what is believed of what comes.
 */
#include "net/dhcp_message.h"

#include "lib/byteorder.h"
#include "lib/errno.h"
#include "tests/unit/unit.h"

static const uint8_t mac[MAC_SIZE] = { 2, 0, 0, 0, 0, 7 };

struct message {
    uint8_t bytes[1024];
    size_t length;
};

static void begin(struct message *message, uint32_t transaction, uint32_t address)
{
    memset(message, 0, sizeof(*message));
    message->bytes[0] = 2;
    message->bytes[1] = 1;
    message->bytes[2] = 6;
    store_be32(message->bytes + 4, transaction);
    store_be32(message->bytes + 16, address);
    memcpy(message->bytes + 28, mac, sizeof(mac));
    store_be32(message->bytes + 236, 0x63825363);
    message->length = 240;
}

static void put(struct message *message, unsigned int option, const void *data, size_t length)
{
    message->bytes[message->length++] = (uint8_t)option;
    message->bytes[message->length++] = (uint8_t)length;
    memcpy(message->bytes + message->length, data, length);
    message->length += length;
}

static int parse(const struct message *message, struct dhcp_reply *reply)
{
    return dhcp_parse(message->bytes, message->length, 77, mac, reply);
}

/* The value of an option in what we send; NULL when it is not there. */
static const uint8_t *find(const uint8_t *message, size_t length, unsigned int option)
{
    for (size_t at = 240; at < length && message[at] != 255; at += 2u + message[at + 1])
        if (message[at] == option)
            return message + at + 2;
    return NULL;
}

static void test_build(void **state)
{
    struct dhcp_request request = { .type = DHCP_REQUEST,
                                    .transaction = 77,
                                    .seconds = 5,
                                    .requested_address = IPV4(10, 0, 0, 9),
                                    .server = IPV4(10, 0, 0, 1),
                                    .wants_broadcast = true };
    uint8_t bytes[DHCP_MESSAGE_MAX];

    (void)state;
    memcpy(request.mac, mac, sizeof(mac));
    size_t length = dhcp_build(bytes, &request);
    assert_in_range(length, 300, DHCP_MESSAGE_MAX);
    assert_int_equal(bytes[0], 1);
    assert_int_equal(load_be32(bytes + 4), 77);
    assert_int_equal(load_be16(bytes + 8), 5);
    assert_int_equal(load_be16(bytes + 10), 0x8000);
    assert_memory_equal(bytes + 28, mac, sizeof(mac));
    assert_int_equal(*find(bytes, length, 53), DHCP_REQUEST);
    assert_int_equal(load_be32(find(bytes, length, 50)), request.requested_address);
    assert_int_equal(load_be32(find(bytes, length, 54)), request.server);
    assert_non_null(find(bytes, length, 55));
    request = (struct dhcp_request){ .type = DHCP_REQUEST, .client_address = IPV4(10, 0, 0, 9) };
    length = dhcp_build(bytes, &request);
    assert_int_equal(load_be32(bytes + 12), IPV4(10, 0, 0, 9));
    assert_null(find(bytes, length, 50)); /* RFC 2131, 4.3.2: not when renewing */
    assert_null(find(bytes, length, 54));
}

static void put_usual(struct message *message, unsigned int type)
{
    uint8_t kind = (uint8_t)type;

    put(message, 53, &kind, 1);
    put(message, 54, "\x0a\0\0\1", 4);
    put(message, 51, "\0\0\x0e\x10", 4);
    put(message, 1, "\xff\xff\xff\0", 4);
}

static void test_parse(void **state)
{
    struct message message;
    struct dhcp_reply reply;

    (void)state;
    begin(&message, 77, IPV4(10, 0, 0, 9));
    put_usual(&message, DHCP_ACK);
    put(&message, 3, "\x0a\0\0\2\x0a\0\0\3", 8);
    put(&message, 6, "\1\1\1\1\2\2\2\2\3\3\3\3\4\4\4\4", 16);
    put(&message, 26, "\5\x78", 2);
    put(&message, 58, "\0\0\0\x0a", 4);
    put(&message, 59, "\0\0\0\x14", 4);
    put(&message, 15, "test\x1b", 5);
    message.bytes[message.length++] = 255;
    assert_int_equal(parse(&message, &reply), 0);
    assert_int_equal(reply.type, DHCP_ACK);
    assert_int_equal(reply.address, IPV4(10, 0, 0, 9));
    assert_int_equal(reply.server, IPV4(10, 0, 0, 1));
    assert_int_equal(reply.gateway, IPV4(10, 0, 0, 2));
    assert_int_equal(reply.netmask, 0xffffff00);
    assert_int_equal(reply.name_server_count, DHCP_SERVERS_MAX);
    assert_int_equal(reply.name_servers[2], IPV4(3, 3, 3, 3));
    assert_int_equal(reply.lease_seconds, 3600);
    assert_int_equal(reply.renewal_seconds, 10);
    assert_int_equal(reply.rebind_seconds, 20);
    assert_int_equal(reply.mtu, 1400);
    assert_string_equal(reply.domain, "test");
}

static void test_options_in_other_fields(void **state)
{
    struct message message;
    struct dhcp_reply reply;

    (void)state;
    begin(&message, 77, IPV4(10, 0, 0, 9));
    put_usual(&message, DHCP_OFFER);
    put(&message, 52, "\3", 1);
    memcpy(message.bytes + 108, "\3\4\x0a\0\0\2\xff", 7);
    memcpy(message.bytes + 44, "\x1a\2\5\x78\xff", 5);
    assert_int_equal(parse(&message, &reply), 0);
    assert_int_equal(reply.gateway, IPV4(10, 0, 0, 2));
    assert_int_equal(reply.mtu, 1400);
    memcpy(message.bytes + 108, "\3\xff\x0a", 3); /* runs over the end of the field */
    assert_int_equal(parse(&message, &reply), -EBADMSG);
}

static void test_not_ours(void **state)
{
    struct message message;
    struct dhcp_reply reply;

    (void)state;
    begin(&message, 78, IPV4(10, 0, 0, 9));
    put_usual(&message, DHCP_OFFER);
    assert_int_equal(parse(&message, &reply), -ENOENT);
    begin(&message, 77, IPV4(10, 0, 0, 9));
    put_usual(&message, DHCP_OFFER);
    message.bytes[28] ^= 4;
    assert_int_equal(parse(&message, &reply), -ENOENT);
}

static void test_nonsense(void **state)
{
    static const uint32_t addresses[] = { 0, IPV4_BROADCAST, IPV4(224, 0, 0, 1),
                                          IPV4(127, 0, 0, 1) };
    struct message message;
    struct dhcp_reply reply;

    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        begin(&message, 77, addresses[i]);
        put_usual(&message, DHCP_ACK);
        assert_int_equal(parse(&message, &reply), -EBADMSG);
    }
    begin(&message, 77, IPV4(10, 0, 0, 9)); /* no type */
    assert_int_equal(parse(&message, &reply), -EBADMSG);
    put_usual(&message, DHCP_DISCOVER); /* not a server's */
    assert_int_equal(parse(&message, &reply), -EBADMSG);
    begin(&message, 77, IPV4(10, 0, 0, 9));
    put_usual(&message, DHCP_ACK);
    put(&message, 1, "\xff\0\xff\0", 4); /* no netmask */
    assert_int_equal(parse(&message, &reply), -EBADMSG);
    begin(&message, 77, IPV4(10, 0, 0, 9));
    put_usual(&message, DHCP_ACK);
    message.bytes[236] = 0; /* no cookie */
    assert_int_equal(parse(&message, &reply), -EBADMSG);
}

static void test_every_truncation(void **state)
{
    struct message message;
    struct dhcp_reply reply;

    (void)state;
    begin(&message, 77, IPV4(10, 0, 0, 9));
    put_usual(&message, DHCP_ACK);
    for (size_t length = 0; length < message.length; length++) {
        uint8_t *copy = malloc(length ? length : 1);
        memcpy(copy, message.bytes, length);
        int error = dhcp_parse(copy, length, 77, mac, &reply);
        assert_true(error == 0 || error == -EBADMSG || error == -ENOENT);
        assert_true(length >= 249 || error != 0); /* with the server's address */
        free(copy);
    }
}

UNIT_TESTS(UNIT_TEST(test_build), UNIT_TEST(test_parse), UNIT_TEST(test_options_in_other_fields),
           UNIT_TEST(test_not_ours), UNIT_TEST(test_nonsense), UNIT_TEST(test_every_truncation))
