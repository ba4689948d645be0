/*
 * Boot tests of the string routines as this kernel runs them: the assembly, in the variant chosen
 * for this machine, and the C fallback, against byte-by-byte references. The host's unit test
 * (tests/unit/lib/test_string_asm.c) covers all variants and the edges of pages; here it is this
 * machine's turn.
 */
#include "lib/string.h"

#include "mm/kmalloc.h"
#include "tests/boot_test.h"

#define ALIGNMENTS 16
#define MARGIN     32 /* around a target, to see that nothing else was written */
#define ARENA_SIZE (32 * 1024)

/* 0 to 300, then some large ones. */
static size_t length_at(size_t index)
{
    static const size_t large[] = { 511, 512, 519, 1024, 4096, 4097, 10007 };

    return index <= 300 ? index : large[index - 301];
}
#define LENGTHS (301 + 7)

struct routines {
    void *(*copy)(void *to, const void *from, size_t size);
    void *(*move)(void *to, const void *from, size_t size);
    void *(*set)(void *to, int byte, size_t size);
    int (*compare)(const void *a, const void *b, size_t size);
    size_t (*length)(const char *text);
    int (*string_compare)(const char *a, const char *b);
    char *(*find)(const char *text, const char *word);
};

static const struct routines both[] = {
    { memcpy, memmove, memset, memcmp, strlen, strcmp, strstr },
    { memcpy_c, memmove_c, memset_c, memcmp_c, strlen_c, strcmp_c, strstr_c },
};

#define for_each_routines(r) for ((r) = both; (r) < both + ARRAY_SIZE(both); (r)++)

/* Three stretches of ARENA_SIZE. */
struct arenas {
    uint8_t *a, *b, *expected;
};

static struct arenas arenas_alloc(void)
{
    struct arenas arenas = { kmalloc(ARENA_SIZE), kmalloc(ARENA_SIZE), kmalloc(ARENA_SIZE) };

    EXPECT(arenas.a && arenas.b && arenas.expected);
    return arenas;
}

static void arenas_free(struct arenas *arenas)
{
    kfree(arenas->a);
    kfree(arenas->b);
    kfree(arenas->expected);
}

static void fill(uint8_t *data, size_t size, size_t seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 7 + (i >> 8) * 13 + seed);
}

/* The first place where the two differ; @size when there is none. */
static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t size)
{
    size_t i = 0;

    while (i < size && a[i] == b[i])
        i++;
    return i;
}

static void check_copy(const struct routines *r, struct arenas *arenas, size_t length,
                       size_t alignment)
{
    size_t around = length + 2 * MARGIN + ALIGNMENTS, at = MARGIN + alignment;
    uint8_t *from = arenas->b + (alignment * 7 + length) % ALIGNMENTS;

    fill(from, length, length);
    fill(arenas->a, around, 101);
    fill(arenas->expected, around, 101);
    for (size_t i = 0; i < length; i++)
        arenas->expected[at + i] = from[i];
    EXPECT(r->copy(arenas->a + at, from, length) == arenas->a + at);
    EXPECT_EQ(first_difference(arenas->a, arenas->expected, around), around);
}

BOOT_TEST(string, memcpy)
{
    struct arenas arenas = arenas_alloc();
    const struct routines *r;

    for_each_routines(r)
    {
        for (size_t i = 0; i < LENGTHS; i++) {
            for (size_t alignment = 0; alignment < ALIGNMENTS; alignment++)
                check_copy(r, &arenas, length_at(i), alignment);
        }
    }
    arenas_free(&arenas);
}

static void check_move(const struct routines *r, struct arenas *arenas, size_t length, size_t from,
                       size_t to)
{
    size_t around = 2 * 1024 + length;

    fill(arenas->a, around, to);
    fill(arenas->expected, around, to);
    for (size_t i = 0; i < length; i++) /* from a copy: the original is overwritten */
        arenas->b[i] = arenas->expected[from + i];
    for (size_t i = 0; i < length; i++)
        arenas->expected[to + i] = arenas->b[i];
    EXPECT(r->move(arenas->a + to, arenas->a + from, length) == arenas->a + to);
    EXPECT_EQ(first_difference(arenas->a, arenas->expected, around), around);
}

BOOT_TEST(string, memmove)
{
    static const size_t distances[] = { 0, 1, 3, 8, 9, 31, 33, 600 };
    struct arenas arenas = arenas_alloc();
    const struct routines *r;

    for_each_routines(r)
    {
        for (size_t i = 0; i < LENGTHS; i += 3) {
            for (size_t j = 0; j < ARRAY_SIZE(distances); j++) {
                check_move(r, &arenas, length_at(i), 800 + i % 16, 800 + i % 16 + distances[j]);
                check_move(r, &arenas, length_at(i), 800 + i % 16, 800 + i % 16 - distances[j]);
            }
        }
    }
    arenas_free(&arenas);
}

BOOT_TEST(string, memset)
{
    struct arenas arenas = arenas_alloc();
    const struct routines *r;

    for_each_routines(r)
    {
        for (size_t i = 0; i < LENGTHS; i++) {
            for (size_t alignment = 0; alignment < ALIGNMENTS; alignment++) {
                size_t length = length_at(i), at = MARGIN + alignment;
                size_t around = length + 2 * MARGIN + ALIGNMENTS;
                int byte = (int)(length * 3 + alignment) - 300; /* its low 8 bits count */

                fill(arenas.a, around, 5);
                fill(arenas.expected, around, 5);
                for (size_t k = 0; k < length; k++)
                    arenas.expected[at + k] = (uint8_t)byte;
                EXPECT(r->set(arenas.a + at, byte, length) == arenas.a + at);
                EXPECT_EQ(first_difference(arenas.a, arenas.expected, around), around);
            }
        }
    }
    arenas_free(&arenas);
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

BOOT_TEST(string, memcmp)
{
    struct arenas arenas = arenas_alloc();
    const struct routines *r;

    for_each_routines(r)
    {
        for (size_t i = 0; i < LENGTHS; i++) {
            for (size_t alignment = 0; alignment < ALIGNMENTS; alignment++) {
                size_t length = length_at(i);
                uint8_t *a = arenas.a + (alignment * 5 + length) % ALIGNMENTS;
                uint8_t *b = arenas.b + alignment;

                fill(a, length, 9);
                fill(b, length, 9);
                a[length] = 0; /* beyond the end: must not matter */
                b[length] = 1;
                EXPECT_EQ(r->compare(a, b, length), 0);
                if (length == 0)
                    continue;

                size_t at = (alignment * 37 + length) % length;
                int expected = a[at] < (uint8_t)(a[at] ^ 0x80) ? -1 : 1;

                b[at] ^= 0x80;
                EXPECT_EQ(sign(r->compare(a, b, length)), expected);
                EXPECT_EQ(sign(r->compare(b, a, length)), -expected);
            }
        }
    }
    arenas_free(&arenas);
}

/* @length characters that are not NUL, then the end. */
static void fill_text(char *text, size_t length, size_t seed)
{
    for (size_t i = 0; i < length; i++)
        text[i] = (char)((i * 7 + seed) % 255 + 1);
    text[length] = '\0';
}

BOOT_TEST(string, strlen)
{
    struct arenas arenas = arenas_alloc();
    const struct routines *r;

    for_each_routines(r)
    {
        for (size_t i = 0; i < LENGTHS; i++) {
            for (size_t alignment = 0; alignment < ALIGNMENTS; alignment++) {
                char *text = (char *)arenas.a + MARGIN + alignment;

                text[-1] = '\0'; /* before the start: must not matter */
                fill_text(text, length_at(i), i + alignment);
                EXPECT_EQ(r->length(text), length_at(i));
            }
        }
    }
    arenas_free(&arenas);
}

BOOT_TEST(string, strcmp)
{
    struct arenas arenas = arenas_alloc();
    const struct routines *r;

    for_each_routines(r)
    {
        for (size_t length = 0; length <= 300; length++) {
            for (size_t alignment = 0; alignment < ALIGNMENTS; alignment++) {
                /* Near the end of a page, where the routine must look where it reads. */
                char *a = (char *)arenas.a + 4096 - (length * 3 + alignment) % 40;
                char *b = (char *)arenas.b + alignment;
                size_t at = length ? (alignment * 37 + length) % length : 0;

                fill_text(a, length, 77);
                fill_text(b, length, 77);
                a[length + 1] = 'x'; /* beyond the end: must not matter */
                b[length + 1] = 'y';
                EXPECT_EQ(r->string_compare(a, b), 0);
                if (length == 0)
                    continue;
                b[at] = '\0';
                EXPECT_EQ(sign(r->string_compare(a, b)), 1);
                EXPECT_EQ(sign(r->string_compare(b, a)), -1);
                b[at] = (char)((uint8_t)a[at] == 200 ? 20 : 200);
                EXPECT_EQ(sign(r->string_compare(a, b)), (uint8_t)a[at] < 200 ? -1 : 1);
            }
        }
    }
    arenas_free(&arenas);
}

static const char *naive_find(const char *text, const char *word)
{
    for (;; text++) {
        size_t i = 0;

        while (word[i] && text[i] == word[i])
            i++;
        if (!word[i])
            return text;
        if (!*text)
            return NULL;
    }
}

/* The same numbers in every boot. */
static uint32_t next_number(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

BOOT_TEST(string, strstr)
{
    static const char letters[] = "ab\x01\x80"; /* few, so that words are often nearly there */
    struct arenas arenas = arenas_alloc();
    const struct routines *r;
    uint32_t state = 1;

    for_each_routines(r)
    {
        for (int round = 0; round < 4000; round++) {
            char *text = (char *)arenas.a + MARGIN + round % ALIGNMENTS;
            char *word = (char *)arenas.b + round % 7;
            size_t length = next_number(&state) % 300, word_length = next_number(&state) % 6;

            for (size_t i = 0; i < length; i++)
                text[i] = letters[next_number(&state) % 4];
            for (size_t i = 0; i < word_length; i++)
                word[i] = letters[next_number(&state) % 4];
            text[-1] = word[0];
            text[length] = '\0';
            word[word_length] = '\0';
            EXPECT(r->find(text, word) == naive_find(text, word));
        }
    }
    arenas_free(&arenas);
}

/* Those that exist in C only, and that a host build has from its own library. */
BOOT_TEST(string, characters)
{
    const char *text = "/a/b//";

    EXPECT(strchr(text, 'b') == text + 3);
    EXPECT(strchr(text, '/') == text);
    EXPECT(strchr(text, '\0') == text + 6);
    EXPECT(!strchr(text, 'x'));
    EXPECT(strrchr(text, '/') == text + 5);
    EXPECT(strrchr(text, 'a') == text + 1);
    EXPECT(strrchr(text, '\0') == text + 6);
    EXPECT(!strrchr(text, 'x'));
    EXPECT(memchr(text, '/', 6) == text);
    EXPECT(!memchr(text, 'b', 3));
    EXPECT(memchr(text, 'b', 4) == text + 3);
    EXPECT(!memchr("\xff", 0xfe, 1));
    EXPECT(memchr("\xff", 0x1ff, 1));
    EXPECT_EQ(strspn(text, "/a"), 3);
    EXPECT_EQ(strspn(text, "/ab"), 6);
    EXPECT_EQ(strcspn(text, "b"), 3);
    EXPECT_EQ(strcspn(text, "x"), 6);
    EXPECT_EQ(strnlen("abc", 2), 2);
    EXPECT_EQ(strnlen("abc", 9), 3);
}

BOOT_TEST(string, bounded_compare)
{
    EXPECT_EQ(strncmp("abc", "abd", 2), 0);
    EXPECT(strncmp("abc", "abd", 3) < 0);
    EXPECT(strncmp("abc", "ab", 3) > 0);
    EXPECT_EQ(strncmp("ab", "ab", 9), 0);
    EXPECT(strncmp("\xff", "a", 1) > 0);
    EXPECT_EQ(strcasecmp("Hello", "hELLO"), 0);
    EXPECT(strcasecmp("a", "B") < 0);
    EXPECT(strcasecmp("ab", "A") > 0);
    EXPECT_EQ(strncasecmp("HOST: x", "host: y", 6), 0);
    EXPECT(strncasecmp("HOST: x", "host: y", 7) < 0);
}
