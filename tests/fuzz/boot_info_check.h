/*
 * What must hold of a struct boot_info whatever the loader wrote.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "kernel/boot/boot_info.h"

static inline void boot_info_check(const struct boot_info *boot)
{
    if (boot->memory_count > BOOT_MEMORY_RANGES_MAX || !boot->cmdline || !boot->loader_name)
        abort();
    for (size_t i = 0; i < boot->memory_count; i++) {
        const struct boot_memory_range *range = &boot->memory[i];
        if (range->length == 0 || range->base + range->length < range->base)
            abort();
        if (range->type < BOOT_MEMORY_USABLE || range->type > BOOT_MEMORY_BAD)
            abort();
    }
    if (boot->framebuffer.base &&
        boot->framebuffer.width * (boot->framebuffer.bits_per_pixel / 8u) > boot->framebuffer.pitch)
        abort();
    /* Read to their ends. */
    if (strlen(boot->cmdline) + strlen(boot->loader_name) == SIZE_MAX)
        abort();
}
