/*
 * HPET: the main counter, as something to measure the TSC against, and comparator 0, as an alarm.
 * Spec: IA-PC HPET Specification 1.0a, 2.3.
 */
#include "arch/x86_64/hpet.h"

#include "acpi/acpi.h"
#include "arch/io.h"
#include "arch/mmu.h"
#include "arch/x86_64/clock_internal.h"
#include "lib/bits.h"
#include "mm/vm.h"

#define HPET_CAPABILITIES  0x000
#define HPET_CONFIGURATION 0x010
#define HPET_MAIN_COUNTER  0x0F0
#define HPET_TIMER0        0x100 /* its configuration; the high half: which lines it reaches */
#define HPET_COMPARATOR0   0x108
#define HPET_SIZE          0x400

#define COUNTER_HAS_64_BITS BIT(13)

#define CONFIGURATION_ENABLE BIT64(0)

#define TIMER_LEVEL       BIT(1)
#define TIMER_INTERRUPT   BIT(2)
#define TIMER_PERIODIC    BIT(3)
#define TIMER_HAS_64_BITS BIT(5)
#define TIMER_32_BITS     BIT(8)
#define TIMER_LINE_SHIFT  9
#define TIMER_LINE_MASK   (0x1Fu << TIMER_LINE_SHIFT)
#define TIMER_BY_MESSAGE  BIT(14)

#define FEMTOSECONDS_PER_SECOND 1000000000000000ULL
#define PERIOD_MAX              0x05F5E100 /* 100 ns, in femtoseconds: the specification's bound */

static volatile char *registers; /* const once mapped, as is the frequency */
static uint64_t ticks_per_second;

static uint64_t hpet_read(void)
{
    return mmio_read32(registers + HPET_MAIN_COUNTER); /* the low half: whole in one access */
}

static bool hpet_start(struct clock_reference *reference)
{
    const struct acpi_hpet *table = acpi_hpet();

    reference->frequency = ticks_per_second;
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
    ticks_per_second = FEMTOSECONDS_PER_SECOND / period;
    reference->frequency = ticks_per_second;
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

bool hpet_alarm_init(unsigned int gsi)
{
    if (gsi >= 32 || !hpet_start(&hpet_reference) ||
        !(mmio_read32(registers + HPET_TIMER0 + 4) & BIT(gsi)))
        return false;
    uint32_t timer = mmio_read32(registers + HPET_TIMER0);
    timer &= ~(TIMER_LEVEL | TIMER_INTERRUPT | TIMER_PERIODIC | TIMER_32_BITS | TIMER_LINE_MASK |
               TIMER_BY_MESSAGE);
    if (!(timer & TIMER_HAS_64_BITS) ||
        !(mmio_read32(registers + HPET_CAPABILITIES) & COUNTER_HAS_64_BITS))
        timer |= TIMER_32_BITS;
    mmio_write32(registers + HPET_TIMER0, timer | gsi << TIMER_LINE_SHIFT);
    return true;
}

static uint64_t read_all_64_bits(void)
{
    uint32_t high, low;

    do {
        high = mmio_read32(registers + HPET_MAIN_COUNTER + 4);
        low = mmio_read32(registers + HPET_MAIN_COUNTER);
    } while (mmio_read32(registers + HPET_MAIN_COUNTER + 4) != high);
    return (uint64_t)high << 32 | low;
}

/*
 * All 64 bits are compared where there are so many: with 32, an interrupt also comes each time when
 * the counter's low half wraps, every 43 s at 100 MHz (2.3.9.2.1). Two writes set them, and half of
 * them may be in the past: no interrupt meanwhile.
 */
void hpet_alarm_set(uint64_t delay_ns)
{
    uint64_t ticks = delay_ns * (ticks_per_second / 1000000) / 1000; /* 10 MHz at least */
    uint64_t due = read_all_64_bits() + ticks;
    uint32_t timer = mmio_read32(registers + HPET_TIMER0);

    mmio_write32(registers + HPET_TIMER0, timer & ~(uint32_t)TIMER_INTERRUPT);
    mmio_write32(registers + HPET_COMPARATOR0, (uint32_t)due);
    mmio_write32(registers + HPET_COMPARATOR0 + 4, (uint32_t)(due >> 32));
    mmio_write32(registers + HPET_TIMER0, timer | (uint32_t)TIMER_INTERRUPT);
}
