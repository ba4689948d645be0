/*
 * void context_switch(struct context *from, struct context *to)
 *
 * Keeps what the ABI says a call keeps (System V AMD64 ABI 3.2.1) on the stack of @from.
 * context.c lays out a new task's stack to match (struct context_frame). The stack guard's canary
 * is each task's own: the scheduler sets it (cpu_set_stack_canary()).
 */

    .text
    .globl context_switch
    .type context_switch, @function
context_switch:
    pushq %rbp
    movq %rsp, %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size context_switch, . - context_switch

/* The first return of a new task leads here: R12 is its entry, R13 the argument. */
    .globl context_entry
    .type context_entry, @function
context_entry:
    xorl %ebp, %ebp
    movq %r13, %rdi
    call *%r12
    ud2
    .size context_entry, . - context_entry
