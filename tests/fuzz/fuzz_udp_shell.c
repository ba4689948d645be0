/*
 * Requests to the UDP shell: arbitrary bytes, with and without a key. Without one, what is accepted
 * is read as it was written; with one, nothing is accepted, for nobody guesses an HMAC.
 */
#include "shell/udp_shell_packet.h"

#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct udp_shell_key no_key;
    static const struct udp_shell_key key = { .bytes = "0123456789abcdef", .length = 16 };
    static uint8_t built[UDP_SHELL_PACKET_MAX];
    struct udp_shell_packet packet;

    REQUIRE(udp_shell_parse(&key, data, size, &packet) != 0);
    if (udp_shell_parse(&no_key, data, size, &packet) != 0 || packet.length > UDP_SHELL_TEXT_MAX)
        return 0;
    REQUIRE(udp_shell_build(&no_key, &packet, built) == size);
    REQUIRE(memcmp(built, data, size) == 0);
    return 0;
}
