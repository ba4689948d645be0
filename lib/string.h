/*
 * The standard string functions, under their standard names and contracts, and a few more.
 *
 * lib/string.c holds the C versions (NAME_c) and gives each standard name a weak definition; an
 * architecture overrides those it has in assembly by a strong one. A host build has the names from
 * its own C library.
 */
#pragma once

#include "lib/compiler.h"

#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
void *memchr(const void *data, int byte, size_t size);

size_t strlen(const char *text);
size_t strnlen(const char *text, size_t limit);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t limit);
int strcasecmp(const char *a, const char *b);
int strncasecmp(const char *a, const char *b, size_t limit);
char *strchr(const char *text, int character);
char *strrchr(const char *text, int character);
char *strstr(const char *text, const char *word);
size_t strspn(const char *text, const char *accept);
size_t strcspn(const char *text, const char *reject);
#endif

/**
 * strlcpy() - copy a string into a buffer of known size
 *
 * The result is cut to fit and always terminated (when @size is not 0).
 * Return: the length of @from; the copy was cut if that is >= @size.
 */
size_t strlcpy(char *to, const char *from, size_t size);

/* Like strlcpy(), appending to the string in @to. Return: the length it wanted to have. */
size_t strlcat(char *to, const char *from, size_t size);

/**
 * memzero_explicit() - clear a secret
 *
 * Unlike memset() before the end of an object's life, the compiler does not leave it out.
 */
void memzero_explicit(void *data, size_t size);

/* Compares in a time that depends on @size only. Return: whether all bytes are equal. */
bool memory_is_equal_constant_time(const void *a, const void *b, size_t size);

/* The portable versions, for the fallback and the tests. */
void *memcpy_c(void *restrict to, const void *restrict from, size_t size);
void *memmove_c(void *to, const void *from, size_t size);
void *memset_c(void *to, int byte, size_t size);
int memcmp_c(const void *a, const void *b, size_t size);
size_t strlen_c(const char *text);
int strcmp_c(const char *a, const char *b);
char *strstr_c(const char *text, const char *word);
