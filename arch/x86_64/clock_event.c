/*
 * One interrupt per CPU at a time of our choice: the local APIC's timer, in TSC-deadline mode where
 * the CPU has it, else one-shot.
 */
#include "arch/clock.h"

#include "arch/cpu.h"
#include "arch/x86_64/clock_internal.h"
#include "arch/x86_64/cpu_features.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/lapic.h"
#include "kernel/log.h"
#include "kernel/time/clock.h"
#include "lib/string.h"

#define MSR_TSC_DEADLINE 0x6E0

/* QEMU and KVM emulate a bus of 1 GHz (KVM: APIC_BUS_CYCLE_NS 1). */
#define HYPERVISOR_BUS_HZ 1000000000ULL

#define CALIBRATION_NS (2 * NS_PER_MS)

/* Const after the BSP's clock_event_cpu_init(). */
static enum lapic_timer_mode mode;
static struct clock_scale ns_to_counts;
static uint64_t timer_hz;

static bool lapic_reference_start(struct clock_reference *reference)
{
    (void)reference;
    if (strcmp(cpu_features.hypervisor, "TCGTCGTCGTCG") != 0 &&
        strcmp(cpu_features.hypervisor, "KVMKVMKVM") != 0)
        return false;
    lapic_timer_mask();
    lapic_timer_set_count(UINT32_MAX);
    return true;
}

static uint64_t lapic_reference_read(void)
{
    return lapic_timer_count();
}

struct clock_reference lapic_reference = {
    .name = "the local APIC",
    .frequency = HYPERVISOR_BUS_HZ / LAPIC_TIMER_DIVIDER,
    .mask = UINT32_MAX,
    .is_counting_down = true,
    .start = lapic_reference_start,
    .read = lapic_reference_read,
};

/* An error of a few us in 2 ms makes a far event early or late by 0.2 %; an early one is set again.
 */
static uint64_t measure_timer_hz(void)
{
    lapic_timer_mask();
    lapic_timer_set_count(UINT32_MAX);
    uint64_t start = clock_read_ns();
    uint64_t start_count = lapic_timer_count();
    uint64_t now;

    do {
        cpu_relax();
        now = clock_read_ns();
    } while (now - start < CALIBRATION_NS);
    uint64_t counts = start_count - lapic_timer_count();
    lapic_timer_set_count(0);
    return counts * NS_PER_S / (now - start);
}

static void choose_mode(void)
{
    uint64_t hz = clock_tsc_hz();

    if (cpu_features.has_tsc_deadline && hz) {
        mode = LAPIC_TIMER_TSC_DEADLINE;
    } else {
        hz = measure_timer_hz();
        mode = LAPIC_TIMER_ONE_SHOT;
    }
    ns_to_counts = clock_scale_from_ns(hz);
    timer_hz = hz;
    log_info("clock", "events by local APIC, %s at %llu kHz",
             mode == LAPIC_TIMER_ONE_SHOT ? "one-shot" : "TSC deadline",
             (unsigned long long)(hz / 1000));
}

void clock_event_cpu_init(void)
{
    if (timer_hz == 0)
        choose_mode();
    lapic_timer_init(mode);
}

static void set_one_shot(uint64_t delay_ns)
{
    uint64_t counts = clock_scale_apply(ns_to_counts, delay_ns) + 1;

    /* Beyond its range it interrupts early, finds nothing due, and is set again. */
    lapic_timer_set_count((uint32_t)MIN_T(uint64_t, counts, UINT32_MAX));
}

static void cancel(void)
{
    if (mode == LAPIC_TIMER_TSC_DEADLINE)
        msr_write(MSR_TSC_DEADLINE, 0);
    else
        lapic_timer_set_count(0);
}

void clock_event_set(uint64_t deadline_ns)
{
    uint64_t now = clock_read_ns();
    uint64_t delay = deadline_ns > now ? deadline_ns - now : 0;
    uint64_t must_read = clock_must_be_read_every_ns();

    if (deadline_ns == UINT64_MAX && must_read == UINT64_MAX) {
        cancel();
        return;
    }
    delay = MIN(delay, must_read);
    if (mode == LAPIC_TIMER_TSC_DEADLINE)
        msr_write(MSR_TSC_DEADLINE,
                  cycles_ordered() +
                      clock_scale_apply(ns_to_counts, MIN_T(uint64_t, delay, 1ULL << 62)));
    else
        set_one_shot(delay);
}
