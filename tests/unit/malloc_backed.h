/*
 * The kernel's heap on the host's, for tests and fuzzers of small parts: the sanitizer then sees
 * each overrun by the byte. Include it in one file of the program.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "mm/kmalloc.h"

void *kmalloc(size_t size)
{
    return malloc(size);
}

void *kzalloc(size_t size)
{
    return calloc(1, size);
}

void *kcalloc(size_t count, size_t size)
{
    return calloc(count, size);
}

void *krealloc(void *pointer, size_t size)
{
    return realloc(pointer, size);
}

void kfree(void *pointer)
{
    free(pointer);
}

char *kstrdup(const char *string)
{
    return strdup(string);
}
