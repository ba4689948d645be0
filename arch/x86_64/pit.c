/*
 * PIT (8254) channel 2: a counter at 1,193,182 Hz whose output drives nothing but the speaker,
 * which stays off. Used to measure the TSC, and as the clock of last resort.
 *
 * Spec: Intel 8254 datasheet; port 0x61 is the PC's: bit 0 gates channel 2, bit 1 the speaker.
 */
#include "arch/cpu.h"
#include "arch/io.h"
#include "arch/irq.h"
#include "arch/x86_64/clock_internal.h"
#include "kernel/sync/spinlock.h"
#include "lib/bits.h"

#define PIT_CHANNEL2 0x42
#define PIT_COMMAND  0x43
#define PORT_B       0x61

#define COMMAND_CHANNEL2_MODE2 0xB4 /* low byte then high byte, rate generator: counts round */
#define COMMAND_LATCH_CHANNEL2 0x80

#define PORT_B_GATE2   BIT(0)
#define PORT_B_SPEAKER BIT(1)

#define PIT_HZ   1193182
#define PIT_MASK 0xFFFF

static DEFINE_SPINLOCK(pit_lock, "pit", LOCK_RANK_INTERRUPT_CONTROLLER);
static uint64_t pit_ticks __guarded_global(pit_lock);
static uint64_t pit_last __guarded_global(pit_lock);
static bool pit_is_running; /* const after pit_start() */

static uint64_t read_counter(void)
{
    port_write8(PIT_COMMAND, COMMAND_LATCH_CHANNEL2);
    uint64_t low = port_read8(PIT_CHANNEL2);
    return (uint64_t)port_read8(PIT_CHANNEL2) << 8 | low;
}

/* An absent PIT reads as all ones, always the same. One turn of the counter is 0.8 us. */
static bool is_counting(void)
{
    uint64_t first = read_counter();

    for (int i = 0; i < 1000; i++) {
        if (read_counter() != first)
            return true;
    }
    return false;
}

static bool pit_start(struct clock_reference *reference)
{
    (void)reference;
    if (pit_is_running)
        return true;
    port_write8(PORT_B, (port_read8(PORT_B) & ~PORT_B_SPEAKER) | PORT_B_GATE2);
    port_write8(PIT_COMMAND, COMMAND_CHANNEL2_MODE2);
    port_write8(PIT_CHANNEL2, 0); /* 0 is 65536 */
    port_write8(PIT_CHANNEL2, 0);
    pit_is_running = is_counting();
    return pit_is_running;
}

struct clock_reference pit_reference = {
    .name = "PIT",
    .frequency = PIT_HZ,
    .mask = PIT_MASK,
    .is_counting_down = true,
    .start = pit_start,
    .read = read_counter,
};

uint64_t pit_clock_read_ns(void)
{
    irqflags_t flags = spin_lock_irqsave(&pit_lock);
    uint64_t counter = read_counter();
    pit_ticks += (pit_last - counter) & PIT_MASK;
    pit_last = counter;
    uint64_t ticks = pit_ticks;
    spin_unlock_irqrestore(&pit_lock, flags);
    return clock_scale_apply(clock_scale_to_ns(PIT_HZ), ticks);
}
