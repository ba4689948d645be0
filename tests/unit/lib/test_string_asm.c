/*
 * The C and the assembly versions of the string routines against byte-by-byte references: every
 * alignment from 0 to 15, lengths 0 to 300 and some large ones, every variant. Buffers end (or
 * start) at a page that cannot be touched, so that one byte too far is a crash; what lies around
 * the target must stay as it was.
 */
#include "arch/x86_64/string_select.h"
#include "lib/string.h"

#include <sys/mman.h>

#include "tests/unit/unit.h"

/* The names that arch/x86_64/string.S has on a host. */
void nos_string_select(enum string_variant variant);
void *nos_memcpy(void *to, const void *from, size_t size);
void *nos_memmove(void *to, const void *from, size_t size);
void *nos_memset(void *to, int byte, size_t size);
int nos_memcmp(const void *a, const void *b, size_t size);
size_t nos_strlen(const char *text);
int nos_strcmp(const char *a, const char *b);
char *nos_strstr(const char *text, const char *word);

/* One implementation of all. */
struct routines {
    const char *name;
    enum string_variant variant;
    void *(*copy)(void *to, const void *from, size_t size);
    void *(*move)(void *to, const void *from, size_t size);
    void *(*set)(void *to, int byte, size_t size);
    int (*compare)(const void *a, const void *b, size_t size);
    size_t (*length)(const char *text);
    int (*string_compare)(const char *a, const char *b);
    char *(*find)(const char *text, const char *word);
};

#define ASSEMBLY(variant_)                                                                         \
    {                                                                                              \
        .name = #variant_, .variant = (variant_), .copy = nos_memcpy, .move = nos_memmove,         \
        .set = nos_memset, .compare = nos_memcmp, .length = nos_strlen,                            \
        .string_compare = nos_strcmp, .find = nos_strstr                                           \
    }

/* The C versions first. */
static const struct routines all_routines[] = {
    { .name = "C",
      .copy = memcpy_c,
      .move = memmove_c,
      .set = memset_c,
      .compare = memcmp_c,
      .length = strlen_c,
      .string_compare = strcmp_c,
      .find = strstr_c },
    ASSEMBLY(STRING_LOOP),
    ASSEMBLY(STRING_QUADS),
    ASSEMBLY(STRING_BYTES),
};

#define for_each_routines(r)                                                                       \
    for ((r) = all_routines; (r) < all_routines + 4 && (nos_string_select((r)->variant), true);    \
         (r)++)

#define PAGE   4096u
#define ARENA  (8 * PAGE)
#define MARGIN 64u

/* ARENA bytes between two pages that cannot be touched. */
static uint8_t *arena_create(void)
{
    uint8_t *pages = mmap(NULL, ARENA + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + PAGE, ARENA, PROT_READ | PROT_WRITE), 0);
    return pages + PAGE;
}

static uint8_t *first_arena, *second_arena;
static uint8_t expected[ARENA];

static int create_arenas(void **state)
{
    (void)state;
    first_arena = arena_create();
    second_arena = arena_create();
    return 0;
}

/* 0 to 300, then sizes on both sides of every limit in the code. */
static size_t length_at(size_t index)
{
    static const size_t large[] = { 511, 512, 513, 519, 520, 1000, 1024, 4095, 4096, 4097, 10007 };

    return index <= 300 ? index : large[index - 301];
}

#define LENGTHS (301 + 11)

static void fill_pattern(uint8_t *data, size_t size, unsigned int seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 7 + (i >> 8) * 13 + seed);
}

static void naive_move(uint8_t *to, const uint8_t *from, size_t size)
{
    static uint8_t copy[ARENA];

    for (size_t i = 0; i < size; i++)
        copy[i] = from[i];
    for (size_t i = 0; i < size; i++)
        to[i] = copy[i];
}

static void assert_same(const uint8_t *got, const uint8_t *want, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (got[i] != want[i])
            fail_msg("byte %zu is %#x, not %#x", i, got[i], want[i]);
    }
}

static void test_copy(void **state)
{
    const struct routines *r;

    (void)state;
    for_each_routines(r)
    {
        for (size_t i = 0; i < LENGTHS; i++) {
            size_t length = length_at(i);

            for (size_t alignment = 0; alignment < 16; alignment++) {
                /* The source ends at the wall, the target starts at all alignments. */
                const uint8_t *from = second_arena + ARENA - length;
                uint8_t *to = first_arena + MARGIN + alignment;
                size_t around = length + 2 * MARGIN + 16;

                fill_pattern(second_arena + ARENA - length, length, (unsigned int)length);
                fill_pattern(first_arena, around, 101);
                fill_pattern(expected, around, 101);
                naive_move(expected + MARGIN + alignment, from, length);
                assert_ptr_equal(r->copy(to, from, length), to);
                assert_same(first_arena, expected, around);

                /* The other way round: the target ends at the wall. */
                fill_pattern(first_arena, around, 3);
                to = second_arena + ARENA - length;
                assert_ptr_equal(r->copy(to, first_arena + alignment, length), to);
                assert_same(to, first_arena + alignment, length);
            }
        }
    }
}

static void test_move_overlapping(void **state)
{
    static const int distances[] = { 0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 299, 600 };
    const struct routines *r;

    (void)state;
    for_each_routines(r)
    {
        for (size_t i = 0; i < LENGTHS; i++) {
            size_t length = length_at(i);

            for (size_t j = 0; j < 2 * 16; j++) {
                int distance = j % 2 ? distances[j / 2] : -distances[j / 2];
                size_t from = 1024 + j % 16, to = from + (size_t)distance;
                size_t around = 1024 + 1024 + length + MARGIN;

                fill_pattern(first_arena, around, (unsigned int)j);
                fill_pattern(expected, around, (unsigned int)j);
                naive_move(expected + to, expected + from, length);
                assert_ptr_equal(r->move(first_arena + to, first_arena + from, length),
                                 first_arena + to);
                assert_same(first_arena, expected, around);
            }
        }
    }
}

static void test_set(void **state)
{
    const struct routines *r;

    (void)state;
    for_each_routines(r)
    {
        for (size_t i = 0; i < LENGTHS; i++) {
            size_t length = length_at(i);

            for (size_t alignment = 0; alignment < 16; alignment++) {
                uint8_t *to = first_arena + MARGIN + alignment;
                size_t around = length + 2 * MARGIN + 16;
                int byte = (int)(length * 3 + alignment) - 300; /* only its low 8 bits count */

                fill_pattern(first_arena, around, 5);
                fill_pattern(expected, around, 5);
                for (size_t k = 0; k < length; k++)
                    expected[MARGIN + alignment + k] = (uint8_t)byte;
                assert_ptr_equal(r->set(to, byte, length), to);
                assert_same(first_arena, expected, around);

                to = first_arena + ARENA - length;
                r->set(to, byte, length);
                assert_same(to, expected + MARGIN + alignment, length);
            }
        }
    }
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

static void test_compare(void **state)
{
    const struct routines *r;

    (void)state;
    for_each_routines(r)
    {
        for (size_t i = 0; i < LENGTHS; i++) {
            size_t length = length_at(i);

            for (size_t alignment = 0; alignment < 16; alignment++) {
                uint8_t *a = first_arena + ARENA - length, *b = second_arena + alignment;
                size_t step = length > 64 ? length / 17 : 1;

                fill_pattern(a, length, 9);
                fill_pattern(b, length, 9);
                b[length] = 1; /* must not matter */
                assert_int_equal(r->compare(a, b, length), 0);
                for (size_t at = 0; at < length; at += step) {
                    uint8_t was = b[at];

                    b[at] = (uint8_t)(was ^ 0x80); /* unsigned order */
                    if (at + 1 < length)
                        b[at + 1] ^= 0x7f; /* a later difference does not count */
                    assert_int_equal(sign(r->compare(a, b, length)), was < b[at] ? -1 : 1);
                    assert_int_equal(sign(r->compare(b, a, length)), was < b[at] ? 1 : -1);
                    b[at] = was;
                    if (at + 1 < length)
                        b[at + 1] ^= 0x7f;
                }
            }
        }
    }
}

/* A string without zeros: bytes 1 to 255 in turn. */
static void fill_text(char *text, size_t length, unsigned int seed)
{
    for (size_t i = 0; i < length; i++)
        text[i] = (char)((i * 7 + seed) % 255 + 1);
    text[length] = '\0';
}

static void test_length(void **state)
{
    const struct routines *r;

    (void)state;
    for_each_routines(r)
    {
        for (size_t i = 0; i < LENGTHS; i++) {
            size_t length = length_at(i);
            char *wall = (char *)first_arena + ARENA - length - 1;

            fill_text(wall, length, (unsigned int)i);
            assert_int_equal(r->length(wall), length);
            for (size_t alignment = 0; alignment < 16; alignment++) {
                char *text = (char *)second_arena + 16 + alignment;

                memset(second_arena, 0, 48); /* zeros before the string must not count */
                fill_text(text, length, (unsigned int)alignment);
                assert_int_equal(r->length(text), length);
                memset(text, 1, length); /* 0x01 and 0x80 are what the bit trick may confuse */
                assert_int_equal(r->length(text), length);
                memset(text, 0x80, length);
                assert_int_equal(r->length(text), length);
            }
        }
    }
}

static void test_string_compare(void **state)
{
    const struct routines *r;

    (void)state;
    for_each_routines(r)
    {
        for (size_t length = 0; length <= 300; length++) {
            for (size_t alignment = 0; alignment < 16; alignment++) {
                char *a = (char *)first_arena + ARENA - length - 1;
                char *b = (char *)second_arena + alignment;
                size_t step = length > 40 ? length / 7 : 1;

                fill_text(a, length, 77);
                fill_text(b, length, 77);
                b[length + 1] = 'x'; /* after the end: must not matter */
                assert_int_equal(r->string_compare(a, b), 0);
                for (size_t at = 0; at < length; at += step) {
                    char was = b[at];

                    b[at] = (char)((uint8_t)was == 200 ? 20 : 200);
                    int want = (uint8_t)was < (uint8_t)b[at] ? -1 : 1;
                    assert_int_equal(sign(r->string_compare(a, b)), want);
                    assert_int_equal(sign(r->string_compare(b, a)), -want);
                    b[at] = '\0'; /* b is a prefix of a */
                    assert_int_equal(sign(r->string_compare(a, b)), 1);
                    assert_int_equal(sign(r->string_compare(b, a)), -1);
                    b[at] = was;
                }
            }
        }
    }
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

static void test_find(void **state)
{
    const struct routines *r;

    (void)state;
    for_each_routines(r)
    {
        struct unit_random random = { 4711 };

        for (int round = 0; round < 20000; round++) {
            /* Few letters, so that words are often nearly there; 0x01 for the bit trick. */
            static const char letters[] = "ab\x01\x80";
            size_t length = unit_random_below(&random, 60);
            size_t word_length = unit_random_below(&random, 6);
            char *text = (char *)first_arena + ARENA - length - 1 -
                         (round % 2 ? unit_random_below(&random, 16) : 0);
            char *word = (char *)second_arena + ARENA - word_length - 1;

            text[-1] = '\0';
            for (size_t i = 0; i < length; i++)
                text[i] = letters[unit_random_below(&random, 4)];
            text[length] = '\0';
            for (size_t i = 0; i < word_length; i++)
                word[i] = letters[unit_random_below(&random, 4)];
            word[word_length] = '\0';
            assert_ptr_equal(r->find(text, word), naive_find(text, word));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_copy),    UNIT_TEST(test_move_overlapping), UNIT_TEST(test_set),
        UNIT_TEST(test_compare), UNIT_TEST(test_length),           UNIT_TEST(test_string_compare),
        UNIT_TEST(test_find),
    };

    return cmocka_run_group_tests_name(__FILE__, tests, create_arenas, NULL);
}
