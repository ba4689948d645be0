/*
 * DNS messages: questions, answers with chains of aliases, negative answers, and those that lie.
 */
#include "net/dns_message.h"

#include "lib/byteorder.h"
#include "tests/unit/unit.h"

#define ID 0x1234

/* An answer under construction: the question of "www.test" and then records. */
struct packet {
    uint8_t bytes[1024];
    size_t length;
};

static void put(struct packet *packet, const void *data, size_t length)
{
    memcpy(packet->bytes + packet->length, data, length);
    packet->length += length;
}

static void put_u16(struct packet *packet, unsigned int value)
{
    store_be16(packet->bytes + packet->length, (uint16_t)value);
    packet->length += 2;
}

static void put_u32(struct packet *packet, uint32_t value)
{
    store_be32(packet->bytes + packet->length, value);
    packet->length += 4;
}

static void begin(struct packet *packet, unsigned int flags, unsigned int answers,
                  unsigned int authorities)
{
    memset(packet, 0, sizeof(*packet));
    put_u16(packet, ID);
    put_u16(packet, flags);
    put_u16(packet, 1);
    put_u16(packet, answers);
    put_u16(packet, authorities);
    put_u16(packet, 0);
    put(packet, "\3www\4test", 10); /* at 12, "test" at 16 */
    put_u16(packet, 1);
    put_u16(packet, 1);
}

/* @owner: wire form of @owner_length bytes. */
static void put_record(struct packet *packet, const char *owner, size_t owner_length,
                       unsigned int type, uint32_t ttl, const void *data, size_t length)
{
    put(packet, owner, owner_length);
    put_u16(packet, type);
    put_u16(packet, 1);
    put_u32(packet, ttl);
    put_u16(packet, (unsigned int)length);
    put(packet, data, length);
}

static enum dns_result parse(const struct packet *packet, struct dns_answer *answer)
{
    return dns_parse_answer(packet->bytes, packet->length, "WWW.test.", ID, answer);
}

static void test_names(void **state)
{
    char label[70], name[300];

    (void)state;
    assert_true(dns_name_is_valid("a"));
    assert_true(dns_name_is_valid("www.Example.test."));
    assert_false(dns_name_is_valid(""));
    assert_false(dns_name_is_valid("."));
    assert_false(dns_name_is_valid("a..b"));
    assert_false(dns_name_is_valid(".a"));
    assert_false(dns_name_is_valid("a b"));
    assert_false(dns_name_is_valid("a\x80"));
    memset(label, 'x', sizeof(label));
    label[63] = '\0';
    assert_true(dns_name_is_valid(label));
    label[63] = 'x';
    label[64] = '\0';
    assert_false(dns_name_is_valid(label));
    for (size_t i = 0; i < 253; i++)
        name[i] = i % 2 ? '.' : 'y';
    name[253] = '\0';
    assert_true(dns_name_is_valid(name));
    strcpy(name + 253, ".y");
    assert_false(dns_name_is_valid(name));
}

static void test_query(void **state)
{
    static const uint8_t expected[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\3www\4test\0\0\1\0\1";
    uint8_t query[DNS_QUERY_MAX];

    (void)state;
    assert_int_equal(dns_build_query(query, "www.TEST.", ID), sizeof(expected) - 1);
    assert_memory_equal(query, expected, sizeof(expected) - 1);
    assert_int_equal(dns_build_query(query, "bad..name", ID), 0);
}

static void test_addresses(void **state)
{
    struct packet packet;
    struct dns_answer answer;

    (void)state;
    begin(&packet, 0x8180, 2, 0);
    put_record(&packet, "\xc0\x0c", 2, 1, 300, "\x0a\0\0\1", 4);
    put_record(&packet, "\xc0\x0c", 2, 1, 60, "\x0a\0\0\2", 4);
    assert_int_equal(parse(&packet, &answer), DNS_FOUND);
    assert_int_equal(answer.address_count, 2);
    assert_int_equal(answer.addresses[0], 0x0a000001);
    assert_int_equal(answer.addresses[1], 0x0a000002);
    assert_int_equal(answer.ttl, 60);
    assert_string_equal(answer.canonical_name, "");
}

/* The chain's records in the wrong order. */
static void test_alias_chain(void **state)
{
    struct packet packet;
    struct dns_answer answer;

    (void)state;
    begin(&packet, 0x8180, 3, 0);
    put_record(&packet, "\1c\xc0\x10", 4, 1, 50, "\x0a\0\0\3", 4);
    put_record(&packet, "\1b\xc0\x10", 4, 5, 40, "\1C\xc0\x10", 4);
    put_record(&packet, "\xc0\x0c", 2, 5, 70, "\1b\xc0\x10", 4);
    assert_int_equal(parse(&packet, &answer), DNS_FOUND);
    assert_int_equal(answer.addresses[0], 0x0a000003);
    assert_string_equal(answer.canonical_name, "c.test");
    assert_int_equal(answer.ttl, 40);
}

static void test_alias_loop_ends(void **state)
{
    struct packet packet;
    struct dns_answer answer;

    (void)state;
    begin(&packet, 0x8180, 2, 0);
    put_record(&packet, "\xc0\x0c", 2, 5, 70, "\1b\xc0\x10", 4);
    put_record(&packet, "\1b\xc0\x10", 4, 5, 70, "\xc0\x0c", 2);
    assert_int_equal(parse(&packet, &answer), DNS_NO_ADDRESS);
}

static void test_negative_answers(void **state)
{
    static const uint8_t soa[] = "\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\x1e";
    struct packet packet;
    struct dns_answer answer;

    (void)state;
    begin(&packet, 0x8183, 0, 1);
    put_record(&packet, "\xc0\x10", 2, 6, 900, soa, sizeof(soa) - 1);
    assert_int_equal(parse(&packet, &answer), DNS_NO_NAME);
    assert_int_equal(answer.ttl, 30); /* the SOA's minimum is less than its TTL */
    begin(&packet, 0x8183, 0, 0);
    assert_int_equal(parse(&packet, &answer), DNS_NO_NAME);
    assert_int_equal(answer.ttl, DNS_NEGATIVE_TTL);
    begin(&packet, 0x8180, 0, 0);
    assert_int_equal(parse(&packet, &answer), DNS_NO_ADDRESS);
    begin(&packet, 0x8182, 0, 0);
    assert_int_equal(parse(&packet, &answer), DNS_FAILED);
    begin(&packet, 0x8380, 0, 0);
    assert_int_equal(parse(&packet, &answer), DNS_TRUNCATED);
}

static void test_not_the_answer(void **state)
{
    struct packet packet;
    struct dns_answer answer;

    (void)state;
    begin(&packet, 0x8180, 1, 0);
    put_record(&packet, "\xc0\x0c", 2, 1, 300, "\x0a\0\0\1", 4);
    packet.bytes[0] ^= 1; /* another id */
    assert_int_equal(parse(&packet, &answer), DNS_NOT_MINE);
    packet.bytes[0] ^= 1;
    packet.bytes[2] ^= 0x80; /* a question */
    assert_int_equal(parse(&packet, &answer), DNS_NOT_MINE);
    packet.bytes[2] ^= 0x80;
    packet.bytes[13] ^= 1; /* another name */
    assert_int_equal(parse(&packet, &answer), DNS_NOT_MINE);
    packet.bytes[13] ^= 1;
    packet.bytes[5] = 0; /* no question */
    assert_int_equal(parse(&packet, &answer), DNS_NOT_MINE);
    packet.bytes[5] = 1;
    assert_int_equal(parse(&packet, &answer), DNS_FOUND);
    /* An address of somebody else is not ours. */
    begin(&packet, 0x8180, 1, 0);
    put_record(&packet, "\4evil\xc0\x10", 7, 1, 300, "\x0a\0\0\1", 4);
    assert_int_equal(parse(&packet, &answer), DNS_NO_ADDRESS);
}

static void test_compression_loops(void **state)
{
    static const char *const owners[] = { "\xc0\x1c", "\xc0\xff", "\x01x\xc0\x1a", "\xff\xff" };
    struct packet packet;
    struct dns_answer answer;

    (void)state;
    for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
        begin(&packet, 0x8180, 1, 0);
        put_record(&packet, owners[i], strlen(owners[i]), 1, 300, "\x0a\0\0\1", 4);
        assert_int_equal(parse(&packet, &answer), DNS_MALFORMED);
    }
}

static void test_every_truncation(void **state)
{
    struct packet packet;
    struct dns_answer answer;

    (void)state;
    begin(&packet, 0x8180, 2, 0);
    put_record(&packet, "\xc0\x0c", 2, 5, 70, "\1b\xc0\x10", 4);
    put_record(&packet, "\1b\xc0\x10", 4, 1, 50, "\x0a\0\0\3", 4);
    size_t whole = packet.length;
    for (size_t length = 0; length < whole; length++) {
        uint8_t *copy = malloc(length ? length : 1); /* its end is seen by the sanitizer */
        memcpy(copy, packet.bytes, length);
        assert_int_not_equal(dns_parse_answer(copy, length, "www.test", ID, &answer), DNS_FOUND);
        free(copy);
    }
}

/* What a server chose is shown to people: no escape sequences. */
static void test_names_are_printable(void **state)
{
    struct packet packet;
    struct dns_answer answer;

    (void)state;
    begin(&packet, 0x8180, 2, 0);
    put_record(&packet, "\xc0\x0c", 2, 5, 70, "\4\x1b[2J\xc0\x10", 7);
    put_record(&packet, "\4\x1b[2J\xc0\x10", 7, 1, 50, "\x0a\0\0\3", 4);
    assert_int_equal(parse(&packet, &answer), DNS_FOUND);
    assert_string_equal(answer.canonical_name, "?[2j.test");
}

UNIT_TESTS(UNIT_TEST(test_names), UNIT_TEST(test_query), UNIT_TEST(test_addresses),
           UNIT_TEST(test_alias_chain), UNIT_TEST(test_alias_loop_ends),
           UNIT_TEST(test_negative_answers), UNIT_TEST(test_not_the_answer),
           UNIT_TEST(test_compression_loops), UNIT_TEST(test_every_truncation),
           UNIT_TEST(test_names_are_printable))
