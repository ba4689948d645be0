/*
 * Numbers and bytes in text.
 */
#include "lib/parse.h"

#include "lib/ctype.h"
#include "lib/errno.h"
#include "lib/string.h"

/* Appends a digit to a number. Return: false when the result does not fit. */
static bool append_digit(uint64_t *value, unsigned int base, unsigned int digit)
{
    return !__builtin_mul_overflow(*value, base, value) &&
           !__builtin_add_overflow(*value, digit, value);
}

static int parse_digits(const char *text, size_t length, unsigned int base, uint64_t *value)
{
    uint64_t number = 0;
    bool fits = true;

    if (length == 0)
        return -EINVAL;
    for (size_t i = 0; i < length; i++) {
        int digit = hex_digit_value(text[i]);

        if (digit < 0 || (unsigned int)digit >= base)
            return -EINVAL;
        fits = fits && append_digit(&number, base, (unsigned int)digit);
    }
    if (!fits)
        return -ERANGE;
    *value = number;
    return 0;
}

int parse_u64_n(const char *text, size_t length, uint64_t *value)
{
    if (length > 2 && text[0] == '0' && to_lower(text[1]) == 'x')
        return parse_digits(text + 2, length - 2, 16, value);
    return parse_digits(text, length, 10, value);
}

int parse_u64(const char *text, uint64_t *value)
{
    return parse_u64_n(text, strlen(text), value);
}

int parse_u64_max(const char *text, uint64_t max, uint64_t *value)
{
    uint64_t number;
    int error = parse_u64(text, &number);

    if (error)
        return error;
    if (number > max)
        return -ERANGE;
    *value = number;
    return 0;
}

int parse_u32(const char *text, uint32_t *value)
{
    uint64_t number;
    int error = parse_u64_max(text, UINT32_MAX, &number);

    if (!error)
        *value = (uint32_t)number;
    return error;
}

int parse_u16(const char *text, uint16_t *value)
{
    uint64_t number;
    int error = parse_u64_max(text, UINT16_MAX, &number);

    if (!error)
        *value = (uint16_t)number;
    return error;
}

/* The power of two that a suffix stands for, 0 for none. */
static unsigned int suffix_shift(char suffix)
{
    switch (to_lower(suffix)) {
    case 'k':
        return 10;
    case 'm':
        return 20;
    case 'g':
        return 30;
    case 't':
        return 40;
    default:
        return 0;
    }
}

int parse_size(const char *text, uint64_t *bytes)
{
    size_t length = strlen(text);
    unsigned int shift = length ? suffix_shift(text[length - 1]) : 0;
    uint64_t number;
    int error = parse_u64_n(text, shift ? length - 1 : length, &number);

    if (error)
        return error;
    if (number > UINT64_MAX >> shift)
        return -ERANGE;
    *bytes = number << shift;
    return 0;
}

int parse_bool(const char *text, bool *value)
{
    static const char *const words[][2] = {
        { "off", "on" },
        { "no", "yes" },
        { "false", "true" },
        { "0", "1" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        for (int meaning = 0; meaning < 2; meaning++) {
            if (strcmp(text, words[i][meaning]) == 0) {
                *value = meaning;
                return 0;
            }
        }
    }
    return -EINVAL;
}

int parse_hex(const char *text, void *bytes, size_t capacity, size_t *length)
{
    size_t digits = strlen(text);
    uint8_t *to = bytes;

    if (digits == 0 || digits % 2)
        return -EINVAL;
    for (size_t i = 0; i < digits; i += 2) {
        int high = hex_digit_value(text[i]);
        int low = hex_digit_value(text[i + 1]);

        if (high < 0 || low < 0)
            return -EINVAL;
        if (i / 2 < capacity)
            to[i / 2] = (uint8_t)(high << 4 | low);
    }
    if (digits / 2 > capacity)
        return -ERANGE;
    *length = digits / 2;
    return 0;
}
