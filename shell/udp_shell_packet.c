/*
 * Packets of the UDP shell: see udp_shell_packet.h.
 */
#include "shell/udp_shell_packet.h"

#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/sha256.h"
#include "lib/string.h"

enum field {
    FIELD_MAGIC = 0,
    FIELD_SEQUENCE = 4,
    FIELD_CHUNK = 8,
    FIELD_FLAGS = 10,
    FIELD_LENGTH = 12,
    FIELD_ZERO = 14,
    FIELD_SESSION = 16, /* with a key */
    FIELD_COUNTER = 24,
};

#define WINDOW_SIZE 64

static void make_tag(const struct udp_shell_key *key, char direction, const uint8_t *bytes,
                     size_t length, uint8_t tag[UDP_SHELL_TAG_SIZE])
{
    struct hmac_sha256 hmac;

    hmac_sha256_init(&hmac, key->bytes, key->length);
    hmac_sha256_update(&hmac, &direction, 1);
    hmac_sha256_update(&hmac, bytes, length);
    hmac_sha256_final(&hmac, tag);
}

static int check_tag(const struct udp_shell_key *key, const uint8_t *bytes, size_t length)
{
    uint8_t tag[UDP_SHELL_TAG_SIZE];

    if (length < UDP_SHELL_HEADER_SIZE + UDP_SHELL_KEYED_SIZE + UDP_SHELL_TAG_SIZE)
        return -EACCES;
    make_tag(key, 'C', bytes, length - sizeof(tag), tag);
    return memory_is_equal_constant_time(tag, bytes + length - sizeof(tag), sizeof(tag)) ? 0
                                                                                         : -EACCES;
}

int udp_shell_parse(const struct udp_shell_key *key, const uint8_t *bytes, size_t length,
                    struct udp_shell_packet *packet)
{
    size_t overhead = UDP_SHELL_HEADER_SIZE;

    memset(packet, 0, sizeof(*packet));
    if (length < UDP_SHELL_HEADER_SIZE || load_be32(bytes + FIELD_MAGIC) != UDP_SHELL_MAGIC)
        return -EBADMSG;
    packet->sequence = load_be32(bytes + FIELD_SEQUENCE);
    packet->chunk = load_be16(bytes + FIELD_CHUNK);
    packet->flags = load_be16(bytes + FIELD_FLAGS);
    packet->length = load_be16(bytes + FIELD_LENGTH);
    if (packet->flags != (key->length ? UDP_SHELL_KEYED : 0))
        return key->length ? -EACCES : -EBADMSG;
    if (key->length) {
        if (check_tag(key, bytes, length) != 0)
            return -EACCES;
        packet->session = load_be64(bytes + FIELD_SESSION);
        packet->counter = load_be64(bytes + FIELD_COUNTER);
        overhead += UDP_SHELL_KEYED_SIZE + UDP_SHELL_TAG_SIZE;
    }
    if (packet->chunk != 0 || load_be16(bytes + FIELD_ZERO) != 0 ||
        packet->length != length - overhead)
        return -EBADMSG;
    packet->text =
        (const char *)bytes + UDP_SHELL_HEADER_SIZE + (key->length ? UDP_SHELL_KEYED_SIZE : 0);
    return 0;
}

size_t udp_shell_build(const struct udp_shell_key *key, const struct udp_shell_packet *packet,
                       uint8_t bytes[UDP_SHELL_PACKET_MAX])
{
    uint16_t flags = (uint16_t)(packet->flags | (key->length ? UDP_SHELL_KEYED : 0));
    size_t at = UDP_SHELL_HEADER_SIZE;

    store_be32(bytes + FIELD_MAGIC, UDP_SHELL_MAGIC);
    store_be32(bytes + FIELD_SEQUENCE, packet->sequence);
    store_be16(bytes + FIELD_CHUNK, packet->chunk);
    store_be16(bytes + FIELD_FLAGS, flags);
    store_be16(bytes + FIELD_LENGTH, (uint16_t)packet->length);
    store_be16(bytes + FIELD_ZERO, 0);
    if (key->length) {
        store_be64(bytes + FIELD_SESSION, packet->session);
        store_be64(bytes + FIELD_COUNTER, packet->counter);
        at += UDP_SHELL_KEYED_SIZE;
    }
    memcpy(bytes + at, packet->text, packet->length);
    at += packet->length;
    if (key->length) {
        make_tag(key, 'S', bytes, at, bytes + at);
        at += UDP_SHELL_TAG_SIZE;
    }
    return at;
}

bool udp_shell_window_accept(struct udp_shell_window *window, uint64_t counter)
{
    if (counter > window->highest) {
        uint64_t step = counter - window->highest;
        window->seen = step < WINDOW_SIZE ? window->seen << step : 0;
        window->seen |= 1;
        window->highest = counter;
        return true;
    }
    uint64_t age = window->highest - counter;
    if (counter == 0 || age >= WINDOW_SIZE || window->seen & 1ULL << age)
        return false;
    window->seen |= 1ULL << age;
    return true;
}
