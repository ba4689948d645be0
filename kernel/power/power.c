/*
 * Shutting down in order, then trying the ways to switch off or reset.
 */
#include "kernel/power/power.h"

#include "arch/cpu.h"
#include "arch/exit.h"
#include "kernel/log.h"
#include "lib/atomic.h"

static atomic_bool is_going_down;

static void run_hooks(enum shutdown_level level)
{
    const struct shutdown_hook *hook;

    registry_for_each(hook, shutdown_hook) {
        if (hook->level == level)
            hook->run();
    }
}

/* The method that comes after @last in the order, @last NULL for the first. */
static const struct power_method *next_method(const struct power_method *last)
{
    const struct power_method *method;
    const struct power_method *next = NULL;

    registry_for_each(method, power_method) {
        if (last && method->order <= last->order)
            continue;
        if (!next || method->order < next->order)
            next = method;
    }
    return next;
}

/* Two sessions may ask at once: the second waits for the end of the first. */
static void shut_down(const char *what)
{
    if (atomic_exchange(&is_going_down, true))
        cpu_halt_forever();
    run_hooks(SHUTDOWN_LOG);
    log_info("power", "%s", what);
    for (unsigned int level = SHUTDOWN_LOG + 1; level < SHUTDOWN_LEVEL_COUNT; level++)
        run_hooks((enum shutdown_level)level);
}

static void __noreturn switch_off(void)
{
    const struct power_method *method = NULL;

    while ((method = next_method(method)) != NULL) {
        if (method->poweroff)
            method->poweroff();
    }
    log_error("power", "no way to switch off works here; it is safe to do so by hand");
    run_hooks(SHUTDOWN_CONSOLE);
    cpu_halt_forever();
}

void power_off(void)
{
    shut_down("powering off");
    switch_off();
}

void power_exit(uint8_t code)
{
    shut_down("ending the emulator");
    emulator_exit(code);
    switch_off();
}

void power_reset_now(void)
{
    const struct power_method *method = NULL;

    while ((method = next_method(method)) != NULL) {
        if (method->reset)
            method->reset();
    }
    cpu_reset();
}

void power_reboot(void)
{
    shut_down("rebooting");
    power_reset_now();
}
