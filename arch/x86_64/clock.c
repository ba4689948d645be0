/*
 * The clock: kvmclock where the hypervisor has it, else the TSC at a frequency that was told or
 * measured, else the PIT.
 *
 * The TSC counts from the kernel's first instruction. Until its frequency is known it is read as if
 * it were faster than any is: time then runs slow, and jumps forward, never back, when the truth is
 * known. That CPUs agree is checked as each one starts (clock_sync_observe()).
 */
#include "arch/clock.h"

#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/smp.h"
#include "arch/x86_64/clock_internal.h"
#include "arch/x86_64/clock_sync.h"
#include "arch/x86_64/cpu_features.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/rtc.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/parameter.h"
#include "kernel/time/clock.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/string.h"

#define TSC_HZ_IMPOSSIBLE 10000000000ULL /* 10 GHz */

/* The PIT's counter goes round in 54.9 ms. */
#define PIT_READ_EVERY_NS (20 * NS_PER_MS)

enum clock_source {
    SOURCE_UNCALIBRATED,
    SOURCE_KVMCLOCK,
    SOURCE_TSC,
    SOURCE_PIT
};

static const char *const source_names[] = {
    [SOURCE_UNCALIBRATED] = "tsc (uncalibrated)",
    [SOURCE_KVMCLOCK] = "kvmclock",
    [SOURCE_TSC] = "tsc",
    [SOURCE_PIT] = "pit",
};

/* Written by the BSP during INIT_ARCH and INIT_CORE, const afterwards. */
static enum clock_source source;
static uint64_t first_cycles; /* TSC at the kernel's first instruction */
static struct clock_scale tsc_to_ns = { (CLOCK_NS_PER_S << 32) / TSC_HZ_IMPOSSIBLE };
static uint64_t tsc_hz;
static uint64_t source_origin_ns; /* what kvmclock or PIT said when the kernel's time was 0 */
static const char *tsc_hz_origin; /* who told the frequency */
static uint64_t wall_ns_at_boot;  /* corrected once more by the first interrupt of the RTC */

static enum clock_source wanted_source; /* SOURCE_UNCALIBRATED: the best there is */

void __init clock_start(uint64_t cycles)
{
    first_cycles = cycles;
}

static uint64_t tsc_read_ns(void)
{
    uint64_t cycles = cycles_ordered();

    /* A CPU whose TSC lags by a few cycles, right at the start. */
    return cycles > first_cycles ? clock_scale_apply(tsc_to_ns, cycles - first_cycles) : 0;
}

uint64_t clock_read_ns(void)
{
    switch (source) {
    case SOURCE_KVMCLOCK:
        return kvmclock_read_ns() - source_origin_ns;
    case SOURCE_PIT:
        return pit_clock_read_ns() - source_origin_ns;
    default:
        return clock_sync_never_back(tsc_read_ns());
    }
}

const char *clock_source_name(void)
{
    return source_names[source];
}

uint64_t clock_tsc_hz(void)
{
    return tsc_hz;
}

uint64_t clock_must_be_read_every_ns(void)
{
    return source == SOURCE_PIT ? PIT_READ_EVERY_NS : UINT64_MAX;
}

void clock_busy_wait_ns(uint64_t ns)
{
    uint64_t deadline = clock_read_ns() + ns;

    while (clock_read_ns() < deadline)
        cpu_relax();
}

uint64_t clock_wall_ns_at_boot(void)
{
    return READ_ONCE(wall_ns_at_boot);
}

static void use_tsc_frequency(uint64_t hz, const char *origin)
{
    tsc_hz = hz;
    tsc_hz_origin = origin;
    tsc_to_ns = clock_scale_to_ns(hz);
}

/* Goes on where the clock is now, however the new source counts. */
static void switch_source(enum clock_source to, uint64_t (*read)(void))
{
    uint64_t now = clock_read_ns();

    source_origin_ns = read() - now;
    source = to;
}

static bool is_wanted(enum clock_source candidate)
{
    return wanted_source == SOURCE_UNCALIBRATED || wanted_source == candidate;
}

static bool try_kvmclock(void)
{
    if (!is_wanted(SOURCE_KVMCLOCK) || !kvmclock_start())
        return false;
    use_tsc_frequency(kvmclock_tsc_hz(), "kvmclock");
    switch_source(SOURCE_KVMCLOCK, kvmclock_read_ns);
    wall_ns_at_boot = kvmclock_wall_ns();
    if (wall_ns_at_boot)
        wall_ns_at_boot += source_origin_ns;
    return true;
}

static bool try_tsc(struct clock_reference *reference)
{
    uint64_t hz = is_wanted(SOURCE_TSC) ? tsc_calibrate(reference) : 0;

    if (!hz)
        return false;
    use_tsc_frequency(hz, reference->name);
    source = SOURCE_TSC;
    return true;
}

static bool try_tsc_by_cpuid(void)
{
    uint64_t hz = is_wanted(SOURCE_TSC) ? tsc_hz_from_cpuid() : 0;

    if (!hz)
        return false;
    use_tsc_frequency(hz, "CPUID");
    source = SOURCE_TSC;
    return true;
}

static bool try_pit(void)
{
    if (!is_wanted(SOURCE_PIT) || !pit_reference.start(&pit_reference))
        return false;
    switch_source(SOURCE_PIT, pit_clock_read_ns);
    return true;
}

/* What needs neither memory nor ACPI. */
static int __init clock_early_init(void)
{
    if (!try_kvmclock() && !try_tsc_by_cpuid() && !try_tsc(&pit_reference))
        log_info("clock", "no PIT to measure the TSC against yet");
    return 0;
}
INIT_HOOK(clock_early_init, INIT_ARCH);

static void choose_late(void)
{
    if (source != SOURCE_UNCALIBRATED)
        return;
    if (try_tsc(&hpet_reference) || try_tsc(&lapic_reference) || try_pit())
        return;
    log_error("clock", "nothing to measure the TSC against: time is wrong");
    use_tsc_frequency(TSC_HZ_IMPOSSIBLE, "nobody");
    source = SOURCE_TSC;
}

/*
 * QEMU's RTC starts with a whole second when QEMU does (rtc_set_date_from_host() cuts the rest
 * off), and so is behind by half a second on average.
 */
static uint64_t rtc_correction(void)
{
    return cpu_features.has_hypervisor ? NS_PER_S / 2 : 0;
}

/* The RTC shows whole seconds; half of one is the best guess of what it hides. */
static void read_rtc(void)
{
    uint64_t rtc = rtc_read_ns();
    uint64_t now = clock_read_ns();

    if (rtc == 0)
        return;
    rtc += NS_PER_S / 2 + rtc_correction();
    wall_ns_at_boot = rtc - MIN(rtc, now);
}

/* A second of the RTC begins at this moment: now it hides nothing. */
static void align_to_rtc(uint64_t rtc)
{
    WRITE_ONCE(wall_ns_at_boot, rtc + rtc_correction() - clock_read_ns());
}

static int __init clock_align_init(void)
{
    if (wall_ns_at_boot && source != SOURCE_KVMCLOCK && rtc_call_at_next_second(align_to_rtc))
        log_info("clock", "the time of day may be off by half a second");
    return 0;
}
INIT_HOOK(clock_align_init, INIT_DRIVER);

/* Runs after apic_init: hooks of one level go by name. */
static int __init clock_init(void)
{
    choose_late();
    clock_event_cpu_init();
    if (wall_ns_at_boot == 0)
        read_rtc();
    if (tsc_hz)
        log_info("clock", "%s, TSC at %llu.%03llu MHz by %s", clock_source_name(),
                 (unsigned long long)(tsc_hz / 1000000), (unsigned long long)(tsc_hz / 1000 % 1000),
                 tsc_hz_origin);
    else
        log_info("clock", "%s", clock_source_name());
    return 0;
}
INIT_HOOK(clock_init, INIT_CORE);

void clock_cpu_init(void)
{
    if (source == SOURCE_KVMCLOCK)
        kvmclock_cpu_init();
    clock_event_cpu_init();
}

static int clock_parameter(const char *value)
{
    static const char *const names[] = { "auto", "kvmclock", "tsc", "pit" };

    for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            wanted_source = (enum clock_source)i;
            return 0;
        }
    }
    return -EINVAL;
}
PARAMETER(clock, "clock", "auto|kvmclock|tsc|pit", "which clock to use", clock_parameter);
