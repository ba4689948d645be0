/*
 * Packets of the UDP shell: the wire format byte for byte, the key, and the replay window.
 */
#include "shell/udp_shell_packet.h"

#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/sha256.h"
#include "tests/unit/unit.h"

static const struct udp_shell_key no_key;
static const struct udp_shell_key a_key = { .bytes = "0123456789abcdef", .length = 16 };

static void test_request(void **state)
{
    static const uint8_t bytes[] = "NOSH\0\0\0\7\0\0\0\0\0\2\0\0ls";
    struct udp_shell_packet packet;

    (void)state;
    assert_int_equal(udp_shell_parse(&no_key, bytes, 18, &packet), 0);
    assert_int_equal(packet.sequence, 7);
    assert_int_equal(packet.length, 2);
    assert_memory_equal(packet.text, "ls", 2);
    assert_int_equal(udp_shell_parse(&no_key, bytes, 17, &packet), -EBADMSG);
    assert_int_equal(udp_shell_parse(&no_key, bytes, 19, &packet), -EBADMSG);
    assert_int_equal(udp_shell_parse(&no_key, bytes, 15, &packet), -EBADMSG);
    assert_int_equal(udp_shell_parse(&a_key, bytes, 18, &packet), -EACCES);
    for (size_t i = 0; i < 16; i++) { /* each byte of the header but the sequence matters */
        uint8_t other[18];
        memcpy(other, bytes, sizeof(other));
        other[i] ^= 0x40;
        bool is_sequence = i >= 4 && i < 8;
        assert_int_equal(udp_shell_parse(&no_key, other, 18, &packet), is_sequence ? 0 : -EBADMSG);
    }
}

static void test_reply(void **state)
{
    static const uint8_t expected[] = "NOSH\0\0\0\7\0\3\0\1\0\2\0\0ok";
    struct udp_shell_packet packet = {
        .sequence = 7, .chunk = 3, .flags = UDP_SHELL_LAST, .text = "ok", .length = 2
    };
    uint8_t bytes[UDP_SHELL_PACKET_MAX];

    (void)state;
    assert_int_equal(udp_shell_build(&no_key, &packet, bytes), 18);
    assert_memory_equal(bytes, expected, 18);
}

/* A request as a client with @key would send it. */
static size_t keyed_request(uint8_t *bytes, const struct udp_shell_key *key, char direction)
{
    struct hmac_sha256 hmac;

    memcpy(bytes, "NOSH\0\0\0\7\0\0\0\2\0\2\0\0", 16);
    store_be64(bytes + 16, 5);
    store_be64(bytes + 24, 6);
    memcpy(bytes + 32, "ls", 2);
    hmac_sha256_init(&hmac, key->bytes, key->length);
    hmac_sha256_update(&hmac, &direction, 1);
    hmac_sha256_update(&hmac, bytes, 34);
    hmac_sha256_final(&hmac, bytes + 34);
    return 66;
}

static void test_key(void **state)
{
    struct udp_shell_key other = a_key;
    uint8_t bytes[128];
    struct udp_shell_packet packet;
    size_t length = keyed_request(bytes, &a_key, 'C');

    (void)state;
    assert_int_equal(udp_shell_parse(&a_key, bytes, length, &packet), 0);
    assert_int_equal(packet.session, 5);
    assert_int_equal(packet.counter, 6);
    assert_memory_equal(packet.text, "ls", 2);
    assert_int_equal(udp_shell_parse(&no_key, bytes, length, &packet), -EBADMSG);
    other.bytes[0] ^= 1;
    assert_int_equal(udp_shell_parse(&other, bytes, length, &packet), -EACCES);
    for (size_t i = 0; i < length; i++) { /* forged: any byte */
        bytes[i] ^= 1;
        assert_int_not_equal(udp_shell_parse(&a_key, bytes, length, &packet), 0);
        bytes[i] ^= 1;
    }
    for (size_t cut = 0; cut < length; cut++)
        assert_int_not_equal(udp_shell_parse(&a_key, bytes, cut, &packet), 0);
    /* Our own reply, sent back to us. */
    keyed_request(bytes, &a_key, 'S');
    assert_int_equal(udp_shell_parse(&a_key, bytes, length, &packet), -EACCES);
}

static void test_window(void **state)
{
    struct udp_shell_window window = { 0 };

    (void)state;
    assert_false(udp_shell_window_accept(&window, 0));
    assert_true(udp_shell_window_accept(&window, 1000));
    assert_false(udp_shell_window_accept(&window, 1000));
    assert_true(udp_shell_window_accept(&window, 998)); /* overtaken on the way */
    assert_false(udp_shell_window_accept(&window, 998));
    assert_true(udp_shell_window_accept(&window, 1001));
    assert_false(udp_shell_window_accept(&window, 1000));
    assert_true(udp_shell_window_accept(&window, 999));
    assert_true(udp_shell_window_accept(&window, 1001 - 63));
    assert_false(udp_shell_window_accept(&window, 1001 - 64));
    assert_true(udp_shell_window_accept(&window, UINT64_MAX));
    assert_false(udp_shell_window_accept(&window, 1001));
    assert_false(udp_shell_window_accept(&window, UINT64_MAX));
    assert_true(udp_shell_window_accept(&window, UINT64_MAX - 1));
}

UNIT_TESTS(UNIT_TEST(test_request), UNIT_TEST(test_reply), UNIT_TEST(test_key),
           UNIT_TEST(test_window))
