/*
 * Bytes for people to read: 16 a line, offset, hexadecimal, characters.
 *
 *   00000010  6e 6f 73 00 01 02 03 04  05 06 07 08 09 0a 0b 0c  |nos.............|
 */
#pragma once

#include "lib/printf.h"

#define HEXDUMP_BYTES     16
#define HEXDUMP_LINE_SIZE 88 /* room for a line with a 16-digit offset, and its NUL */

/* Formats up to 16 bytes, without a newline. Return: the length of the line. */
size_t hexdump_line(char line[HEXDUMP_LINE_SIZE], uint64_t offset, const void *data, size_t size);

/* Writes all of @data to @sink, each line with its newline; the first is labelled @offset. */
void hexdump(format_sink *sink, void *context, uint64_t offset, const void *data, size_t size);

/* Digits without spaces, cut to fit and terminated; @text of 2 * @size + 1 holds all. */
void hex_format(char *text, size_t text_size, const void *data, size_t size);
