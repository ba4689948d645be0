/*
 * UUIDs and their text (RFC 4122, 3).
 */
#include "lib/uuid.h"

#include "lib/ctype.h"
#include "lib/errno.h"
#include "lib/string.h"

/* Whether a dash comes before byte @index: 8-4-4-4-12 digits. */
static bool is_after_dash(size_t index)
{
    return index == 4 || index == 6 || index == 8 || index == 10;
}

void uuid_format(const struct uuid *uuid, char text[UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < sizeof(uuid->bytes); i++) {
        if (is_after_dash(i))
            *text++ = '-';
        *text++ = digits[uuid->bytes[i] >> 4];
        *text++ = digits[uuid->bytes[i] & 15];
    }
    *text = '\0';
}

int uuid_parse(const char *text, struct uuid *uuid)
{
    struct uuid result;

    if (strnlen(text, UUID_TEXT_SIZE) != UUID_TEXT_SIZE - 1)
        return -EINVAL;
    for (size_t i = 0; i < sizeof(result.bytes); i++) {
        if (is_after_dash(i) && *text++ != '-')
            return -EINVAL;

        int high = hex_digit_value(*text++);
        int low = hex_digit_value(*text++);

        if (high < 0 || low < 0)
            return -EINVAL;
        result.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *uuid = result;
    return 0;
}

void uuid_set_random(struct uuid *uuid, const uint8_t random[16])
{
    memcpy(uuid->bytes, random, sizeof(uuid->bytes));
    uuid->bytes[6] = (uuid->bytes[6] & 0x0f) | 0x40; /* version 4 */
    uuid->bytes[8] = (uuid->bytes[8] & 0x3f) | 0x80; /* variant of RFC 4122 */
}

static void swap_bytes(uint8_t *a, uint8_t *b)
{
    uint8_t byte = *a;

    *a = *b;
    *b = byte;
}

void uuid_swap_guid(struct uuid *uuid)
{
    swap_bytes(&uuid->bytes[0], &uuid->bytes[3]);
    swap_bytes(&uuid->bytes[1], &uuid->bytes[2]);
    swap_bytes(&uuid->bytes[4], &uuid->bytes[5]);
    swap_bytes(&uuid->bytes[6], &uuid->bytes[7]);
}

bool uuid_is_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

bool uuid_is_zero(const struct uuid *uuid)
{
    static const struct uuid zero;

    return uuid_is_equal(uuid, &zero);
}
