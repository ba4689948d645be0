/*
 * bool fault_catch_call(function, arg, struct fault_frame *frame): calls function(arg) and returns
 * false. When an exception is caught, exception.c continues at fault_catch_resume with the stack
 * pointer of the frame, and the call returns true.
 */
    .text
    .globl fault_catch_call
    .type fault_catch_call, @function
fault_catch_call:
    pushq %rbp
    movq %rsp, %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $8, %rsp
    movq %rsp, (%rdx)
    movq %rdi, %rax
    movq %rsi, %rdi
    call *%rax
    xorl %eax, %eax
1:  addq $8, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .globl fault_catch_resume
fault_catch_resume:
    movl $1, %eax
    jmp 1b
    .size fault_catch_call, . - fault_catch_call
