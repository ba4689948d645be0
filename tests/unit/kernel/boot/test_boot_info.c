/*
 * Multiboot2 and PVH information into one form.
 */
#include "tests/unit/unit.h"

#include "kernel/boot/multiboot2.h"
#include "kernel/boot/pvh.h"
#include "lib/byteorder.h"
#include "lib/errno.h"

static struct boot_info boot;

/* ---- Multiboot2 ---------------------------------------------------------------------------- */

#define INFO_AT 0x9000

static uint8_t info[32768] __attribute__((aligned(8)));
static size_t info_size;

static uint8_t *add_tag(uint32_t type, size_t data_size)
{
    uint8_t *tag = info + info_size;

    store_le32(tag, type);
    store_le32(tag + 4, (uint32_t)(8 + data_size));
    info_size += (8 + data_size + 7) & ~(size_t)7;
    store_le32(info, (uint32_t)info_size);
    return tag + 8;
}

static int start_info(void **state)
{
    (void)state;
    memset(info, 0, sizeof(info));
    info_size = 8;
    store_le32(info, 8);
    return 0;
}

static void add_memory_entry(uint8_t *entry, uint64_t base, uint64_t length, uint32_t type)
{
    store_le64(entry, base);
    store_le64(entry + 8, length);
    store_le32(entry + 16, type);
}

static void test_multiboot2_everything(void **state)
{
    (void)state;
    strcpy((char *)add_tag(1, 8), "smp=off");
    strcpy((char *)add_tag(2, 5), "GRUB");
    uint8_t *module = add_tag(3, 12);
    store_le32(module, 0x200000);
    store_le32(module + 4, 0x280000);
    uint8_t *map = add_tag(6, 8 + 2 * 24);
    store_le32(map, 24);
    add_memory_entry(map + 8, 0, 0x9fc00, 1);
    add_memory_entry(map + 32, 0x100000000, 0x80000000, 7);
    uint8_t *fb = add_tag(8, 30);
    store_le64(fb, 0xfd000000);
    store_le32(fb + 8, 4096);
    store_le32(fb + 12, 1024);
    store_le32(fb + 16, 768);
    fb[20] = 32;
    fb[21] = 1;
    memcpy(fb + 24, "\x10\x08\x08\x08\x00\x08", 6);
    uint8_t *rsdp = add_tag(15, 36);
    add_tag(14, 20);
    add_tag(0, 0);

    assert_int_equal(multiboot2_parse(info, sizeof(info), INFO_AT, &boot), 0);
    assert_string_equal(boot.protocol, "Multiboot2");
    assert_string_equal(boot.cmdline, "smp=off");
    assert_string_equal(boot.loader_name, "GRUB");
    assert_int_equal(boot.initrd_base, 0x200000);
    assert_int_equal(boot.initrd_length, 0x80000);
    assert_int_equal(boot.memory_count, 2);
    assert_int_equal(boot.memory[0].length, 0x9fc00);
    assert_int_equal(boot.memory[0].type, BOOT_MEMORY_USABLE);
    assert_int_equal(boot.memory[1].base, 0x100000000);
    assert_int_equal(boot.memory[1].type, BOOT_MEMORY_RESERVED);
    assert_int_equal(boot.framebuffer.width, 1024);
    assert_int_equal(boot.framebuffer.red_shift, 16);
    assert_int_equal(boot.rsdp, INFO_AT + (paddr_t)(rsdp - info));
    assert_int_equal(boot.info_base, INFO_AT);
    assert_int_equal(boot.info_length, info_size);
}

static void test_multiboot2_nothing(void **state)
{
    (void)state;
    assert_int_equal(multiboot2_parse(info, sizeof(info), INFO_AT, &boot), 0);
    assert_string_equal(boot.cmdline, "");
    assert_int_equal(boot.memory_count, 0);
    assert_int_equal(multiboot2_parse(info, 7, INFO_AT, &boot), -EINVAL);
    store_le32(info, 0);
    assert_int_equal(multiboot2_parse(info, sizeof(info), INFO_AT, &boot), -EINVAL);
    assert_string_equal(boot.cmdline, "");
}

static void test_multiboot2_bad_memory_ranges(void **state)
{
    (void)state;
    uint8_t *map = add_tag(6, 8 + 3 * 32);
    store_le32(map, 32); /* larger entries than we know */
    add_memory_entry(map + 8, 0x1000, 0, 1);
    add_memory_entry(map + 40, UINT64_MAX - 10, 100, 1);
    add_memory_entry(map + 72, 0x100000, 0x1000, 1);
    assert_int_equal(multiboot2_parse(info, sizeof(info), INFO_AT, &boot), 0);
    assert_int_equal(boot.memory_count, 1);
    assert_int_equal(boot.memory[0].base, 0x100000);
    assert_int_equal(boot.memory_dropped, 2);
}

static void test_multiboot2_more_ranges_than_fit(void **state)
{
    (void)state;
    uint8_t *map = add_tag(6, 8 + 600 * 24);
    store_le32(map, 24);
    for (size_t i = 0; i < 600; i++)
        add_memory_entry(map + 8 + i * 24, i * 0x1000, 0x1000, 1);
    assert_int_equal(multiboot2_parse(info, sizeof(info), INFO_AT, &boot), 0);
    assert_int_equal(boot.memory_count, BOOT_MEMORY_RANGES_MAX);
    assert_int_equal(boot.memory_dropped, 600 - BOOT_MEMORY_RANGES_MAX);
}

static void test_multiboot2_entry_size_of_zero(void **state)
{
    (void)state;
    add_tag(6, 64); /* its entry size is 0: would never end */
    assert_int_equal(multiboot2_parse(info, sizeof(info), INFO_AT, &boot), 0);
    assert_int_equal(boot.memory_count, 0);
}

static void test_multiboot2_broken_tags_end_it(void **state)
{
    (void)state;
    strcpy((char *)add_tag(1, 8), "one=two");
    uint8_t *loader = add_tag(2, 5);
    memcpy(loader, "GRUB!", 5); /* without its NUL: left out */
    uint8_t *tag = info + info_size;
    add_tag(2, 8);
    store_le32(tag + 4, 4); /* smaller than its header */
    assert_int_equal(multiboot2_parse(info, sizeof(info), INFO_AT, &boot), 0);
    assert_string_equal(boot.cmdline, "one=two");
    assert_string_equal(boot.loader_name, "");
    store_le32(tag + 4, 0xfffffff8);
    assert_int_equal(multiboot2_parse(info, sizeof(info), INFO_AT, &boot), 0);
    assert_string_equal(boot.cmdline, "one=two");
}

static void test_framebuffers_that_make_no_sense(void **state)
{
    static const struct {
        uint32_t pitch, width, height;
        uint8_t depth;
    } rows[] = { { 4096, 0, 768, 32 },           { 4096, 1024, 0, 32 },
                 { 4095, 1024, 768, 32 },        { 4096, 1024, 768, 15 },
                 { 4096, 1024, 768, 0 },         { UINT32_MAX, 1024, 768, 32 },
                 { 4096, 1024, UINT32_MAX, 32 }, { 4096, UINT32_MAX, 768, 32 } };
    (void)state;

    uint8_t *fb = add_tag(8, 30);
    store_le64(fb, 0xfd000000);
    fb[21] = 1;
    memcpy(fb + 24, "\x10\x08\x08\x08\x00\x08", 6);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        store_le32(fb + 8, rows[i].pitch);
        store_le32(fb + 12, rows[i].width);
        store_le32(fb + 16, rows[i].height);
        fb[20] = rows[i].depth;
        assert_int_equal(multiboot2_parse(info, sizeof(info), INFO_AT, &boot), 0);
        assert_int_equal(boot.framebuffer.base, 0);
        assert_true(boot.framebuffer.is_refused);
    }
}

/* ---- PVH ----------------------------------------------------------------------------------- */

#define MEMORY_BASE 0x1000
#define MEMORY_SIZE 0x4000

static uint8_t memory[MEMORY_SIZE];

static void *map_memory(void *context, paddr_t base, size_t size)
{
    (void)context;
    if (base < MEMORY_BASE || base > MEMORY_BASE + MEMORY_SIZE ||
        size > MEMORY_BASE + MEMORY_SIZE - base)
        return NULL;
    return memory + (base - MEMORY_BASE);
}

#define CMDLINE_AT 0x2000
#define MAP_AT     0x1100
#define MODULES_AT 0x1200

static int start_pvh(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    store_le32(memory, 0x336ec578);
    store_le32(memory + 4, 1);
    store_le64(memory + 16, MODULES_AT);
    store_le64(memory + 24, CMDLINE_AT);
    store_le64(memory + 32, 0xf5a80);
    store_le64(memory + 40, MAP_AT);
    return 0;
}

static int parse_pvh(void)
{
    return pvh_parse(map_memory, NULL, MEMORY_BASE, &boot);
}

static void test_pvh_everything(void **state)
{
    (void)state;
    strcpy((char *)memory + CMDLINE_AT - MEMORY_BASE, "console=serial");
    store_le32(memory + 48, 2);
    add_memory_entry(memory + MAP_AT - MEMORY_BASE, 0, 0x9fc00, 1);
    add_memory_entry(memory + MAP_AT - MEMORY_BASE + 24, 0x100000, 0x7ee0000, 1);
    store_le32(memory + 12, 1);
    store_le64(memory + MODULES_AT - MEMORY_BASE, 0x400000);
    store_le64(memory + MODULES_AT - MEMORY_BASE + 8, 0x1000);

    assert_int_equal(parse_pvh(), 0);
    assert_string_equal(boot.protocol, "PVH");
    assert_string_equal(boot.cmdline, "console=serial");
    assert_int_equal(boot.info_base, CMDLINE_AT);
    assert_int_equal(boot.info_length, 15);
    assert_int_equal(boot.memory_count, 2);
    assert_int_equal(boot.rsdp, 0xf5a80);
    assert_int_equal(boot.initrd_base, 0x400000);
}

static void test_pvh_version_0_has_no_map(void **state)
{
    (void)state;
    store_le32(memory + 4, 0);
    store_le32(memory + 48, 2);
    assert_int_equal(parse_pvh(), 0);
    assert_int_equal(boot.memory_count, 0);
    assert_string_equal(boot.cmdline, "");
}

static void test_pvh_is_not_there(void **state)
{
    (void)state;
    assert_int_equal(pvh_parse(map_memory, NULL, 0, &boot), -EINVAL);
    assert_int_equal(pvh_parse(map_memory, NULL, MEMORY_BASE + MEMORY_SIZE - 8, &boot), -EINVAL);
    memory[0] ^= 1;
    assert_int_equal(parse_pvh(), -EINVAL);
}

static void test_pvh_long_cmdline(void **state)
{
    (void)state;
    char *cmdline = (char *)memory + CMDLINE_AT - MEMORY_BASE;
    memset(cmdline, 'x', 0x3000 - 1);
    assert_int_equal(parse_pvh(), 0);
    assert_int_equal(strlen(boot.cmdline), 0x3000 - 1);
    cmdline[0x3000 - 1] = 'x'; /* and now it runs out of the memory there is */
    assert_int_equal(parse_pvh(), 0);
    assert_string_equal(boot.cmdline, "");
    store_le64(memory + 24, UINT64_MAX - 3);
    assert_int_equal(parse_pvh(), 0);
    assert_string_equal(boot.cmdline, "");
}

static void test_pvh_map_that_runs_out_of_memory(void **state)
{
    (void)state;
    store_le32(memory + 48, UINT32_MAX);
    for (size_t at = MAP_AT - MEMORY_BASE; at + 24 <= MEMORY_SIZE; at += 24)
        add_memory_entry(memory + at, at * 0x1000, 0x1000, 1);
    assert_int_equal(parse_pvh(), 0);
    assert_int_equal(boot.memory_count, BOOT_MEMORY_RANGES_MAX);
    assert_int_equal(boot.memory_dropped, UINT32_MAX - BOOT_MEMORY_RANGES_MAX);
}

#define INFO_TEST(function) cmocka_unit_test_setup(function, start_info)
#define PVH_TEST(function)  cmocka_unit_test_setup(function, start_pvh)

UNIT_TESTS(INFO_TEST(test_multiboot2_everything), INFO_TEST(test_multiboot2_nothing),
           INFO_TEST(test_multiboot2_bad_memory_ranges),
           INFO_TEST(test_multiboot2_more_ranges_than_fit),
           INFO_TEST(test_multiboot2_entry_size_of_zero),
           INFO_TEST(test_multiboot2_broken_tags_end_it),
           INFO_TEST(test_framebuffers_that_make_no_sense), PVH_TEST(test_pvh_everything),
           PVH_TEST(test_pvh_version_0_has_no_map), PVH_TEST(test_pvh_is_not_there),
           PVH_TEST(test_pvh_long_cmdline), PVH_TEST(test_pvh_map_that_runs_out_of_memory))
