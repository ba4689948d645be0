/*
 * Numbers and bytes in text that people typed. The whole text must be the thing: nothing before,
 * nothing after, no sign, no spaces. On an error the result is left alone.
 *
 * Return, for all: 0; -EINVAL when the text is not of that form; -ERANGE when it is, but too large.
 */
#pragma once

#include "lib/compiler.h"

/* Decimal, or hexadecimal after 0x. The _n form takes a stretch of text that is not terminated. */
int parse_u64(const char *text, uint64_t *value) __must_check;
int parse_u64_n(const char *text, size_t length, uint64_t *value) __must_check;

/* The same, at most @max. */
int parse_u64_max(const char *text, uint64_t max, uint64_t *value) __must_check;
int parse_u32(const char *text, uint32_t *value) __must_check;
int parse_u16(const char *text, uint16_t *value) __must_check;

/* A number with an optional suffix K, M, G or T (either case; powers of 1024): "256M". */
int parse_size(const char *text, uint64_t *bytes) __must_check;

/* on/off, yes/no, true/false, 1/0. */
int parse_bool(const char *text, bool *value) __must_check;

/**
 * parse_hex() - pairs of hexadecimal digits, "00ff1A"
 * @bytes: receives them; nothing is promised about its contents after an error
 * @capacity: of @bytes
 * @length: receives their number
 *
 * Return: as above; -ERANGE for more than @capacity bytes.
 */
int parse_hex(const char *text, void *bytes, size_t capacity, size_t *length) __must_check;
