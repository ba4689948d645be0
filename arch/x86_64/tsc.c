/*
 * How fast the TSC counts: asked from the CPU, or measured.
 *
 * Measuring is two readings of the reference, some ms apart, each with the TSC read right before
 * and after it. A reading that took long (an emulated port, an interrupt of the host) says little;
 * of several the quickest is kept, and half its width is the error: under TCG a PIT reading takes
 * 2-5 us, so that 5 ms give 0.05 %. The median of the rounds is the result, and they must agree.
 */
#include "arch/cpu.h"
#include "arch/x86_64/clock_internal.h"
#include "arch/x86_64/cpu_features.h"
#include "arch/x86_64/instructions.h"
#include "kernel/init.h"
#include "lib/compiler.h"

#define ROUND_COUNT    3
#define ROUND_MAX      9
#define ROUND_MS       4
#define READING_TRIES  8
#define AGREEMENT_PART 1000 /* rounds agree within 1/1000: no need for more of them */
#define DISTRUST_PART  20 /* rounds that differ by 1/20 even so: the TSC's speed is not constant */

/* A round that takes this many cycles is one whose reference has stopped: 100 ms at 10 GHz. */
#define ROUND_CYCLES_MAX 1000000000ULL

struct reading {
    uint64_t cycles;
    uint64_t count;
};

static struct reading take_reading(const struct clock_reference *reference)
{
    struct reading best = { 0 };
    uint64_t best_width = UINT64_MAX;

    for (int i = 0; i < READING_TRIES; i++) {
        uint64_t before = cycles_ordered();
        uint64_t count = reference->read();
        uint64_t after = cycles_ordered();

        if (after - before < best_width) {
            best_width = after - before;
            best = (struct reading){ before + best_width / 2, count };
        }
    }
    return best;
}

static uint64_t elapsed(const struct clock_reference *reference, uint64_t from, uint64_t to)
{
    return (reference->is_counting_down ? from - to : to - from) & reference->mask;
}

/* One round. Return: cycles per second; 0 when the reference stands still. */
static uint64_t measure_round(const struct clock_reference *reference)
{
    uint64_t wanted = reference->frequency * ROUND_MS / 1000;
    struct reading start = take_reading(reference);

    while (elapsed(reference, start.count, reference->read()) < wanted) {
        if (cpu_cycle_counter() - start.cycles > ROUND_CYCLES_MAX)
            return 0;
        cpu_relax();
    }
    struct reading end = take_reading(reference);
    uint64_t counts = elapsed(reference, start.count, end.count);
    /* At most 1e9 * 1.5e9: fits. */
    return counts ? (end.cycles - start.cycles) * reference->frequency / counts : 0;
}

static void insert_sorted(uint64_t *values, unsigned int count, uint64_t value)
{
    unsigned int i = count;

    for (; i > 0 && values[i - 1] > value; i--)
        values[i] = values[i - 1];
    values[i] = value;
}

/* The two around the median are as close as the rounds are asked to be. */
static bool rounds_agree(const uint64_t *values, unsigned int count, unsigned int part)
{
    uint64_t median = values[count / 2];

    return values[count / 2 + 1] - values[count / 2 - 1] <= median / part;
}

uint64_t tsc_calibrate(struct clock_reference *reference)
{
    uint64_t values[ROUND_MAX];
    unsigned int count = 0;

    if (!reference->start(reference))
        return 0;
    do {
        uint64_t hz = measure_round(reference);
        if (hz == 0)
            return 0;
        insert_sorted(values, count++, hz);
    } while (count < ROUND_COUNT ||
             (count < ROUND_MAX && !rounds_agree(values, count, AGREEMENT_PART)));
    return rounds_agree(values, count, DISTRUST_PART) ? values[count / 2] : 0;
}

/* SDM vol. 2A, CPUID leaf 15H; leaf 40000010H is VMware's, which KVM and others took over. */
uint64_t __init tsc_hz_from_cpuid(void)
{
    if (cpu_features.has_hypervisor && cpu_features.hypervisor_max_leaf >= 0x40000010) {
        uint64_t khz = cpuid_read(0x40000010, 0).eax;
        if (khz)
            return khz * 1000;
    }
    if (cpu_features.max_leaf >= 0x15) {
        struct cpuid leaf = cpuid_read(0x15, 0);
        if (leaf.eax && leaf.ebx && leaf.ecx)
            return (uint64_t)leaf.ecx * leaf.ebx / leaf.eax;
    }
    return 0;
}
