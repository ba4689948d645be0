/*
 * Packets of NTP. All numbers are big endian; a timestamp is seconds since 1900 with 32 bits of
 * fraction, which has no room beyond 2036: a time without its highest bit is of the era that begins
 * then (RFC 4330, 3).
 */
#include "net/ntp_message.h"

#include "kernel/time/clock.h"
#include "lib/byteorder.h"
#include "lib/ctype.h"
#include "lib/string.h"
#include "net/ip_address.h"

/* Offsets in the packet. */
#define AT_FLAGS           0 /* leap indicator, version, mode */
#define AT_STRATUM         1
#define AT_ROOT_DELAY      4
#define AT_ROOT_DISPERSION 8
#define AT_REFERENCE       12
#define AT_ORIGINATE       24
#define AT_RECEIVE         32
#define AT_TRANSMIT        40

#define VERSION         4
#define MODE_CLIENT     3
#define MODE_SERVER     4
#define LEAP_UNKNOWN    3
#define SECONDS_TO_1970 2208988800u
#define ROOT_SECONDS    16 /* further from the true clock than that is not synchronised (MAXDISP) */
#define SLACK_NS        NS_PER_MS /* a server's two readings of its clock may be as coarse as that */

void ntp_request_build(uint8_t packet[NTP_PACKET_SIZE], uint64_t nonce)
{
    memset(packet, 0, NTP_PACKET_SIZE);
    packet[AT_FLAGS] = VERSION << 3 | MODE_CLIENT;
    store_be64(packet + AT_TRANSMIT, nonce);
}

/* Unix nanoseconds; 0 for a timestamp of 0, which means "none". */
static uint64_t timestamp_to_unix(uint64_t timestamp)
{
    uint64_t seconds = timestamp >> 32, fraction = timestamp & UINT32_MAX;

    if (timestamp == 0)
        return 0;
    if (!(seconds >> 31))
        seconds += 1ULL << 32;
    if (seconds < SECONDS_TO_1970)
        return 0;
    return (seconds - SECONDS_TO_1970) * NS_PER_S + (fraction * NS_PER_S >> 32);
}

/* Up to stratum 1 four letters, then the server's own server by its address (or a hash of it). */
static void describe_reference(const uint8_t *packet, struct ntp_reply *reply)
{
    char text[IP_ADDRESS_TEXT_SIZE];

    if (reply->stratum > 1) {
        strlcpy(reply->reference, ipv4_format(text, load_be32(packet + AT_REFERENCE)),
                sizeof(reply->reference));
        return;
    }
    memcpy(reply->reference, packet + AT_REFERENCE, 4);
    reply->reference[4] = '\0';
    for (char *at = reply->reference; *at; at++)
        if (!is_print(*at))
            *at = '?';
}

/*
 * A server without the time has stratum 16, which goes over the wire as 0 (7.3); one that does not
 * want to be asked has 0 too, and says why in letters. INIT and STEP are letters of the former.
 */
static bool is_kiss(const struct ntp_reply *reply)
{
    return reply->stratum == 0 && is_alpha(reply->reference[0]) &&
           strcmp(reply->reference, "INIT") != 0 && strcmp(reply->reference, "STEP") != 0;
}

/* Delay and dispersion down to the true clock, in seconds with 16 bits of fraction. */
static bool is_near_root(const uint8_t *packet)
{
    uint64_t distance =
        (uint64_t)load_be32(packet + AT_ROOT_DELAY) / 2 + load_be32(packet + AT_ROOT_DISPERSION);

    return distance >> 16 < ROOT_SECONDS;
}

enum ntp_verdict ntp_reply_parse(const uint8_t *packet, size_t length, uint64_t nonce,
                                 struct ntp_reply *reply)
{
    if (length < NTP_PACKET_SIZE)
        return NTP_NOT_OURS;
    unsigned int leap = packet[AT_FLAGS] >> 6, version = packet[AT_FLAGS] >> 3 & 7;
    unsigned int mode = packet[AT_FLAGS] & 7;
    if (mode != MODE_SERVER || version == 0 || version > VERSION ||
        load_be64(packet + AT_ORIGINATE) != nonce)
        return NTP_NOT_OURS;
    reply->stratum = packet[AT_STRATUM];
    describe_reference(packet, reply);
    if (is_kiss(reply))
        return NTP_KISS;
    if (leap == LEAP_UNKNOWN || reply->stratum == 0 || reply->stratum > NTP_STRATUM_MAX ||
        !is_near_root(packet))
        return NTP_UNSYNCHRONISED;
    reply->received_ns = timestamp_to_unix(load_be64(packet + AT_RECEIVE));
    reply->transmitted_ns = timestamp_to_unix(load_be64(packet + AT_TRANSMIT));
    if (reply->received_ns == 0 || reply->transmitted_ns < reply->received_ns)
        return NTP_IMPLAUSIBLE;
    return NTP_GOOD;
}

bool ntp_sample_make(const struct ntp_reply *reply, uint64_t sent_ns, uint64_t received_ns,
                     struct ntp_sample *sample)
{
    uint64_t there_ns = reply->transmitted_ns - reply->received_ns;
    uint64_t waited_ns = received_ns - sent_ns;

    if (there_ns > waited_ns + SLACK_NS)
        return false;
    sample->delay_ns = waited_ns > there_ns ? waited_ns - there_ns : 0;
    /* The middles of both intervals are the same moment, if both ways take the same time. */
    sample->epoch_ns =
        (int64_t)(reply->received_ns + there_ns / 2) - (int64_t)(sent_ns + waited_ns / 2);
    return true;
}
