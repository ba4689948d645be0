/*
 * Multiboot2 boot information: a size, then tags of type, size and data, each 8-byte aligned.
 */
#include "kernel/boot/multiboot2.h"

#include "kernel/boot/boot_info_fill.h"
#include "kernel/init.h"
#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/string.h"

enum tag_type {
    TAG_END = 0,
    TAG_CMDLINE = 1,
    TAG_LOADER_NAME = 2,
    TAG_MODULE = 3,
    TAG_MEMORY_MAP = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_RSDP_OLD = 14,
    TAG_RSDP_NEW = 15,
};

#define HEADER_SIZE     8  /* u32 total size, u32 reserved */
#define TAG_HEADER_SIZE 8  /* u32 type, u32 size with this header */
#define MMAP_HEADER     16 /* tag header, u32 entry size, u32 entry version */
#define MMAP_ENTRY_MIN  24 /* u64 base, u64 length, u32 type, u32 reserved */
#define FRAMEBUFFER_RGB 1
#define FRAMEBUFFER_MIN 38 /* up to and with the direct-colour fields */
#define MODULE_MIN      16

struct tag {
    uint32_t type;
    uint32_t size;    /* with the header, checked against the end of the information */
    uint8_t *bytes;   /* the header's first byte */
    paddr_t physical; /* of bytes */
};

/* The string behind @offset, NULL when it has no end within the tag. */
static char *__init tag_string(const struct tag *tag, size_t offset)
{
    if (tag->size <= offset || !memchr(tag->bytes + offset, '\0', tag->size - offset))
        return NULL;
    return (char *)tag->bytes + offset;
}

static void __init parse_memory_map(const struct tag *tag, struct boot_info *boot)
{
    if (tag->size < MMAP_HEADER)
        return;
    uint32_t entry_size = load_le32(tag->bytes + 8);
    if (entry_size < MMAP_ENTRY_MIN)
        return;
    for (size_t offset = MMAP_HEADER; tag->size - offset >= entry_size; offset += entry_size) {
        const uint8_t *entry = tag->bytes + offset;
        boot_info_add_memory(boot, load_le64(entry), load_le64(entry + 8), load_le32(entry + 16));
    }
}

static void __init parse_module(const struct tag *tag, struct boot_info *boot)
{
    if (tag->size < MODULE_MIN || boot->initrd_length)
        return;
    uint32_t start = load_le32(tag->bytes + 8);
    uint32_t end = load_le32(tag->bytes + 12);
    if (end > start) {
        boot->initrd_base = start;
        boot->initrd_length = end - start;
    }
}

static void __init parse_framebuffer(const struct tag *tag, struct boot_info *boot)
{
    const uint8_t *bytes = tag->bytes;

    if (tag->size < FRAMEBUFFER_MIN || bytes[29] != FRAMEBUFFER_RGB)
        return;
    struct boot_framebuffer framebuffer = {
        .base = load_le64(bytes + 8),
        .pitch = load_le32(bytes + 16),
        .width = load_le32(bytes + 20),
        .height = load_le32(bytes + 24),
        .bits_per_pixel = bytes[28],
        .red_shift = bytes[32],
        .red_bits = bytes[33],
        .green_shift = bytes[34],
        .green_bits = bytes[35],
        .blue_shift = bytes[36],
        .blue_bits = bytes[37],
    };
    if (!boot_framebuffer_is_sane(&framebuffer)) {
        framebuffer.base = 0;
        framebuffer.is_refused = true;
    }
    boot->framebuffer = framebuffer;
}

static void __init parse_tag(const struct tag *tag, struct boot_info *boot)
{
    char *text;

    switch (tag->type) {
    case TAG_CMDLINE:
        text = tag_string(tag, TAG_HEADER_SIZE);
        boot->cmdline = text ? text : boot->cmdline;
        break;
    case TAG_LOADER_NAME:
        text = tag_string(tag, TAG_HEADER_SIZE);
        boot->loader_name = text ? text : boot->loader_name;
        break;
    case TAG_MODULE:
        parse_module(tag, boot);
        break;
    case TAG_MEMORY_MAP:
        parse_memory_map(tag, boot);
        break;
    case TAG_FRAMEBUFFER:
        parse_framebuffer(tag, boot);
        break;
    case TAG_RSDP_OLD: /* kept only until the new one comes */
        if (boot->rsdp == 0 && tag->size > TAG_HEADER_SIZE)
            boot->rsdp = tag->physical + TAG_HEADER_SIZE;
        break;
    case TAG_RSDP_NEW:
        if (tag->size > TAG_HEADER_SIZE)
            boot->rsdp = tag->physical + TAG_HEADER_SIZE;
        break;
    default: /* what we have no use for */
        break;
    }
}

int __init multiboot2_parse(void *info, size_t size, paddr_t base, struct boot_info *boot)
{
    uint8_t *bytes = info;

    boot_info_init(boot, "Multiboot2");
    if (size < HEADER_SIZE || load_le32(bytes) < HEADER_SIZE)
        return -EINVAL;

    size_t total = MIN_T(size_t, size, load_le32(bytes));
    boot->info_base = base;
    boot->info_length = total;
    for (size_t offset = HEADER_SIZE; offset <= total && total - offset >= TAG_HEADER_SIZE;) {
        struct tag tag = {
            .type = load_le32(bytes + offset),
            .size = load_le32(bytes + offset + 4),
            .bytes = bytes + offset,
            .physical = base + offset,
        };
        if (tag.type == TAG_END || tag.size < TAG_HEADER_SIZE || tag.size > total - offset)
            break;
        parse_tag(&tag, boot);
        offset += ALIGN_UP((size_t)tag.size, 8);
    }
    return 0;
}
