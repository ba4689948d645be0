/*
 * What the boot protocol told us, in one form.
 *
 * Multiboot2 and PVH are parsed into a struct boot_info once, by
 * kernel/boot/multiboot2.c and kernel/boot/pvh.c; nothing after that knows which it was.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/types.h"

enum boot_memory_type {
    BOOT_MEMORY_USABLE = 1, /* the numbers are E820's, which both protocols use */
    BOOT_MEMORY_RESERVED = 2,
    BOOT_MEMORY_ACPI_RECLAIMABLE = 3,
    BOOT_MEMORY_ACPI_NVS = 4,
    BOOT_MEMORY_BAD = 5,
};

struct boot_memory_range {
    paddr_t base;
    uint64_t length; /* bytes, never 0; base + length does not wrap */
    enum boot_memory_type type;
};

/* Linear framebuffer in direct-colour mode, as Multiboot2 tag 8 describes it. */
struct boot_framebuffer {
    paddr_t base; /* 0: there is none */
    uint32_t width;
    uint32_t height;
    uint32_t pitch; /* bytes from one line to the next */
    uint8_t bits_per_pixel;
    uint8_t red_shift, red_bits;
    uint8_t green_shift, green_bits;
    uint8_t blue_shift, blue_bits;
    bool is_refused; /* base is 0, because the loader's description made no sense */
};

#define BOOT_MEMORY_RANGES_MAX 512 /* E820 from UEFI firmware runs to about 150 */

struct boot_info {
    const char *protocol;    /* "Multiboot2" or "PVH" */
    const char *loader_name; /* "" when the loader does not say */
    char *cmdline;           /* NUL-terminated, any length; "" when there is none; writable:
                              * parameters_parse() cuts it into words where it lies */

    struct boot_memory_range memory[BOOT_MEMORY_RANGES_MAX];
    size_t memory_count;
    size_t memory_dropped; /* ranges that did not fit or made no sense */

    /* Where the ACPI RSDP is: a physical address, or a copy that the loader made; 0 if unknown,
     * then the BIOS areas are searched. */
    paddr_t rsdp;

    /* The loader's own structure (with cmdline and rsdp copy in it): kept reserved. */
    paddr_t info_base;
    uint64_t info_length;

    paddr_t initrd_base; /* first module; length 0 when there is none */
    uint64_t initrd_length;

    struct boot_framebuffer framebuffer;
};

/** boot_info() - the description of this boot; constant after early start. Context: any. */
const struct boot_info *boot_info(void);
