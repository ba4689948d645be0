/*
 * The inline half of the machine's contract (arch/inline.h) on x86-64.
 *
 * GS points at this CPU's copy of the per-CPU section, which starts with struct cpu_local; each
 * accessor is one instruction, so it is whole even if the task is moved to another CPU around it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/types.h"

struct task;

/* Start of every CPU's per-CPU area. The offsets are known to assembly and, 40, to the compiler. */
struct cpu_local {
    uintptr_t percpu_offset; /* 0: this copy's distance from the section */
    struct task *task;       /* 8: running here */
    uint32_t cpu;            /* 16: logical number */
    int32_t preempt_count;   /* 20 */
    uintptr_t scratch[2];    /* 24: for entry code */
    uintptr_t stack_canary;  /* 40: -mstack-protector-guard-offset=40 */
    uint16_t pending;        /* 48: flags of what preemption holds off */
    uint8_t has_slow_sti;    /* 50: irq_restore() had better use POPF */
};

#define CPU_LOCAL_PERCPU_OFFSET 0
#define CPU_LOCAL_TASK          8
#define CPU_LOCAL_CPU           16
#define CPU_LOCAL_PREEMPT_COUNT 20
#define CPU_LOCAL_STACK_CANARY  40
#define CPU_LOCAL_PENDING       48
#define CPU_LOCAL_HAS_SLOW_STI  50

static inline uintptr_t percpu_offset(void)
{
    uintptr_t offset;
    __asm__ volatile("movq %%gs:%c1, %0" : "=r"(offset) : "i"(CPU_LOCAL_PERCPU_OFFSET));
    return offset;
}

static inline unsigned int cpu_current(void)
{
    unsigned int cpu;
    __asm__ volatile("movl %%gs:%c1, %0" : "=r"(cpu) : "i"(CPU_LOCAL_CPU));
    return cpu;
}

static inline struct task *cpu_task(void)
{
    struct task *task;
    __asm__ volatile("movq %%gs:%c1, %0" : "=r"(task) : "i"(CPU_LOCAL_TASK));
    return task;
}

static inline void cpu_set_task(struct task *task)
{
    __asm__ volatile("movq %0, %%gs:%c1" : : "r"(task), "i"(CPU_LOCAL_TASK) : "memory");
}

static inline void cpu_set_stack_canary(uintptr_t canary)
{
    __asm__ volatile("movq %0, %%gs:%c1" : : "r"(canary), "i"(CPU_LOCAL_STACK_CANARY) : "memory");
}

static inline uintptr_t cpu_stack_canary(void)
{
    uintptr_t canary;
    __asm__ volatile("movq %%gs:%c1, %0" : "=r"(canary) : "i"(CPU_LOCAL_STACK_CANARY));
    return canary;
}

static inline void cpu_preempt_count_add(int delta)
{
    __asm__ volatile("addl %0, %%gs:%c1"
                     :
                     : "er"(delta), "i"(CPU_LOCAL_PREEMPT_COUNT)
                     : "memory", "cc");
}

static inline int cpu_preempt_count(void)
{
    int count;
    __asm__ volatile("movl %%gs:%c1, %0" : "=r"(count) : "i"(CPU_LOCAL_PREEMPT_COUNT));
    return count;
}

static inline void cpu_pending_set(uint16_t flags)
{
    __asm__ volatile("orw %0, %%gs:%c1" : : "ri"(flags), "i"(CPU_LOCAL_PENDING) : "memory", "cc");
}

static inline void cpu_pending_clear(uint16_t flags)
{
    __asm__ volatile("andw %0, %%gs:%c1"
                     :
                     : "ri"((uint16_t)~flags), "i"(CPU_LOCAL_PENDING)
                     : "memory", "cc");
}

static inline bool cpu_pending_test(uint16_t flags)
{
    bool is_any; /* read from the flags of TESTW, with no instruction of its own */
    __asm__ volatile("testw %1, %%gs:%c2"
                     : "=@ccnz"(is_any)
                     : "ri"(flags), "i"(CPU_LOCAL_PENDING)
                     : "memory");
    return is_any;
}

static inline uintptr_t cpu_code_address(void)
{
    uintptr_t here;
    __asm__ volatile("leaq 0(%%rip), %0" : "=r"(here));
    return here;
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

static __always_inline void cpu_mark(unsigned int mark)
{
    __asm__ volatile("nopl %c0(%%rax)" : : "i"('n' | 'o' << 8 | 's' << 16 | mark << 24) : "memory");
}

static inline uint64_t cpu_cycle_counter(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

#define RFLAGS_IF (1UL << 9)

static inline irqflags_t irq_save(void)
{
    irqflags_t flags;
    __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags) : : "memory");
    return flags;
}

static inline void irq_enable(void)
{
    __asm__ volatile("sti" ::: "memory");
}

static inline void irq_disable(void)
{
    __asm__ volatile("cli" ::: "memory");
}

static inline void cpu_set_slow_sti(bool has_slow_sti)
{
    __asm__ volatile("movb %0, %%gs:%c1"
                     :
                     : "q"((uint8_t)has_slow_sti), "i"(CPU_LOCAL_HAS_SLOW_STI)
                     : "memory");
}

static inline bool cpu_has_slow_sti(void)
{
    bool has_slow_sti;
    __asm__ volatile("testb $1, %%gs:%c1"
                     : "=@ccnz"(has_slow_sti)
                     : "i"(CPU_LOCAL_HAS_SLOW_STI)
                     : "memory");
    return has_slow_sti;
}

/*
 * A processor takes some 20 cycles for POPF and a few for STI. QEMU's emulator leaves its
 * translated code after either; but because STI holds interrupts off for one more instruction, that
 * one is translated alone, and left again: kmalloc() and kfree() of 64 bytes were 140 ns by STI and
 * 80 by POPF.
 */
static inline void irq_restore(irqflags_t flags)
{
    if (cpu_has_slow_sti())
        __asm__ volatile("pushq %0\n\tpopfq" : : "r"(flags) : "memory", "cc");
    else if (flags & RFLAGS_IF)
        irq_enable();
    else
        irq_disable();
}

static inline bool irq_is_enabled(void)
{
    irqflags_t flags;
    __asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags) : : "memory");
    return flags & RFLAGS_IF;
}

/* The direct map of all RAM: PML4 slots 272 to 399, 64 TiB. */
#define DIRECT_MAP_BASE 0xFFFF880000000000UL
#define DIRECT_MAP_SIZE 0x0000400000000000UL

static inline void *phys_to_virt(paddr_t paddr)
{
    return (void *)(DIRECT_MAP_BASE + paddr);
}

static inline paddr_t direct_map_to_phys(const void *ptr)
{
    return (uintptr_t)ptr - DIRECT_MAP_BASE;
}

static inline bool is_direct_map(const void *ptr)
{
    return (uintptr_t)ptr - DIRECT_MAP_BASE < DIRECT_MAP_SIZE;
}

#define DEFINE_MMIO_(bits, suffix, reg)                                                            \
    static inline uint##bits##_t mmio_read##bits(const volatile void *address)                     \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
        __asm__ volatile("mov" suffix " %1, %0"                                                    \
                         : "=" reg(value)                                                          \
                         : "m"(*(const volatile uint##bits##_t *)address)                          \
                         : "memory");                                                              \
        return value;                                                                              \
    }                                                                                              \
    static inline void mmio_write##bits(volatile void *address, uint##bits##_t value)              \
    {                                                                                              \
        __asm__ volatile("mov" suffix " %0, %1"                                                    \
                         :                                                                         \
                         : reg(value), "m"(*(volatile uint##bits##_t *)address)                    \
                         : "memory");                                                              \
    }
DEFINE_MMIO_(8, "b", "q")
DEFINE_MMIO_(16, "w", "r")
DEFINE_MMIO_(32, "l", "r")
DEFINE_MMIO_(64, "q", "r")
#undef DEFINE_MMIO_

#define DEFINE_PORT_(bits, suffix)                                                                 \
    static inline uint##bits##_t port_read##bits(uint16_t port)                                    \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
        __asm__ volatile("in" suffix " %1, %0" : "=a"(value) : "Nd"(port) : "memory");             \
        return value;                                                                              \
    }                                                                                              \
    static inline void port_write##bits(uint16_t port, uint##bits##_t value)                       \
    {                                                                                              \
        __asm__ volatile("out" suffix " %0, %1" : : "a"(value), "Nd"(port) : "memory");            \
    }
DEFINE_PORT_(8, "b")
DEFINE_PORT_(16, "w")
DEFINE_PORT_(32, "l")
#undef DEFINE_PORT_

/* arch/x86_64/emulated_barrier.c; const after INIT_SMP */
extern bool emulator_may_drop_barriers;

static inline void memory_barrier(void)
{
    __asm__ volatile("mfence" ::: "memory");
    if (unlikely(emulator_may_drop_barriers))
        __asm__ volatile("invlpg (%0)" : : "r"(0UL) : "memory");
}

/* Loads are not reordered with loads, nor stores with stores (SDM vol. 3A 9.2.2, write-back). */
static inline void memory_read_barrier(void)
{
    compiler_barrier();
}

static inline void memory_write_barrier(void)
{
    compiler_barrier();
}
