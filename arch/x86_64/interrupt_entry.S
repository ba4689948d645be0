/*
 * Where the IDT points: one stub per vector, all leading to interrupt_dispatch() with the
 * interrupted registers on the stack (struct cpu_registers).
 */
#include "arch/x86_64/vectors.h"

#define HAS_ERROR_CODE(v) \
    (((v) == VECTOR_DOUBLE_FAULT) || ((v) >= VECTOR_INVALID_TSS && (v) <= VECTOR_PAGE_FAULT) || \
     ((v) == VECTOR_ALIGNMENT) || ((v) == VECTOR_CONTROL_PROTECTION) || ((v) == VECTOR_VMM) || \
     ((v) == VECTOR_SECURITY))

    .text
    .globl interrupt_stubs
    .type interrupt_stubs, @function
    .balign VECTOR_STUB_SIZE
interrupt_stubs:
    .set vector, 0
    .rept VECTOR_COUNT
    .balign VECTOR_STUB_SIZE
    .if !(HAS_ERROR_CODE(vector))
    pushq $0
    .endif
    pushq $vector
    jmp interrupt_common
    .set vector, vector + 1
    .endr
    .balign VECTOR_STUB_SIZE
    .size interrupt_stubs, . - interrupt_stubs

/*
 * The CPU aligned the stack to 16 bytes and pushed 5 words; with error code, vector and 15
 * registers that makes 22, so the stack is aligned at the call.
 *
 * GS is the kernel's already unless user code was interrupted. An NMI, #MC or #DF between the
 * entry from user code and its SWAPGS would see the wrong one; there is no user code yet, and the
 * day there is these three need the test by RDMSR instead.
 */
    .type interrupt_common, @function
interrupt_common:
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %rax
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    testb $3, 144(%rsp) /* interrupted CS */
    jz 1f
    swapgs
1:  movq %rsp, %rdi
    movq %rsp, %rbx
    /* A frame as if the interrupted instruction had called us, for backtraces. */
    pushq 136(%rdi)
    pushq %rbp
    movq %rsp, %rbp
    call interrupt_dispatch
    movq %rbx, %rsp
    testb $3, 144(%rsp)
    jz 2f
    swapgs
2:  popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rax
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
    addq $16, %rsp /* vector and error code */
    iretq
    .size interrupt_common, . - interrupt_common
