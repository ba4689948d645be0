/*
 * Scan codes to bytes.
 */
#include "tests/unit/unit.h"

#include "drivers/char/keymap.h"

static struct keymap map;

/* Feeds the codes; what comes out is compared with @expected. */
static void expect(const char *expected, size_t count, const uint8_t *codes)
{
    char out[64] = "";
    size_t length = 0;

    for (size_t i = 0; i < count; i++) {
        char bytes[KEYMAP_BYTES_MAX];
        size_t added = keymap_feed(&map, codes[i], bytes);
        assert_true(added <= KEYMAP_BYTES_MAX);
        memcpy(out + length, bytes, added);
        length += added;
    }
    out[length] = '\0';
    assert_string_equal(out, expected);
}

#define EXPECT(expected, ...)                                                                      \
    do {                                                                                           \
        static const uint8_t codes[] = { __VA_ARGS__ };                                            \
        expect(expected, sizeof(codes), codes);                                                    \
    } while (0)

static int set_up(void **state)
{
    (void)state;
    map = (struct keymap){ 0 };
    return 0;
}

static void test_letters_and_digits(void **state)
{
    (void)state;
    EXPECT("version 12\r", 0x2f, 0xaf, 0x12, 0x92, 0x13, 0x93, 0x1f, 0x9f, 0x17, 0x97, 0x18, 0x98,
           0x31, 0xb1, 0x39, 0xb9, 0x02, 0x82, 0x03, 0x83, 0x1c, 0x9c);
    EXPECT("aaa", 0x1e, 0x1e, 0x1e, 0x9e); /* held down */
    EXPECT("\177\t\033", 0x0e, 0x8e, 0x0f, 0x8f, 0x01, 0x81);
}

static void test_every_character(void **state)
{
    char seen[128] = "";
    (void)state;

    for (int shifted = 0; shifted < 2; shifted++) {
        map.left_shift = shifted;
        for (uint8_t code = 1; code < 0x3a; code++) {
            char bytes[KEYMAP_BYTES_MAX];
            if (code != 0x1d && code != 0x2a && code != 0x36 && code != 0x38 &&
                keymap_feed(&map, code, bytes) == 1)
                seen[(unsigned char)bytes[0]] = 1;
        }
    }
    for (int c = ' '; c < 127; c++)
        assert_true(seen[c]);
}

static void test_shift_and_caps_lock(void **state)
{
    (void)state;
    EXPECT("Aa!", 0x2a, 0x1e, 0x9e, 0xaa, 0x1e, 0x9e, 0x36, 0x02, 0x82, 0xb6);
    EXPECT("A1", 0x3a, 0xba, 0x1e, 0x9e, 0x02, 0x82);
    assert_true(map.locks_changed);
    EXPECT("a!", 0x2a, 0x1e, 0x9e, 0x02, 0x82, 0xaa);
    EXPECT("a", 0x3a, 0xba, 0x1e, 0x9e);
    /* Both shifts: letting one go leaves the other. */
    EXPECT("A", 0x2a, 0x36, 0xb6, 0x1e, 0x9e, 0xaa);
}

static void test_ctrl_and_alt(void **state)
{
    (void)state;
    EXPECT("\003\001", 0x1d, 0x2e, 0xae, 0x1e, 0x9e, 0x9d);
    EXPECT("\003", 0xe0, 0x1d, 0x2e, 0xae, 0xe0, 0x9d);
    EXPECT("c", 0x2e, 0xae);
    EXPECT("\033b", 0x38, 0x30, 0xb0, 0xb8);
    EXPECT("1", 0x1d, 0x02, 0x82, 0x9d);
}

static void test_navigation(void **state)
{
    (void)state;
    EXPECT("\033[A\033[B\033[C\033[D", 0xe0, 0x48, 0xe0, 0xc8, 0xe0, 0x50, 0xe0, 0xd0, 0xe0, 0x4d,
           0xe0, 0xcd, 0xe0, 0x4b, 0xe0, 0xcb);
    EXPECT("\033[H\033[F\033[3~\033[2~\033[5~\033[6~", 0xe0, 0x47, 0xe0, 0x4f, 0xe0, 0x53, 0xe0,
           0x52, 0xe0, 0x49, 0xe0, 0x51);
    EXPECT("\033[1;5D", 0x1d, 0xe0, 0x4b, 0xe0, 0xcb, 0x9d);
    /* The keyboard wraps arrows in a shift that is none while Num Lock is on. */
    EXPECT("\033[Aa", 0xe0, 0x2a, 0xe0, 0x48, 0xe0, 0xc8, 0xe0, 0xaa, 0x1e, 0x9e);
    EXPECT("\r/", 0xe0, 0x1c, 0xe0, 0x9c, 0xe0, 0x35, 0xe0, 0xb5);
}

static void test_keypad(void **state)
{
    (void)state;
    EXPECT("\033[A-+", 0x48, 0xc8, 0x4a, 0xca, 0x4e, 0xce);
    EXPECT("8.5", 0x45, 0xc5, 0x48, 0xc8, 0x53, 0xd3, 0x4c, 0xcc);
    EXPECT("\033[A", 0x2a, 0x48, 0xc8, 0xaa);
}

static void test_pause_and_unknown_codes(void **state)
{
    (void)state;
    EXPECT("a", 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5, 0x1e, 0x9e);
    assert_false(map.left_ctrl || map.has_num_lock);
    for (unsigned int code = 0; code < 256; code++) {
        char bytes[KEYMAP_BYTES_MAX];
        assert_true(keymap_feed(&map, 0xe0, bytes) == 0);
        assert_true(keymap_feed(&map, (uint8_t)code, bytes) <= KEYMAP_BYTES_MAX);
    }
}

#define KEYMAP_TEST(function) cmocka_unit_test_setup(function, set_up)

UNIT_TESTS(KEYMAP_TEST(test_letters_and_digits), KEYMAP_TEST(test_every_character),
           KEYMAP_TEST(test_shift_and_caps_lock), KEYMAP_TEST(test_ctrl_and_alt),
           KEYMAP_TEST(test_navigation), KEYMAP_TEST(test_keypad),
           KEYMAP_TEST(test_pause_and_unknown_codes))
