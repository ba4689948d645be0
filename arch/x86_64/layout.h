/*
 * Where things are in memory, for C and assembly.
 *
 * Virtual addresses (4-level paging, SDM vol. 3A 4.5):
 *   0000000000000000 - 00007fffffffffff  user half; empty, so a null pointer faults
 *   ffff800001000000                     kernel image (PML4 slot 256)
 *   ffff880000000000 + 64 TiB            direct map of RAM (slots 272-399), arch/x86_64/inline.h
 *   ffffc80000000000 + 512 GiB           stacks, device registers, large allocations (slot 400)
 *
 * The dynamic range is exactly one PML4 slot, whose table exists from the start: a mapping made
 * there shows up in every address space that shares the kernel's half, without being copied.
 */
#pragma once

/* kernel.ld holds the first two as well: it is not preprocessed. */
#define KERNEL_PHYSICAL_BASE 0x200000
#define KERNEL_VIRTUAL_BASE  0xFFFF800001000000

#define DYNAMIC_RANGE_BASE 0xFFFFC80000000000
#define DYNAMIC_RANGE_SIZE 0x0000008000000000

/* The boot stack: what the BSP runs on until the scheduler has its first task. */
#define BOOT_STACK_SIZE 0x4000

/* The early page tables map this much, 1:1 and at the direct map (boot.S). */
#define EARLY_MAP_GIB  4
#define EARLY_MAP_SIZE 0x100000000

/* Segment selectors, the same on every CPU (descriptor_tables.c). The order of the user entries
 * is what SYSRET wants: SS at base + 8, 64-bit CS at base + 16 (SDM vol. 2B, SYSRET). */
#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_DATA 0x10
#define SELECTOR_USER_BASE   0x18 /* a 32-bit code segment would be here */
#define SELECTOR_USER_DATA   0x20
#define SELECTOR_USER_CODE   0x28
#define SELECTOR_TSS         0x30 /* takes two entries */
#define GDT_ENTRIES          8

/* Who started us, as boot.S tells x86_64_start(). */
#define BOOT_BY_MULTIBOOT2 2
#define BOOT_BY_PVH        3

/* sizeof(struct ap_slot), smp.c and trampoline.S. */
#define AP_SLOT_SIZE 40
