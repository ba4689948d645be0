/*
 * TCP options: parsing and writing (RFC 9293 3.2, RFC 7323, RFC 2018). No state.
 */
#include "lib/byteorder.h"
#include "lib/string.h"
#include "net/tcp_internal.h"

enum option_kind {
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_MSS = 2,
    OPTION_WINDOW_SCALE = 3,
    OPTION_SACK_PERMITTED = 4,
    OPTION_SACK = 5,
    OPTION_TIMESTAMPS = 8,
};

static void parse_sack(const uint8_t *blocks, unsigned int length, struct tcp_options *options)
{
    for (; length >= 8 && options->sack_count < TCP_SACK_BLOCKS; blocks += 8, length -= 8) {
        struct tcp_range *range = &options->sack[options->sack_count++];

        range->start = load_be32(blocks);
        range->end = load_be32(blocks + 4);
    }
}

/* One option of @length bytes, kind and length included. A wrong length makes it unknown. */
static void parse_one(const uint8_t *option, unsigned int length, struct tcp_options *options)
{
    switch (option[0]) {
    case OPTION_MSS:
        if (length == 4)
            options->mss = load_be16(option + 2);
        break;
    case OPTION_WINDOW_SCALE:
        if (length == 3) /* RFC 7323 2.3: more than 14 counts as 14 */
            options->window_scale = (int8_t)MIN_T(uint8_t, option[2], TCP_WINDOW_SCALE_MAX);
        break;
    case OPTION_SACK_PERMITTED:
        if (length == 2)
            options->has_sack_permitted = true;
        break;
    case OPTION_SACK:
        parse_sack(option + 2, length - 2, options);
        break;
    case OPTION_TIMESTAMPS:
        if (length == 10) {
            options->has_timestamps = true;
            options->ts_value = load_be32(option + 2);
            options->ts_echo = load_be32(option + 6);
        }
        break;
    default: /* RFC 9293 MUST-6: skip what one does not know */
        break;
    }
}

bool tcp_options_parse(const uint8_t *bytes, unsigned int length, struct tcp_options *options)
{
    memset(options, 0, sizeof(*options));
    options->window_scale = -1;
    for (unsigned int i = 0; i < length;) {
        unsigned int size;

        if (bytes[i] == OPTION_END)
            break;
        if (bytes[i] == OPTION_NOP) {
            i++;
            continue;
        }
        if (i + 1 >= length)
            return false;
        size = bytes[i + 1];
        if (size < 2 || size > length - i) /* RFC 9293 MUST-7: illegal lengths must not hurt */
            return false;
        parse_one(bytes + i, size, options);
        i += size;
    }
    return true;
}

static unsigned int write_sack(uint8_t *to, const struct tcp_options *options, unsigned int room)
{
    unsigned int count = MIN(options->sack_count, room < 12 ? 0 : (room - 4) / 8);

    if (count == 0)
        return 0;
    to[0] = OPTION_NOP;
    to[1] = OPTION_NOP;
    to[2] = OPTION_SACK;
    to[3] = (uint8_t)(2 + 8 * count);
    for (unsigned int i = 0; i < count; i++) {
        store_be32(to + 4 + 8 * i, options->sack[i].start);
        store_be32(to + 8 + 8 * i, options->sack[i].end);
    }
    return 4 + 8 * count;
}

/* Each option is padded to words with NOPs in front, so that the order does not matter. */
unsigned int tcp_options_write(uint8_t *bytes, const struct tcp_options *options)
{
    uint8_t *to = bytes;

    if (options->mss) {
        to[0] = OPTION_MSS;
        to[1] = 4;
        store_be16(to + 2, options->mss);
        to += 4;
    }
    if (options->window_scale >= 0) {
        to[0] = OPTION_NOP;
        to[1] = OPTION_WINDOW_SCALE;
        to[2] = 3;
        to[3] = (uint8_t)options->window_scale;
        to += 4;
    }
    if (options->has_sack_permitted) {
        to[0] = OPTION_NOP;
        to[1] = OPTION_NOP;
        to[2] = OPTION_SACK_PERMITTED;
        to[3] = 2;
        to += 4;
    }
    if (options->has_timestamps) {
        to[0] = OPTION_NOP;
        to[1] = OPTION_NOP;
        to[2] = OPTION_TIMESTAMPS;
        to[3] = 10;
        store_be32(to + 4, options->ts_value);
        store_be32(to + 8, options->ts_echo);
        to += 12;
    }
    to += write_sack(to, options, TCP_OPTIONS_MAX - (unsigned int)(to - bytes));
    return (unsigned int)(to - bytes);
}
