/*
 * From boot.S to the portable kernel: make the BSP a CPU that can report its own errors, then read
 * what the loader left.
 */
#include "arch/cpu.h"
#include "arch/mmu.h"
#include "arch/percpu.h"
#include "arch/x86_64/clock_internal.h"
#include "arch/x86_64/cpu_features.h"
#include "arch/x86_64/descriptor_tables.h"
#include "arch/x86_64/layout.h"
#include "kernel/boot/boot_info.h"
#include "kernel/boot/multiboot2.h"
#include "kernel/boot/pvh.h"
#include "kernel/init.h"
#include "kernel/main.h"
#include "kernel/panic.h"

/* First in the per-CPU section: GS points at it, and boot.S fills the offset of the BSP. */
__attribute__((used, section(".percpu.first"))) struct cpu_local cpu_local;

static struct boot_info boot;

void x86_64_start(uint32_t protocol, paddr_t info, uint64_t cycles);

const struct boot_info *boot_info(void)
{
    return &boot;
}

/* What the tables of boot.S reach. Both protocols keep their data below 4 GiB. */
static void *__init map_early(void *context, paddr_t base, size_t size)
{
    (void)context;
    if (base >= EARLY_MAP_SIZE || size > EARLY_MAP_SIZE - base)
        return NULL;
    return phys_to_virt(base);
}

static int __init parse_boot_info(uint32_t protocol, paddr_t info)
{
    if (protocol == BOOT_BY_PVH)
        return pvh_parse(map_early, NULL, info, &boot);
    return multiboot2_parse(phys_to_virt(info), EARLY_MAP_SIZE - info, info, &boot);
}

/*
 * The canary cannot change in a function that checks it; this one never returns. Until the
 * scheduler gives every task its own it is what the CPU's sources give, or the cycle counter.
 */
static uintptr_t __init first_canary(uint64_t cycles)
{
    uint64_t seed;

    if (!cpu_random_seed(&seed))
        seed = cycles * 0x9E3779B97F4A7C15ULL;
    return seed & ~0xFFULL; /* a zero byte stops what copies strings */
}

__no_stack_protector void __init x86_64_start(uint32_t protocol, paddr_t info, uint64_t cycles)
{
    cpu_features_detect();
    cpu_control_init();
    this_cpu_ptr(cpu_local)->stack_canary = first_canary(cycles);
    descriptor_tables_init(descriptor_tables_boot_stacks());
    clock_start(cycles);

    int error = parse_boot_info(protocol, info);
    if (error)
        panic("the boot loader's information cannot be read");
    kernel_main();
}
