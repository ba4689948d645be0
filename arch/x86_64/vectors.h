/*
 * The 256 interrupt vectors of each CPU. Priorities rise with the number, 16 to a class
 * (SDM vol. 3A 11.8.3). For C and assembly.
 */
#pragma once

#define VECTOR_COUNT     256
#define VECTOR_STUB_SIZE 16

/* Exceptions: SDM vol. 3A table 6-1. */
#define VECTOR_DIVIDE             0
#define VECTOR_DEBUG              1
#define VECTOR_NMI                2
#define VECTOR_BREAKPOINT         3
#define VECTOR_INVALID_OPCODE     6
#define VECTOR_NO_FPU             7
#define VECTOR_DOUBLE_FAULT       8
#define VECTOR_INVALID_TSS        10
#define VECTOR_NO_SEGMENT         11
#define VECTOR_STACK_SEGMENT      12
#define VECTOR_GENERAL_PROTECTION 13
#define VECTOR_PAGE_FAULT         14
#define VECTOR_ALIGNMENT          17
#define VECTOR_MACHINE_CHECK      18
#define VECTOR_CONTROL_PROTECTION 21
#define VECTOR_VMM                29
#define VECTOR_SECURITY           30
#define VECTOR_EXCEPTION_COUNT    32

#define VECTOR_PIC_BASE 0x20 /* where the masked 8259 pair would interrupt: spurious ones only */
#define VECTOR_PIC_END  0x30

#define VECTOR_DEVICE_FIRST 0x30 /* given out by interrupts.c */
#define VECTOR_DEVICE_LAST  0xEF

#define VECTOR_IPI_RESCHEDULE 0xF0
#define VECTOR_IPI_CALL       0xF1
#define VECTOR_TIMER          0xF2
#define VECTOR_APIC_ERROR     0xFE
#define VECTOR_SPURIOUS       0xFF /* low four bits set: older APICs fix them so */
