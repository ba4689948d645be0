/*
 * Local APIC. Register offsets are those of the memory page; in x2APIC mode register N is MSR
 * 0x800 + N / 16 (SDM vol. 3A table 11-6). QEMU without KVM has no x2APIC: that half follows the
 * manual and runs under KVM and on hardware.
 */
#include "arch/x86_64/lapic.h"

#include "arch/cpu.h"
#include "arch/io.h"
#include "arch/irq.h"
#include "arch/mmu.h"
#include "arch/x86_64/cpu_features.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/vectors.h"
#include "kernel/log.h"
#include "lib/bits.h"
#include "lib/errno.h"
#include "mm/vm.h"

#define MSR_APIC_BASE     0x1B
#define APIC_BASE_X2APIC  BIT64(10)
#define APIC_BASE_ENABLE  BIT64(11)
#define APIC_BASE_ADDRESS BITS64(12, 51)

#define MSR_X2APIC     0x800
#define MSR_X2APIC_ICR 0x830

enum lapic_register {
    LAPIC_ID = 0x20,
    LAPIC_TASK_PRIORITY = 0x80,
    LAPIC_EOI = 0xB0,
    LAPIC_SPURIOUS = 0xF0,
    LAPIC_ERROR_STATUS = 0x280,
    LAPIC_ICR_LOW = 0x300,
    LAPIC_ICR_HIGH = 0x310,
    LAPIC_LVT_TIMER = 0x320,
    LAPIC_LVT_THERMAL = 0x330,
    LAPIC_LVT_PERFORMANCE = 0x340,
    LAPIC_LVT_LINT0 = 0x350,
    LAPIC_LVT_LINT1 = 0x360,
    LAPIC_LVT_ERROR = 0x370,
    LAPIC_TIMER_INITIAL = 0x380,
    LAPIC_TIMER_CURRENT = 0x390,
    LAPIC_TIMER_DIVIDE = 0x3E0,
};

#define SPURIOUS_ENABLE    BIT(8)
#define LVT_MASKED         BIT(16)
#define LVT_NMI            0x400
#define LVT_TSC_DEADLINE   BIT(18)
#define ICR_PENDING        BIT(12)
#define TIMER_DIVIDE_BY_16 0x3

/* The delivery of an IPI takes under a microsecond; this many turns are far beyond it. */
#define ICR_SPIN_MAX 1000000

static volatile char *registers; /* const after lapic_map() */
static bool is_x2apic;           /* const after lapic_map() */

static uint32_t lapic_read(enum lapic_register reg)
{
    return is_x2apic ? (uint32_t)msr_read(MSR_X2APIC + reg / 16) : mmio_read32(registers + reg);
}

static void lapic_write(enum lapic_register reg, uint32_t value)
{
    if (is_x2apic)
        msr_write(MSR_X2APIC + reg / 16, value);
    else
        mmio_write32(registers + reg, value);
}

int lapic_map(paddr_t address)
{
    uint64_t base = msr_read(MSR_APIC_BASE);

    /* Once in x2APIC mode by the firmware there is no way back but a reset. */
    is_x2apic = cpu_features.has_x2apic || (base & APIC_BASE_X2APIC);
    if (is_x2apic)
        return 0;
    if (!address)
        address = base & APIC_BASE_ADDRESS;
    registers = vm_map_device(address, PAGE_SIZE, MMU_READ | MMU_WRITE | MMU_UNCACHED);
    return registers ? 0 : -ENOMEM;
}

static void switch_mode(void)
{
    uint64_t base = msr_read(MSR_APIC_BASE) | APIC_BASE_ENABLE;

    /* From off to x2APIC leads only through xAPIC: SDM vol. 3A figure 11-27. */
    msr_write(MSR_APIC_BASE, base);
    if (is_x2apic)
        msr_write(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
}

void lapic_enable(void)
{
    switch_mode();
    lapic_write(LAPIC_TASK_PRIORITY, 0);
    lapic_write(LAPIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    lapic_write(LAPIC_LVT_TIMER, LVT_MASKED);
    lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
    lapic_write(LAPIC_LVT_LINT1, LVT_MASKED);
    lapic_write(LAPIC_LVT_ERROR, VECTOR_APIC_ERROR);
    (void)lapic_error_status();
    lapic_eoi(); /* in case the firmware left one in service */
}

void lapic_set_nmi_pin(unsigned int lint)
{
    lapic_write(lint ? LAPIC_LVT_LINT1 : LAPIC_LVT_LINT0, LVT_NMI);
}

bool lapic_is_x2apic(void)
{
    return is_x2apic;
}

uint32_t lapic_id(void)
{
    uint32_t id = lapic_read(LAPIC_ID);

    return is_x2apic ? id : id >> 24;
}

void lapic_eoi(void)
{
    lapic_write(LAPIC_EOI, 0);
}

uint32_t lapic_error_status(void)
{
    lapic_write(LAPIC_ERROR_STATUS, 0); /* makes it take over what has happened */
    return lapic_read(LAPIC_ERROR_STATUS);
}

static void wait_until_sent(void)
{
    for (int i = 0; i < ICR_SPIN_MAX && (lapic_read(LAPIC_ICR_LOW) & ICR_PENDING); i++)
        cpu_relax();
}

/*
 * In x2APIC mode one MSR takes it whole; WRMSR there does not wait for earlier stores, which the
 * receiver shall see (SDM vol. 3A 11.12.3): hence the fence. In xAPIC mode the two halves must not
 * be torn apart by an interrupt that sends one too.
 */
void lapic_send(uint32_t apic_id, enum lapic_delivery delivery, unsigned int vector)
{
    uint32_t low = (uint32_t)delivery | vector;

    if (is_x2apic) {
        memory_barrier();
        __asm__ volatile("lfence" ::: "memory");
        msr_write(MSR_X2APIC_ICR, (uint64_t)apic_id << 32 | low);
        return;
    }

    irqflags_t flags = irq_save();
    wait_until_sent();
    lapic_write(LAPIC_ICR_HIGH, apic_id << 24);
    lapic_write(LAPIC_ICR_LOW, low);
    irq_restore(flags);
}

void lapic_timer_init(enum lapic_timer_mode mode)
{
    lapic_write(LAPIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_16);
    lapic_write(LAPIC_TIMER_INITIAL, 0);
    lapic_write(LAPIC_LVT_TIMER,
                VECTOR_TIMER | (mode == LAPIC_TIMER_TSC_DEADLINE ? LVT_TSC_DEADLINE : 0));
    /* The write to the LVT must have arrived before the deadline MSR is set: SDM 11.5.4.1. */
    memory_barrier();
}

void lapic_timer_mask(void)
{
    lapic_write(LAPIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_16);
    lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER | LVT_MASKED);
}

void lapic_timer_set_count(uint32_t count)
{
    lapic_write(LAPIC_TIMER_INITIAL, count);
}

uint32_t lapic_timer_count(void)
{
    return lapic_read(LAPIC_TIMER_CURRENT);
}
