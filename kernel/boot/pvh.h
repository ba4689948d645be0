/*
 * PVH start information (hvm_start_info) into struct boot_info. Pure: reads what the reader gives.
 *
 * Spec: Xen public/arch-x86/hvm/start_info.h; also spoken by QEMU, Firecracker, Cloud Hypervisor.
 */
#pragma once

#include "kernel/boot/boot_info.h"

/*
 * How physical memory is reached. Return: @size readable and writable bytes at @base, or NULL
 * where there is no such memory; valid for ever. @size is never 0.
 */
typedef void *pvh_map_memory(void *context, paddr_t base, size_t size);

/**
 * pvh_parse() - read the structure at @start_info
 * @boot: filled in; the command line is used where it lies, and is what info_base names
 *
 * Return: 0; -EINVAL when it is not there (@boot is then an empty description).
 */
int __must_check pvh_parse(pvh_map_memory *map, void *context, paddr_t start_info,
                           struct boot_info *boot);
