/*
 * SYN cookies (RFC 4987 3.6) and initial sequence numbers (RFC 6528).
 *
 * A cookie is a sequence number that only we can have made for these addresses, this peer's ISN and
 * the present minute:
 *
 *   31..27 minute (64 s) modulo 32    26..24 index into the table of MSS    23..0 keyed hash
 *
 * Window scale and SACK of the SYN travel in the low five bits of our timestamp, when the peer uses
 * timestamps; otherwise the connection does without them.
 */
#include "kernel/random.h"
#include "net/tcp_internal.h"

#define COOKIE_PERIOD_NS (64 * NS_PER_S)
#define COOKIE_PERIODS   2 /* valid for 64 to 128 s */

#define TS_BITS       5u
#define TS_SCALE_MASK 15u
#define TS_SCALE_NONE 15u
#define TS_SACK       16u

static const uint16_t mss_table[8] = { 536, 1200, 1300, 1400, 1440, 1452, 1460, 8960 };

static struct hash_key cookie_key;    /* const after init */
static atomic_u64 last_cookie_period; /* period + 1 of the last one sent; 0: never */

static uint64_t current_period(void)
{
    return clock_now_ns() / COOKIE_PERIOD_NS;
}

static uint32_t cookie_hash(const struct tcp_segment *segment, uint32_t peer_isn, uint64_t period)
{
    uint64_t addresses = tcp_hash(&segment->local, &segment->peer, 3);

    return (uint32_t)hash_u64x2(&cookie_key, addresses, (uint64_t)peer_isn << 32 | period) &
           0xFFFFFF;
}

static unsigned int mss_index(uint16_t mss)
{
    unsigned int index = 0;

    while (index + 1 < ARRAY_SIZE(mss_table) && mss_table[index + 1] <= mss)
        index++;
    return index;
}

/* As tcp_negotiate() sets it for the connection that is made from the cookie. */
static uint32_t timestamp_base(const struct tcp_segment *segment)
{
    return (uint32_t)(clock_now_ns() / NS_PER_MS) +
           (uint32_t)tcp_hash(&segment->local, &segment->peer, 2);
}

static uint32_t encode_options(const struct tcp_segment *segment)
{
    uint32_t now = timestamp_base(segment);
    uint32_t scale = segment->options.window_scale >= 0 ? (uint32_t)segment->options.window_scale
                                                        : TS_SCALE_NONE;
    uint32_t bits = scale | (segment->options.has_sack_permitted ? TS_SACK : 0);
    uint32_t value = (now & ~((1u << TS_BITS) - 1)) | bits;

    return seq_gt(value, now) ? value - (1u << TS_BITS) : value; /* never from the future */
}

void tcp_cookie_send(const struct tcp_segment *segment)
{
    uint64_t period = current_period();
    unsigned int index = mss_index(segment->options.mss ? segment->options.mss : TCP_MSS_DEFAULT);
    uint32_t cookie =
        (uint32_t)(period % 32) << 27 | index << 24 | cookie_hash(segment, segment->seq, period);
    struct tcp_options options = { .window_scale = -1 };

    options.mss = tcp_mss_for(segment->peer.ip.v4, segment->netdev);
    if (segment->options.has_timestamps) {
        options.has_timestamps = true;
        options.ts_value = encode_options(segment);
        options.ts_echo = segment->options.ts_value;
        options.has_sack_permitted = segment->options.has_sack_permitted;
        if (segment->options.window_scale >= 0)
            options.window_scale = TCP_WINDOW_SCALE;
    }
    atomic_store_relaxed(&last_cookie_period, period + 1);
    tcp_count(TCP_SYN_COOKIES_SENT);
    tcp_send_raw(&segment->local, &segment->peer, NULL, cookie, segment->seq + 1, TCP_SYN | TCP_ACK,
                 TCP_WINDOW_MAX, &options);
}

static void decode_options(const struct tcp_segment *segment, uint32_t cookie,
                           struct tcp_options *options)
{
    *options = (struct tcp_options){ .window_scale = -1 };
    options->mss = mss_table[cookie >> 24 & 7];
    if (!segment->options.has_timestamps)
        return;
    options->has_timestamps = true;
    options->ts_value = segment->options.ts_value;
    options->has_sack_permitted = segment->options.ts_echo & TS_SACK;
    if ((segment->options.ts_echo & TS_SCALE_MASK) != TS_SCALE_NONE)
        options->window_scale = (int8_t)(segment->options.ts_echo & TS_SCALE_MASK);
}

bool tcp_cookie_check(const struct tcp_segment *segment, struct tcp_options *syn_options)
{
    uint64_t now = current_period();
    uint64_t last = atomic_load_relaxed(&last_cookie_period);
    uint32_t cookie = segment->ack - 1;
    uint64_t age = (now - (cookie >> 27)) % 32;

    if (last == 0 || now >= last + COOKIE_PERIODS) /* none is out */
        return false;
    if (age >= COOKIE_PERIODS || age > now ||
        (cookie & 0xFFFFFF) != cookie_hash(segment, segment->seq - 1, now - age)) {
        tcp_count(TCP_SYN_COOKIES_REFUSED);
        return false;
    }
    tcp_count(TCP_SYN_COOKIES_ACCEPTED);
    decode_options(segment, cookie, syn_options);
    return true;
}

/* RFC 6528 3: ISN = M + F(addresses, secret), M ticking every 4 microseconds. */
uint32_t tcp_initial_sequence(const struct socket_address *local, const struct socket_address *peer)
{
    return (uint32_t)(clock_now_ns() / 4000) + (uint32_t)tcp_hash(local, peer, 1);
}

void tcp_cookie_init(void)
{
    random_bytes(&cookie_key, sizeof(cookie_key));
}
