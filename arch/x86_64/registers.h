/*
 * The registers of interrupted code, as interrupt_entry.S leaves them on the stack.
 */
#pragma once

#include <stdint.h>

struct cpu_registers {
    uint64_t r15, r14, r13, r12, rbp, rbx;
    uint64_t r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint64_t vector;
    uint64_t error_code; /* 0 where the CPU pushes none */
    /* Pushed by the CPU: SDM vol. 3A 6.14.2. */
    uint64_t rip, cs, rflags, rsp, ss;
};
