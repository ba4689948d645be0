/*
 * Formatted text. The conversions are those of the C standard without floating point:
 *
 *   %d %i %u %o %x %X %c %s %p %%   flags - + space # 0   width and precision, also *
 *   lengths hh h l ll z j t
 *
 * Anything else is copied to the output as it stands, and takes no argument. %s of NULL prints
 * "(null)". snprintf and vsnprintf have the standard meaning and return value; on a host they
 * are the C library's.
 */
#pragma once

#include <stdarg.h>

#include "lib/compiler.h"

#if __STDC_HOSTED__
#include <stdio.h>
#else
int snprintf(char *buffer, size_t size, const char *format, ...) __printf_format(3, 4);
int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
    __printf_format(3, 0);
#endif

/* Like snprintf, but returns what was stored (without the NUL), so that calls can be chained. */
size_t scnprintf(char *buffer, size_t size, const char *format, ...) __printf_format(3, 4);

/* Receives the output in pieces, in order; @text is not terminated, @length is never 0. */
typedef void format_sink(void *context, const char *text, size_t length);

/**
 * format_to() - format into a sink, whatever the length
 *
 * Context: any; uses under 200 bytes of stack besides the sink's, takes no lock.
 * Return: the number of characters produced.
 */
size_t format_to(format_sink *sink, void *context, const char *format, va_list arguments)
    __printf_format(3, 0);

/* vsnprintf by our own formatter, under a name that a host's C library does not have. */
int format_buffer(char *buffer, size_t size, const char *format, va_list arguments)
    __printf_format(3, 0);
