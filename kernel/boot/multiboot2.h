/*
 * Multiboot2 boot information into struct boot_info. Pure: reads the bytes given, nothing else.
 *
 * Spec: Multiboot2 Specification version 2.0, 3.6 Boot information format.
 */
#pragma once

#include "kernel/boot/boot_info.h"

#define MULTIBOOT2_BOOTLOADER_MAGIC 0x36d76289u

/**
 * multiboot2_parse() - read the tags
 * @info: as the loader left it, 8-byte aligned, writable (the command line is used where it lies)
 * @size: how much of it may be read; the structure's own size may be less
 * @base: its physical address
 * @boot: filled in; strings point into @info
 *
 * A tag that is cut short or makes no sense ends or is left out; what came before counts.
 * Return: 0; -EINVAL when even the header is not there (@boot is then an empty description).
 */
int __must_check multiboot2_parse(void *info, size_t size, paddr_t base, struct boot_info *boot);
