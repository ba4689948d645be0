/*
 * Bytes for people to read.
 */
#include "lib/hexdump.h"

#include "lib/ctype.h"
#include "lib/string.h"

static char *put_hex_byte(char *to, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";

    *to++ = digits[byte >> 4];
    *to++ = digits[byte & 15];
    return to;
}

size_t hexdump_line(char line[HEXDUMP_LINE_SIZE], uint64_t offset, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    char *to = line + scnprintf(line, HEXDUMP_LINE_SIZE, "%08llx ", (unsigned long long)offset);

    size = MIN(size, (size_t)HEXDUMP_BYTES);
    for (size_t i = 0; i < HEXDUMP_BYTES; i++) {
        *to++ = ' ';
        if (i < size) {
            to = put_hex_byte(to, bytes[i]);
        } else {
            *to++ = ' ';
            *to++ = ' ';
        }
        if (i == HEXDUMP_BYTES / 2 - 1)
            *to++ = ' ';
    }
    *to++ = ' ';
    *to++ = ' ';
    *to++ = '|';
    for (size_t i = 0; i < size; i++)
        *to++ = is_print((char)bytes[i]) ? (char)bytes[i] : '.';
    *to++ = '|';
    *to = '\0';
    return (size_t)(to - line);
}

void hexdump(format_sink *sink, void *context, uint64_t offset, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    char line[HEXDUMP_LINE_SIZE + 1];

    for (size_t done = 0; done < size; done += HEXDUMP_BYTES) {
        size_t length = hexdump_line(line, offset + done, bytes + done, size - done);

        line[length++] = '\n';
        sink(context, line, length);
    }
}

void hex_format(char *text, size_t text_size, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    if (text_size == 0)
        return;
    size = MIN(size, (text_size - 1) / 2);
    for (size_t i = 0; i < size; i++)
        text = put_hex_byte(text, bytes[i]);
    *text = '\0';
}
