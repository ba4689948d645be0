/*
 * The tables dumped from QEMU's machines, and tables made by hand.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/byteorder.h"

struct table_file {
    uint8_t *bytes; /* malloc'ed to the byte, so that a sanitizer sees the first read past it */
    size_t length;
};

static inline struct table_file table_read(const char *name)
{
    char path[128];
    struct table_file table = { 0 };

    snprintf(path, sizeof(path), "tests/fuzz/corpus/acpi/%s.bin", name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        abort();
    }
    fseek(file, 0, SEEK_END);
    table.length = (size_t)ftell(file);
    rewind(file);
    table.bytes = malloc(table.length);
    if (fread(table.bytes, 1, table.length, file) != table.length)
        abort();
    fclose(file);
    return table;
}

/* A table of @length bytes with a header, all else 0. */
static inline struct table_file table_make(const char signature[4], size_t length)
{
    struct table_file table = { .bytes = calloc(1, length), .length = length };

    memcpy(table.bytes, signature, 4);
    store_le32(table.bytes + 4, (uint32_t)length);
    return table;
}

static inline void table_set_checksum(struct table_file *table)
{
    uint8_t sum = 0;

    table->bytes[9] = 0;
    for (size_t i = 0; i < table->length; i++)
        sum = (uint8_t)(sum + table->bytes[i]);
    table->bytes[9] = (uint8_t)-sum;
}
