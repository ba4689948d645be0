/*
 * Logical CPUs. The BSP is 0 and has run since boot.S; the others are numbered in the order of the
 * MADT, and keep their number whether or not they start.
 */
#include "arch/x86_64/cpus.h"

#include "acpi/acpi.h"
#include "arch/cpu.h"
#include "arch/percpu.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/lapic.h"
#include "arch/x86_64/linker.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/page.h"

static uint32_t apic_ids[CPU_MAX]; /* const after cpus_init(), as is the count */
static unsigned int possible_count = 1;
static uintptr_t area_offsets[CPU_MAX];       /* [0] is set by the first call; const once created */
static uint64_t online[CPU_MAX / 64] = { 1 }; /* atomic words; a bit once set stays */
static atomic_uint online_count = ATOMIC_INIT(1);

static uintptr_t boot_offset(void)
{
    return (uintptr_t)percpu_boot_start - (uintptr_t)percpu_template_start;
}

uintptr_t percpu_offset_of(unsigned int cpu)
{
    return cpu == 0 ? boot_offset() : area_offsets[cpu];
}

uintptr_t cpu_area(unsigned int cpu)
{
    return (uintptr_t)percpu_template_start + percpu_offset_of(cpu);
}

int __init cpu_area_create(unsigned int cpu)
{
    size_t size = (size_t)(percpu_template_end - percpu_template_start);
    char *area = page_alloc(DIV_ROUND_UP(size, PAGE_SIZE), 0, "per-CPU areas");

    if (!area)
        return -ENOMEM;
    memcpy(area, percpu_template_start, size);
    area_offsets[cpu] = (uintptr_t)area - (uintptr_t)percpu_template_start;

    struct cpu_local *local = (struct cpu_local *)area;
    local->percpu_offset = area_offsets[cpu];
    local->cpu = cpu;
    return 0;
}

/* A CPU without memory for its area is as good as absent. */
static void __init add_cpu(uint32_t apic_id)
{
    if (cpu_area_create(possible_count)) {
        log_error("smp", "no memory for CPU %u", possible_count);
        return;
    }
    apic_ids[possible_count] = apic_id;
    /* Release: who sees the count finds the area. */
    store_release(&possible_count, possible_count + 1);
}

void __init cpus_init(void)
{
    const struct acpi_madt *madt = acpi_madt();

    apic_ids[0] = lapic_id();
    if (!madt)
        return;
    if (madt->cpus_dropped)
        log_warning("smp", "%zu CPUs more than the %d that fit are left out", madt->cpus_dropped,
                    CPU_MAX);
    for (size_t i = 0; i < madt->cpu_count && possible_count < CPU_MAX; i++) {
        if (madt->cpus[i].apic_id == apic_ids[0])
            continue;
        if (madt->cpus[i].apic_id > 0xFE && !lapic_is_x2apic()) {
            log_warning("smp", "APIC id %u needs x2APIC: left out", madt->cpus[i].apic_id);
            continue;
        }
        add_cpu(madt->cpus[i].apic_id);
    }
}

uint32_t cpu_apic_id(unsigned int cpu)
{
    return apic_ids[cpu];
}

unsigned int cpu_possible_count(void)
{
    return load_acquire(&possible_count);
}

bool cpu_is_online(unsigned int cpu)
{
    return cpu < CPU_MAX && (__atomic_load_n(&online[cpu / 64], __ATOMIC_ACQUIRE) >> cpu % 64 & 1);
}

unsigned int cpu_online_count(void)
{
    return atomic_load_acquire(&online_count);
}

void cpu_set_online(unsigned int cpu)
{
    __atomic_fetch_or(&online[cpu / 64], 1ULL << cpu % 64, __ATOMIC_RELEASE);
    atomic_fetch_add_release(&online_count, 1);
}

/*
 * Interrupts are enabled by STI with one instruction of delay, which is the HLT: none can come
 * between, and so none is slept through (SDM vol. 2B, STI).
 */
void cpu_idle(void)
{
    __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
}

void cpu_halt_forever(void)
{
    for (;;)
        __asm__ volatile("cli\n\thlt" ::: "memory");
}

/* An exception with no IDT is a double fault, and then a shutdown, which resets the machine. */
void cpu_reset(void)
{
    static const struct __packed {
        uint16_t limit;
        uint64_t base;
    } no_idt = { 0, 0 };

    __asm__ volatile("cli\n\tlidt %0\n\tud2" : : "m"(no_idt) : "memory");
    cpu_halt_forever();
}
