/*
 * Symbols of kernel.ld. Each is an address: only &symbol means something, hence the arrays.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "arch/x86_64/layout.h"
#include "lib/compiler.h"
#include "lib/types.h"

extern char kernel_start[];
extern char kernel_text_start[];
extern char kernel_text_end[];
extern char kernel_rodata_start[];
extern char kernel_rodata_end[];
extern char kernel_data_start[];
extern char kernel_data_end[];
extern char kernel_end[];

/* Parts of the image that are given back after the boot; whole pages. */
extern char kernel_init_text_start[];
extern char kernel_init_text_end[];
extern char kernel_init_rodata_start[];
extern char kernel_init_rodata_end[];
extern char kernel_init_data_start[];
extern char kernel_init_data_end[];
extern char kernel_init_bss_start[];
extern char kernel_init_bss_end[];

extern char percpu_template_start[];
extern char percpu_template_end[];
extern char percpu_boot_start[]; /* the BSP's copy */

extern char boot_stack_guard[];
extern char boot_stack[];
extern char boot_stack_end[];

/** image_is_released() - was it part of the image until the boot was over? Context: any. */
bool image_is_released(uintptr_t address);

/* Physical address of something in the kernel image. */
static inline paddr_t image_to_phys(const void *address)
{
    return (uintptr_t)address - KERNEL_VIRTUAL_BASE + KERNEL_PHYSICAL_BASE;
}
