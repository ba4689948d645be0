/*
 * Where an AP starts: real mode, at the page below 1 MiB that its SIPI named (SDM vol. 3A 9.4.4).
 * smp.c copies this code there and fills in the parameters. It goes from real mode to long mode in
 * one step, by tables that map this page at its own address, read and execute only, and the kernel
 * where it always is.
 *
 * All APs run this at once. Nothing is written until each has found its own number and stack.
 */
#include "arch/x86_64/layout.h"

#define CR0_PE (1 << 0)
#define CR0_WP (1 << 16)
#define CR0_PG (1 << 31)
#define CR4_PAE (1 << 5)
#define MSR_EFER    0xC0000080
#define MSR_GS_BASE 0xC0000101

#define OFFSET(label) (label - trampoline_start)

    .section .rodata.trampoline, "a"
    .globl trampoline_start, trampoline_end, trampoline_parameters
    .balign 16
    .code16
trampoline_start:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl OFFSET(trampoline_gdt_pointer)
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl OFFSET(parameter_root), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    movl OFFSET(parameter_efer), %eax
    xorl %edx, %edx
    wrmsr
    movl $(CR0_PE | CR0_WP | CR0_PG), %eax
    movl %eax, %cr0
    ljmpl *OFFSET(parameter_long_mode)

    .balign 4
    .globl trampoline_long_mode
    .code64
trampoline_long_mode:
    movw $SELECTOR_KERNEL_DATA, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movabsq $ap_entry, %rax
    jmp *%rax

    .balign 8
trampoline_gdt:
    .quad 0
    .quad 0x00AF9B000000FFFF
    .quad 0x00CF93000000FFFF
/* struct trampoline_parameters (smp.c) */
    .balign 4
trampoline_parameters:
trampoline_gdt_pointer:
    .short 23
    .long 0 /* gdt_base */
    .short 0
parameter_root:
    .long 0
parameter_efer:
    .long 0
parameter_long_mode:
    .long 0
    .short SELECTOR_KERNEL_CODE
    .short 0
trampoline_end:
    .globl trampoline_gdt

/*
 * In the kernel proper now. The CPU looks itself up by its APIC id: by leaf 0BH where there is one,
 * which has all 32 bits, else by leaf 1.
 */
    .text
    .type ap_entry, @function
ap_entry:
    xorl %eax, %eax
    cpuid
    cmpl $0xB, %eax
    jb 1f
    movl $0xB, %eax
    xorl %ecx, %ecx
    cpuid
    testl %ebx, %ebx
    jz 1f
    movl %edx, %edi
    jmp 2f
1:  movl $1, %eax
    cpuid
    shrl $24, %ebx
    movl %ebx, %edi

2:  leaq ap_slots(%rip), %rsi
    movl ap_slot_count(%rip), %ecx
3:  testl %ecx, %ecx
    jz 4f
    cmpl %edi, (%rsi) /* ap_slot.apic_id */
    je 5f
    addq $AP_SLOT_SIZE, %rsi
    decl %ecx
    jmp 3b
4:  cli /* not expected: stay out */
    hlt
    jmp 4b

5:  movq 8(%rsi), %rax /* ap_slot.area */
    movq %rax, %rdx
    shrq $32, %rdx
    movl $MSR_GS_BASE, %ecx
    wrmsr
    movq 16(%rsi), %rsp /* ap_slot.stack_top */
    movq %rsi, %rdi
    xorl %ebp, %ebp
    pushq $0
    pushq $0
    call ap_main
    ud2
    .size ap_entry, . - ap_entry
