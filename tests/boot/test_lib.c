/*
 * Boot tests of the data structures and parsers of lib/, with the kernel's own heap below them and
 * its compiler flags. The host's unit tests try more; these show that what was tested is what runs.
 */
#include "kernel/random.h"
#include "lib/bitmap.h"
#include "lib/btree.h"
#include "lib/checksum.h"
#include "lib/crc32.h"
#include "lib/errno.h"
#include "lib/list.h"
#include "lib/parse.h"
#include "lib/printf.h"
#include "lib/rbtree.h"
#include "lib/ring.h"
#include "lib/sha256.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "tests/boot_test.h"

/* The same numbers in every boot. */
static uint32_t next_number(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

static void *node_alloc(void *context, size_t size)
{
    size_t *out = context;

    ++*out;
    return kmalloc(size);
}

static void node_free(void *context, void *memory, size_t size)
{
    size_t *out = context;

    (void)size;
    --*out;
    kfree(memory);
}

#define BTREE_KEYS 512

BOOT_TEST(lib, btree)
{
    size_t out = 0, count = 0;
    struct btree_allocator allocator = { node_alloc, node_free, &out };
    DECLARE_BITMAP(present, BTREE_KEYS) = { 0 };
    struct btree tree;
    uint32_t state = 7;

    btree_init(&tree, &allocator);
    for (int step = 0; step < 6000; step++) {
        size_t key = next_number(&state) % BTREE_KEYS;
        void *value = (void *)(key * 16 + 16);

        if (bitmap_test(present, key)) {
            EXPECT_EQ(btree_insert(&tree, key, value), -EEXIST);
            EXPECT(btree_remove(&tree, key) == value);
            bitmap_clear(present, key);
            count--;
        } else {
            EXPECT(!btree_remove(&tree, key));
            EXPECT_EQ(btree_insert(&tree, key, value), 0);
            bitmap_set(present, key);
            count++;
        }
        EXPECT_EQ(btree_count(&tree), count);

        uint64_t found = 0;
        size_t want = bitmap_find_set(present, BTREE_KEYS, key);

        EXPECT((btree_lookup_ge(&tree, key, &found) != NULL) == (want < BTREE_KEYS));
        EXPECT(want == BTREE_KEYS || found == want);
        EXPECT(step % 64 != 0 || btree_is_valid(&tree));
    }
    btree_clear(&tree);
    EXPECT_EQ(out, 0);
}

struct rb_element {
    struct rb_node node;
    uint32_t key;
    bool is_in;
};

static int compare_elements(const struct rb_node *a, const struct rb_node *b)
{
    uint32_t x = container_of((struct rb_node *)(uintptr_t)a, struct rb_element, node)->key;
    uint32_t y = container_of((struct rb_node *)(uintptr_t)b, struct rb_element, node)->key;

    return (x > y) - (x < y);
}

BOOT_TEST(lib, rbtree)
{
    static struct rb_element elements[200];
    struct rbtree tree = RBTREE_INIT;
    uint32_t state = 3;

    memset(elements, 0, sizeof(elements));
    for (int step = 0; step < 3000; step++) {
        struct rb_element *element = &elements[next_number(&state) % ARRAY_SIZE(elements)];

        if (element->is_in) {
            rb_erase(&tree, &element->node);
        } else {
            element->key = next_number(&state) % 50;
            rb_insert(&tree, &element->node, compare_elements);
        }
        element->is_in = !element->is_in;
        EXPECT(step % 16 != 0 || rbtree_is_valid(&tree, compare_elements));
    }
}

BOOT_TEST(lib, ring)
{
    uint8_t memory[64], data[128];
    struct ring ring;
    uint32_t state = 5, written = 0, read = 0;

    ring_init(&ring, memory, sizeof(memory));
    for (int step = 0; step < 5000; step++) {
        uint32_t length = next_number(&state) % 100;

        if (next_number(&state) % 2) {
            for (uint32_t i = 0; i < length; i++)
                data[i] = (uint8_t)((written + i) * 31);
            length = ring_write(&ring, data, length);
            written += length;
        } else {
            length = ring_read(&ring, data, length);
            for (uint32_t i = 0; i < length; i++)
                EXPECT_EQ(data[i], (uint8_t)((read + i) * 31));
            read += length;
        }
        EXPECT_EQ(ring_used(&ring), written - read);
        EXPECT(ring_used(&ring) <= sizeof(memory));
    }
    EXPECT(written > 100 * sizeof(memory)); /* it went round many times */
}

struct list_item {
    struct list_node node;
    int number;
};

BOOT_TEST(lib, list)
{
    struct list_item items[5];
    struct list list;
    struct list_item *item;
    int sum = 0;

    list_init(&list);
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        list_push_back(&list, &items[i].node);
    }
    list_for_each_entry_safe(item, &list, node) {
        if (item->number % 2)
            list_remove(&item->node);
    }
    list_for_each_entry(item, &list, node)
        sum = sum * 10 + item->number;
    EXPECT_EQ(sum, 24);
    EXPECT_EQ(list_length(&list), 3);
    EXPECT(!list_node_is_linked(&items[1].node));
}

BOOT_TEST(lib, parsing)
{
    uint64_t value = 99;
    uint8_t bytes[4];
    size_t length = 0;
    bool is_on = false;

    EXPECT_EQ(parse_u64("18446744073709551615", &value), 0);
    EXPECT(value == UINT64_MAX);
    EXPECT_EQ(parse_u64("18446744073709551616", &value), -ERANGE);
    EXPECT_EQ(parse_u64("0xBEEF", &value), 0);
    EXPECT_EQ(value, 0xbeef);
    EXPECT_EQ(parse_u64("", &value), -EINVAL);
    EXPECT_EQ(parse_u64("-1", &value), -EINVAL);
    EXPECT_EQ(parse_u64("12x", &value), -EINVAL);
    EXPECT_EQ(value, 0xbeef);
    EXPECT_EQ(parse_size("256M", &value), 0);
    EXPECT_EQ(value, 256u << 20);
    EXPECT_EQ(parse_size("16777216T", &value), -ERANGE);
    EXPECT_EQ(parse_hex("00ff1A", bytes, sizeof(bytes), &length), 0);
    EXPECT_EQ(length, 3);
    EXPECT_EQ(bytes[2], 0x1a);
    EXPECT_EQ(parse_hex("0g", bytes, sizeof(bytes), &length), -EINVAL);
    EXPECT_EQ(parse_bool("on", &is_on), 0);
    EXPECT(is_on);
}

static void expect_text(const char *want, const char *format, ...) __printf_format(2, 3);

static void expect_text(const char *want, const char *format, ...)
{
    char text[100];
    va_list arguments;

    va_start(arguments, format);
    EXPECT_EQ(vsnprintf(text, sizeof(text), format, arguments), strlen(want));
    va_end(arguments);
    EXPECT_EQ(strcmp(text, want), 0);
}

BOOT_TEST(lib, printf)
{
    char text[6];

    expect_text("-42|  +7|007|0x1f|17|X", "%d|%+4d|%03d|%#x|%o|%c", -42, 7, 7, 31, 15, 'X');
    expect_text("ab  |  ab|abc|100%", "%-4s|%4s|%.3s|100%%", "ab", "ab", "abcdef");
    expect_text("18446744073709551615 -9223372036854775808", "%llu %lld", UINT64_MAX + 0ull,
                (long long)INT64_MIN);
    expect_text("0xffff800001000000", "%p", (void *)0xffff800001000000u);
    EXPECT_EQ(snprintf(text, sizeof(text), "%s", "too long"), 8);
    EXPECT_EQ(strcmp(text, "too l"), 0);
}

BOOT_TEST(lib, checksums)
{
    static const uint8_t words[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
    uint8_t digest[SHA256_DIGEST_SIZE];

    EXPECT_EQ(crc32("123456789", 9), 0xCBF43926);
    EXPECT_EQ(crc32c("123456789", 9), 0xE3069283);
    EXPECT_EQ(checksum(words, sizeof(words)), 0x0d22); /* RFC 1071, 3: ~ddf2, in memory order */
    sha256("abc", 3, digest);
    EXPECT_EQ(digest[0], 0xba);
    EXPECT_EQ(digest[31], 0xad);
}

BOOT_TEST(lib, bitmap)
{
    DECLARE_BITMAP(map, 300) = { 0 };

    bitmap_set_range(map, 60, 100);
    EXPECT_EQ(bitmap_count(map, 300), 100);
    EXPECT_EQ(bitmap_find_set(map, 300, 0), 60);
    EXPECT_EQ(bitmap_find_clear(map, 300, 60), 160);
    EXPECT_EQ(bitmap_find_clear_run(map, 300, 0, 61, 1), 160);
    EXPECT_EQ(bitmap_find_clear_run(map, 300, 0, 61, 64), 192);
    EXPECT_EQ(bitmap_find_clear_run(map, 300, 0, 141, 1), 300);
}

BOOT_TEST(random, differs_and_is_bounded)
{
    uint8_t first[64], second[64];
    unsigned int seen = 0;

    random_bytes(first, sizeof(first));
    random_bytes(second, sizeof(second));
    EXPECT(memcmp(first, second, sizeof(first)) != 0);
    EXPECT(random_u64() != random_u64());
    for (int i = 0; i < 1000; i++) {
        uint32_t number = random_below(6);

        EXPECT(number < 6);
        seen |= 1u << number;
    }
    EXPECT_EQ(seen, 0x3f);
    EXPECT_EQ(random_below(1), 0);
}
