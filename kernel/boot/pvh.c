/*
 * PVH start information: one structure with physical addresses of the command line, the memory
 * map and the modules, each of which may lie anywhere.
 */
#include "kernel/boot/pvh.h"

#include "kernel/boot/boot_info_fill.h"
#include "kernel/init.h"
#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/string.h"

#define START_INFO_MAGIC  0x336ec578u
#define START_INFO_V0     40 /* magic, version, flags, modules, cmdline, rsdp */
#define START_INFO_V1     56 /* and the memory map */
#define MEMORY_ENTRY_SIZE 24 /* u64 address, u64 size, u32 type, u32 reserved */
#define MODULE_ENTRY_SIZE 32 /* u64 address, u64 size, u64 cmdline, u64 reserved */
#define CMDLINE_MAX       (1024 * 1024)
#define CMDLINE_STEP      256

struct reader {
    pvh_map_memory *map;
    void *context;
};

static void *__init map_bytes(const struct reader *reader, paddr_t base, size_t size)
{
    if (base == 0 || size > UINT64_MAX - base)
        return NULL;
    return reader->map(reader->context, base, size);
}

/* The protocol does not tell the length: look for the end in steps that stay within 256 bytes. */
static void __init parse_cmdline(const struct reader *reader, paddr_t base, struct boot_info *boot)
{
    uint64_t length = 0;

    while (length < CMDLINE_MAX) {
        size_t step = CMDLINE_STEP - (base + length) % CMDLINE_STEP;
        const char *piece = map_bytes(reader, base + length, step);
        if (!piece)
            return;
        const char *end = memchr(piece, '\0', step);
        if (end) {
            length += (uint64_t)(end - piece) + 1;
            char *cmdline = map_bytes(reader, base, length);
            if (!cmdline || cmdline[length - 1] != '\0')
                return;
            boot->cmdline = cmdline;
            boot->info_base = base;
            boot->info_length = length;
            return;
        }
        length += step;
    }
}

static void __init parse_memory_map(const struct reader *reader, paddr_t base, uint32_t count,
                                    struct boot_info *boot)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry =
            map_bytes(reader, base + (uint64_t)i * MEMORY_ENTRY_SIZE, MEMORY_ENTRY_SIZE);
        if (!entry || boot->memory_count == BOOT_MEMORY_RANGES_MAX) {
            boot->memory_dropped += count - i;
            return;
        }
        boot_info_add_memory(boot, load_le64(entry), load_le64(entry + 8), load_le32(entry + 16));
    }
}

static void __init parse_first_module(const struct reader *reader, paddr_t base,
                                      struct boot_info *boot)
{
    const uint8_t *entry = map_bytes(reader, base, MODULE_ENTRY_SIZE);

    if (!entry)
        return;
    uint64_t start = load_le64(entry);
    uint64_t length = load_le64(entry + 8);
    if (length && length <= UINT64_MAX - start) {
        boot->initrd_base = start;
        boot->initrd_length = length;
    }
}

int __init pvh_parse(pvh_map_memory *map, void *context, paddr_t start_info, struct boot_info *boot)
{
    struct reader reader = { map, context };

    boot_info_init(boot, "PVH");
    const uint8_t *info = map_bytes(&reader, start_info, START_INFO_V0);
    if (!info || load_le32(info) != START_INFO_MAGIC)
        return -EINVAL;

    uint32_t version = load_le32(info + 4);
    if (load_le32(info + 12))
        parse_first_module(&reader, load_le64(info + 16), boot);
    parse_cmdline(&reader, load_le64(info + 24), boot);
    boot->rsdp = load_le64(info + 32);
    if (version >= 1 && (info = map_bytes(&reader, start_info, START_INFO_V1)) != NULL)
        parse_memory_map(&reader, load_le64(info + 40), load_le32(info + 48), boot);
    return 0;
}
