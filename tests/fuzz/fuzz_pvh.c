/*
 * The PVH start information: the input is physical memory from MEMORY_BASE on; the structure is
 * its first bytes, and may point anywhere.
 */
#include "kernel/boot/pvh.h"
#include "tests/fuzz/boot_info_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY_BASE 0x1000

struct memory {
    uint8_t *bytes;
    size_t size;
};

static void *map_memory(void *context, paddr_t base, size_t size)
{
    struct memory *memory = context;

    if (base < MEMORY_BASE || base - MEMORY_BASE > memory->size ||
        size > memory->size - (base - MEMORY_BASE))
        return NULL;
    return memory->bytes + (base - MEMORY_BASE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot_info boot;
    struct memory memory = { .bytes = malloc(size ? size : 1), .size = size };

    memcpy(memory.bytes, data, size);
    int error = pvh_parse(map_memory, &memory, MEMORY_BASE, &boot);
    if (error && size >= 40 && memcmp(data, "\x78\xc5\x6e\x33", 4) == 0)
        abort();
    boot_info_check(&boot);
    free(memory.bytes);
    return 0;
}
