/*
 * Shutting down in order, then trying the ways to switch off or reset.
 */
#include "kernel/power/power.h"

#include "arch/cpu.h"
#include "arch/exit.h"
#include "kernel/log.h"
#include "kernel/sync/wait_queue.h"
#include "lib/atomic.h"

static atomic_bool is_going_down;
static DEFINE_WAIT_QUEUE(failed, "power off"); /* woken when is_going_down is false again */

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

/* Two sessions may ask at once: the second waits for what becomes of the first. */
static void shut_down(const char *what)
{
    while (atomic_exchange(&is_going_down, true)) {
        int error = wait_event_uncancellable(&failed, !atomic_load(&is_going_down), DEADLINE_NEVER);
        (void)error; /* without a deadline it ends one way */
    }
    run_hooks(SHUTDOWN_LOG);
    log_info("power", "%s", what);
    for (unsigned int level = SHUTDOWN_LOG + 1; level < SHUTDOWN_LEVEL_COUNT; level++)
        run_hooks((enum shutdown_level)level);
}

/* Returns when no method works. */
static void switch_off(void)
{
    const struct power_method *method = NULL;

    while ((method = next_method(method)) != NULL) {
        if (method->poweroff)
            method->poweroff();
    }
    log_error("power", "no way to switch off works here: it is safe to do so by hand, or reboot");
}

void power_off(void)
{
    shut_down("powering off");
    switch_off();
    atomic_store(&is_going_down, false);
    wake_all(&failed);
}

void power_exit(uint8_t code)
{
    shut_down("ending the emulator");
    emulator_exit(code);
    switch_off();
    power_reset_now(); /* a test run must end somehow */
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
