/*
 * The kernel log: a ring of lines with time, CPU and level, kept for `dmesg` and panic; up to 512
 * KiB, for which it takes memory as it fills.
 *
 * Context of everything here: any, also interrupts off, NMI and before memory works. Lines longer
 * than LOG_LINE_MAX are cut. Lines go to the consoles too unless a shell session holds them.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

enum log_level {
    LOG_ERROR,
    LOG_WARNING,
    LOG_INFO,
    LOG_DEBUG
};

#define LOG_LINE_MAX 512 /* a formatted line, its NUL included */

/** log_write() - one line; @module is who speaks ("virtio_net"); no newline in @format. */
void log_write(enum log_level level, const char *module, const char *format, ...)
    __printf_format(3, 4);
void log_write_va(enum log_level level, const char *module, const char *format, va_list args)
    __printf_format(3, 0);

#define log_error(module, ...)   log_write(LOG_ERROR, module, __VA_ARGS__)
#define log_warning(module, ...) log_write(LOG_WARNING, module, __VA_ARGS__)
#define log_info(module, ...)    log_write(LOG_INFO, module, __VA_ARGS__)
#define log_debug(module, ...)   log_write(LOG_DEBUG, module, __VA_ARGS__)

/**
 * struct log_console - where lines go besides the ring: serial, VGA, framebuffer
 *
 * @text is whole lines with their newlines. The log calls one console at a time, never from an
 * NMI; a console takes its own spinlock, never sleeps, and does not log while it holds that lock.
 */
struct log_console {
    const char *name;
    void (*write)(struct log_console *console, enum log_level level, const char *text,
                  size_t length);
    /* After log_panic_mode(): the same without any lock, whoever was interrupted. */
    void (*write_panic)(struct log_console *console, enum log_level level, const char *text,
                        size_t length);
    struct log_console *next; /* the log's own, as is the next member */
    uint64_t cursor;
};

/** log_console_register() - lines since boot are replayed to it. Context: any. */
void log_console_register(struct log_console *console);

/**
 * log_console_hold() - during a shell session lines stay in the ring (H2). Counted.
 * Lines written meanwhile are not shown on the consoles later either: `dmesg` has them.
 */
void log_console_hold(void);
void log_console_release(void);

/**
 * log_read() - format the next line at or after *@cursor (start with 0) into @buffer
 * The line has no newline, is cut to fit and terminated.
 * Return: its length, 0 at the end. Lines overwritten meanwhile are skipped; *@cursor moves on.
 */
size_t log_read(uint64_t *cursor, char *buffer, size_t size);

/** log_tail() - the cursor from which log_read() gives the last @lines lines. */
uint64_t log_tail(size_t lines);

/** log_panic_mode() - from now on no locks are taken and no hold counts; used by panic only. */
void log_panic_mode(void);

/**
 * log_settle() - leave the memory that only the boot has
 * @grow_soon: called for each line while there is not enough room, in any context but NMI; sees to
 * it that log_grow() is called.
 * Context: boot CPU, interrupts off, there are pages. Return: 0 or -ENOMEM.
 */
int __must_check log_settle(void (*grow_soon)(void));

/** log_wants_more() - is the log half full, and could be larger? What follows may push out lines.
 */
bool log_wants_more(void);

/** log_grow() - take more memory if the log is half full. Context: any that may allocate pages. */
void log_grow(void);
