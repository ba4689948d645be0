/*
 * The inline half of the machine's contract (arch/inline.h) on a development machine: one simulated
 * CPU whose state is an ordinary structure. arch/host/host.c defines it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/types.h"

struct task;

struct host_cpu {
    struct task *task;
    int preempt_count;
    uint16_t pending;
    bool irq_enabled;
    bool has_chaos; /* chaos.c */
    uintptr_t stack_canary;
};
extern struct host_cpu host_cpu;

/* Stacks of instrumented code: several times the kernel's own. */
#define ARCH_TASK_STACK_SIZE (256 * 1024)

/* Runs what a pending simulated interrupt would, once interrupts are on again. */
void host_irq_enabled(void);

static inline uintptr_t percpu_offset(void)
{
    return 0;
}

static inline unsigned int cpu_current(void)
{
    return 0;
}

static inline struct task *cpu_task(void)
{
    return host_cpu.task;
}

static inline void cpu_set_task(struct task *task)
{
    host_cpu.task = task;
}

static inline void cpu_set_stack_canary(uintptr_t canary)
{
    host_cpu.stack_canary = canary;
}

static inline uintptr_t cpu_stack_canary(void)
{
    return host_cpu.stack_canary;
}

void host_chaos_point(void);

static inline void cpu_preempt_count_add(int delta)
{
    host_cpu.preempt_count += delta;
    if (host_cpu.has_chaos && host_cpu.preempt_count == 0 && delta < 0)
        host_chaos_point();
}

static inline int cpu_preempt_count(void)
{
    return host_cpu.preempt_count;
}

static inline void cpu_pending_set(uint16_t flags)
{
    host_cpu.pending |= flags;
}

static inline void cpu_pending_clear(uint16_t flags)
{
    host_cpu.pending &= (uint16_t)~flags;
}

static inline bool cpu_pending_test(uint16_t flags)
{
    return host_cpu.pending & flags;
}

static inline uintptr_t cpu_code_address(void)
{
    return (uintptr_t)__builtin_return_address(0);
}

void host_relax(void);
static inline void cpu_relax(void)
{
    host_relax();
}

static __always_inline void cpu_mark(unsigned int mark __maybe_unused)
{
}

uint64_t host_cycle_counter(void);
static inline uint64_t cpu_cycle_counter(void)
{
    return host_cycle_counter();
}

static inline irqflags_t irq_save(void)
{
    bool enabled = host_cpu.irq_enabled;
    host_cpu.irq_enabled = false;
    return enabled;
}

static inline void irq_enable(void)
{
    host_cpu.irq_enabled = true;
    host_irq_enabled();
}

static inline void irq_disable(void)
{
    host_cpu.irq_enabled = false;
}

static inline void irq_restore(irqflags_t flags)
{
    if (flags)
        irq_enable();
    else
        irq_disable();
}

static inline bool irq_is_enabled(void)
{
    return host_cpu.irq_enabled;
}

/*
 * Physical addresses are the host's own, unless a test simulates physical memory: then this is the
 * address where it has mapped physical address 0, and how much there is. Defined in
 * arch/host/physical.c.
 */
extern uintptr_t host_physical_base;
extern uintptr_t host_physical_size;

static inline void *phys_to_virt(paddr_t paddr)
{
    return (void *)(host_physical_base + paddr);
}

static inline paddr_t direct_map_to_phys(const void *ptr)
{
    return (uintptr_t)ptr - host_physical_base;
}

static inline bool is_direct_map(const void *ptr)
{
    return ptr && (uintptr_t)ptr - host_physical_base < host_physical_size;
}

/* Registers of simulated devices: plain memory; ports go to the test's model. */
#define DEFINE_MMIO_(bits)                                                                         \
    static inline uint##bits##_t mmio_read##bits(const volatile void *address)                     \
    {                                                                                              \
        return *(const volatile uint##bits##_t *)address;                                          \
    }                                                                                              \
    static inline void mmio_write##bits(volatile void *address, uint##bits##_t value)              \
    {                                                                                              \
        *(volatile uint##bits##_t *)address = value;                                               \
    }
DEFINE_MMIO_(8)
DEFINE_MMIO_(16)
DEFINE_MMIO_(32)
DEFINE_MMIO_(64)
#undef DEFINE_MMIO_

uint32_t host_port_read(uint16_t port, unsigned int bits);
void host_port_write(uint16_t port, uint32_t value, unsigned int bits);
#define DEFINE_PORT_(bits)                                                                         \
    static inline uint##bits##_t port_read##bits(uint16_t port)                                    \
    {                                                                                              \
        return (uint##bits##_t)host_port_read(port, bits);                                         \
    }                                                                                              \
    static inline void port_write##bits(uint16_t port, uint##bits##_t value)                       \
    {                                                                                              \
        host_port_write(port, value, bits);                                                        \
    }
DEFINE_PORT_(8)
DEFINE_PORT_(16)
DEFINE_PORT_(32)
#undef DEFINE_PORT_

static inline void memory_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void memory_read_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static inline void memory_write_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
}
