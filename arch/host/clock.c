/*
 * Virtual time and its one event.
 */
#include "arch/clock.h"

#include "arch/cpu.h"
#include "arch/host/host.h"
#include "arch/host/host_internal.h"
#include "arch/irq.h"

#define START_NS   1000000ULL /* the kernel's first instruction was a little ago */
#define RELAX_NS   1000ULL    /* one turn of a spin loop */
#define WALL_START 1700000000000000000ULL
#define TIME_LIMIT (100ULL * 86400 * 1000000000)

static uint64_t now_ns = START_NS;
static uint64_t event_ns = UINT64_MAX;
static uint64_t limit_ns = TIME_LIMIT;

void host_clock_reset(void)
{
    now_ns = START_NS;
    event_ns = UINT64_MAX;
    limit_ns = TIME_LIMIT;
}

void host_set_time_limit(uint64_t deadline_ns)
{
    limit_ns = deadline_ns;
}

uint64_t clock_read_ns(void)
{
    return now_ns;
}

const char *clock_source_name(void)
{
    return "virtual";
}

uint64_t clock_wall_ns_at_boot(void)
{
    return WALL_START;
}

uint64_t host_cycle_counter(void)
{
    return now_ns;
}

void clock_event_set(uint64_t deadline_ns)
{
    event_ns = deadline_ns;
}

uint64_t host_clock_next_event(void)
{
    return event_ns;
}

bool host_clock_event_is_due(void)
{
    if (event_ns > now_ns)
        return false;
    event_ns = UINT64_MAX;
    return true;
}

bool host_clock_jump(void)
{
    if (event_ns == UINT64_MAX)
        return false;
    if (event_ns > now_ns)
        now_ns = event_ns;
    if (now_ns > limit_ns)
        host_fail("virtual time is up: %llu s", (unsigned long long)(now_ns / 1000000000));
    return true;
}

void host_clock_add(uint64_t ns)
{
    now_ns += ns;
    if (irq_is_enabled())
        host_irq_enabled();
}

void clock_busy_wait_ns(uint64_t ns)
{
    host_clock_add(ns);
}

void host_relax(void)
{
    host_clock_add(RELAX_NS);
}
