/*
 * kvmclock as a clock source: finding it and telling the hypervisor where to write.
 * Needs a hypervisor that speaks KVM's interface; QEMU without KVM does not.
 */
#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/mmu.h"
#include "arch/percpu.h"
#include "arch/x86_64/clock_internal.h"
#include "arch/x86_64/cpu_features.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/kvmclock.h"
#include "arch/x86_64/linker.h"
#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/string.h"

#define KVM_SIGNATURE           "KVMKVMKVM"
#define KVM_CPUID_FEATURES      0x40000001
#define KVM_FEATURE_CLOCK_NEW   BIT(3)
#define MSR_KVM_WALL_CLOCK_NEW  0x4B564D00
#define MSR_KVM_SYSTEM_TIME_NEW 0x4B564D01
#define KVM_SYSTEM_TIME_ENABLE  1

/* Must not cross a page, which the hypervisor maps: 64-byte alignment sees to that. */
struct __aligned(64) kvmclock_page
{
    struct kvmclock_time time;
};
static DEFINE_PER_CPU(struct kvmclock_page, kvmclock_page);
static struct kvmclock_wall wall __aligned(16);

/* The latest time any CPU has read: only where the hypervisor does not vouch for a common TSC. */
static atomic_u64 latest;

/* The BSP's area lies in the kernel image, the others' in the direct map. */
static paddr_t phys_of_area(const void *address)
{
    return is_direct_map(address) ? direct_map_to_phys(address) : image_to_phys(address);
}

void kvmclock_cpu_init(void)
{
    msr_write(MSR_KVM_SYSTEM_TIME_NEW,
              phys_of_area(this_cpu_ptr(kvmclock_page)) | KVM_SYSTEM_TIME_ENABLE);
}

bool kvmclock_start(void)
{
    if (strcmp(cpu_features.hypervisor, KVM_SIGNATURE) != 0)
        return false;
    if (!(cpuid_read(KVM_CPUID_FEATURES, 0).eax & KVM_FEATURE_CLOCK_NEW))
        return false;
    kvmclock_cpu_init();
    return READ_ONCE(this_cpu_ptr(kvmclock_page)->time.version) != 0;
}

static uint64_t never_back(uint64_t now)
{
    uint64_t seen = atomic_load_relaxed(&latest);

    while (seen < now) {
        if (atomic_cmpxchg_relaxed(&latest, &seen, now))
            return now;
    }
    return seen;
}

uint64_t kvmclock_read_ns(void)
{
    uint8_t flags;
    irqflags_t irq = irq_save(); /* the page is this CPU's: do not move between */
    uint64_t now = kvmclock_read(&this_cpu_ptr(kvmclock_page)->time, cycles_ordered, &flags);
    irq_restore(irq);
    return flags & KVMCLOCK_TSC_STABLE ? now : never_back(now);
}

uint64_t kvmclock_tsc_hz(void)
{
    const struct kvmclock_time *time = &this_cpu_ptr(kvmclock_page)->time;

    return kvmclock_hz(READ_ONCE(time->tsc_to_system_mul), READ_ONCE(time->tsc_shift));
}

/* The hypervisor writes the wall clock once, at the MSR write. */
uint64_t kvmclock_wall_ns(void)
{
    msr_write(MSR_KVM_WALL_CLOCK_NEW, image_to_phys(&wall));
    if (READ_ONCE(wall.version) == 0 || (wall.version & 1))
        return 0;
    return (uint64_t)READ_ONCE(wall.seconds) * CLOCK_NS_PER_S + READ_ONCE(wall.nanoseconds);
}
