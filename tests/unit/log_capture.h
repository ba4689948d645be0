/*
 * For tests of code that complains: log lines go into a buffer instead of the kernel's log.
 * Include it in one file of the test; it takes the place of log_write().
 */
#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/log.h"

static char logged[16384];

void log_write(enum log_level level, const char *module, const char *format, ...)
{
    size_t used = strlen(logged);
    va_list args;

    (void)level;
    used += (size_t)snprintf(logged + used, sizeof(logged) - used, "%s: ", module);
    if (used >= sizeof(logged))
        return;
    va_start(args, format);
    used += (size_t)vsnprintf(logged + used, sizeof(logged) - used, format, args);
    va_end(args);
    if (used + 1 < sizeof(logged))
        strcpy(logged + used, "\n");
}

static inline void forget_logged(void)
{
    logged[0] = '\0';
}

static inline bool was_logged(const char *text)
{
    return strstr(logged, text) != NULL;
}
