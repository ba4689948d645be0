/*
 * What the two parsers share: filling a struct boot_info with things that make sense.
 */
#pragma once

#include "kernel/boot/boot_info.h"

/** boot_info_init() - an empty description. */
void boot_info_init(struct boot_info *boot, const char *protocol);

/**
 * boot_info_add_memory() - one range of the firmware's map
 * Empty and wrapping ones and those that do not fit are counted in memory_dropped; an unknown
 * type is reserved.
 */
void boot_info_add_memory(struct boot_info *boot, uint64_t base, uint64_t length, uint32_t type);

/** boot_framebuffer_is_sane() - can pixels be drawn in it without leaving it? */
bool boot_framebuffer_is_sane(const struct boot_framebuffer *framebuffer);
