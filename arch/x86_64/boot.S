/*
 * The first instructions: from a boot loader's 32-bit protected mode to x86_64_start() in the high
 * half. Both protocols enter with paging off, flat 32-bit segments, interrupts off and a physical
 * pointer in EBX (Multiboot2 3.3 "I386 machine state"; Xen's PVH "x86/HVM direct boot ABI").
 *
 * Early page tables map the first 4 GiB, by 2 MiB pages, at 0 and at the direct map, and the
 * kernel image at its link address. mmu_boot.c replaces them by ones with proper rights.
 */
#include "arch/x86_64/layout.h"

#define PAGE_PRESENT 0x001
#define PAGE_WRITE   0x002
#define PAGE_LARGE   0x080

#define CR0_PG  (1 << 31)
#define CR0_WP  (1 << 16)
#define CR4_PAE (1 << 5)

#define MSR_EFER    0xC0000080
#define EFER_LME    (1 << 8)
#define EFER_NXE    (1 << 11)
#define MSR_GS_BASE 0xC0000101

#define MULTIBOOT2_HEADER_MAGIC 0xE85250D6
#define MULTIBOOT2_LOADER_MAGIC 0x36D76289
#define PVH_START_MAGIC         0x336EC578

    .section .boot.header, "a"
    .balign 8
multiboot2_header:
    .long MULTIBOOT2_HEADER_MAGIC
    .long 0 /* architecture: i386 */
    .long multiboot2_header_end - multiboot2_header
    .long -(MULTIBOOT2_HEADER_MAGIC + (multiboot2_header_end - multiboot2_header))
    /* Information request: command line, memory map. Without the map we cannot go on. */
    .balign 8
    .short 1, 0
    .long 16
    .long 1, 6
    /* A framebuffer of any size is welcome, and none too: UEFI has no text mode, BIOS stays in it. */
    .balign 8
    .short 5, 1
    .long 20
    .long 0, 0, 0
    /* End of tags. */
    .balign 8
    .short 0, 0
    .long 8
multiboot2_header_end:

    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 4, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long pvh_entry

    .section .boot.text, "ax"
    .code32
    .globl multiboot2_entry
multiboot2_entry:
    movl $BOOT_BY_MULTIBOOT2, %edi
    cmpl $MULTIBOOT2_LOADER_MAGIC, %eax
    je enter_long_mode
    jmp die

    .globl pvh_entry
pvh_entry:
    movl $BOOT_BY_PVH, %edi
    cmpl $PVH_START_MAGIC, (%ebx)
    je enter_long_mode
    jmp die

/* EDI: protocol, EBX: the loader's information. */
enter_long_mode:
    cli
    cld
    movl $boot_stack_low_end, %esp
    rdtsc
    movl %eax, boot_cycles
    movl %edx, boot_cycles + 4
    call boot_check_memory

    /* Long mode, and bit 20 (NX) into EBP: SDM vol. 2A, CPUID. */
    movl %ebx, %esi
    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb die_no_long_mode
    movl $0x80000001, %eax
    cpuid
    btl $29, %edx
    jnc die_no_long_mode
    movl %edx, %ebp

    call fill_early_page_tables

    movl $early_pml4, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $CR4_PAE, %eax
    movl %eax, %cr4

    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LME, %eax
    btl $20, %ebp
    jnc 1f
    orl $EFER_NXE, %eax
1:  wrmsr

    movl %cr0, %eax
    orl $(CR0_PG | CR0_WP), %eax
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $SELECTOR_KERNEL_CODE, $long_mode

/*
 * Writes the early tables. Page directories EARLY_MAP_GIB * 512 entries of 2 MiB each, one PDPT
 * over them, one over the kernel's; PML4 slots 0 (identity), 272 (direct map), 256 (image). They
 * are cleared first: see high_entry.
 */
fill_early_page_tables:
    pushl %edi
    movl $early_pml4, %edi
    movl $((early_directories - early_pml4) / 4), %ecx
    xorl %eax, %eax
    rep stosl
    popl %edi

    movl $early_directories, %edx
    movl $(PAGE_PRESENT | PAGE_WRITE | PAGE_LARGE), %eax
    xorl %ecx, %ecx
1:  movl %eax, (%edx, %ecx, 8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $(EARLY_MAP_GIB * 512), %ecx
    jne 1b

    movl $early_pdpt, %edx
    movl $(early_directories + PAGE_PRESENT + PAGE_WRITE), %eax
    xorl %ecx, %ecx
1:  movl %eax, (%edx, %ecx, 8)
    addl $0x1000, %eax
    incl %ecx
    cmpl $EARLY_MAP_GIB, %ecx
    jne 1b

    /* The image: 16 MiB from 0xFFFF800001000000, which is entry 8 of its page directory. */
    movl $early_image_directory + 8 * 8, %edx
    movl $(KERNEL_PHYSICAL_BASE + PAGE_PRESENT + PAGE_WRITE + PAGE_LARGE), %eax
    xorl %ecx, %ecx
1:  movl %eax, (%edx, %ecx, 8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $8, %ecx
    jne 1b

    movl $(early_image_directory + PAGE_PRESENT + PAGE_WRITE), early_image_pdpt
    movl $(early_pdpt + PAGE_PRESENT + PAGE_WRITE), early_pml4
    movl $(early_pdpt + PAGE_PRESENT + PAGE_WRITE), early_pml4 + 272 * 8
    movl $(early_image_pdpt + PAGE_PRESENT + PAGE_WRITE), early_pml4 + 256 * 8
    ret

die_no_long_mode:
    movl $message_no_long_mode, %esi
    jmp boot_die
die:
    movl $message_no_protocol, %esi
    jmp boot_die

message_no_long_mode:
    .asciz "nos: this CPU has no 64-bit mode\r\n"
message_no_protocol:
    .asciz "nos: started neither by Multiboot2 nor by PVH\r\n"

    .code64
long_mode:
    movw $SELECTOR_KERNEL_DATA, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movabsq $high_entry, %rax
    jmp *%rax

    .section .boot.data, "aw"
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00AF9B000000FFFF /* 64-bit code, ring 0 */
    .quad 0x00CF93000000FFFF /* data, ring 0 */
boot_gdt_pointer:
    .short boot_gdt_pointer - boot_gdt - 1
    .quad boot_gdt
    .balign 8
/* The time stamp counter at our first instruction: the origin of the kernel's time. */
boot_cycles:
    .quad 0

    .section .boot.bss, "aw", @nobits
    .balign 4096
early_pml4:
    .skip 4096
early_pdpt:
    .skip 4096
early_image_pdpt:
    .skip 4096
early_image_directory:
    .skip 4096
early_directories:
    .skip EARLY_MAP_GIB * 4096
boot_stack_low:
    .skip 256
boot_stack_low_end:

    .section .init.text, "ax"
    .code64
/* EDI: protocol, ESI: the loader's information (physical). */
    .globl high_entry
high_entry:
    leaq boot_stack_end(%rip), %rsp
    xorl %ebp, %ebp
    movl %edi, %r8d
    movl %esi, %r9d

    /*
     * Loaders clear .bss, but QEMU does so before it starts the firmware: in 4 MiB, ROMs of network
     * cards unpack themselves right there.
     */
    leaq kernel_init_bss_start(%rip), %rdi
    leaq kernel_end(%rip), %rcx
    subq %rdi, %rcx
    shrq $3, %rcx
    xorl %eax, %eax
    rep stosq

    /* The BSP's per-CPU area is a copy of the template; GS points at it from here on. */
    leaq percpu_template_start(%rip), %rsi
    leaq percpu_boot_start(%rip), %rdi
    leaq percpu_template_end(%rip), %rcx
    subq %rsi, %rcx
    movq %rdi, %r10
    subq %rsi, %r10
    movq %rdi, %rax
    rep movsb
    movq %r10, (%rax) /* cpu_local.percpu_offset */
    movq %rax, %rdx
    shrq $32, %rdx
    movl $MSR_GS_BASE, %ecx
    wrmsr

    movl %r8d, %edi
    movl %r9d, %esi
    movl $boot_cycles, %eax
    movq (%rax), %rdx
    pushq $0 /* ends the chain of frames, and aligns the stack as the ABI wants at a call */
    pushq $0
    call x86_64_start
    ud2
