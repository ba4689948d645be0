/*
 * Set 1: a code per key, with bit 7 when it is let go; E0 before the keys the PC/XT did not have.
 */
#include "drivers/char/keymap.h"

#include "lib/compiler.h"
#include "lib/ctype.h"

enum scan_code {
    SCAN_CTRL = 0x1d,
    SCAN_LEFT_SHIFT = 0x2a,
    SCAN_RIGHT_SHIFT = 0x36,
    SCAN_ALT = 0x38,
    SCAN_CAPS_LOCK = 0x3a,
    SCAN_NUM_LOCK = 0x45,
    SCAN_KEYPAD_FIRST = 0x47,
    SCAN_KEYPAD_LAST = 0x53,
    SCAN_EXTENDED = 0xe0,
    SCAN_PAUSE = 0xe1, /* followed by 1D 45 E1 9D C5 */
    SCAN_RELEASED = 0x80,
    SCAN_KEY_MASK = 0x7f,
};

#define PAUSE_BYTES 5

static const char plain[] =
    "\0\0331234567890-=\177\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] =
    "\0\033!@#$%^&*()_+\177\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";

/* Keypad from 0x47 on: with Num Lock a character, without what the key says besides. */
static const char keypad[] = "789-456+1230.";
static const char keypad_last[] = "HA\0\0D\0C\0FB\0\0\0"; /* ESC [ this; page keys apart */

static bool shift(const struct keymap *map)
{
    return map->left_shift || map->right_shift;
}

static bool ctrl(const struct keymap *map)
{
    return map->left_ctrl || map->right_ctrl;
}

static bool alt(const struct keymap *map)
{
    return map->left_alt || map->right_alt;
}

/* Without a NUL behind. */
static size_t put(char *bytes, const char *text)
{
    size_t length = 0;

    for (; text[length]; length++)
        bytes[length] = text[length];
    return length;
}

/* Keys that hold or toggle. Return: was it one? */
static bool feed_modifier(struct keymap *map, uint8_t key, bool is_down, bool is_extended)
{
    switch (key) {
    case SCAN_CTRL:
        *(is_extended ? &map->right_ctrl : &map->left_ctrl) = is_down;
        return true;
    case SCAN_ALT:
        *(is_extended ? &map->right_alt : &map->left_alt) = is_down;
        return true;
    case SCAN_LEFT_SHIFT: /* with E0 it is no key: sent around arrows and Print Screen */
        if (!is_extended)
            map->left_shift = is_down;
        return true;
    case SCAN_RIGHT_SHIFT:
        if (!is_extended)
            map->right_shift = is_down;
        return true;
    case SCAN_CAPS_LOCK:
        map->has_caps_lock ^= is_down;
        map->locks_changed |= is_down;
        return true;
    case SCAN_NUM_LOCK:
        map->has_num_lock ^= is_down;
        map->locks_changed |= is_down;
        return true;
    default:
        return false;
    }
}

/* Arrows and the like, by the keypad key they are on. */
static size_t feed_navigation(const struct keymap *map, uint8_t key, char *bytes)
{
    char last = keypad_last[key - SCAN_KEYPAD_FIRST];
    size_t length;

    switch (key) {
    case 0x49:
        return put(bytes, "\033[5~");
    case 0x51:
        return put(bytes, "\033[6~");
    case 0x52:
        return put(bytes, "\033[2~");
    case 0x53:
        return put(bytes, "\033[3~");
    default:
        break;
    }
    if (last == '\0')
        return 0;
    length = put(bytes, ctrl(map) ? "\033[1;5" : "\033[");
    bytes[length++] = last;
    return length;
}

static size_t feed_keypad(const struct keymap *map, uint8_t key, char *bytes)
{
    char c = keypad[key - SCAN_KEYPAD_FIRST];

    if (map->has_num_lock == shift(map) && c != '-' && c != '+')
        return feed_navigation(map, key, bytes);
    bytes[0] = c;
    return 1;
}

static size_t feed_extended(const struct keymap *map, uint8_t key, char *bytes)
{
    if (key == 0x1c)
        return put(bytes, "\r");
    if (key == 0x35)
        return put(bytes, "/");
    if (key >= SCAN_KEYPAD_FIRST && key <= SCAN_KEYPAD_LAST)
        return feed_navigation(map, key, bytes);
    return 0;
}

static char character(const struct keymap *map, uint8_t key)
{
    bool is_shifted = shift(map);

    if (key >= sizeof(plain) - 1)
        return '\0';
    if (is_alpha(plain[key]) && map->has_caps_lock)
        is_shifted = !is_shifted;
    char c = is_shifted ? shifted[key] : plain[key];
    if (ctrl(map) && c >= '@' && c <= '~')
        c &= 0x1f;
    return c;
}

static size_t feed_character(const struct keymap *map, uint8_t key, char *bytes)
{
    char c = character(map, key);
    size_t length = 0;

    if (c == '\0')
        return 0;
    if (alt(map))
        bytes[length++] = '\033';
    bytes[length++] = c;
    return length;
}

size_t keymap_feed(struct keymap *map, uint8_t code, char bytes[KEYMAP_BYTES_MAX])
{
    if (map->skip > 0) {
        map->skip--;
        return 0;
    }
    if (code == SCAN_PAUSE) {
        map->skip = PAUSE_BYTES;
        return 0;
    }
    if (code == SCAN_EXTENDED) {
        map->is_extended = true;
        return 0;
    }
    bool is_extended = map->is_extended;
    bool is_down = !(code & SCAN_RELEASED);
    uint8_t key = code & SCAN_KEY_MASK;

    map->is_extended = false;
    if (feed_modifier(map, key, is_down, is_extended) || !is_down)
        return 0;
    if (is_extended)
        return feed_extended(map, key, bytes);
    if (key >= SCAN_KEYPAD_FIRST && key <= SCAN_KEYPAD_LAST)
        return feed_keypad(map, key, bytes);
    return feed_character(map, key, bytes);
}
