/*
 * Starting the other CPUs, all at once: everything each will need is made ready first, then all are
 * sent INIT and SIPI, then the BSP waits for those that come (SDM vol. 3A 9.4.4.1).
 *
 * A CPU that comes after the BSP has given it up must stay out, since nobody counts on it: both
 * settle that by one compare-and-exchange on the slot's state.
 */
#include "arch/smp.h"

#include "arch/context.h"
#include "arch/cpu.h"
#include "arch/percpu.h"
#include "arch/x86_64/clock_internal.h"
#include "arch/x86_64/clock_sync.h"
#include "arch/x86_64/cpu_features.h"
#include "arch/x86_64/cpus.h"
#include "arch/x86_64/descriptor_tables.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/interrupts.h"
#include "arch/x86_64/lapic.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/mmu_internal.h"
#include "arch/x86_64/trampoline.h"
#include "arch/x86_64/vectors.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/parameter.h"
#include "kernel/sched/sched.h"
#include "kernel/time/clock.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/early.h"
#include "mm/page.h"

#define MSR_EFER 0xC0000080
#define EFER_LMA BIT64(10) /* set by the CPU itself */

/* After the INIT. CPUs from Intel's family 6 and AMD's family 15 on need no delay; the 10 ms are
 * for what is older (SDM vol. 3A 9.4.4.1 asks for them, measured practice does not). */
#define INIT_DELAY_OLD_NS (10 * NS_PER_MS)

/* A second SIPI for those that did not see the first. */
#define SIPI_AGAIN_NS (200 * NS_PER_US)

/* So long without one more CPU coming, and the rest is given up. Emulated CPUs share few real ones.
 */
#define START_PATIENCE_NS (1000 * NS_PER_MS)

enum slot_state {
    SLOT_EXPECTED,
    SLOT_RUNNING,
    SLOT_GIVEN_UP
};

struct ap_slot {
    uint32_t apic_id;
    uint32_t cpu;
    uintptr_t area;      /* for GS */
    uintptr_t stack_top; /* of its idle task */
    struct exception_stacks *stacks;
    uint32_t state; /* enum slot_state; atomic */
};
BUILD_ASSERT(sizeof(struct ap_slot) == AP_SLOT_SIZE);
BUILD_ASSERT(offsetof(struct ap_slot, area) == 8 && offsetof(struct ap_slot, stack_top) == 16);

/* Read by trampoline.S. */
struct ap_slot ap_slots[CPU_MAX];
uint32_t ap_slot_count;

static bool smp_off;
static paddr_t trampoline_page; /* 0: no memory below 1 MiB */

void ap_main(struct ap_slot *slot);

/* ---- on the AP ----------------------------------------------------------------------------- */

/* On its idle stack, GS set, on the trampoline's page tables and GDT. Never returns, and so may set
 * the canary. */
__no_stack_protector void ap_main(struct ap_slot *slot)
{
    uint32_t expected = SLOT_EXPECTED;

    if (!__atomic_compare_exchange_n(&slot->state, &expected, SLOT_RUNNING, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE))
        cpu_halt_forever();
    cr3_write(kernel_space.root_paddr);
    cpu_control_init();
    cpu_set_stack_canary(cpu_cycle_counter() & ~0xFFULL);
    descriptor_tables_init(slot->stacks);
    interrupts_cpu_init();
    clock_sync_observe();
    clock_cpu_init();
    cpu_set_online(slot->cpu);
    smp_cpu_entry();
}

/* ---- on the BSP ---------------------------------------------------------------------------- */

void __init trampoline_reserve(void)
{
    trampoline_page = early_page_alloc_phys(1, EARLY_LOW_LIMIT);
}

static int prepare_cpu(unsigned int cpu)
{
    uintptr_t stack_base;
    size_t stack_size;
    size_t pages = DIV_ROUND_UP(sizeof(struct exception_stacks), PAGE_SIZE);
    struct exception_stacks *stacks = page_alloc(pages, 0, "exception stacks");

    if (!stacks)
        return -ENOMEM;
    int error = sched_prepare_cpu(cpu, &stack_base, &stack_size);
    if (error) {
        page_free(stacks);
        return error;
    }
    ap_slots[ap_slot_count++] = (struct ap_slot){
        .apic_id = cpu_apic_id(cpu),
        .cpu = cpu,
        .area = cpu_area(cpu),
        .stack_top = stack_base + stack_size,
        .stacks = stacks,
        .state = SLOT_EXPECTED,
    };
    return 0;
}

static void prepare_all(void)
{
    for (unsigned int cpu = 1; cpu < cpu_possible_count(); cpu++) {
        int error = prepare_cpu(cpu);
        if (error)
            log_error("smp", "CPU %u is left out: %s", cpu, errno_text(error));
    }
}

/* The kernel's half, and the trampoline's page at its own address. CR3 is loaded by 32-bit code. */
static struct address_space *create_trampoline_space(void)
{
    static struct address_space space = {
        .lock = SPINLOCK_INIT("trampoline address space", LOCK_RANK_ADDRESS_SPACE),
    };

    space.root = page_alloc(1, PAGE_ZERO | PAGE_DMA32, "page tables");
    if (!space.root)
        return NULL;
    memcpy(space.root, kernel_space.root, PAGE_SIZE);
    space.root_paddr = direct_map_to_phys(space.root);
    if (mmu_map(&space, trampoline_page, trampoline_page, PAGE_SIZE, MMU_READ | MMU_EXEC)) {
        page_free(space.root);
        return NULL;
    }
    return &space;
}

static void fill_trampoline(const struct address_space *space)
{
    char *code = phys_to_virt(trampoline_page);
    struct trampoline_parameters *parameters;

    memcpy(code, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    parameters = (void *)(code + (trampoline_parameters - trampoline_start));
    parameters->gdt_base =
        (uint32_t)(trampoline_page + (paddr_t)(trampoline_gdt - trampoline_start));
    parameters->root = (uint32_t)space->root_paddr;
    parameters->efer = (uint32_t)(msr_read(MSR_EFER) & ~EFER_LMA);
    parameters->long_mode_offset =
        (uint32_t)(trampoline_page + (paddr_t)(trampoline_long_mode - trampoline_start));
}

static bool is_old_cpu(void)
{
    unsigned int family = cpu_features.signature >> 8 & 0xF;

    return strcmp(cpu_features.vendor, "AuthenticAMD") == 0 ? family < 0xF : family < 6;
}

static void send_to_expected(enum lapic_delivery delivery, unsigned int vector)
{
    for (uint32_t i = 0; i < ap_slot_count; i++) {
        if (__atomic_load_n(&ap_slots[i].state, __ATOMIC_RELAXED) == SLOT_EXPECTED)
            lapic_send(ap_slots[i].apic_id, delivery, vector);
    }
}

/* Watches the TSCs meanwhile. Return: have all come by @deadline? */
static bool wait_for_online(unsigned int count, uint64_t deadline)
{
    while (cpu_online_count() < count && clock_now_ns() < deadline) {
        clock_sync_observe();
        cpu_relax();
    }
    return cpu_online_count() >= count;
}

/* Patience is for the next one: it begins anew as each comes. */
static void wait_for_all(void)
{
    unsigned int count = 1 + ap_slot_count;
    unsigned int seen;

    do {
        seen = cpu_online_count();
        if (seen >= count)
            return;
    } while (wait_for_online(seen + 1, deadline_after_ns(START_PATIENCE_NS)));
}

static void give_up_missing(void)
{
    for (uint32_t i = 0; i < ap_slot_count; i++) {
        uint32_t expected = SLOT_EXPECTED;

        if (__atomic_compare_exchange_n(&ap_slots[i].state, &expected, SLOT_GIVEN_UP, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            log_error("smp", "CPU %u (APIC id %u) did not start: left out", ap_slots[i].cpu,
                      ap_slots[i].apic_id);
        }
    }
}

static void start_all(void)
{
    unsigned int vector = (unsigned int)(trampoline_page >> PAGE_SHIFT);

    send_to_expected(LAPIC_INIT, 0);
    if (is_old_cpu())
        clock_busy_wait_ns(INIT_DELAY_OLD_NS);
    send_to_expected(LAPIC_STARTUP, vector);
    if (!wait_for_online(1 + ap_slot_count, deadline_after_ns(SIPI_AGAIN_NS)))
        send_to_expected(LAPIC_STARTUP, vector);
    wait_for_all();
    give_up_missing();
}

void __init smp_start(void)
{
    if (cpu_possible_count() == 1)
        return;
    if (smp_off) {
        log_info("smp", "off: %u CPU%s not started", cpu_possible_count() - 1,
                 cpu_possible_count() == 2 ? "" : "s");
        return;
    }
    struct address_space *space = trampoline_page ? create_trampoline_space() : NULL;
    if (!space) {
        log_error("smp", "no memory below 1 MiB to start CPUs in: one CPU is used");
        return;
    }
    /* Page and tables stay: a CPU that comes late must find them to be told to stop. */
    fill_trampoline(space);
    prepare_all();
    start_all();
    log_info("smp", "%u CPUs online%s", cpu_online_count(),
             clock_sync_is_common() ? "" : ", their time stamp counters differ");
}

static int __init smp_init(void)
{
    smp_start();
    return 0;
}
INIT_HOOK(smp_init, INIT_SMP);

static int smp_parameter(const char *value)
{
    if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
        return -EINVAL;
    smp_off = strcmp(value, "off") == 0;
    return 0;
}
PARAMETER(smp, "smp", "on|off", "start the other CPUs", smp_parameter);

/* ---- interrupts between CPUs --------------------------------------------------------------- */

void smp_send_ipi(unsigned int cpu, enum ipi ipi)
{
    static const unsigned int vectors[IPI_COUNT] = {
        [IPI_RESCHEDULE] = VECTOR_IPI_RESCHEDULE,
        [IPI_CALL] = VECTOR_IPI_CALL,
    };

    lapic_send(cpu_apic_id(cpu), LAPIC_FIXED, vectors[ipi]);
}

void smp_send_nmi(unsigned int cpu)
{
    lapic_send(cpu_apic_id(cpu), LAPIC_NMI, 0);
}
