/*
 * The processor, in portable words. Implemented by arch/x86_64 and arch/host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/types.h"

struct task;
struct seq_writer;

#define CPU_MAX 256 /* logical CPUs; per-CPU memory is allocated only for those present */

/** cpu_current() - logical number of this CPU, 0 is the BSP. Stable only with preemption off. */
static inline unsigned int cpu_current(void);

/**
 * cpu_possible_count() - CPUs the firmware lists (at most CPU_MAX), the BSP included
 * 1 until the ACPI tables have been read (INIT_CORE, hook apic_init); then their per-CPU areas
 * exist.
 */
unsigned int cpu_possible_count(void);

/** cpu_is_online() - has CPU @cpu been started and entered the scheduler? Context: any. */
bool cpu_is_online(unsigned int cpu);

/** cpu_online_count() - number of CPUs online. Context: any. */
unsigned int cpu_online_count(void);

#define for_each_online_cpu(cpu)                                                                   \
    for ((cpu) = 0; (cpu) < cpu_possible_count(); (cpu)++)                                         \
        if (cpu_is_online(cpu))

/** cpu_task() - the task this CPU runs; safe against migration (one instruction). */
static inline struct task *cpu_task(void);

/** cpu_set_task() - called by the scheduler, interrupts off, around the switch. */
static inline void cpu_set_task(struct task *task);

/*
 * The value that compiled code puts at the end of each stack frame and checks on return. It follows
 * the task: the scheduler sets it together with cpu_set_task(). Interrupts off.
 */
static inline void cpu_set_stack_canary(uintptr_t canary);
static inline uintptr_t cpu_stack_canary(void);

/*
 * Preemption counter of this CPU: 0 = the running task may be preempted. The scheduler gives these
 * their meaning (kernel/sched/preempt.h); the architecture makes each a single instruction, so that
 * they are safe against migration between load and store.
 */
static inline void cpu_preempt_count_add(int delta);
static inline int cpu_preempt_count(void);

/*
 * A word of flags of this CPU beside that counter, what is held off while it is not 0; a single
 * instruction each, too, so that an interrupt in between loses nothing.
 */
static inline void cpu_pending_set(uint16_t flags);
static inline void cpu_pending_clear(uint16_t flags);
static inline bool cpu_pending_test(uint16_t flags); /* is any of them set? */

/** cpu_code_address() - of this very place in the code, to say later who it was. */
static inline uintptr_t cpu_code_address(void);

/** cpu_relax() - one turn of a spin loop (PAUSE). */
static inline void cpu_relax(void);

/**
 * cpu_mark() - an instruction that does nothing, there to be seen by a plugin of an emulator
 *
 * @mark is a constant from 1 to 127 (bench/plugin/count.c has their meaning).
 */
static __always_inline void cpu_mark(unsigned int mark);

/**
 * cpu_idle() - wait for an interrupt
 *
 * Called with interrupts off; enables them and halts with no window between, and returns with
 * interrupts off after one was handled.
 */
void cpu_idle(void);

/** cpu_halt_forever() - interrupts off, no return. For panic and after poweroff failed. */
void __noreturn cpu_halt_forever(void);

/**
 * cpu_random_seed() - one word from the hardware's entropy source (RDSEED, else RDRAND)
 * Return: false when the CPU has none or it gave nothing after its documented retries.
 */
bool cpu_random_seed(uint64_t *word);

/** cpu_cycle_counter() - free-running counter (TSC); 0 if there is none. Not ordered. */
static inline uint64_t cpu_cycle_counter(void);

/** cpu_describe() - "GenuineIntel QEMU ... (features ...)" for the cpu command. */
void cpu_describe(unsigned int cpu, char *buffer, size_t size);

/** cpu_reset() - triple fault, the last of the ways to reboot. */
void __noreturn cpu_reset(void);

#include "arch/inline.h"
