/*
 * Descriptor tables, vectors, I/O APIC, and interrupts from one CPU to another.
 */
#include "acpi/acpi.h"
#include "arch/cpu.h"
#include "arch/io.h"
#include "arch/irq.h"
#include "arch/percpu.h"
#include "arch/x86_64/clock_internal.h"
#include "arch/x86_64/cpus.h"
#include "arch/x86_64/exception.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/interrupts.h"
#include "arch/x86_64/ioapic.h"
#include "arch/x86_64/lapic.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/linker.h"
#include "arch/x86_64/vectors.h"
#include "kernel/backtrace.h"
#include "kernel/irq/ipi.h"
#include "kernel/irq/irq.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/task.h"
#include "kernel/symbols.h"
#include "kernel/time/clock.h"
#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "tests/boot_test.h"

#define PATIENCE_NS (2 * NS_PER_S) /* a hang detector */

#define WAIT_UNTIL(condition)                                                                      \
    do {                                                                                           \
        uint64_t deadline_ = deadline_after_ns(PATIENCE_NS);                                       \
        while (!(condition) && clock_now_ns() < deadline_)                                         \
            cpu_relax();                                                                           \
        EXPECT(condition);                                                                         \
    } while (0)

/* ---- descriptor tables --------------------------------------------------------------------- */

struct __packed table_pointer {
    uint16_t limit;
    uint64_t base;
};

struct tables {
    struct table_pointer idt, gdt;
    uint16_t tss_selector;
    uint16_t code_selector;
};

static void read_tables(void *arg)
{
    struct tables *tables = arg;

    __asm__ volatile("sidt %0\n\tsgdt %1\n\tstr %2\n\tmovw %%cs, %3"
                     : "=m"(tables->idt), "=m"(tables->gdt), "=m"(tables->tss_selector),
                       "=r"(tables->code_selector));
}

BOOT_TEST(arch_interrupts, every_cpu_has_tables_of_its_own)
{
    struct tables tables[2] = { 0 };
    unsigned int cpu;

    for_each_online_cpu(cpu) {
        struct tables *mine = &tables[cpu & 1];

        EXPECT_EQ(ipi_call(cpu, read_tables, mine, true), 0);
        EXPECT_EQ(mine->idt.limit, VECTOR_COUNT * 16 - 1);
        EXPECT_EQ(mine->gdt.limit, GDT_ENTRIES * 8 - 1);
        EXPECT_EQ(mine->tss_selector, SELECTOR_TSS);
        EXPECT_EQ(mine->code_selector, SELECTOR_KERNEL_CODE);
        EXPECT(tables[0].idt.base != tables[1].idt.base);
        EXPECT(tables[0].gdt.base != tables[1].gdt.base);
    }
}

BOOT_TEST(arch_interrupts, every_vector_has_a_gate)
{
    struct tables tables;

    read_tables(&tables);
    const uint64_t(*gates)[2] = (const uint64_t(*)[2])tables.idt.base;
    for (unsigned int vector = 0; vector < VECTOR_COUNT; vector++) {
        uint64_t low = gates[vector][0];
        uint64_t offset = (low & 0xFFFF) | (low >> 32 & 0xFFFF0000) | gates[vector][1] << 32;
        bool has_own_stack =
            vector == VECTOR_DOUBLE_FAULT || vector == VECTOR_NMI || vector == VECTOR_MACHINE_CHECK;

        EXPECT_EQ(low >> 40 & 0xFF, 0x8E);
        EXPECT_EQ(low >> 16 & 0xFFFF, SELECTOR_KERNEL_CODE);
        EXPECT_EQ((low >> 32 & 7) != 0, has_own_stack);
        EXPECT(offset >= (uintptr_t)kernel_text_start && offset < (uintptr_t)kernel_text_end);
    }
}

static void divide_by_zero(void *arg)
{
    volatile int zero = 0;
    volatile int some = 100;

    (void)arg;
    some = some / zero; // NOLINT: meant
}

static void invalid_opcode(void *arg)
{
    (void)arg;
    __builtin_trap();
}

static void read_not_canonical(void *arg)
{
    (void)arg;
    (void)*(volatile char *)0x0000800000000000;
}

static void breakpoint(void *arg)
{
    (void)arg;
    __asm__ volatile("int3");
}

static void use_fpu(void *arg)
{
    (void)arg;
    __asm__ volatile("fninit");
}

/* Beyond the end of the GDT. */
static void load_bad_selector(void *arg)
{
    (void)arg;
    __asm__ volatile("movw %w0, %%es" : : "r"(0x7000));
}

BOOT_TEST(arch_interrupts, exceptions_come_as_what_they_are)
{
    static const struct {
        void (*cause)(void *);
        unsigned int vector;
    } rows[] = {
        { divide_by_zero, VECTOR_DIVIDE },
        { invalid_opcode, VECTOR_INVALID_OPCODE },
        { breakpoint, VECTOR_BREAKPOINT },
        { use_fpu, VECTOR_NO_FPU },
        { load_bad_selector, VECTOR_GENERAL_PROTECTION },
        { read_not_canonical, VECTOR_GENERAL_PROTECTION },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fault_info info = { .vector = 99 };

        EXPECT(fault_catch(rows[i].cause, NULL, &info));
        EXPECT_EQ(info.vector, rows[i].vector);
    }
}

/* Interrupts keep every register: a loop that uses many of them, interrupted all the time. */
BOOT_TEST(arch_interrupts, registers_survive)
{
    for (uint64_t i = 1; i < 2000; i++) {
        uint64_t a = i, b = i * 3, c = i * 5, d = i * 7, s = i * 11, t = i * 13;

        __asm__ volatile("int %[vector]"
                         : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(s), "+D"(t)
                         : [vector] "i"(VECTOR_PIC_BASE + 7)
                         : "memory");
        EXPECT(a == i && b == i * 3 && c == i * 5 && d == i * 7 && s == i * 11 && t == i * 13);
    }
}

/* The PIC was moved: its spurious interrupts are counted, and are no exceptions. */
BOOT_TEST(arch_interrupts, spurious_ones_are_counted)
{
    preempt_disable();
    uint64_t before = this_cpu_ptr(interrupt_counters)->spurious;
    __asm__ volatile("int %0" : : "i"(VECTOR_PIC_BASE + 7) : "memory");
    __asm__ volatile("int %0" : : "i"(VECTOR_PIC_BASE + 15) : "memory");
    __asm__ volatile("int %0" : : "i"(VECTOR_SPURIOUS) : "memory");
    uint64_t after = this_cpu_ptr(interrupt_counters)->spurious;
    preempt_enable();
    EXPECT_EQ(after - before, 3);
}

BOOT_TEST(arch_interrupts, pic_is_masked)
{
    uint8_t master = port_read8(0x21), slave = port_read8(0xA1);

    EXPECT_EQ(master, 0xFF); /* also where there is none */
    EXPECT_EQ(slave, 0xFF);
}

/* ---- vectors and lines --------------------------------------------------------------------- */

static bool note_interrupt(void *context)
{
    atomic_fetch_add((atomic_uint *)context, 1 + (cpu_current() << 16));
    return true;
}

BOOT_TEST(arch_interrupts, message_reaches_the_cpu_it_was_made_for)
{
    unsigned int cpu;

    for_each_online_cpu(cpu) {
        atomic_uint seen = ATOMIC_INIT(0);
        struct irq *irq;
        uint64_t address;
        uint32_t data;

        EXPECT_EQ(irq_request_msi("test", cpu, note_interrupt, &seen, &address, &data, &irq), 0);
        EXPECT_EQ(address, 0xFEE00000 + (cpu_apic_id(cpu) << 12));
        /* What the device's write to that address would have the APIC do. */
        lapic_send((uint32_t)(address >> 12 & 0xFF), LAPIC_FIXED, data & 0xFF);
        WAIT_UNTIL(atomic_load(&seen) != 0);
        EXPECT_EQ(atomic_load(&seen), 1 + (cpu << 16));
        irq_free(irq);
    }
}

BOOT_TEST(arch_interrupts, vectors_run_out_with_an_error)
{
    static struct irq_route routes[VECTOR_COUNT];
    unsigned int count = 0;
    int error = 0;

    while (count < VECTOR_COUNT && !error) {
        error = arch_irq_alloc_msi(0, &routes[count], &routes[count]);
        count += !error;
    }
    for (unsigned int i = 0; i < count; i++)
        arch_irq_free(&routes[i]);
    EXPECT_EQ(error, -ENOSPC);
    EXPECT(count > 100 && count <= VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST + 1);
}

#define ENTRY_MASKED BIT64(16)
#define ENTRY_LEVEL  BIT64(15)
#define ENTRY_LOW    BIT64(13)

static unsigned int find_free_line(struct irq_route *route)
{
    for (unsigned int gsi = 23; gsi > 15; gsi--) {
        if (arch_irq_alloc_line(gsi, IRQ_TRIGGER_LEVEL, IRQ_ACTIVE_LOW, 0, route, route) == 0)
            return gsi;
    }
    return 0;
}

BOOT_TEST(arch_interrupts, line_is_routed_as_asked)
{
    struct irq_route route, other;
    unsigned int gsi = find_free_line(&route);

    EXPECT(gsi != 0);
    uint64_t entry = ioapic_read_entry(gsi);
    EXPECT_EQ(entry & 0xFF, route.vector);
    EXPECT_EQ(entry >> 56, cpu_apic_id(0));
    EXPECT_EQ(entry & (ENTRY_MASKED | ENTRY_LEVEL | ENTRY_LOW),
              ENTRY_MASKED | ENTRY_LEVEL | ENTRY_LOW);
    EXPECT_EQ(arch_irq_alloc_line(gsi, IRQ_TRIGGER_EDGE, IRQ_ACTIVE_HIGH, 0, &other, &other),
              -EBUSY);
    arch_irq_unmask_line(&route);
    EXPECT(!(ioapic_read_entry(gsi) & ENTRY_MASKED));
    arch_irq_mask_line(&route);
    EXPECT(ioapic_read_entry(gsi) & ENTRY_MASKED);
    arch_irq_free(&route);
    EXPECT_EQ(arch_irq_alloc_line(gsi, IRQ_TRIGGER_EDGE, IRQ_ACTIVE_HIGH, 0, &route, &route), 0);
    EXPECT_EQ(ioapic_read_entry(gsi) & (ENTRY_LEVEL | ENTRY_LOW), 0);
    arch_irq_free(&route);
    EXPECT_EQ(arch_irq_alloc_line(200, IRQ_TRIGGER_EDGE, IRQ_ACTIVE_HIGH, 0, &route, &route),
              -ENODEV);
}

#define PIT_COMMAND       0x43
#define PIT_CHANNEL0      0x40
#define PIT_CHANNEL0_ONCE 0x30 /* mode 0: interrupt on terminal count */

/* A real line: the PIT's, which on a PC is overridden to GSI 2 by the MADT. Where there is an HPET
 * the watchdog has it. */
BOOT_TEST(arch_interrupts, interrupt_line_works)
{
    atomic_uint seen = ATOMIC_INIT(0);
    enum irq_polarity polarity;
    enum irq_trigger trigger;
    unsigned int gsi;
    struct irq *irq;

    arch_irq_isa_to_gsi(0, &gsi, &trigger, &polarity);
    if (!pit_reference.start(&pit_reference) || gsi == 0)
        return; /* pit=off; and microvm, which wires it to pin 2 but does not say so in its MADT */
    int error = irq_request_isa("test", 0, note_interrupt, &seen, &irq);
    if (error == -EBUSY && acpi_hpet())
        return;
    EXPECT_EQ(error, 0);
    for (unsigned int i = 1; i <= 3; i++) {
        port_write8(PIT_COMMAND, PIT_CHANNEL0_ONCE);
        port_write8(PIT_CHANNEL0, 0x00);
        port_write8(PIT_CHANNEL0, 0x04); /* 1024 counts: 0.86 ms */
        WAIT_UNTIL((atomic_load(&seen) & 0xFFFF) >= i);
    }
    irq_free(irq);
}

/* ---- other CPUs ---------------------------------------------------------------------------- */

static void count_here(void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
    EXPECT(!irq_is_enabled());
}

BOOT_TEST(arch_interrupts, call_reaches_every_cpu)
{
    atomic_uint calls = ATOMIC_INIT(0);
    unsigned int cpu;

    for (int i = 0; i < 20; i++) {
        for_each_online_cpu(cpu)
            EXPECT_EQ(ipi_call(cpu, count_here, &calls, true), 0);
    }
    EXPECT_EQ(atomic_load(&calls), 20 * cpu_online_count());
    EXPECT_EQ(ipi_call(CPU_MAX - 1, count_here, &calls, true),
              cpu_is_online(CPU_MAX - 1) ? 0 : -ENODEV);
}

struct spinner {
    atomic_bool is_spinning;
    atomic_bool must_end;
};

/* Where no interrupt gets through. Named in the backtrace, so not inlined. */
static __noinline void spin_with_interrupts_off(struct spinner *spinner)
{
    irqflags_t flags = irq_save();

    atomic_store(&spinner->is_spinning, true);
    while (!atomic_load(&spinner->must_end))
        cpu_relax();
    irq_restore(flags);
}

static int spinning_task(void *arg)
{
    spin_with_interrupts_off(arg);
    return 7;
}

static bool names_function(const uintptr_t *addresses, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        size_t offset;
        const char *found = symbol_name(addresses[i] - (i > 0), &offset);

        if (found && strcmp(found, name) == 0)
            return true;
    }
    return false;
}

BOOT_TEST(arch_interrupts, nmi_sees_a_cpu_that_spins_with_interrupts_off)
{
    struct spinner spinner = { 0 };
    uintptr_t addresses[BACKTRACE_MAX];
    struct cpu_snapshot snapshot;
    struct task *task;
    int status;

    preempt_disable();
    unsigned int other = cpu_current() == 0 ? 1 : 0;
    preempt_enable();
    if (!cpu_is_online(other))
        return; /* one CPU */
    EXPECT_EQ(task_create_on(other, "spinner", spinning_task, &spinner, &task), 0);
    WAIT_UNTIL(atomic_load(&spinner.is_spinning));
    bool is_seen = cpu_snapshot(other, &snapshot);
    size_t count = task_backtrace(task, addresses, BACKTRACE_MAX);
    atomic_store(&spinner.must_end, true);
    EXPECT_EQ(task_join(task, &status, deadline_after_ns(PATIENCE_NS)), 0);
    EXPECT_EQ(status, 7);

    EXPECT(is_seen && !snapshot.interrupts_were_on);
    EXPECT(names_function(snapshot.addresses, snapshot.count, "spin_with_interrupts_off"));
    EXPECT(names_function(addresses, count, "spin_with_interrupts_off"));
    EXPECT(names_function(addresses, count, "spinning_task"));
}

BOOT_TEST(arch_interrupts, backtrace_of_the_caller_and_of_a_sleeper)
{
    uintptr_t addresses[BACKTRACE_MAX];
    size_t count = backtrace_here(addresses, BACKTRACE_MAX);

    EXPECT(names_function(addresses, count,
                          "arch_interrupts_backtrace_of_the_caller_and_of_a_sleeper_test"));
    EXPECT(names_function(addresses, count, "context_entry"));

    struct task *boot = task_find(1);
    EXPECT(boot);
    count = task_backtrace(boot, addresses, BACKTRACE_MAX);
    task_put(boot);
    EXPECT(names_function(addresses, count, "kernel_main"));
}

BOOT_TEST(arch_interrupts, every_cpu_answers_an_nmi)
{
    struct cpu_snapshot snapshot;
    unsigned int cpu;

    for_each_online_cpu(cpu) {
        bool is_seen = false;

        /* An emulated CPU may have to wait for a host's. */
        for (int i = 0; i < 20 && !is_seen; i++)
            is_seen = cpu_snapshot(cpu, &snapshot);
        EXPECT(is_seen && snapshot.count > 0);
    }
    EXPECT(!cpu_snapshot(CPU_MAX, &snapshot));
}
