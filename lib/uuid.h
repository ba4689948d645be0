/*
 * UUIDs (RFC 4122), kept as the 16 bytes in the order of their text:
 * "123e4567-e89b-12d3-a456-426614174000" starts with the byte 0x12.
 *
 * GPT stores the first three fields little-endian; uuid_swap_guid() converts to and from that.
 */
#pragma once

#include "lib/compiler.h"

#define UUID_TEXT_SIZE 37 /* with the NUL */

struct uuid {
    uint8_t bytes[16];
};

void uuid_format(const struct uuid *uuid, char text[UUID_TEXT_SIZE]);

/* Return: 0, or -EINVAL when @text is not exactly a UUID (digits of either case). */
int uuid_parse(const char *text, struct uuid *uuid) __must_check;

/* Makes 16 random bytes a version 4 UUID. */
void uuid_set_random(struct uuid *uuid, const uint8_t random[16]);

void uuid_swap_guid(struct uuid *uuid);
bool uuid_is_equal(const struct uuid *a, const struct uuid *b);
bool uuid_is_zero(const struct uuid *uuid);
