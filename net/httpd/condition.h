/*
 * Conditions and ranges of a request (RFC 9110, 13 and 14): dates, entity tags, and the part of a
 * file that is asked for. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

struct http_request;

#define HTTP_DATE_SIZE 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and its NUL */

/** http_date_format() - Unix time as a date of HTTP; years up to 9999. */
void http_date_format(uint64_t unix_seconds, char text[HTTP_DATE_SIZE]);

/**
 * http_date_parse() - the date of today's form, and the two that are obsolete (RFC 9110, 5.6.7)
 * @now: Unix time, to know the century of a year of two digits.
 * Return: 0, or -EINVAL.
 */
int __must_check http_date_parse(const char *text, uint64_t now, uint64_t *unix_seconds);

/* What is known about the version of a file. */
struct http_validators {
    uint64_t modified; /* Unix time; 0: not known */
    char etag[56];     /* with its quotes; "" none */
};

/**
 * http_condition() - may the file be sent?
 * Return: 200 it may; 304 the client has it; 412 it is not the one that the client means.
 */
unsigned int http_condition(const struct http_request *request,
                            const struct http_validators *validators, uint64_t now);

/** A part of a file: @length bytes, not 0, from @first on. */
struct http_range {
    uint64_t first, length;
};

/**
 * http_range() - which part of @size bytes is asked for
 * Several ranges in one request, a range in a form that is none, and one of another version of the
 * file (If-Range) are as no range at all.
 * Return: 200 all of it; 206 with *@range; 416 there is no such part.
 */
unsigned int http_range(const struct http_request *request,
                        const struct http_validators *validators, uint64_t size,
                        struct http_range *range);
