/*
 * Packets of the UDP shell. Pure functions, for host tests and fuzzing.
 *
 * Every packet starts with 16 bytes in network order:
 *
 *     u32 magic 0x4E4F5348   u32 sequence   u16 chunk   u16 flags   u16 length   u16 zero
 *
 * then @length bytes of text. A request is chunk 0 with flags 0. A reply echoes the sequence; its
 * chunks count from 0 (modulo 65536) and the last has flag bit 0.
 *
 * With a key (udpshell.key=) flag bit 1 is set in both directions, and the packet is
 *
 *     header   u64 session   u64 counter   text   32 bytes HMAC-SHA-256
 *
 * The HMAC is over a direction byte ('C' from the client, 'S' from the server) and all that comes
 * before it. The session is random, made at boot, and told in answer to a request with session 0
 * and no text ("hello"). The client counts up in every packet it sends, also when it repeats a
 * request; a counter seen before, or left behind by more than 64, gets no answer: so clients that
 * share a key count by the same clock (ours takes the nanoseconds since 1970). Replies carry the
 * counter of the request.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

#define UDP_SHELL_MAGIC       0x4E4F5348u
#define UDP_SHELL_HEADER_SIZE 16
#define UDP_SHELL_TEXT_MAX    1384
#define UDP_SHELL_KEYED_SIZE  16
#define UDP_SHELL_TAG_SIZE    32
#define UDP_SHELL_PACKET_MAX                                                                       \
    (UDP_SHELL_HEADER_SIZE + UDP_SHELL_KEYED_SIZE + UDP_SHELL_TEXT_MAX + UDP_SHELL_TAG_SIZE)
#define UDP_SHELL_KEY_MAX 64

enum udp_shell_flags {
    UDP_SHELL_LAST = 1u << 0,
    UDP_SHELL_KEYED = 1u << 1,
};

struct udp_shell_key {
    uint8_t bytes[UDP_SHELL_KEY_MAX];
    size_t length; /* 0: packets carry no HMAC */
};

struct udp_shell_packet {
    uint32_t sequence;
    uint16_t chunk;
    uint16_t flags;            /* enum udp_shell_flags */
    uint64_t session, counter; /* with a key */
    const char *text;          /* not terminated */
    size_t length;
};

/**
 * udp_shell_parse() - a request as it arrived; @packet->text points into it
 * Return: 0; -EBADMSG malformed or not a request; -EACCES key missing, not expected, or wrong HMAC.
 */
int __must_check udp_shell_parse(const struct udp_shell_key *key, const uint8_t *bytes,
                                 size_t length, struct udp_shell_packet *packet);

/** udp_shell_build() - a reply; at most UDP_SHELL_TEXT_MAX of text. Return: bytes. */
size_t udp_shell_build(const struct udp_shell_key *key, const struct udp_shell_packet *packet,
                       uint8_t bytes[UDP_SHELL_PACKET_MAX]);

/* Which counters were seen: the highest, and a bit for each of the 64 up to it. */
struct udp_shell_window {
    uint64_t highest;
    uint64_t seen;
};

/** udp_shell_window_accept() - is @counter new? Then it is noted. */
bool udp_shell_window_accept(struct udp_shell_window *window, uint64_t counter);
