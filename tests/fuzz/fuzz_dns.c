/*
 * DNS answers: arbitrary bytes with our question's id in front. What is called an address is one,
 * what is called a name is printable, and nothing is believed for longer than a day.
 */
#include "net/dns_message.h"

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
    struct dns_answer answer;
    enum dns_result result = dns_parse_answer(data, size, "www.test", 0x1234, &answer);

    REQUIRE(answer.address_count <= DNS_ADDRESSES_MAX && answer.ttl <= DNS_TTL_MAX);
    REQUIRE((result == DNS_FOUND) == (answer.address_count > 0) || result == DNS_MALFORMED);
    REQUIRE(strlen(answer.canonical_name) < DNS_NAME_MAX);
    for (const char *at = answer.canonical_name; *at; at++)
        REQUIRE(*at > ' ' && *at < 0x7f);
    return 0;
}
