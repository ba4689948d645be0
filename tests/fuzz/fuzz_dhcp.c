/*
 * DHCP replies: arbitrary bytes. What is accepted can be used.
 */
#include "net/dhcp_message.h"

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
    static const uint8_t mac[MAC_SIZE] = { 2, 0, 0, 0, 0, 7 };
    struct dhcp_reply reply;

    if (dhcp_parse(data, size, 77, mac, &reply))
        return 0;
    REQUIRE(reply.type == DHCP_OFFER || reply.type == DHCP_ACK || reply.type == DHCP_NAK);
    REQUIRE(reply.type == DHCP_NAK || reply.address != 0);
    REQUIRE(reply.name_server_count <= DHCP_SERVERS_MAX);
    REQUIRE(strlen(reply.domain) < sizeof(reply.domain));
    return 0;
}
