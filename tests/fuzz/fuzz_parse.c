/*
 * lib/parse.h and lib/uuid.h on arbitrary text: no crash, results only on success, and what was
 * accepted is what the C library reads in the same text.
 */
#include "lib/errno.h"
#include "lib/hexdump.h"
#include "lib/parse.h"
#include "lib/uuid.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(int error)
{
    REQUIRE(error == 0 || error == -EINVAL || error == -ERANGE);
}

static void fuzz_numbers(const char *text, size_t length)
{
    uint64_t value = 0x5a, size = 0x5a, small = 0x5a;
    int error = parse_u64(text, &value);

    check_error(error);
    REQUIRE(parse_u64_n(text, length, &small) == error);
    if (error) {
        REQUIRE(value == 0x5a);
    } else {
        bool is_hex = length > 1 && tolower((unsigned char)text[1]) == 'x';

        REQUIRE(value == strtoull(text, NULL, is_hex ? 16 : 10));
        REQUIRE(small == value);
        REQUIRE(parse_size(text, &size) == 0 && size == value);
    }
    small = 0x5a;
    error = parse_u64_max(text, 1000, &small);
    check_error(error);
    REQUIRE(error ? small == 0x5a : small <= 1000);
    size = 0x5a;
    error = parse_size(text, &size);
    check_error(error);
    REQUIRE(!error || size == 0x5a);
}

static void fuzz_hex(const char *text, size_t length)
{
    uint8_t bytes[32];
    char again[65];
    size_t count = 0;
    int error = parse_hex(text, bytes, sizeof(bytes), &count);

    check_error(error);
    if (error)
        return;
    REQUIRE(count <= sizeof(bytes) && 2 * count == length);
    hex_format(again, sizeof(again), bytes, count);
    REQUIRE(strcasecmp(again, text) == 0);
}

static void fuzz_uuid(const char *text)
{
    char again[UUID_TEXT_SIZE];
    struct uuid uuid;

    if (uuid_parse(text, &uuid))
        return;
    uuid_format(&uuid, again);
    REQUIRE(strcasecmp(again, text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text =
        malloc(size + 1); /* exactly as long as it is, so that the sanitizer sees its end */
    bool on;

    memcpy(text, data, size);
    text[size] = '\0';
    size = strlen(text);
    fuzz_numbers(text, size);
    fuzz_hex(text, size);
    fuzz_uuid(text);
    check_error(parse_bool(text, &on));
    free(text);
    return 0;
}
