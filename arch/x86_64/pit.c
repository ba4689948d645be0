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
#include "lib/atomic.h"
#include "lib/bits.h"

#define PIT_CHANNEL2 0x42
#define PIT_COMMAND  0x43
#define PORT_B       0x61

#define COMMAND_CHANNEL0_MODE0 0x30 /* waits for a count, which it is not given */
#define COMMAND_CHANNEL2_MODE2 0xB4 /* low byte then high byte, rate generator: counts round */
#define COMMAND_LATCH_CHANNEL2 0x80

#define PORT_B_GATE2   BIT(0)
#define PORT_B_SPEAKER BIT(1)

#define PIT_HZ   1193182
#define PIT_MASK 0xFFFF

/* A reading takes 2 us or so; this many turns are far beyond a few of them. */
#define LOCK_TURNS_MAX 1000000

/* Not a spinlock: those read the clock while they wait. */
static atomic_bool is_reading;
static atomic_u64 pit_ticks; /* written by the one who reads */
static uint64_t pit_last;    /* the same one's */
static bool pit_is_running;  /* const after pit_start() */

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

void pit_stop_interrupts(void)
{
    port_write8(PIT_COMMAND, COMMAND_CHANNEL0_MODE0);
}

struct clock_reference pit_reference = {
    .name = "PIT",
    .frequency = PIT_HZ,
    .mask = PIT_MASK,
    .is_counting_down = true,
    .start = pit_start,
    .read = read_counter,
};

static bool begin_reading(void)
{
    for (unsigned int turn = 0; turn < LOCK_TURNS_MAX; turn++) {
        if (!atomic_exchange_acquire(&is_reading, true))
            return true;
        cpu_relax();
    }
    return false;
}

/* In an NMI or after a panic the one who reads may have been stopped: time then stands still. */
uint64_t pit_clock_read_ns(void)
{
    irqflags_t flags = irq_save();

    if (begin_reading()) {
        uint64_t counter = read_counter();
        uint64_t passed = (pit_last - counter) & PIT_MASK;

        pit_last = counter;
        atomic_store_relaxed(&pit_ticks, atomic_load_relaxed(&pit_ticks) + passed);
        atomic_store_release(&is_reading, false);
    }
    irq_restore(flags);
    return clock_scale_apply(clock_scale_to_ns(PIT_HZ), atomic_load_relaxed(&pit_ticks));
}
