/*
 * lib/parse.h, lib/uuid.h and lib/hexdump.h: text in and out.
 */
#include "lib/errno.h"
#include "lib/hexdump.h"
#include "lib/parse.h"
#include "lib/uuid.h"

#include "tests/unit/unit.h"

#define UNTOUCHED 0x5a5a5a5a5a5a5a5au

static void expect_u64(const char *text, int error, uint64_t want)
{
    uint64_t value = UNTOUCHED;

    if (parse_u64(text, &value) != error || value != (error ? UNTOUCHED : want))
        fail_msg("\"%s\" gave %#llx", text, (unsigned long long)value);
}

static void test_u64(void **state)
{
    (void)state;
    expect_u64("0", 0, 0);
    expect_u64("007", 0, 7);
    expect_u64("18446744073709551615", 0, UINT64_MAX);
    expect_u64("18446744073709551616", -ERANGE, 0);
    expect_u64("99999999999999999999999999", -ERANGE, 0);
    expect_u64("99999999999999999999999999x", -EINVAL, 0);
    expect_u64("0xffffffffffffffff", 0, UINT64_MAX);
    expect_u64("0XaBc", 0, 0xabc);
    expect_u64("0x10000000000000000", -ERANGE, 0);
    expect_u64("0x0000000000000000001", 0, 1);
    static const char *const bad[] = { "",   "0x", "x",   "-1",  "+1", " 1",
                                       "1 ", "1a", "0xg", "12.", "१",  "0x-1" };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect_u64(bad[i], -EINVAL, 0);
}

static void test_u64_round_trip(void **state)
{
    struct unit_random random = { 1 };

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t value = unit_random_u64(&random) >> unit_random_below(&random, 64);
        char text[32];

        snprintf(text, sizeof(text), i % 2 ? "%llu" : "%#llx", (unsigned long long)value);
        expect_u64(text, 0, value);
    }
}

static void test_stretch_is_not_read_beyond(void **state)
{
    char *text = malloc(2);
    uint64_t value;

    (void)state;
    memcpy(text, "42", 2);
    assert_int_equal(parse_u64_n(text, 2, &value), 0);
    assert_int_equal(value, 42);
    assert_int_equal(parse_u64_n(text, 0, &value), -EINVAL);
    free(text);
}

static void test_limits(void **state)
{
    uint64_t u64;
    uint32_t u32 = 7;
    uint16_t u16 = 7;

    (void)state;
    assert_int_equal(parse_u64_max("100", 100, &u64), 0);
    assert_int_equal(parse_u64_max("101", 100, &u64), -ERANGE);
    assert_int_equal(parse_u32("4294967295", &u32), 0);
    assert_true(u32 == UINT32_MAX);
    assert_int_equal(parse_u32("4294967296", &u32), -ERANGE);
    assert_int_equal(parse_u16("65536", &u16), -ERANGE);
    assert_int_equal(parse_u16("nine", &u16), -EINVAL);
    assert_int_equal(u16, 7);
    assert_int_equal(parse_u16("65535", &u16), 0);
    assert_int_equal(u16, 65535);
}

static void expect_size(const char *text, int error, uint64_t want)
{
    uint64_t value = UNTOUCHED;

    if (parse_size(text, &value) != error || value != (error ? UNTOUCHED : want))
        fail_msg("\"%s\" gave %#llx", text, (unsigned long long)value);
}

static void test_size(void **state)
{
    (void)state;
    expect_size("512", 0, 512);
    expect_size("4k", 0, 4096);
    expect_size("256M", 0, 256ull << 20);
    expect_size("0x10G", 0, 16ull << 30);
    expect_size("16T", 0, 16ull << 40);
    expect_size("16777215T", 0, 16777215ull << 40);
    expect_size("16777216T", -ERANGE, 0);
    expect_size("", -EINVAL, 0);
    expect_size("M", -EINVAL, 0);
    expect_size("1MM", -EINVAL, 0);
    expect_size("1MB", -EINVAL, 0);
    expect_size("-1M", -EINVAL, 0);
}

static void test_bool(void **state)
{
    bool value = false;

    (void)state;
    assert_int_equal(parse_bool("on", &value), 0);
    assert_true(value);
    assert_int_equal(parse_bool("no", &value), 0);
    assert_false(value);
    assert_int_equal(parse_bool("true", &value), 0);
    assert_true(value);
    assert_int_equal(parse_bool("0", &value), 0);
    assert_false(value);
    assert_int_equal(parse_bool("On", &value), -EINVAL);
    assert_int_equal(parse_bool("", &value), -EINVAL);
}

static void test_hex(void **state)
{
    struct unit_random random = { 2 };
    uint8_t bytes[4] = { 0 };
    size_t length = 99;

    (void)state;
    assert_int_equal(parse_hex("00ff1A", bytes, 4, &length), 0);
    assert_int_equal(length, 3);
    assert_memory_equal(bytes, "\x00\xff\x1a\x00", 4);
    length = 99;
    assert_int_equal(parse_hex("0102030405", bytes, 4, &length), -ERANGE);
    assert_int_equal(parse_hex("010", bytes, 4, &length), -EINVAL);
    assert_int_equal(parse_hex("", bytes, 4, &length), -EINVAL);
    assert_int_equal(parse_hex("0g", bytes, 4, &length), -EINVAL);
    assert_int_equal(parse_hex("01 02", bytes, 4, &length), -EINVAL);
    assert_int_equal(length, 99);

    for (int i = 0; i < 500; i++) {
        uint8_t before[50], after[50];
        char text[101];
        size_t size = 1 + unit_random_below(&random, 50);

        unit_random_fill(&random, before, size);
        hex_format(text, sizeof(text), before, size);
        assert_int_equal(strlen(text), 2 * size);
        assert_int_equal(parse_hex(text, after, sizeof(after), &length), 0);
        assert_int_equal(length, size);
        assert_memory_equal(before, after, size);
    }
}

static void test_hex_format_cuts(void **state)
{
    char text[6] = "#####";

    (void)state;
    hex_format(text, 0, "ab", 2);
    assert_string_equal(text, "#####");
    hex_format(text, 4, "ab", 2);
    assert_string_equal(text, "61");
    hex_format(text, 1, "ab", 2);
    assert_string_equal(text, "");
}

static void test_uuid(void **state)
{
    const char *text = "123e4567-e89b-12d3-a456-426614174000";
    char out[UUID_TEXT_SIZE];
    struct uuid uuid, other;
    static const char *const bad[] = { "",
                                       "123e4567-e89b-12d3-a456-42661417400",
                                       "123e4567-e89b-12d3-a456-4266141740000",
                                       "123e4567xe89b-12d3-a456-426614174000",
                                       "123e4567-e89b-12d3-a456-42661417400g",
                                       "123e4567e-89b-12d3-a456-426614174000" };

    (void)state;
    assert_int_equal(uuid_parse(text, &uuid), 0);
    assert_int_equal(uuid.bytes[0], 0x12);
    assert_int_equal(uuid.bytes[15], 0);
    uuid_format(&uuid, out);
    assert_string_equal(out, text);
    assert_int_equal(uuid_parse("123E4567-E89B-12D3-A456-426614174000", &other), 0);
    assert_true(uuid_is_equal(&uuid, &other));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(uuid_parse(bad[i], &other), -EINVAL);

    uuid_swap_guid(&other);
    uuid_format(&other, out);
    assert_string_equal(out, "67453e12-9be8-d312-a456-426614174000");
    uuid_swap_guid(&other);
    assert_true(uuid_is_equal(&uuid, &other));
    assert_false(uuid_is_zero(&uuid));
    memset(&uuid, 0, sizeof(uuid));
    assert_true(uuid_is_zero(&uuid));
}

static void test_random_uuid(void **state)
{
    struct unit_random random = { 4 };

    (void)state;
    for (int i = 0; i < 100; i++) {
        char text[UUID_TEXT_SIZE];
        uint8_t bytes[16];
        struct uuid uuid;

        unit_random_fill(&random, bytes, sizeof(bytes));
        uuid_set_random(&uuid, bytes);
        uuid_format(&uuid, text);
        assert_int_equal(text[14], '4');
        assert_non_null(strchr("89ab", text[19]));
    }
}

static void test_hexdump_line(void **state)
{
    char line[HEXDUMP_LINE_SIZE];

    (void)state;
    hexdump_line(line, 0x10, "nos\0\1\2\3\4\5\6\7\x8\x9\xa\xb\xc", 16);
    assert_string_equal(line, "00000010  6e 6f 73 00 01 02 03 04  05 06 07 08 09 0a 0b 0c  "
                              "|nos.............|");
    hexdump_line(line, UINT64_MAX, "\x7f~ \xff", 4);
    assert_string_equal(line, "ffffffffffffffff  7f 7e 20 ff"
                              "                                       |.~ .|");
    assert_int_equal(hexdump_line(line, UINT64_MAX, "0123456789abcdef01", 18), 86);
}

static void append(void *context, const char *text, size_t length)
{
    char *all = context;
    size_t used = strlen(all);

    memcpy(all + used, text, length);
    all[used + length] = '\0';
}

static void test_hexdump(void **state)
{
    char all[400] = "";

    (void)state;
    hexdump(append, all, 0, "0123456789abcdefgh", 18);
    assert_string_equal(
        all, "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n"
             "00000010  67 68                                             |gh|\n");
}

static void test_errno(void **state)
{
    (void)state;
    assert_string_equal(errno_name(-ENOENT), "ENOENT");
    assert_string_equal(errno_name(ENOENT), "ENOENT");
    assert_string_equal(errno_text(-ECANCELED), "cancelled");
    assert_string_equal(errno_text(-EBADMSG), "bad checksum");
    assert_string_equal(errno_name(0), "OK");
    assert_string_equal(errno_text(0), "success");
    assert_string_equal(errno_name(-4000), "E?");
    assert_string_equal(errno_name(INT32_MIN), "E?");
    assert_string_equal(errno_text(INT32_MIN), "unknown error");
}

UNIT_TESTS(UNIT_TEST(test_u64), UNIT_TEST(test_u64_round_trip),
           UNIT_TEST(test_stretch_is_not_read_beyond), UNIT_TEST(test_limits), UNIT_TEST(test_size),
           UNIT_TEST(test_bool), UNIT_TEST(test_hex), UNIT_TEST(test_hex_format_cuts),
           UNIT_TEST(test_uuid), UNIT_TEST(test_random_uuid), UNIT_TEST(test_hexdump_line),
           UNIT_TEST(test_hexdump), UNIT_TEST(test_errno))
