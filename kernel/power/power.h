/*
 * Switching the machine off, and on again.
 *
 * What must happen before is registered where it belongs:
 *
 *     static void vfs_shutdown(void) { ... sync, with a deadline of its own ... }
 *     SHUTDOWN_HOOK(vfs_shutdown, SHUTDOWN_FILES);
 *
 * and so are the ways to do it (POWER_METHOD), which are tried in their order until one works.
 */
#pragma once

#include <stdint.h>

#include "lib/compiler.h"
#include "lib/registry.h"

enum shutdown_level {
    SHUTDOWN_LOG,     /* the log comes back to the consoles */
    SHUTDOWN_SERVICE, /* network services end */
    SHUTDOWN_FILES,   /* file systems are synced and detached */
    SHUTDOWN_DEVICE,  /* disks flush their caches */
    SHUTDOWN_CONSOLE, /* the last lines get out */
    SHUTDOWN_LEVEL_COUNT
};

struct shutdown_hook {
    const char *name;
    void (*run)(void); /* task context; ends in bounded time; logs its own errors */
    enum shutdown_level level;
};

#define SHUTDOWN_HOOK(function, level_)                                                            \
    REGISTRY_ENTRY(shutdown_hook, function##_shutdown_hook,                                        \
                   { .name = #function, .run = (function), .level = (level_) })

struct power_method {
    const char *name;
    unsigned int order; /* lower ones are tried first */
    /* Both: any context, also after a panic: no locks, no sleeping. They return when it did not
     * work, after a bounded wait. Each is optional. */
    void (*poweroff)(void);
    void (*reset)(void);
};

#define POWER_METHOD(symbol, ...) REGISTRY_ENTRY(power_method, symbol, __VA_ARGS__)

/**
 * power_off() - shut down and switch off. Context: task.
 * Returns only when no method works, with a line in the log; the file systems are detached then.
 */
void power_off(void);

/** power_reboot() - shut down and reset. Context: task. */
void __noreturn power_reboot(void);

/**
 * power_exit() - shut down and end the emulator with @code (arch/exit.h)
 * Switches off where there is no emulator to tell. Task.
 */
void __noreturn power_exit(uint8_t code);

/** power_reset_now() - reset at once, without shutting down: for panic. Any context. */
void __noreturn power_reset_now(void);
