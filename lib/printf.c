/*
 * Formatted output. One formatter, format_to(), writes to a sink through a small buffer; the
 * snprintf family are sinks that fill memory.
 *
 * Specification: ISO C11 7.21.6.1, without floating point, wide characters and %n.
 */
#include "lib/printf.h"

#include "lib/ctype.h"
#include "lib/string.h"

enum length_modifier {
    LENGTH_INT,
    LENGTH_CHAR,
    LENGTH_SHORT,
    LENGTH_LONG
};

/* One conversion, from '%' to its letter. */
struct conversion {
    bool is_left;        /* - */
    bool has_plus;       /* + */
    bool has_space;      /* blank */
    bool is_alternate;   /* # */
    bool is_zero_filled; /* 0 */
    size_t width;
    bool has_precision;
    size_t precision;
    enum length_modifier length;
    char letter;
};

/* Gathers what goes to the sink, so that it is not called for every character. */
struct output {
    format_sink *sink;
    void *context;
    size_t total; /* characters produced, those in the buffer included */
    size_t buffered;
    char buffer[64];
};

static void output_flush(struct output *output)
{
    if (output->buffered)
        output->sink(output->context, output->buffer, output->buffered);
    output->buffered = 0;
}

static void output_char(struct output *output, char c)
{
    if (output->buffered == sizeof(output->buffer))
        output_flush(output);
    output->buffer[output->buffered++] = c;
    output->total++;
}

static void output_text(struct output *output, const char *text, size_t length)
{
    if (length > sizeof(output->buffer) - output->buffered) {
        output_flush(output);
        if (length > sizeof(output->buffer)) {
            output->sink(output->context, text, length);
            output->total += length;
            return;
        }
    }
    memcpy(output->buffer + output->buffered, text, length);
    output->buffered += length;
    output->total += length;
}

static void output_fill(struct output *output, char c, size_t count)
{
    while (count--)
        output_char(output, c);
}

/* Blanks before and after something of @length characters, as the field width asks. */
static void output_padded(struct output *output, const struct conversion *conversion,
                          const char *text, size_t length)
{
    size_t padding = conversion->width > length ? conversion->width - length : 0;

    if (!conversion->is_left)
        output_fill(output, ' ', padding);
    output_text(output, text, length);
    if (conversion->is_left)
        output_fill(output, ' ', padding);
}

/* Writes the digits of @value backwards from @end. Return: where they start. */
static char *write_digits(char *end, uint64_t value, unsigned int base, bool is_upper)
{
    const char *digits = is_upper ? "0123456789ABCDEF" : "0123456789abcdef";

    for (; value; value /= base)
        *--end = digits[value % base];
    return end;
}

/* @prefix is a sign or 0x; it goes before zeros and after blanks. */
static void output_number(struct output *output, const struct conversion *conversion,
                          const char *prefix, const char *digits, size_t digit_count,
                          size_t least_digits)
{
    size_t prefix_length = strlen(prefix);
    size_t zeros = least_digits > digit_count ? least_digits - digit_count : 0;
    size_t length = prefix_length + zeros + digit_count;
    size_t padding = conversion->width > length ? conversion->width - length : 0;

    if (conversion->is_zero_filled && !conversion->is_left && !conversion->has_precision) {
        zeros += padding;
        padding = 0;
    }
    if (!conversion->is_left)
        output_fill(output, ' ', padding);
    output_text(output, prefix, prefix_length);
    output_fill(output, '0', zeros);
    output_text(output, digits, digit_count);
    if (conversion->is_left)
        output_fill(output, ' ', padding);
}

static void output_integer(struct output *output, const struct conversion *conversion,
                           uint64_t value, const char *sign)
{
    bool is_hex = conversion->letter == 'x' || conversion->letter == 'X';
    unsigned int base = is_hex ? 16 : conversion->letter == 'o' ? 8 : 10;
    size_t least_digits = conversion->has_precision ? conversion->precision : 1;
    char text[22]; /* 2^64 in octal */
    char *end = text + sizeof(text);
    char *digits = write_digits(end, value, base, conversion->letter == 'X');
    size_t digit_count = (size_t)(end - digits);

    if (conversion->is_alternate && is_hex && value)
        sign = conversion->letter == 'X' ? "0X" : "0x";
    if (conversion->is_alternate && base == 8 && least_digits <= digit_count)
        least_digits = digit_count + 1;
    output_number(output, conversion, sign, digits, digit_count, least_digits);
}

/* va_list is an array type on this ABI: a pointer to the structure around it can be passed on. */
struct argument_list {
    va_list list;
};

static uint64_t signed_argument(struct argument_list *arguments, enum length_modifier length)
{
    if (length == LENGTH_LONG)
        return (uint64_t)va_arg(arguments->list, long);

    int value = va_arg(arguments->list, int);

    if (length == LENGTH_CHAR)
        value = (signed char)value;
    if (length == LENGTH_SHORT)
        value = (short)value;
    return (uint64_t)(int64_t)value;
}

static uint64_t unsigned_argument(struct argument_list *arguments, enum length_modifier length)
{
    if (length == LENGTH_LONG)
        return va_arg(arguments->list, unsigned long);

    unsigned int value = va_arg(arguments->list, unsigned int);

    if (length == LENGTH_CHAR)
        value = (unsigned char)value;
    if (length == LENGTH_SHORT)
        value = (unsigned short)value;
    return value;
}

static void convert_signed(struct output *output, const struct conversion *conversion,
                           struct argument_list *arguments)
{
    uint64_t value = signed_argument(arguments, conversion->length);
    const char *sign = conversion->has_plus ? "+" : conversion->has_space ? " " : "";

    if ((int64_t)value < 0) {
        value = -value;
        sign = "-";
    }
    output_integer(output, conversion, value, sign);
}

static void convert_string(struct output *output, const struct conversion *conversion,
                           struct argument_list *arguments)
{
    const char *text = va_arg(arguments->list, const char *);
    size_t limit = conversion->has_precision ? conversion->precision : SIZE_MAX;

    if (!text)
        text = "(null)";
    output_padded(output, conversion, text,
                  conversion->has_precision ? strnlen(text, limit) : strlen(text));
}

static void convert_pointer(struct output *output, struct conversion *conversion,
                            struct argument_list *arguments)
{
    uintptr_t value = (uintptr_t)va_arg(arguments->list, void *);

    if (!value) {
        output_padded(output, conversion, "(nil)", 5);
        return;
    }
    conversion->letter = 'x';
    conversion->is_alternate = true;
    output_integer(output, conversion, value, "");
}

/* Return: false when the letter is none of ours. */
static bool convert(struct output *output, struct conversion *conversion,
                    struct argument_list *arguments)
{
    char character;

    switch (conversion->letter) {
    case 'd':
    case 'i':
        convert_signed(output, conversion, arguments);
        return true;
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        output_integer(output, conversion, unsigned_argument(arguments, conversion->length), "");
        return true;
    case 'c':
        character = (char)va_arg(arguments->list, int);
        output_padded(output, conversion, &character, 1);
        return true;
    case 's':
        convert_string(output, conversion, arguments);
        return true;
    case 'p':
        convert_pointer(output, conversion, arguments);
        return true;
    case '%':
        output_char(output, '%');
        return true;
    default:
        return false;
    }
}

static const char *parse_flags(const char *format, struct conversion *conversion)
{
    for (;; format++) {
        switch (*format) {
        case '-':
            conversion->is_left = true;
            break;
        case '+':
            conversion->has_plus = true;
            break;
        case ' ':
            conversion->has_space = true;
            break;
        case '#':
            conversion->is_alternate = true;
            break;
        case '0':
            conversion->is_zero_filled = true;
            break;
        default:
            return format;
        }
    }
}

/* A width or precision in digits; silly ones are bounded, not wrapped. */
static const char *parse_count(const char *format, size_t *count)
{
    for (*count = 0; is_digit(*format); format++) {
        if (*count < INT32_MAX / 10)
            *count = *count * 10 + (size_t)(*format - '0');
    }
    return format;
}

static const char *parse_width(const char *format, struct conversion *conversion,
                               struct argument_list *arguments)
{
    if (*format != '*')
        return parse_count(format, &conversion->width);

    int width = va_arg(arguments->list, int);

    if (width < 0)
        conversion->is_left = true;
    conversion->width = width < 0 ? -(size_t)width : (size_t)width;
    return format + 1;
}

static const char *parse_precision(const char *format, struct conversion *conversion,
                                   struct argument_list *arguments)
{
    if (*format != '.')
        return format;
    format++;
    conversion->has_precision = true;
    if (*format != '*')
        return parse_count(format, &conversion->precision);

    int precision = va_arg(arguments->list, int);

    conversion->has_precision = precision >= 0; /* negative: as if it were not there */
    conversion->precision = precision >= 0 ? (size_t)precision : 0;
    return format + 1;
}

static const char *parse_length(const char *format, struct conversion *conversion)
{
    switch (*format) {
    case 'h':
        if (format[1] == 'h') {
            conversion->length = LENGTH_CHAR;
            return format + 2;
        }
        conversion->length = LENGTH_SHORT;
        return format + 1;
    case 'l':
        conversion->length = LENGTH_LONG;
        return format + (format[1] == 'l' ? 2 : 1);
    case 'z':
    case 'j':
    case 't':
        conversion->length = LENGTH_LONG;
        return format + 1;
    default:
        return format;
    }
}

BUILD_ASSERT(sizeof(long) == 8 && sizeof(long long) == 8 && sizeof(size_t) == 8,
             "LENGTH_LONG stands for l, ll, z, j and t");

/* @format is at a '%'. Return: what follows the conversion. */
static const char *format_one(struct output *output, const char *format,
                              struct argument_list *arguments)
{
    struct conversion conversion = { 0 };
    const char *position = parse_flags(format + 1, &conversion);

    position = parse_width(position, &conversion, arguments);
    position = parse_precision(position, &conversion, arguments);
    position = parse_length(position, &conversion);
    conversion.letter = *position;
    if (convert(output, &conversion, arguments))
        return position + 1;
    output_char(output, '%'); /* not a conversion: the rest comes as plain text */
    return format + 1;
}

size_t format_to(format_sink *sink, void *context, const char *format, va_list arguments)
{
    struct output output = { .sink = sink, .context = context };
    struct argument_list list;

    va_copy(list.list, arguments);
    while (*format) {
        size_t plain = 0;

        while (format[plain] && format[plain] != '%')
            plain++;
        if (plain)
            output_text(&output, format, plain);
        format += plain;
        if (*format)
            format = format_one(&output, format, &list);
    }
    va_end(list.list);
    output_flush(&output);
    return output.total;
}

/* Keeps what fits into @size - 1 characters. */
struct memory_sink {
    char *buffer;
    size_t size;
    size_t used;
};

static void write_memory(void *context, const char *text, size_t length)
{
    struct memory_sink *memory = context;
    size_t room = memory->size ? memory->size - 1 - memory->used : 0;

    length = MIN(length, room);
    if (!length)
        return;
    memcpy(memory->buffer + memory->used, text, length);
    memory->used += length;
}

/* Return: the length of the whole text; *@stored, which may be NULL: of the part in @buffer. */
static size_t format_into(char *buffer, size_t size, size_t *stored, const char *format,
                          va_list arguments) __printf_format(4, 0);

static size_t format_into(char *buffer, size_t size, size_t *stored, const char *format,
                          va_list arguments)
{
    struct memory_sink memory = { .buffer = buffer, .size = size };
    size_t total = format_to(write_memory, &memory, format, arguments);

    if (size)
        buffer[memory.used] = '\0';
    if (stored)
        *stored = memory.used;
    return total;
}

int format_buffer(char *buffer, size_t size, const char *format, va_list arguments)
{
    return (int)MIN(format_into(buffer, size, NULL, format, arguments), (size_t)INT32_MAX);
}

size_t scnprintf(char *buffer, size_t size, const char *format, ...)
{
    size_t stored;
    va_list arguments;

    va_start(arguments, format);
    format_into(buffer, size, &stored, format, arguments);
    va_end(arguments);
    return stored;
}

#if !__STDC_HOSTED__

int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
{
    return format_buffer(buffer, size, format, arguments);
}

int snprintf(char *buffer, size_t size, const char *format, ...)
{
    int length;
    va_list arguments;

    va_start(arguments, format);
    length = format_buffer(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}

#endif
