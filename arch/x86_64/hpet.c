/*
 * HPET main counter, as something to measure the TSC against.
 * Spec: IA-PC HPET Specification 1.0a, 2.3.
 */
#include "acpi/acpi.h"
#include "arch/io.h"
#include "arch/mmu.h"
#include "arch/x86_64/clock_internal.h"
#include "lib/bits.h"
#include "mm/vm.h"

#define HPET_CAPABILITIES  0x000
#define HPET_CONFIGURATION 0x010
#define HPET_MAIN_COUNTER  0x0F0
#define HPET_SIZE          0x400

#define CONFIGURATION_ENABLE BIT64(0)

#define FEMTOSECONDS_PER_SECOND 1000000000000000ULL
#define PERIOD_MAX              0x05F5E100 /* 100 ns, in femtoseconds: the specification's bound */

static volatile char *registers; /* const once mapped */

static uint64_t hpet_read(void)
{
    return mmio_read32(registers + HPET_MAIN_COUNTER); /* the low half: whole in one access */
}

static bool hpet_start(struct clock_reference *reference)
{
    const struct acpi_hpet *table = acpi_hpet();

    if (registers)
        return true;
    if (!table)
        return false;
    registers = vm_map_device(table->base, HPET_SIZE, MMU_READ | MMU_WRITE | MMU_UNCACHED);
    if (!registers)
        return false;

    uint64_t period = mmio_read32(registers + HPET_CAPABILITIES + 4);
    if (period == 0 || period > PERIOD_MAX) {
        vm_unmap_device((void *)registers);
        registers = NULL;
        return false;
    }
    reference->frequency = FEMTOSECONDS_PER_SECOND / period;
    mmio_write32(registers + HPET_CONFIGURATION,
                 mmio_read32(registers + HPET_CONFIGURATION) | (uint32_t)CONFIGURATION_ENABLE);
    return true;
}

struct clock_reference hpet_reference = {
    .name = "HPET",
    .mask = UINT32_MAX,
    .start = hpet_start,
    .read = hpet_read,
};
