/*
 * String and memory routines in C.
 *
 * The NAME_c functions are complete and portable; in the kernel each standard name is a weak alias
 * of its C version, which the architecture's assembly replaces where it has any. Built with
 * -fno-tree-loop-distribute-patterns (gcc) or -fno-builtin (clang): otherwise the compiler would
 * see a memcpy in memcpy's own loop and make it call itself.
 */
#include "lib/string.h"

#include "lib/ctype.h"

static uint64_t load_word(const void *from)
{
    uint64_t word;

    __builtin_memcpy(&word, from, sizeof(word));
    return word;
}

static void store_word(void *to, uint64_t word)
{
    __builtin_memcpy(to, &word, sizeof(word));
}

static void copy_forward(uint8_t *to, const uint8_t *from, size_t size)
{
    for (; size >= 8; size -= 8, to += 8, from += 8)
        store_word(to, load_word(from));
    while (size--)
        *to++ = *from++;
}

static void copy_backward(uint8_t *to, const uint8_t *from, size_t size)
{
    for (; size >= 8; size -= 8)
        store_word(to + size - 8, load_word(from + size - 8));
    while (size--)
        to[size] = from[size];
}

void *memcpy_c(void *restrict to, const void *restrict from, size_t size)
{
    copy_forward(to, from, size);
    return to;
}

void *memmove_c(void *to, const void *from, size_t size)
{
    /* Forward is right unless @to starts inside [from, from + size). */
    if ((uintptr_t)to - (uintptr_t)from >= size)
        copy_forward(to, from, size);
    else
        copy_backward(to, from, size);
    return to;
}

void *memset_c(void *to, int byte, size_t size)
{
    uint8_t *position = to;
    uint64_t word = 0x0101010101010101u * (uint8_t)byte;

    for (; size >= 8; size -= 8, position += 8)
        store_word(position, word);
    while (size--)
        *position++ = (uint8_t)byte;
    return to;
}

int memcmp_c(const void *a, const void *b, size_t size)
{
    const uint8_t *x = a, *y = b;

    for (; size >= 8 && load_word(x) == load_word(y); size -= 8) {
        x += 8;
        y += 8;
    }
    for (; size; size--, x++, y++) {
        if (*x != *y)
            return *x - *y;
    }
    return 0;
}

size_t strlen_c(const char *text)
{
    const char *end = text;

    while (*end)
        end++;
    return (size_t)(end - text);
}

int strcmp_c(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (uint8_t)*a - (uint8_t)*b;
}

static bool starts_with(const char *text, const char *word)
{
    while (*word && *text == *word) {
        text++;
        word++;
    }
    return !*word;
}

char *strstr_c(const char *text, const char *word)
{
    if (!*word)
        return (char *)(uintptr_t)text;
    for (; *text; text++) {
        if (*text == *word && starts_with(text, word))
            return (char *)(uintptr_t)text;
    }
    return NULL;
}

size_t strlcpy(char *to, const char *from, size_t size)
{
    size_t length = strlen(from);

    if (size) {
        size_t copied = MIN(length, size - 1);

        memcpy(to, from, copied);
        to[copied] = '\0';
    }
    return length;
}

size_t strlcat(char *to, const char *from, size_t size)
{
    size_t used = strnlen(to, size);

    return used + strlcpy(to + used, from, size - used);
}

/* Not inlined: so the compiler cannot know that nobody looks at @data again. */
__noinline void memzero_explicit(void *data, size_t size)
{
    memset(data, 0, size);
    compiler_barrier();
}

bool memory_is_equal_constant_time(const void *a, const void *b, size_t size)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t difference = 0;

    for (size_t i = 0; i < size; i++)
        difference |= x[i] ^ y[i];
    return difference == 0;
}

#if !__STDC_HOSTED__

void *memcpy(void *restrict to, const void *restrict from, size_t size)
    __attribute__((weak, alias("memcpy_c")));
void *memmove(void *to, const void *from, size_t size) __attribute__((weak, alias("memmove_c")));
void *memset(void *to, int byte, size_t size) __attribute__((weak, alias("memset_c")));
int memcmp(const void *a, const void *b, size_t size) __attribute__((weak, alias("memcmp_c")));
size_t strlen(const char *text) __attribute__((weak, alias("strlen_c")));
int strcmp(const char *a, const char *b) __attribute__((weak, alias("strcmp_c")));
char *strstr(const char *text, const char *word) __attribute__((weak, alias("strstr_c")));

void *memchr(const void *data, int byte, size_t size)
{
    const uint8_t *position = data;

    for (; size; size--, position++) {
        if (*position == (uint8_t)byte)
            return (void *)(uintptr_t)position;
    }
    return NULL;
}

size_t strnlen(const char *text, size_t limit)
{
    size_t length = 0;

    while (length < limit && text[length])
        length++;
    return length;
}

int strncmp(const char *a, const char *b, size_t limit)
{
    for (; limit; limit--, a++, b++) {
        if (*a != *b || !*a)
            return (uint8_t)*a - (uint8_t)*b;
    }
    return 0;
}

int strncasecmp(const char *a, const char *b, size_t limit)
{
    for (; limit; limit--, a++, b++) {
        if (to_lower(*a) != to_lower(*b) || !*a)
            return (uint8_t)to_lower(*a) - (uint8_t)to_lower(*b);
    }
    return 0;
}

int strcasecmp(const char *a, const char *b)
{
    return strncasecmp(a, b, SIZE_MAX);
}

char *strchr(const char *text, int character)
{
    for (; *text != (char)character; text++) {
        if (!*text)
            return NULL;
    }
    return (char *)(uintptr_t)text;
}

char *strrchr(const char *text, int character)
{
    const char *found = NULL;

    do {
        if (*text == (char)character)
            found = text;
    } while (*text++);
    return (char *)(uintptr_t)found;
}

size_t strspn(const char *text, const char *accept)
{
    size_t length = 0;

    while (text[length] && strchr(accept, text[length]))
        length++;
    return length;
}

size_t strcspn(const char *text, const char *reject)
{
    size_t length = 0;

    while (text[length] && !strchr(reject, text[length]))
        length++;
    return length;
}

#endif
