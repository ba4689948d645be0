/*
 * Answers of time servers. The nonce is where the answer has it, so that most get past that check.
 */
#include "net/ntp_message.h"

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
    struct ntp_reply reply;
    struct ntp_sample sample;
    uint64_t nonce = 0;

    if (size >= 32)
        for (int i = 0; i < 8; i++)
            nonce = nonce << 8 | data[24 + i];
    enum ntp_verdict verdict = ntp_reply_parse(data, size, nonce, &reply);
    if (verdict == NTP_NOT_OURS)
        return 0;
    REQUIRE(size >= NTP_PACKET_SIZE && memchr(reply.reference, '\0', sizeof(reply.reference)));
    if (verdict != NTP_GOOD)
        return 0;
    REQUIRE(reply.stratum >= 1 && reply.stratum <= NTP_STRATUM_MAX);
    REQUIRE(reply.transmitted_ns >= reply.received_ns && reply.received_ns > 0);
    if (ntp_sample_make(&reply, 1000, 5000000, &sample))
        REQUIRE(sample.delay_ns <= 5000000);
    return 0;
}
